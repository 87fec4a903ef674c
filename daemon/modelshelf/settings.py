"""What folders, the Civitai client and the reading in bulk are told: plain values out of the configuration."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.civitai.settings import AdaptiveBatch, BreakerSettings, CacheSettings, ClientSettings
from modelshelf.config.sections.deep_scan import Engine, Missed
from modelshelf.domain.chunk import ChunkLimits
from modelshelf.domain.job import Appointment
from modelshelf.domain.window import Windows, parse_windows
from modelshelf.gallery.content import Sites
from modelshelf.shelf.intake import Intake
from modelshelf.shelf.pressure import Gauges
from modelshelf.steps.place import Place
from modelshelf.worker.chunk_process import ChunkProcess
from modelshelf.worker.cluster_reader import Cluster, ClusterReader
from modelshelf.worker.leave import Leave, Terms
from modelshelf.worker.restraint import Restraint, RestraintLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import tzinfo

    from modelshelf.clock import Clock
    from modelshelf.config import Config, Job
    from modelshelf.domain.folder import Folder
    from modelshelf.shelf.devices import DeviceTraits
    from modelshelf.steps.place import Places
    from modelshelf.worker.hall import Hall
    from modelshelf.worker.outputs import Outputs
    from modelshelf.worker.reader import Reader

LOCAL_DELAY_SECONDS = 5.0
REMOTE_DELAY_SECONDS = 30.0

CLUSTER_READERS = 4
"""So many files of one device a cluster gets at once: how many its hosts read of them at a time, their threads say."""

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


def appointments(config: Config) -> list[Appointment]:
    """Give every job that runs by itself, with when."""
    return [appointment(config, job) for job in config.jobs if job.schedule is not None]


def appointment(config: Config, job: Job) -> Appointment:
    """Give a job as the calendar and the steps need it."""
    schedule = job.schedule
    return Appointment(
        job_name=job.name,
        deeds=job.deeds,
        cron=schedule.cron if schedule else None,
        interval=_span(schedule.interval_seconds) if schedule else None,
        lull=_span(schedule.lull_seconds) if schedule else None,
        is_missed_run=job.is_missed_run,
        verification=config.file.verify.to_settings(),
    )


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def make_leave(
    config: Config,
    clock: Clock,
    zone: tzinfo,
    folders_on: Callable[[str], Collection[str]],
    ordered: Callable[[], Collection[str]],
) -> Leave:
    """Give what says when bulk reading has leave; see `Leave` for the two that it asks."""
    return Leave(
        leave_terms(config, zone),
        Restraint(restraint_limits(config), Gauges(), clock),
        is_missed_made_up=config.file.deep_scan.missed is Missed.RUN,
        folders_on=folders_on,
        ordered=ordered,
    )


def leave_terms(config: Config, zone: tzinfo) -> dict[str, Terms]:
    """Give what the bulk reading of each folder is bound to; windows are read by the clock on the wall of `zone`."""
    return {folder_id: _terms(config, folder_id, zone) for folder_id in config.file.input_paths}


def _terms(config: Config, folder_id: str, zone: tzinfo) -> Terms:
    wanted = config.deep_scan_of(folder_id)
    windows = parse_windows(wanted.window)
    return Terms(
        has_background=wanted.background,
        windows=Windows(windows, zone) if windows else None,
        rate=wanted.rate_limit or None,
        outside_rate=wanted.rate_limit_outside_window or None,
        readers=wanted.max_workers or (CLUSTER_READERS if config.file.deep_scan.engine is Engine.DASK else None),
    )


def restraint_limits(config: Config) -> RestraintLimits:
    """Give for what of the machine's sake bulk reading pauses."""
    wanted = config.file.deep_scan
    return RestraintLimits(wanted.pause_on_battery, wanted.pause_above_celsius, wanted.pause_above_pressure)


def chunk_limits(config: Config) -> ChunkLimits:
    """Give how bulk reading is cut into chunks."""
    wanted = config.file.deep_scan
    return ChunkLimits(
        size_bytes=wanted.chunk_size,
        files=wanted.max_files,
        is_fast_start=wanted.fast_start,
        analysis_seconds=wanted.analysis_limit,
    )


def make_reader(config: Config, places: Places, hall: Hall, outputs: Outputs) -> Reader:
    """Make who reads in bulk for one worker: a process here, or a cluster."""
    wanted = config.file.deep_scan
    if wanted.engine is not Engine.DASK or wanted.scheduler is None:
        return ChunkProcess(outputs, wanted.stall, hall.speeds.threads)
    cluster = Cluster(
        scheduler=wanted.scheduler,
        roots=lambda: {place.folder.id: place.root for place in [*places.values()]},
        is_held=lambda folder_id: bool(hall.leave.held([folder_id], hall.clock.now())),
        outputs=outputs,
        stall_seconds=wanted.stall,
    )
    return ClusterReader(cluster)


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


def page_sites(config: Config) -> Sites:
    """Give the hosts that a model's page leads to."""
    domains = config.file.api.domains
    return Sites(domains.sfw, domains.nsfw)
