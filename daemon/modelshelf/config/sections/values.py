"""The kinds of value in the file: durations, sizes, paths, name templates, lists of texts."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator, ValidationInfo, WithJsonSchema

from modelshelf.config.nearest import suggestion
from modelshelf.domain.output import PLACEHOLDERS

SECONDS_PER_UNIT = {"ms": 0.001, "s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 604800}
UNIT_WORDS = {"second": "s", "minute": "min", "hour": "h", "day": "d", "week": "w"}
BYTES_PER_UNIT = {"b": 1} | {
    f"{prefix}{kind}": base**power
    for power, prefix in enumerate("kmgt", start=1)
    for kind, base in (("b", 1000), ("ib", 1024))
}
_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([a-zA-Z]*)")
_PLACEHOLDER = re.compile(r"\{([^{}/]*)\}")


def _quantity(value: Any, wanted: str) -> tuple[float, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"must be {wanted}")
    return float(match[1]), match[2].lower()


def parse_duration(value: Any) -> float:
    """Give seconds from a number of seconds or a text such as `30 s`, `5 min`, `6h`, `1 day`."""
    wanted = "a duration: seconds, or a number with a unit such as 30 s, 5 min, 6 h, 1 day"
    amount, unit = _quantity(value, wanted)
    unit = UNIT_WORDS.get(unit.removesuffix("s"), unit) or "s"
    if unit not in SECONDS_PER_UNIT:
        raise ValueError(f"must be {wanted}")
    return amount * SECONDS_PER_UNIT[unit]


def parse_size(value: Any) -> int | None:
    """Give bytes from a number of bytes or a text such as `15 GB` (10**9) or `15 GiB` (2**30); 0, off and none: None."""
    wanted = "a size: bytes, or a number with a unit such as 500 MB, 15 GB, 15 GiB; or off"
    if value is False or (isinstance(value, str) and value.strip().lower() in {"off", "none"}):
        return None
    amount, unit = _quantity(value, wanted)
    if (unit or "b") not in BYTES_PER_UNIT:
        raise ValueError(f"must be {wanted}")
    return int(amount * BYTES_PER_UNIT[unit or "b"]) or None


def texts(value: Any) -> Any:
    """Give a single text as a list of one."""
    return [value] if isinstance(value, str) else value


def upper(value: Any) -> Any:
    """Give a text in capitals, as level names are written."""
    return value.upper() if isinstance(value, str) else value


def absolute_path(value: Any, information: ValidationInfo) -> Path:
    """Give an absolute path: `~` is the home directory, anything relative counts from the configuration file."""
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError("must be the path of a directory")
    return Path(os.path.normpath(_anchored(str(value), information.context or {})))


def _anchored(path: str, context: Mapping[str, str]) -> str:
    if path == "~" or path.startswith("~/"):
        path = context.get("home", "~") + path[1:]
    return os.path.join(context.get("directory", ""), path)


def path_template(value: Any, information: ValidationInfo) -> str:
    """Give a checked directory template; a relative one without `{model_dir}` counts from the configuration file."""
    text = _template(value)
    return text if text.startswith("{model_dir}") else _anchored(text, information.context or {})


def name_template(value: Any) -> str:
    """Give a checked template of a file name: it must tell models apart and stay inside its directory."""
    text = _template(value)
    if "{model_name}" not in text:
        raise ValueError("must contain {model_name}, or every model would write the same file")
    if text.startswith("/") or ".." in text.split("/"):
        raise ValueError("must be a name, without leading / and without ..; set the directory with path")
    return text


def _template(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("must be text with placeholders such as {model_dir}")
    for name in _PLACEHOLDER.findall(value):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            raise ValueError(f"knows no placeholder {{{name}}}; known are {known}{suggestion(name, PLACEHOLDERS)}")
    return value


_DURATION_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]}
_SIZE_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}, {"const": False}]}
_TEXTS_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

Seconds = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_DURATION_SCHEMA)]
SizeBytes = Annotated[int | None, PlainValidator(parse_size), WithJsonSchema(_SIZE_SCHEMA)]
AbsolutePath = Annotated[Path, PlainValidator(absolute_path), WithJsonSchema({"type": "string"})]
PathTemplate = Annotated[str, PlainValidator(path_template), WithJsonSchema({"type": "string"})]
NameTemplate = Annotated[str, PlainValidator(name_template), WithJsonSchema({"type": "string"})]
Texts = Annotated[tuple[str, ...], BeforeValidator(texts), WithJsonSchema(_TEXTS_SCHEMA)]
