"""`logging`: what is logged where."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from modelshelf.config.sections.section import Section
from modelshelf.config.sections.values import AbsolutePath, upper
from modelshelf.logs import LogFile, LogFormat, LogSettings, level_number

Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(upper)]


class Console(Section):
    """`logging.console`."""

    enabled: bool = Field(default=True, description="Log to the terminal or the journal")
    level: Level | None = Field(default=None, description="Least urgent level there; default `logging.level`")
    simple: bool = Field(default=False, description="Leave time and origin out of console lines")


class File(Section):
    """`logging.file`. Without this section there is no log file."""

    enabled: bool = Field(default=True, description="Log to a file as well, as JSON lines")
    level: Level | None = Field(default=None, description="Least urgent level there; default `logging.level`")
    directory: AbsolutePath = Field(
        default=Path("logs"),
        validate_default=True,
        description="Directory of log files; relative to the configuration file",
    )
    filename: str = Field(default="modelshelf.log", pattern=r"^[^/\x00]+$", description="Name of the log file")
    max_size: float = Field(default=10, gt=0, description="Megabytes at which it is rotated")
    backup_count: int = Field(default=5, ge=0, description="Older log files that are kept")


class Logging(Section):
    """`logging`."""

    level: Level = Field(default="INFO", description="Least urgent level anywhere")
    format: LogFormat = Field(
        default=LogFormat.AUTO,
        description="`console`, `json`, or `auto`: the journal's own fields, lines on a terminal, else JSON",
    )
    console: Console = Field(default_factory=Console, description="The terminal or the journal")
    file: File | None = Field(default=None, description="A log file")


def to_settings(logging: Logging) -> LogSettings:
    """Give what `logs.configure` takes; a part never logs more than `logging.level` lets through."""
    return LogSettings(
        format=logging.format,
        level=_stricter(logging.level, logging.console.level),
        is_stream_enabled=logging.console.enabled,
        is_simple=logging.console.simple,
        file=_file(logging),
    )


def _file(logging: Logging) -> LogFile | None:
    file = logging.file
    if file is None or not file.enabled:
        return None
    return LogFile(
        path=file.directory / file.filename,
        level=_stricter(logging.level, file.level),
        max_size_bytes=round(file.max_size * 1_000_000),
        backup_count=file.backup_count,
    )


def _stricter(overall: str, own: str | None) -> str:
    return max(overall, own or overall, key=level_number)
