"""What folders and the Civitai client are told: plain values out of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.civitai.settings import AdaptiveBatch, BreakerSettings, CacheSettings, ClientSettings
from modelshelf.shelf.intake import Intake
from modelshelf.steps.place import Place

if TYPE_CHECKING:
    from modelshelf.config import Config
    from modelshelf.domain.folder import Folder
    from modelshelf.shelf.devices import DeviceTraits

LOCAL_DELAY_SECONDS = 5.0
REMOTE_DELAY_SECONDS = 30.0

DEADLINE_TIMEOUTS = 4
"""So many timeouts a whole answer may take, however steadily it drips."""


def make_place(config: Config, folder: Folder, traits: DeviceTraits) -> Place:
    """Gather what steps need to know of a folder."""
    delay = LOCAL_DELAY_SECONDS if traits.is_local else REMOTE_DELAY_SECONDS
    return Place(
        folder=folder,
        intake=Intake(folder),
        traits=traits,
        output=config.output_for(folder.id),
        stability_delay_seconds=folder.stability_delay_seconds if folder.stability_delay_seconds is not None else delay,
        is_described_skipped=config.is_described_skipped(folder.id),
    )


def client_settings(config: Config) -> ClientSettings:
    """Give what the Civitai client needs; the key leaves the configuration only here."""
    api, scanner = config.file.api, config.file.scanner
    breaker, sizes = api.batch.circuit_breaker, api.batch.adaptive_batch
    model_validity = scanner.version_cache_validity
    return ClientSettings(
        base_url=api.base_url,
        key=config.api_key,
        timeout_seconds=api.timeout,
        deadline_seconds=DEADLINE_TIMEOUTS * api.timeout,
        user_agent=api.user_agent_text,
        rate_limit_per_minute=api.batch.rate_limit,
        is_outgoing_forbidden=config.is_offline,
        retry_delay_seconds=api.batch.retry_delay / 1000,
        breaker=BreakerSettings(breaker.failure_threshold, breaker.reset_timeout),
        adaptive_batch=AdaptiveBatch(
            min(sizes.min_size, sizes.max_size), sizes.max_size, sizes.scale_up_rate, sizes.scale_down_rate
        ),
        cache=CacheSettings(
            directory=scanner.cache_dir or config.state_directory,
            memory_count=api.batch.cache_size,
            validity_seconds=scanner.cache_validity,
            model_validity_seconds=scanner.cache_validity if model_validity is None else model_validity,
        ),
    )
