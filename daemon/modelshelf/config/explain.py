"""pydantic's errors in our words: the key, what must stand there, and the nearest known key for a misspelt one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from modelshelf.config.nearest import suggestion
from modelshelf.config.problem import KeyPath, Problem
from modelshelf.config.schema import ConfigFile
from modelshelf.config.sections.section import Section

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

MUST_BE = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "string_type": "must be text; put it in quotes",
    "string_too_short": "must not be empty; leave the key out instead",
    "string_unicode": "must be text that is Unicode",
    "string_pattern_mismatch": "must be a plain name, without /",
    "model_type": "must be a section: keys with values, indented below it",
    "dict_type": "must be a section: keys with values, indented below it",
    "tuple_type": "must be a list",
    "missing": "is missing; write it",
}
LIMITS = {
    "greater_than_equal": ("ge", "must be at least"),
    "greater_than": ("gt", "must be more than"),
    "less_than_equal": ("le", "must be at most"),
}
NO_LONGER = {
    "job_templates": "job templates are not read, nor by today's CivitScraper; write the keys into each job",
    "template": "job templates are not read, nor by today's CivitScraper; write the keys into the job",
    "inherit": "job templates are not read, nor by today's CivitScraper; write the keys into each job",
    "defaults": "is not read, nor by today's CivitScraper; write defaults.scan as scanner",
}


def explain(error: ValidationError) -> list[Problem]:
    """Give a Problem for each of pydantic's errors. No value from the file is repeated: it may be a secret."""
    return [Problem(tuple(each["loc"]), _text(each)) for each in error.errors(include_url=False)]


def _text(error: ErrorDetails) -> str:
    kind, path, context = error["type"], tuple(error["loc"]), error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "value_error":
        return str(context["error"])
    if kind in {"literal_error", "enum"}:
        return _unknown_choice(error)
    if kind in LIMITS:
        name, words = LIMITS[kind]
        return f"{words} {context[name]:g}"
    return MUST_BE.get(kind, "is not right here; see CONFIGURATION.md")


def _unknown_key(path: KeyPath) -> str:
    key = str(path[-1])
    if key in NO_LONGER:
        return NO_LONGER[key]
    section = section_at(path[:-1])
    return f"unknown key{suggestion(key, section.model_fields if section else ())}"


def _unknown_choice(error: ErrorDetails) -> str:
    expected = str(error["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
    given = error["input"] if isinstance(error["input"], str) else ""
    return f"must be one of {expected}{suggestion(given, expected.split(', '))}"


def section_at(path: KeyPath) -> type[Section] | None:
    """Give the section that holds the keys below `path`, None where the schema has none."""
    kind: Any = ConfigFile
    for key in path:
        if _is_section(kind):
            known = kind.model_fields.get(key)
            kind = known.annotation if known else None
        else:
            kind = next((each for each in get_args(kind) if _is_section(each)), None)
        kind = _without_none(kind)
    return kind if _is_section(kind) else None


def _without_none(kind: Any) -> Any:
    rest = [each for each in get_args(kind) if each is not type(None)]
    return rest[0] if type(None) in get_args(kind) and len(rest) == 1 else kind


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)
