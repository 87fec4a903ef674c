"""What the client is told when it is built."""

from __future__ import annotations

from dataclasses import dataclass, field

from modelshelf import __version__


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How to reach Civitai. `deadline_seconds` bounds one request with its redirects and its whole body.

    The default `user_agent` avoids the words (mozilla, chrome, safari, firefox, opera, edge) by which Civitai
    recognises browsers and sends them to a login page. Civitai publishes no limit; CivitScraper's 100 a minute has proven
    bearable. With `is_outgoing_forbidden` nothing ever leaves this machine.
    """

    base_url: str = "https://civitai.com/api/v1"
    key: str | None = field(default=None, repr=False)
    timeout_seconds: float = 30
    user_agent: str = f"modelshelf/{__version__}"
    max_body_bytes: int = 32 * 1024 * 1024
    rate_limit_per_minute: int | None = 100
    is_outgoing_forbidden: bool = False
    deadline_seconds: float = 300
