"""What the configuration says of Civitai is what the client is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.civitai.settings import AdaptiveBatch, BreakerSettings, CacheSettings, ClientSettings
from modelshelf.config import Config, load_config
from modelshelf.settings import client_settings

if TYPE_CHECKING:
    from pathlib import Path


def load(tmp_path: Path, text: str = "") -> Config:
    file = tmp_path / "modelshelf.yaml"
    file.write_text(f"{text}\nstore: {{directory: {tmp_path}/state}}\ninput_paths: {{a: {{path: {tmp_path}/a}}}}\n")
    return load_config(file, {"HOME": str(tmp_path)})


def test_by_default_the_client_is_told_its_own_defaults_and_keeps_answers_in_the_state_directory(
    tmp_path: Path,
) -> None:
    settings = client_settings(load(tmp_path))
    told = (settings.breaker, settings.adaptive_batch, settings.retry_delay_seconds, settings.rate_limit_per_minute)
    own = ClientSettings()
    assert told == (own.breaker, own.adaptive_batch, own.retry_delay_seconds, own.rate_limit_per_minute)
    assert settings.cache == CacheSettings(tmp_path / "state", 100, 86_400, 86_400)


def test_every_key_of_civitscraper_reaches_the_client(tmp_path: Path) -> None:
    settings = client_settings(
        load(
            tmp_path,
            """
api:
  key: "0123456789abcdef"
  base_url: https://mirror.example.org/api/v1
  timeout: 7
  batch:
    rate_limit: 50
    retry_delay: 2500
    cache_size: 7
    circuit_breaker: {failure_threshold: 2, reset_timeout: 5 min}
    adaptive_batch: {min_size: 2, max_size: 50, scale_up_rate: 0.9, scale_down_rate: 0.4}
scanner:
  cache_dir: .civitscraper_cache
  cache_validity: 1 h
  version_cache_validity: 1 week
offline: true
""",
        )
    )
    assert settings.base_url == "https://mirror.example.org/api/v1"
    assert settings.key == "0123456789abcdef"
    assert (settings.timeout_seconds, settings.deadline_seconds) == (7, 28)
    assert settings.rate_limit_per_minute == 50
    assert settings.retry_delay_seconds == 2.5
    assert settings.breaker == BreakerSettings(2, 300)
    assert settings.adaptive_batch == AdaptiveBatch(2, 50, 0.9, 0.4)
    assert settings.cache == CacheSettings(tmp_path / ".civitscraper_cache", 7, 3600, 604_800)
    assert settings.is_outgoing_forbidden


def test_a_small_greatest_batch_needs_no_smaller_least_one_written(tmp_path: Path) -> None:
    settings = client_settings(load(tmp_path, "api: {batch: {adaptive_batch: {max_size: 10}}}"))
    assert settings.adaptive_batch == AdaptiveBatch(10, 10)


def test_an_answer_that_never_holds_is_asked_for_each_time(tmp_path: Path) -> None:
    settings = client_settings(load(tmp_path, "scanner: {cache_validity: 1 h, version_cache_validity: 0}"))
    assert (settings.cache.validity_seconds, settings.cache.model_validity_seconds) == (3600, 0)
