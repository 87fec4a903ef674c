"""What systemd is told: readiness, status and the heartbeat, over `$NOTIFY_SOCKET` (sd_notify(3)).

Plain sockets, because systemd-python needs a compiler to install. Without a socket every function here does nothing, and
none of them ever raises: a daemon must not die of telling how it is.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable

if TYPE_CHECKING:
    from collections.abc import Mapping

SEND_TIMEOUT_SECONDS = 1.0


def notify(**fields: str) -> None:
    """Send fields such as ``READY="1"`` in one datagram; a line feed in a value cannot forge a second field."""
    address = _address(os.environ.get("NOTIFY_SOCKET", ""))
    if address is None:
        return
    lines = [f"{name}={readable(value.encode('utf-8', 'backslashreplace'))}" for name, value in fields.items()]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.settimeout(SEND_TIMEOUT_SECONDS)
        channel.sendto("\n".join(lines).encode(), address)


def is_heard() -> bool:
    """Tell whether anybody listens, so that nothing need be found out for nobody."""
    return _address(os.environ.get("NOTIFY_SOCKET", "")) is not None


def ready() -> None:
    """Say that start-up, or a reload, is done."""
    notify(READY="1")


def stopping() -> None:
    """Say that the daemon is on its way out."""
    notify(STOPPING="1")


def reloading() -> None:
    """Say that the configuration is read again; `ready` ends it.

    MONOTONIC_USEC is what ``Type=notify-reload`` (systemd 253) asks for; older ones ignore it.
    """
    notify(RELOADING="1", MONOTONIC_USEC=str(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000))


def status(text: str) -> None:
    """Set the line that ``systemctl status`` shows."""
    notify(STATUS=text)


def heartbeat() -> None:
    """Say that the daemon is alive; only after its parts were asked."""
    notify(WATCHDOG="1")


def extend_timeout(seconds: float) -> None:
    """Ask for `seconds` more before a slow start or stop counts as hung."""
    notify(EXTEND_TIMEOUT_USEC=str(round(seconds * 1_000_000)))


def watchdog_interval_seconds(environment: Mapping[str, str]) -> float | None:
    """Give how often `heartbeat` is due, half of what systemd allows; None where it does not wait for this process."""
    try:
        allowed_microseconds = int(environment.get("WATCHDOG_USEC", ""))
        expected_process = int(environment.get("WATCHDOG_PID") or os.getpid())
    except ValueError:
        return None
    if allowed_microseconds <= 0 or expected_process != os.getpid():
        return None
    return allowed_microseconds / 1_000_000 / 2


def _address(text: str) -> bytes | None:
    if text.startswith("@"):
        return b"\0" + os.fsencode(text[1:])
    return os.fsencode(text) if text.startswith("/") else None
