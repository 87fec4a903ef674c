"""What the configuration says of Civitai, of jobs and of reading in bulk is what the rooms are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from modelshelf.civitai.settings import AdaptiveBatch, BreakerSettings, CacheSettings, ClientSettings
from modelshelf.config import Config, load_config
from modelshelf.domain.chunk import ChunkLimits
from modelshelf.domain.job import Appointment, Deed, JobKind
from modelshelf.domain.verification import Measure, Share, VerifySettings
from modelshelf.domain.window import Windows, parse_windows
from modelshelf.gallery.content import Sites
from modelshelf.settings import (
    appointments,
    chunk_limits,
    client_settings,
    leave_terms,
    make_leave,
    make_reader,
    page_sites,
    restraint_limits,
)
from modelshelf.worker.chunk_process import ChunkProcess
from modelshelf.worker.cluster_reader import ClusterReader
from modelshelf.worker.leave import Leave, Terms
from modelshelf.worker.outputs import Outputs
from modelshelf.worker.restraint import RestraintLimits
from tests.fakes.clock import FakeClock
from tests.unit.steps.step_shelf import StepShelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[StepShelf]:
    made = StepShelf(tmp_path)
    yield made
    made.close()


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


def test_pages_lead_to_the_sites_that_are_configured(tmp_path: Path) -> None:
    assert page_sites(load(tmp_path)) == Sites()
    sites = "api: {domains: {sfw: mirror.example, nsfw: red.example}}"
    assert page_sites(load(tmp_path, sites)) == Sites("mirror.example", "red.example")


def test_a_folder_s_terms_are_its_own_and_what_holds_for_all(tmp_path: Path) -> None:
    config = load(
        tmp_path, "deep_scan: {window: '01:00-06:00', rate_limit: 50 MB/s, rate_limit_outside_window: 1 MB/s}"
    )
    night = Windows(parse_windows(["01:00-06:00"]), BERLIN)
    terms = Terms(windows=night, rate=50_000_000, outside_rate=1_000_000)
    assert leave_terms(config, BERLIN) == {"a": terms}
    assert leave_terms(load(tmp_path), BERLIN) == {"a": Terms()}
    config = load(tmp_path, "deep_scan: {rate_limit: off, rate_limit_outside_window: off}")
    assert leave_terms(config, BERLIN) == {"a": Terms()}


def test_windows_missed_are_made_up_for_where_that_is_wished(tmp_path: Path) -> None:
    for missed, is_made_up in (("run", True), ("skip", False)):
        config = load(tmp_path, f"deep_scan: {{window: '01:00-06:00', missed: {missed}}}")
        leave = make_leave(config, FakeClock(), UTC, lambda _: ["a"], lambda: ())
        leave.make_up_for(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 20, 9, tzinfo=UTC))
        assert (not leave.held(["a"], datetime(2026, 11, 20, 10, tzinfo=UTC))) is is_made_up


def test_what_the_machine_is_spared_for_is_what_was_said(tmp_path: Path) -> None:
    assert restraint_limits(load(tmp_path)) == RestraintLimits()
    text = "deep_scan: {pause_on_battery: false, pause_above_celsius: 80, pause_above_pressure: 40}"
    assert restraint_limits(load(tmp_path, text)) == RestraintLimits(
        is_paused_on_battery=False, max_celsius=80, max_io_share=40
    )


def test_chunks_are_cut_as_was_said(tmp_path: Path) -> None:
    assert chunk_limits(load(tmp_path)) == ChunkLimits(analysis_seconds=60)
    text = "deep_scan: {chunk_size: 2 GB, max_files: 7, fast_start: true, analysis_limit: 5}"
    limits = ChunkLimits(size_bytes=2_000_000_000, files=7, is_fast_start=True, analysis_seconds=5)
    assert chunk_limits(load(tmp_path, text)) == limits


def test_only_jobs_with_a_schedule_have_an_appointment(tmp_path: Path) -> None:
    text = """
jobs:
  nightly: {type: verify, schedule: "0 2 * * *", missed: skip}
  often: {actions: [{type: scan-paths, paths: a, force_refresh: true}, {type: build-gallery}], schedule: every 6h}
  quiet: {type: check-updates, schedule: idle 1h}
  by-hand: {type: deep-scan}
verify: {per_night: 200 GB}
"""
    verification = VerifySettings(Share(200_000_000_000, Measure.BYTES))
    scan, gallery = Deed(JobKind.SCAN_PATHS, ("a",), is_forced=True), Deed(JobKind.BUILD_GALLERY, ("a",))
    updates = (Deed(JobKind.CHECK_UPDATES, ("a",)),)
    assert appointments(load(tmp_path, text)) == [
        Appointment(
            "nightly",
            (Deed(JobKind.VERIFY, ("a",)),),
            cron="0 2 * * *",
            is_missed_run=False,
            verification=verification,
        ),
        Appointment("often", (scan, gallery), interval=timedelta(hours=6), verification=verification),
        Appointment("quiet", updates, lull=timedelta(hours=1), verification=verification),
    ]


def test_who_reads_in_bulk_is_a_process_here_or_a_cluster(shelf: StepShelf, tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "outputs", shelf.clock)
    assert type(make_reader(load(tmp_path), shelf.places, shelf.hall, outputs)) is ChunkProcess
    config = load(tmp_path, "deep_scan: {engine: dask, scheduler: 'tcp://127.0.0.1:8786', stall: 90}")
    held = Leave({"loras": Terms(has_background=False)})
    reader = make_reader(config, shelf.places, replace(shelf.hall, leave=held), outputs)
    assert isinstance(reader, ClusterReader)
    cluster = reader._cluster
    assert (cluster.scheduler, cluster.outputs, cluster.stall_seconds) == ("tcp://127.0.0.1:8786", outputs, 90)
    assert cluster.roots() == {"loras": shelf.path("")}
    assert [cluster.is_held(each) for each in ("loras", "another")] == [True, False]


def test_a_cluster_gets_several_files_of_a_device_at_once(tmp_path: Path) -> None:
    engine = "engine: dask, scheduler: 'tcp://127.0.0.1:8786'"
    for text, readers in ((engine, 4), (f"{engine}, max_workers: 9", 9), ("max_workers: 2", 2), ("", None)):
        assert leave_terms(load(tmp_path, f"deep_scan: {{{text}}}"), BERLIN)["a"].readers == readers
