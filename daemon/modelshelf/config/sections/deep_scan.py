"""`deep_scan`: when and how files are read from end to end that nobody waits for."""

import ipaddress
import re
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from modelshelf.config.sections.section import Section
from modelshelf.config.sections.values import Seconds, parse_size, texts
from modelshelf.domain.window import parse_windows

MOST_WORKERS = 64
_SCHEDULER = re.compile(r"(tcp|tls)://(\[[0-9a-f:.]+\]|[a-z0-9.-]+):([0-9]{1,5})", re.IGNORECASE)
_CERTIFICATES = [f"distributed.comm.tls.{name}" for name in ("ca-file", "client.cert", "client.key")]


class Missed(StrEnum):
    """What becomes of a time that the machine slept through, or was off."""

    RUN = "run"
    SKIP = "skip"


class Engine(StrEnum):
    """Who reads the chunks."""

    LOCAL = "local"
    DASK = "dask"


def _size(value: Any) -> int:
    size_bytes = parse_size(value)
    if size_bytes is None:
        raise ValueError("must be a size: bytes, or a number with a unit such as 500 MB, 15 GB, 15 GiB")
    return size_bytes


def _rate(value: Any) -> int:
    """Give bytes a second from `50 MB/s`, or a size that is meant so; 0 for off, so that a folder can say it over another."""
    if value is False or (isinstance(value, str) and value.strip().lower() in {"off", "none"}):
        return 0
    text = re.sub(r"\s*/\s*s(ec|econd)?$", "", value.strip()) if isinstance(value, str) else value
    try:
        return _size(text)
    except ValueError as error:
        raise ValueError("must be a rate: bytes a second, or a number with a unit such as 50 MB/s; or off") from error


def _windows(value: tuple[str, ...]) -> tuple[str, ...]:
    parse_windows(value)
    return value


def _degrees(value: Any) -> Any:
    return re.sub(r"\s*°?\s*[cC]$", "", value) if isinstance(value, str) else value


def _percent(value: Any) -> Any:
    return value.strip().removesuffix("%") if isinstance(value, str) else value


def _scheduler(value: str) -> str:
    match = _SCHEDULER.fullmatch(value)
    if match is None:
        raise ValueError("must be an address such as tcp://127.0.0.1:8786 or tls://nas.lan:8786")
    if match[1].lower() == "tcp" and not _is_here(match[2].strip("[]")):
        raise ValueError(
            "must begin with tls:// where it is another machine: whoever reaches a scheduler runs programs there"
        )
    return value.lower()


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _demand_cluster(scheduler: str) -> None:
    """Raise ValueError where Dask is not installed, or has no certificates for a scheduler that asks for them."""
    if find_spec("distributed") is None:
        raise ValueError("engine: dask needs Dask; pip install 'modelshelf[cluster]'")
    if scheduler.startswith("tls:"):
        dask_config: Any = import_module("dask.config")
        dask_config.refresh()
        missing = [name for name in _CERTIFICATES if not dask_config.get(name, default=None)]
        if missing:
            raise ValueError(f"scheduler: tls:// needs {', '.join(missing)} in Dask's own configuration")


_RATE_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}, {"const": False}]}
_SIZE_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}

Rate = Annotated[int, PlainValidator(_rate), PlainSerializer(lambda rate: rate or "off"), WithJsonSchema(_RATE_SCHEMA)]
ChunkSize = Annotated[int, PlainValidator(_size), WithJsonSchema(_SIZE_SCHEMA)]
WindowTexts = Annotated[tuple[str, ...], AfterValidator(_windows), BeforeValidator(texts)]
Celsius = Annotated[float, BeforeValidator(_degrees)]
Percent = Annotated[float, BeforeValidator(_percent)]


class FolderDeepScan(Section):
    """`input_paths.ID.deep_scan`: what is otherwise in one folder."""

    background: bool | None = Field(default=None, description="As `deep_scan.background`, for this folder")
    window: WindowTexts | None = Field(
        default=None, description="As `deep_scan.window`, for this folder; `[]`: at any time"
    )
    rate_limit: Rate | None = Field(
        default=None, description="As `deep_scan.rate_limit`, for this folder; `off`: as fast as it goes"
    )
    rate_limit_outside_window: Rate | None = Field(
        default=None, description="As `deep_scan.rate_limit_outside_window`, for this folder; `off`: nothing"
    )
    max_workers: int | None = Field(
        default=None,
        ge=1,
        le=MOST_WORKERS,
        description="As `deep_scan.max_workers`, for the disk on which this folder lies",
    )


class DeepScan(Section):
    """`deep_scan`. What was dropped, and what a person asks for, is read at once whatever stands here."""

    background: bool = Field(
        default=True,
        description="Read by itself what is new; `false`: on demand only, for a person or a job of type `deep-scan` or `verify`",
    )
    window: WindowTexts = Field(
        default=(),
        description="When it may be read, such as `01:00-06:00`, `sat,sun 00:00-24:00`, or a list of these; default at any time",
    )
    missed: Missed = Field(
        default=Missed.SKIP,
        description="A window that the machine slept through: `skip`, or `run`: open as soon as it wakes, for as long as it was",
    )
    rate_limit: Rate | None = Field(
        default=None, description="Most bytes a second that are read of one disk (`50 MB/s`); default no limit"
    )
    rate_limit_outside_window: Rate | None = Field(
        default=None, description="Outside its window go on, but at this rate; default nothing is read then"
    )
    pause_on_battery: bool = Field(default=True, description="Pause while the machine runs on its battery")
    pause_above_celsius: Celsius | None = Field(
        default=None, ge=20, le=150, description="Pause while the processor is hotter, until it is 5 degrees cooler"
    )
    pause_above_pressure: Percent | None = Field(
        default=None,
        gt=0,
        le=100,
        description="Pause, 5 min at most, while programs wait for disks in more than so many percent of the time; try 40",
    )
    chunk_size: ChunkSize = Field(
        default=100_000_000_000, description="Most bytes that are read in one go, of several files"
    )
    max_files: int = Field(default=5000, ge=1, description="Most files that are read in one go")
    fast_start: bool = Field(
        default=False,
        description="Begin at once, without weighing first what is owed; disks may finish at different times",
    )
    analysis_limit: Seconds = Field(
        default=60,
        gt=0,
        description="How long may be weighed what is owed; what was not looked at by then is planned later",
    )
    max_workers: int | None = Field(
        default=None,
        ge=1,
        le=MOST_WORKERS,
        description="How many read of one disk at once; default found out by measuring, with `engine: dask` 4",
    )
    stall: Seconds = Field(
        default=300,
        ge=10,
        description="A reader that gives no sign of life for so long is ended, and the file tried again",
    )
    engine: Engine = Field(
        default=Engine.LOCAL, description="Who reads: `local`, or `dask`: the workers of a Dask cluster"
    )
    scheduler: Annotated[str, AfterValidator(_scheduler)] | None = Field(
        default=None, description="Address of Dask's scheduler: `tcp://127.0.0.1:8786` here, `tls://` elsewhere"
    )

    @model_validator(mode="after")
    def _demand_scheduler(self) -> Self:
        if self.engine is Engine.DASK and self.scheduler is None:
            raise ValueError("scheduler is missing; engine: dask needs its address")
        if self.engine is Engine.DASK and self.scheduler is not None:
            _demand_cluster(self.scheduler)
        return self
