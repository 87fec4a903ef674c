"""What a creator allows, in words: Civitai's four flags, or whatever text another source gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.civitai import License
from modelshelf.domain.fact import Field
from modelshelf.gallery.units import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from modelshelf.domain.description import Description
    from modelshelf.domain.jsontypes import JsonValue

_TEXT_LIMIT = 500
_COMMERCIAL = (
    ("Image", "selling the pictures you make with it"),
    ("RentCivit", "running it on Civitai's own generator"),
    ("Rent", "running it on other paid generation services"),
    ("Sell", "selling the model or merges of it"),
)


@dataclass(frozen=True, slots=True)
class Permission:
    """One line of a licence; `is_allowed` None where it neither allows nor forbids."""

    text: str
    is_allowed: bool | None


def permissions(description: Description) -> tuple[Permission, ...]:
    """Give the licence line by line; empty where nobody knows it."""
    value = description.value(Field.LICENSE)
    if isinstance(value, str):
        return (Permission(shortened(value, _TEXT_LIMIT), None),)
    if isinstance(value, dict):
        return tuple(_lines(_license(value)))
    return tuple(_lines(description.model.license)) if description.model else ()


def _lines(license_: License) -> Iterator[Permission]:
    if license_.allow_no_credit is not None:
        yield Permission("using it without naming the creator", license_.allow_no_credit)
    for word, text in _COMMERCIAL if license_.allow_commercial_use else ():
        yield Permission(text, word in license_.allow_commercial_use)
    if license_.allow_derivatives is not None:
        yield Permission("sharing merges of it", license_.allow_derivatives)
    if license_.allow_different_license is not None:
        yield Permission("giving merges other permissions", license_.allow_different_license)


def _license(value: Mapping[str, JsonValue]) -> License:
    return License(
        allow_no_credit=_flag(value, "allowNoCredit", "allow_no_credit"),
        allow_commercial_use=_uses(value.get("allowCommercialUse", value.get("allow_commercial_use"))),
        allow_derivatives=_flag(value, "allowDerivatives", "allow_derivatives"),
        allow_different_license=_flag(value, "allowDifferentLicense", "allow_different_license"),
    )


def _flag(value: Mapping[str, JsonValue], *names: str) -> bool | None:
    found = next((value[name] for name in names if name in value), None)
    return found if isinstance(found, bool) else None


def _uses(value: JsonValue) -> tuple[str, ...]:
    """Give the allowed uses from all three forms Civitai has had: a list, one word, and ``{Image,RentCivit}``."""
    if isinstance(value, str):
        value = list(value.strip("{}").split(","))
    return tuple(str(each) for each in value) if isinstance(value, list) else ()
