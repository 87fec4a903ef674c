"""A Section: frozen, and any key that it does not know is an error. A key without a value counts as not written."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """What every section of the file is."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: each for key, each in value.items() if each is not None}
        return value


SomeSection = TypeVar("SomeSection", bound=Section)


def overlay(under: SomeSection, over: Section) -> SomeSection:
    """Give `under` with every key that is written out in `over` put on it, section by section."""
    written: dict[str, Any] = {}
    for name in over.model_fields_set:
        old, new = getattr(under, name), getattr(over, name)
        both_sections = isinstance(old, Section) and isinstance(new, Section)
        written[name] = overlay(old, new) if both_sections else new
    return under.model_copy(update=written)
