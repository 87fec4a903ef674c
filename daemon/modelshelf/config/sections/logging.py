"""`logging`: what is logged where."""

from pathlib import Path
from typing import Annotated, Any, Literal

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
    """`logging.file`. The daemon has a log file unless this section switches it off."""

    enabled: bool = Field(
        default=True, description="Log to a file as well, as JSON lines; `logging.file: off` is the same as `false`"
    )
    level: Level | None = Field(default=None, description="Least urgent level there; default `logging.level`")
    directory: AbsolutePath | None = Field(
        default=None, description="Directory of log files; default `$LOGS_DIRECTORY`, or `logs` in the state directory"
    )
    filename: str = Field(default="modelshelf.log", pattern=r"^[^/\x00]+$", description="Name of the log file")
    max_size: float = Field(default=10, gt=0, description="Megabytes at which it is rotated")
    backup_count: int = Field(default=5, ge=0, description="Older log files that are kept")


def _switch(value: Any) -> Any:
    """Give `off` and `on`, which YAML reads as booleans, as the section that they are short for."""
    return {"enabled": value} if isinstance(value, bool) else value


def _or_switch(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"$ref": schema.pop("$ref")}, {"type": "boolean"}]


class Logging(Section):
    """`logging`."""

    level: Level = Field(default="INFO", description="Least urgent level anywhere")
    format: LogFormat = Field(
        default=LogFormat.AUTO,
        description="`console`, `json`, or `auto`: the journal's own fields, lines on a terminal, else JSON",
    )
    console: Console = Field(default_factory=Console, description="The terminal or the journal")
    file: Annotated[File, BeforeValidator(_switch)] = Field(
        default_factory=File, description="The log file", json_schema_extra=_or_switch
    )


def to_settings(logging: Logging, log_directory: Path) -> LogSettings:
    """Give what `logs.configure` takes; a part never logs more than `logging.level` lets through.

    `log_directory` is where the log file lies if nobody says otherwise.
    """
    return LogSettings(
        format=logging.format,
        level=_stricter(logging.level, logging.console.level),
        is_stream_enabled=logging.console.enabled,
        is_simple=logging.console.simple,
        file=_file(logging, log_directory),
    )


def _file(logging: Logging, log_directory: Path) -> LogFile | None:
    file = logging.file
    if not file.enabled:
        return None
    return LogFile(
        path=(file.directory or log_directory) / file.filename,
        level=_stricter(logging.level, file.level),
        max_size_bytes=round(file.max_size * 1_000_000),
        backup_count=file.backup_count,
    )


def _stricter(overall: str, own: str | None) -> str:
    return max(overall, own or overall, key=level_number)
