from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.fact import Field, Source
from modelshelf.gallery.known import SOURCES, Known, known_rows, label, value_text
from tests.unit.gallery.gallery_builders import describe

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue


def test_each_fact_says_who_says_so() -> None:
    rows = [known_rows(describe({Field.NAME: "x"}, source))[0].source for source in Source]

    assert rows == list(SOURCES.values())


def test_rows_stand_in_the_order_of_the_fields() -> None:
    rows = known_rows(describe({Field.TAGS: ["a", "b"], Field.NAME: "x"}))

    assert rows == (Known("Name", "x", "from Civitai"), Known("Tags", "a, b", "from Civitai"))


def test_long_texts_are_shown_once_only() -> None:
    assert known_rows(describe({Field.DESCRIPTION: "<p>x</p>"}))[0].value == "shown above"


def test_every_field_has_a_label() -> None:
    assert [label(field) for field in (Field.AIR, Field.PREFERRED_WEIGHT, Field.LICENSE)] == [
        "AIR",
        "Preferred weight",
        "Licence",
    ]
    assert all(label(field)[0].isupper() for field in Field)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (0.8, "0.8"),
        ("x" * 400, "x" * 299 + "…"),
        ({"downloadCount": 5, "thumbs_up": None}, "download count: 5, thumbs up: "),
        ([1, [2, [3]]], "1, 2, …"),
        (list(range(32)), ", ".join(str(number) for number in range(30)) + ", and 2 more"),
    ],
)
def test_any_value_becomes_one_short_line(value: JsonValue, text: str) -> None:
    assert value_text(value) == text


def test_deep_nesting_ends_early() -> None:
    value: JsonValue = "x"
    for _ in range(100_000):
        value = [value]

    assert value_text(value) == "…"
