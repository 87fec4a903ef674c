from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.fact import Field
from modelshelf.domain.header import Verdict
from modelshelf.gallery.standing import Notice, badges, notices
from tests.unit.gallery.gallery_builders import describe, header, model_file, page_of, version

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue


def _texts(values: dict[Field, JsonValue]) -> list[str]:
    return [badge.text for badge in badges(page_of(describe(values, version=version())))]


def test_type_and_base_model_are_badges() -> None:
    assert _texts({Field.MODEL_TYPE: "LORA", Field.BASE_MODEL: "Pony"}) == ["LORA", "Pony"]


@pytest.mark.parametrize(
    ("values", "is_marked"),
    [
        ({Field.NSFW: True}, True),
        ({Field.NSFW: False}, False),
        ({Field.NSFW_LEVEL: 3}, False),
        ({Field.NSFW_LEVEL: 4}, True),
        ({Field.NSFW_LEVEL: "31"}, False),
        ({}, False),
    ],
)
def test_nsfw_is_marked_from_rated_r_on(*, values: dict[Field, JsonValue], is_marked: bool) -> None:
    assert ("NSFW" in _texts(values)) is is_marked


def test_a_model_taken_down_says_so() -> None:
    assert _texts({Field.MODE: "TakenDown"}) == ["TakenDown on Civitai"]


def test_not_on_civitai_is_said_only_after_asking() -> None:
    assert [each.text for each in badges(page_of(is_looked_up=True))] == ["Not on Civitai"]
    assert [each.text for each in badges(page_of())] == ["Not looked up yet"]


@pytest.mark.parametrize(("verdict", "word"), [(Verdict.BROKEN, "broken"), (Verdict.INCOMPLETE, "incomplete")])
def test_a_bad_file_says_why(verdict: Verdict, word: str) -> None:
    description = describe(header=header(verdict, "Its header is longer than the file."), version=version())

    assert [each.text for each in badges(page_of(description))] == [word.capitalize()]
    assert notices(description) == (Notice(f"This file is {word}", "Its header is longer than the file.", "danger"),)


def test_a_bad_file_without_a_reason_is_bad_all_the_same() -> None:
    assert notices(describe(header=header(Verdict.BROKEN)))[0].text == "No reason is known."


def test_a_sound_file_has_no_notice() -> None:
    assert notices(describe(header=header())) == ()


def test_a_file_that_waits_or_was_not_hashed_says_so() -> None:
    file = model_file(waiting_reason="grows", hash_skipped_reason="larger than the limit")

    assert [(each.text, each.tone) for each in notices(replace(describe(), file=file))] == [
        ("grows", "warning"),
        ("larger than the limit", "warning"),
    ]
