from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.civitai import License
from modelshelf.domain.fact import Field
from modelshelf.gallery.license_words import Permission, permissions
from tests.unit.gallery.gallery_builders import describe, model

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue

_MERGES = Permission("sharing merges of it", is_allowed=True)


def _allowed(uses: JsonValue) -> list[bool | None]:
    return [line.is_allowed for line in permissions(describe({Field.LICENSE: {"allowCommercialUse": uses}}))]


@pytest.mark.parametrize("uses", [["Image", "RentCivit"], "{Image,RentCivit}"])
def test_every_form_of_commercial_use_is_understood(uses: JsonValue) -> None:
    assert _allowed(uses) == [True, True, False, False]


def test_no_commercial_use_forbids_each() -> None:
    assert _allowed(["None"]) == _allowed("None") == [False] * 4


def test_commercial_use_that_nobody_states_is_not_shown() -> None:
    assert _allowed([]) == _allowed(None) == _allowed(7) == []


def test_all_flags_are_put_into_words() -> None:
    flags: dict[str, JsonValue] = {"allow_no_credit": False, "allow_derivatives": True, "allowDifferentLicense": True}

    assert permissions(describe({Field.LICENSE: flags})) == (
        Permission("using it without naming the creator", is_allowed=False),
        _MERGES,
        Permission("giving merges other permissions", is_allowed=True),
    )


def test_a_flag_that_is_no_flag_is_not_believed() -> None:
    assert permissions(describe({Field.LICENSE: {"allowNoCredit": "yes", "allowDerivatives": True}})) == (_MERGES,)


def test_a_licence_in_words_is_shown_as_it_is() -> None:
    assert permissions(describe({Field.LICENSE: "CC-BY-4.0"})) == (Permission("CC-BY-4.0", None),)


def test_the_model_speaks_where_no_fact_does() -> None:
    description = describe(model=model(license_=License(None, (), True, None)))

    assert permissions(description) == (_MERGES,)


def test_nobody_knows_the_licence() -> None:
    assert permissions(describe()) == ()
