"""Rules for `<stem>.json` as A1111 and Forge keep it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.sidecars import forge, mark
from modelshelf.sidecars.writer import Planned
from tests.unit.sidecars.sidecar_builders import describe, loaded, spoken, unwritten

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

PATH = Path("foo.json")
KNOWN = describe(
    {
        Field.DESCRIPTION: "<p>All about &lt;Foo&gt;</p>",
        Field.TRAINED_WORDS: ["foostyle, ink,,", " ", "1girl"],
        Field.BASE_MODEL: "SDXL 1.0",
        Field.TRAINING_TAGS: ["never"],
    }
)
WRITTEN: JsonObject = {"description": "All about", "sd version": "SDXL", "activation text": "foostyle, ink, 1girl"}
EMPTY_A1111: JsonObject = {
    "description": "",
    "sd version": "Unknown",
    "activation text": "",
    "preferred weight": 0.0,
    "negative text": "",
    "notes": "",
}


def fact(field: Field, value: JsonValue) -> Fact:
    return Fact(field, Source.FORGE, value)


# What a file says


def test_a_forge_file_says_its_facts() -> None:
    content: JsonObject = {
        "description": "d",
        "activation text": "a",
        "preferred weight": 0.8,
        "negative text": "n",
        "notes": "o",
        "sd version": "SDXL",
        "vae": "Automatic",
    }
    assert forge.facts(content) == [
        fact(Field.DESCRIPTION, "d"),
        fact(Field.ACTIVATION_TEXT, "a"),
        fact(Field.NEGATIVE_TEXT, "n"),
        fact(Field.NOTES, "o"),
        fact(Field.FORGE_SD_VERSION, "SDXL"),
        fact(Field.PREFERRED_WEIGHT, 0.8),
    ]


def test_placeholders_say_nothing() -> None:
    assert forge.facts(EMPTY_A1111) == []


@pytest.mark.parametrize("value", [None, [], ["a"], {}, {"a": 1}, True, 7, "  "])
def test_wrong_types_say_nothing(value: JsonValue) -> None:
    assert forge.facts({"description": value, "activation text": value, "sd version": value}) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "0.8", None, 10**400, [1]])
def test_a_weight_that_is_no_number_says_nothing(value: JsonValue) -> None:
    assert forge.facts({"preferred weight": value}) == []


def test_half_a_surrogate_pair_never_becomes_a_fact() -> None:
    assert forge.facts({"notes": "x\ud83d"}) == [fact(Field.NOTES, "x?")]


# What is written


def test_a_new_file_holds_what_is_known_in_forges_layout() -> None:
    planned = forge.compose(KNOWN, None, {})
    assert spoken(planned.content) == WRITTEN
    assert planned.digests == {key: mark.digest(value) for key, value in WRITTEN.items()}
    assert mark.wrote(loaded(planned.content)) == planned.digests
    assert planned.content is not None
    assert planned.content.startswith(b'{\n    "description": ')
    assert b"\r" not in planned.content


def test_text_is_written_as_utf_8() -> None:
    planned = forge.compose(describe({Field.DESCRIPTION: "é日"}), None, {})
    assert "é日".encode() in (planned.content or b"")


def test_nothing_known_makes_no_file() -> None:
    assert forge.compose(describe(), None, {}) == Planned()
    assert forge.compose(describe({Field.DESCRIPTION: "<p></p>", Field.NOTES: "x"}), None, {}).content is None


def test_the_versions_description_stands_in_for_the_models() -> None:
    planned = forge.compose(describe({Field.VERSION_DESCRIPTION: "<p>v1</p>"}), None, {})
    assert spoken(planned.content) == {"description": "v1"}


def test_the_trigger_phrase_stands_in_for_trained_words_and_training_tags_never_do() -> None:
    planned = forge.compose(describe({Field.TRIGGER_PHRASE: "foo!", Field.TRAINING_TAGS: ["tag"]}), None, {})
    assert spoken(planned.content) == {"activation text": "foo!"}


def test_a_users_own_activation_text_and_weight_come_first() -> None:
    chosen: dict[Field, JsonValue] = {
        Field.ACTIVATION_TEXT: "mine",
        Field.TRAINED_WORDS: ["theirs"],
        Field.PREFERRED_WEIGHT: 1,
    }
    planned = forge.compose(describe(chosen, source=Source.USER), None, {})
    assert spoken(planned.content) == {"activation text": "mine", "preferred weight": 1.0}


def test_what_came_from_such_a_file_never_returns_to_it() -> None:
    values = {Field.ACTIVATION_TEXT: "deleted by its owner just now", Field.DESCRIPTION: "likewise"}
    assert forge.compose(describe(values, source=Source.FORGE), unwritten(PATH, {}), {}).content is None


@pytest.mark.parametrize(
    ("base", "word"),
    [
        ("SD 1.5", "SD1"),
        ("SD 1.5 LCM", "SD1"),
        ("SD1", "SD1"),
        ("stable-diffusion-v1/lora", "SD1"),
        ("SD 2.1 768", "SD2"),
        ("SD 3.5 Large", "SD3"),
        ("SDXL 1.0", "SDXL"),
        ("SDXL Lightning", "SDXL"),
        ("stable-diffusion-xl-v1-base/lora", "SDXL"),
        ("Pony", "SDXL"),
        ("Pony V6 XL", "SDXL"),
        ("Illustrious", "SDXL"),
        ("NoobAI", "SDXL"),
        ("Flux.1 D", "Flux"),
        ("flux-dev", "Flux"),
        ("Flux", "Flux"),
        ("Flux.2 D", None),
        ("Pony V7", None),
        ("SVD XT", None),
        ("Stable Cascade", None),
        ("Wan Video", None),
        ("Other", None),
        ("", None),
    ],
)
def test_only_words_that_forge_knows_name_the_base(base: str, word: str | None) -> None:
    assert forge.sd_version(base) == word


def test_the_architecture_decides_over_the_base_model() -> None:
    values: dict[Field, JsonValue] = {Field.ARCHITECTURE: "SD1", Field.BASE_MODEL: "SDXL 1.0"}
    assert spoken(forge.compose(describe(values), None, {}).content) == {"sd version": "SD1"}
    assert forge.compose(describe(values | {Field.ARCHITECTURE: "Wan"}), None, {}).content is None


# Merging


def test_unknown_keys_and_every_word_of_others_stay() -> None:
    theirs: JsonObject = {"activation text": "mine", "preferred weight": 0.6, "x": [1, {"y": None}], "vae": "v"}
    planned = forge.compose(KNOWN, unwritten(PATH, theirs), {})
    assert spoken(planned.content) == theirs | {"description": "All about", "sd version": "SDXL"}
    assert planned.digests.keys() == {"description", "sd version"}


def test_placeholders_are_filled() -> None:
    planned = forge.compose(KNOWN, unwritten(PATH, EMPTY_A1111), {})
    assert spoken(planned.content) == EMPTY_A1111 | WRITTEN


def test_values_of_a_wrong_type_are_somebodys() -> None:
    theirs: JsonObject = {"activation text": ["a"], "sd version": {"a": 1}, "description": 7}
    assert forge.compose(KNOWN, unwritten(PATH, theirs), {}).content is None


def test_a_null_that_would_break_forge_is_filled() -> None:
    theirs: JsonObject = {"activation text": None, "sd version": "Unknown", "description": None}
    assert spoken(forge.compose(KNOWN, unwritten(PATH, theirs), {}).content) == WRITTEN | {}


def test_an_empty_object_is_filled() -> None:
    assert spoken(forge.compose(KNOWN, unwritten(PATH, {}), {}).content) == WRITTEN


def ours(**changes: JsonValue) -> JsonObject:
    """What we wrote once, as others have changed it since."""
    content = loaded(forge.compose(KNOWN, None, {}).content)
    return content | {key.replace("_", " "): value for key, value in changes.items()}


def test_what_we_wrote_is_refreshed() -> None:
    later = describe({Field.DESCRIPTION: "new", Field.TRAINED_WORDS: ["foostyle"], Field.BASE_MODEL: "SDXL 1.0"})
    planned = forge.compose(later, unwritten(PATH, ours()), {})
    assert spoken(planned.content) == {"description": "new", "sd version": "SDXL", "activation text": "foostyle"}


def test_what_a_person_edited_is_kept() -> None:
    later = describe({Field.DESCRIPTION: "new", Field.TRAINED_WORDS: ["new"]})
    planned = forge.compose(later, unwritten(PATH, ours(activation_text="edited")), {})
    assert spoken(planned.content) == WRITTEN | {"description": "new", "activation text": "edited"}
    assert planned.digests.keys() == {"description", "sd version"}


@pytest.mark.parametrize("emptied", ["", None])
def test_what_a_person_emptied_stays_empty(emptied: str | None) -> None:
    later = describe({Field.DESCRIPTION: "new", Field.TRAINED_WORDS: ["new"]})
    planned = forge.compose(later, unwritten(PATH, ours(activation_text=emptied)), {})
    assert spoken(planned.content)["activation text"] == emptied


def test_a_key_that_a_person_removed_stays_away() -> None:
    content = ours()
    del content["activation text"]
    assert forge.compose(KNOWN, unwritten(PATH, content), {}).content is None


def test_what_we_know_no_more_is_not_taken_away() -> None:
    planned = forge.compose(describe({Field.DESCRIPTION: "new"}), unwritten(PATH, ours()), {})
    assert spoken(planned.content) == WRITTEN | {"description": "new"}
    assert planned.digests.keys() == WRITTEN.keys()


def test_the_ledger_stands_in_for_a_lost_mark() -> None:
    ledger = {key: [mark.digest(value)] for key, value in WRITTEN.items()}
    content = WRITTEN | {"activation text": "", "notes": "theirs"}
    later = describe({Field.DESCRIPTION: "new", Field.TRAINED_WORDS: ["new"]})
    planned = forge.compose(later, unwritten(PATH, content), ledger)
    assert spoken(planned.content) == content | {"description": "new"}


def test_a_ledger_entry_whose_write_never_happened_empties_nothing() -> None:
    ledger = {key: [mark.digest(value)] for key, value in WRITTEN.items()}
    planned = forge.compose(KNOWN, unwritten(PATH, EMPTY_A1111), ledger)
    assert spoken(planned.content) == EMPTY_A1111 | WRITTEN


def test_extensions_of_a_wrong_type_are_kept_and_go_without_our_mark() -> None:
    planned = forge.compose(KNOWN, unwritten(PATH, {"notes": "x", "extensions": ["theirs"]}), {})
    assert loaded(planned.content) == {"notes": "x", "extensions": ["theirs"], **WRITTEN}
    again = forge.compose(KNOWN, unwritten(PATH, loaded(planned.content)), {k: [v] for k, v in planned.digests.items()})
    assert again.content is None


def test_not_a_number_and_half_surrogates_of_others_survive() -> None:
    planned = forge.compose(KNOWN, unwritten(PATH, {"notes": "x\ud83d", "preferred weight": float("nan")}), {})
    again = json.loads(planned.content or b"")
    assert again["notes"] == "x\ud83d"
    assert again["preferred weight"] != again["preferred weight"]


# Refusals


@pytest.mark.parametrize(
    "content",
    [
        {"id": 1, "modelId": 2, "files": []},
        {"id": 1, "modelVersions": []},
        {"file_path": "/a", "model_name": "a", "file_name": "a"},
        {"something": "else"},
    ],
)
def test_a_file_of_another_dialect_is_left_alone(content: JsonObject) -> None:
    planned = forge.compose(KNOWN, unwritten(PATH, content), {})
    assert planned.content is None
    assert "left alone" in str(planned.refusal)


def test_a_file_that_cannot_be_read_is_left_alone() -> None:
    planned = forge.compose(KNOWN, unwritten(PATH, {}, "foo.json is broken"), {})
    assert (planned.content, planned.refusal) == (None, "foo.json is broken: it was left alone")


def test_a_file_of_another_dialect_that_holds_only_ours_is_ours_to_rewrite() -> None:
    body: JsonObject = {"id": 1, "modelId": 2, "files": []}
    content = mark.marked(body, {key: mark.digest(value) for key, value in body.items()})
    assert spoken(forge.compose(KNOWN, unwritten(PATH, content), {}).content) == WRITTEN
    assert forge.compose(KNOWN, unwritten(PATH, content | {"own": 1}), {}).refusal is not None


# For every content


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from([*EMPTY_A1111, "extensions", "own"]) | st.text(max_size=5)
CONTENTS = st.dictionaries(KEYS, VALUES, max_size=6)


@given(CONTENTS)
def test_whatever_others_wrote_is_still_there(content: JsonObject) -> None:
    planned = forge.compose(KNOWN, unwritten(PATH, content), {})
    if planned.content is None:
        return
    result = loaded(planned.content)
    for key, value in content.items():
        if key != "extensions" and not forge._says_nothing(key, value):
            assert result[key] == value


@given(CONTENTS)
def test_a_second_plan_on_the_result_plans_nothing(content: JsonObject) -> None:
    planned = forge.compose(KNOWN, unwritten(PATH, content), {})
    if planned.content is None:
        return
    ledger = {key: [value] for key, value in planned.digests.items()}
    result = unwritten(PATH, loaded(planned.content))
    assert forge.compose(KNOWN, result, ledger).content is None


@given(CONTENTS)
def test_nothing_that_we_wrote_is_ever_a_fact(content: JsonObject) -> None:
    planned = forge.compose(KNOWN, unwritten(PATH, content), {})
    if planned.content is None:
        return
    ledger = {key: [value] for key, value in planned.digests.items()}
    theirs = mark.without_ours(loaded(planned.content), ledger)
    assert forge.facts(theirs) == forge.facts(mark.without_ours(content, {}))
