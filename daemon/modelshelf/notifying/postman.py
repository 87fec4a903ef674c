"""The process that carries one message to one target and ends: `python -m modelshelf.notifying.postman`.

apprise costs 12 MB and a tenth of a second, and a service of its hundred that hangs can only be ended from outside. The
order comes on standard input, for a command line can be read by everybody.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from io import StringIO
from urllib.parse import unquote

SHORTEST_SECRET = 4


def main() -> None:
    """Read the order, carry it out, and say how it went."""
    order = json.load(sys.stdin)
    print(json.dumps(deliver(order["target"], order["subject"], order["body"])))  # noqa: T201 -- the answer


def deliver(target: str, subject: str, body: str) -> dict[str, object]:
    """Tell one target; gives whether it took the message, the server's name where that is no secret, and why it did not."""
    import apprise  # noqa: PLC0415 -- an extra, and this process is its only user

    plugin = apprise.Apprise.instantiate(target)
    if plugin is None:
        return {"is_sent": False, "host": None, "reason": "apprise cannot make anything of this target"}
    host = server_name(plugin)
    outlet = apprise.Apprise()
    outlet.add(plugin)
    heard = StringIO()
    logging.getLogger("apprise").addHandler(logging.StreamHandler(heard))
    is_sent = bool(outlet.notify(body, subject, body_format=apprise.NotifyFormat.TEXT))
    return {"is_sent": is_sent, "host": host, "reason": mask(" ".join(heard.getvalue().split()), target, host)}


def server_name(plugin: object) -> str | None:
    """Give the server that a target is on; None where the address has a token or a topic in that place."""
    described = getattr(plugin, "template_tokens", {}).get("host")
    host = getattr(plugin, "host", None)
    if described is None or described.get("private") or not isinstance(host, str):
        return None
    return host if host == "localhost" or "." in host or ":" in host else None


def mask(text: str, target: str, host: str | None) -> str:
    """Give `text` without any part of the target's address but its scheme and server."""
    scheme, _, rest = target.partition("://")
    parts = {unquote(part) for part in re.split(r"[/:@?&=,;#]+", rest)} | {rest, unquote(rest)}
    open_parts = {scheme, host, *(host or "").split(":")}
    for part in sorted(parts - open_parts, key=len, reverse=True):
        if len(part) >= SHORTEST_SECRET:
            text = text.replace(part, "***")
    return text


if __name__ == "__main__":
    main()
