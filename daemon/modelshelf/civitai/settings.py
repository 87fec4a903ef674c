"""What the client is told when it is built."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelshelf import __version__

if TYPE_CHECKING:
    from pathlib import Path

DAY_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """After how many failures in a row an endpoint is left alone, and for how long before one question tries it again."""

    failure_threshold: int = 5
    reset_seconds: float = 60


@dataclass(frozen=True, slots=True)
class AdaptiveBatch:
    """How many hashes one request asks for: the bounds, and the shares of successes that let it grow or shrink."""

    min_size: int = 25
    max_size: int = 100
    scale_up_rate: float = 0.95
    scale_down_rate: float = 0.5


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where and for how long answers are kept; without a `directory` and with a count of 0 nothing is.

    Records of models go stale sooner or later than those of a version: versions are added to them.
    """

    directory: Path | None = None
    memory_count: int = 0
    validity_seconds: float = DAY_SECONDS
    model_validity_seconds: float = DAY_SECONDS


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How to reach Civitai. `deadline_seconds` bounds one request with its redirects and its whole body.

    The default `user_agent` avoids the words (mozilla, chrome, safari, firefox, opera, edge) by which Civitai
    recognises browsers and sends them to a login page. Civitai publishes no limit; CivitScraper's 100 a minute has proven
    bearable. With `is_outgoing_forbidden` nothing ever leaves this machine. `retry_delay_seconds` is what the worker's
    waits begin with after a question that failed.
    """

    base_url: str = "https://civitai.com/api/v1"
    key: str | None = field(default=None, repr=False)
    timeout_seconds: float = 30
    user_agent: str = f"modelshelf/{__version__}"
    max_body_bytes: int = 32 * 1024 * 1024
    rate_limit_per_minute: int | None = 100
    is_outgoing_forbidden: bool = False
    deadline_seconds: float = 300
    retry_delay_seconds: float = 1
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    adaptive_batch: AdaptiveBatch = field(default_factory=AdaptiveBatch)
    cache: CacheSettings = field(default_factory=CacheSettings)
