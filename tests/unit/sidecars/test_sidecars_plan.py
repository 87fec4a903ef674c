"""Rules for what a model's sidecars should be, and for what the found ones say."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelshelf.domain.description import Description
from modelshelf.domain.fact import Field
from modelshelf.domain.hashes import Hashes
from modelshelf.domain.output import MetadataOutput, Output, Spot
from modelshelf.errors import FileChanged
from modelshelf.files import create_file, replace_file
from modelshelf.sidecars import mark
from modelshelf.sidecars.classify import Dialect
from modelshelf.sidecars.names import companions
from modelshelf.sidecars.plan import Plan, plan_sidecars, sidecar_paths
from modelshelf.sidecars.reading import FoundSidecar, read_beside
from modelshelf.sidecars.witness import witnesses
from tests.unit.sidecars.sidecar_builders import describe, found, found_at, model, version, version_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.domain.fact import Fact
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.sidecars.mark import Digests

VALUES: dict[Field, JsonValue] = {
    Field.DESCRIPTION: "<p>All about Foo</p>",
    Field.TRAINED_WORDS: ["foostyle"],
    Field.BASE_MODEL: "Pony",
    Field.MODEL_TYPE: "LORA",
}
KNOWN = describe(VALUES, version=version(), model=model())
CIVITSCRAPER = Output(metadata=MetadataOutput())


class Ledger:
    """Remembers what was written where, as the store does."""

    def __init__(self) -> None:
        self.digests: dict[Path, dict[str, set[str]]] = {}

    def of(self, path: Path) -> Digests:
        return self.digests.get(path, {})

    def record(self, plan: Plan) -> None:
        known = self.digests.setdefault(plan.path, {})
        for key, value in plan.digests.items():
            known.setdefault(key, set()).add(value)


def beside(model_path: Path) -> list[FoundSidecar]:
    names = [os.fsencode(each.name) for each in model_path.parent.iterdir()]
    return read_beside(model_path.parent, companions(names, os.path.splitext(os.fsencode(model_path.name))[0], ()))


def write(known: Description, model_path: Path, output: Output, ledger: Ledger) -> list[Plan]:
    """Do what the step does: plan, then write."""
    plans = plan_sidecars(known, Spot(model_path), output, beside(model_path), ledger.of)
    for plan in plans:
        if plan.is_removed:
            plan.path.unlink()
        if plan.content is None:
            continue
        ledger.record(plan)
        if plan.expected is None:
            create_file(plan.path, plan.content)
        else:
            replace_file(plan.path, plan.content, expected=plan.expected)
    return plans


def found_facts(
    sidecars: list[FoundSidecar], ours_of: Callable[[Path], Digests]
) -> tuple[list[Fact], list[JsonObject]]:
    """Give all that is said in a tool's own words, and all that is Civitai's answer."""
    heard = witnesses(sidecars, ours_of)
    return [fact for each in heard for fact in each.facts], [each.body for each in heard if each.body]


def test_by_default_the_answer_and_the_forge_file_stand_beside_the_model(tmp_path: Path) -> None:
    plans = plan_sidecars(KNOWN, Spot(tmp_path / "foo.v2.safetensors"), Output(), [], lambda _: {})
    assert [(each.path.name, each.dialect, each.expected) for each in plans] == [
        ("foo.v2.civitai.info", Dialect.CIVITAI_VERSION, None),
        ("foo.v2.json", Dialect.FORGE, None),
    ]
    assert all(each.content for each in plans)


def test_with_civitscrapers_output_its_json_is_written_and_nothing_else(tmp_path: Path) -> None:
    plans = plan_sidecars(KNOWN, Spot(tmp_path / "foo.safetensors"), CIVITSCRAPER, [], lambda _: {})
    assert [(each.path, each.dialect) for each in plans] == [(tmp_path / "foo.json", Dialect.CIVITSCRAPER)]


def test_a_base_directory_is_known_before_planning() -> None:
    output = Output(metadata=MetadataOutput())
    assert sidecar_paths(Spot(Path("/models/foo.ckpt"), "LORA", Path("/out")), output) == {
        Path("/out/LORA/foo.json"): Dialect.CIVITSCRAPER
    }


@pytest.mark.parametrize("output", [Output(), CIVITSCRAPER])
@pytest.mark.parametrize("name", [b"foo.safetensors", b"a [xl]\n.ckpt", b"\xff\xfe.gguf", b"foo.v2.sft"])
def test_a_second_run_writes_nothing(tmp_path: Path, output: Output, name: bytes) -> None:
    ledger = Ledger()
    model_path = tmp_path / os.fsdecode(name)
    first = write(KNOWN, model_path, output, ledger)
    assert all(each.content is not None for each in first)
    second = write(KNOWN, model_path, output, ledger)
    assert [(each.content, each.refusal) for each in second] == [(None, None)] * len(first)


def test_what_we_wrote_is_never_a_fact(tmp_path: Path) -> None:
    ledger = Ledger()
    write(KNOWN, tmp_path / "foo.safetensors", Output(), ledger)
    assert found_facts(beside(tmp_path / "foo.safetensors"), ledger.of) == ([], [])
    assert found_facts(beside(tmp_path / "foo.safetensors"), lambda _: {}) == ([], [])


def test_a_users_file_is_merged_and_theirs_to_the_last_key(tmp_path: Path) -> None:
    theirs: JsonObject = {"activation text": "mine", "notes": "", "x": {"deep": [1]}}
    found(tmp_path / "foo.json", theirs)
    ledger = Ledger()
    write(KNOWN, tmp_path / "foo.safetensors", Output(), ledger)
    after = found_at(tmp_path / "foo.json").content
    assert {key: after[key] for key in theirs} == theirs
    assert after["description"] == "All about Foo"
    facts, bodies = found_facts(beside(tmp_path / "foo.safetensors"), ledger.of)
    assert [(each.field, each.value) for each in facts] == [(Field.ACTIVATION_TEXT, "mine")]
    assert bodies == []


def test_an_edit_between_plan_and_write_wins(tmp_path: Path) -> None:
    found(tmp_path / "foo.json", {"notes": "mine"})
    plans = plan_sidecars(
        KNOWN, Spot(tmp_path / "foo.safetensors"), Output(), beside(tmp_path / "foo.ckpt"), lambda _: {}
    )
    (tmp_path / "foo.json").write_bytes(b'{"notes": "mine, longer"}')
    plan = plans[1]
    assert plan.content is not None
    with pytest.raises(FileChanged):
        replace_file(plan.path, plan.content, expected=plan.expected)
    assert (tmp_path / "foo.json").read_bytes() == b'{"notes": "mine, longer"}'


def test_a_refusal_names_its_reason_and_plans_no_content(tmp_path: Path) -> None:
    found(tmp_path / "foo.json", [1, 2])
    found(tmp_path / "foo.civitai.info", {})
    plans = plan_sidecars(KNOWN, Spot(tmp_path / "foo.ckpt"), Output(), beside(tmp_path / "foo.ckpt"), lambda _: {})
    assert [each.content for each in plans] == [None, None]
    assert all(each.refusal and "left alone" in each.refusal for each in plans)


CONTENTS = st.dictionaries(
    st.sampled_from(["description", "activation text", "sd version", "notes", "extensions", "id", "modelId", "files"]),
    st.none() | st.text(max_size=3) | st.integers() | st.lists(st.text(max_size=2), max_size=2),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(CONTENTS, st.booleans())
def test_whatever_is_there_a_second_run_writes_nothing(tmp_path: Path, content: JsonObject, is_default: object) -> None:
    output = Output() if is_default else CIVITSCRAPER
    for leftover in tmp_path.iterdir():
        leftover.unlink()
    found(tmp_path / "foo.json", content)
    ledger = Ledger()
    write(KNOWN, tmp_path / "foo.ckpt", output, ledger)
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    assert all(each.content is None for each in write(KNOWN, tmp_path / "foo.ckpt", output, ledger))
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == before


# What the found ones say


def facts_of(path: Path, content: JsonValue) -> tuple[list[tuple[Field, JsonValue]], list[JsonObject]]:
    facts, bodies = found_facts([found(path, content)], lambda _: {})
    return [(each.field, each.value) for each in facts], bodies


def test_civitai_json_is_handed_on_whatever_its_name(tmp_path: Path) -> None:
    body = version_body()
    assert facts_of(tmp_path / "foo.json", body) == ([], [body])
    assert facts_of(tmp_path / "foo.civitai.info", body) == ([], [body])
    parent: JsonObject = {"id": 1, "modelVersions": []}
    assert facts_of(tmp_path / "foo.api_info.json", parent) == ([], [parent])


def test_what_lora_manager_fetched_counts_as_civitai_json(tmp_path: Path) -> None:
    manager: JsonObject = {"file_path": "/a", "model_name": "a", "file_name": "a", "civitai": version_body()}
    assert facts_of(tmp_path / "foo.metadata.json", manager) == ([], [version_body()])
    assert facts_of(tmp_path / "foo.metadata.json", manager | {"civitai": {}}) == ([], [])
    assert facts_of(tmp_path / "foo.metadata.json", manager | {"civitai": "x"}) == ([], [])


@pytest.mark.parametrize(
    "content", [{}, {"hello": 1}, [], {"id": "", "modelId": "", "files": []}, {"modelspec.title": 1}, {"nodes": 1}]
)
def test_what_says_nothing_of_the_model_is_passed_over(tmp_path: Path, content: JsonValue) -> None:
    assert facts_of(tmp_path / "foo.json", content) == ([], [])


def test_an_edit_in_our_own_answer_comes_back_with_the_ids_it_speaks_of(tmp_path: Path) -> None:
    ledger = Ledger()
    write(KNOWN, tmp_path / "foo.ckpt", Output(), ledger)
    path = tmp_path / "foo.civitai.info"
    content = found_at(path).content | {"trainedWords": ["mine"]}
    found(path, content)
    assert found_facts([found_at(path)], ledger.of) == ([], [{"trainedWords": ["mine"], "id": 20, "modelId": 10}])


def test_nothing_unfit_is_handed_on(tmp_path: Path) -> None:
    _, bodies = facts_of(tmp_path / "foo.json", version_body(name="\ud83d", stats={"rating": float("nan")}))
    assert (bodies[0]["name"], bodies[0]["stats"]) == ("?", {"rating": None})


def test_the_ledger_alone_is_enough_to_know_our_words(tmp_path: Path) -> None:
    sidecar = found(tmp_path / "foo.json", {"activation text": "ours", "notes": "theirs"})
    facts, _ = found_facts([sidecar], lambda _: {"activation text": [mark.digest("ours")]})
    assert [each.field for each in facts] == [Field.NOTES]


def hashed(known: Description, weights: str) -> Description:
    return replace(known, hashes=Hashes("A" * 64, "B" * 64, None, "A" * 10, weights, "C" * 8))


NOTHING_KNOWN = Description(file=KNOWN.file, header=None, hashes=None, facts={})


def test_what_we_said_of_other_weights_goes_when_nothing_is_known_of_the_new(tmp_path: Path) -> None:
    ledger = Ledger()
    model_path = tmp_path / "foo.safetensors"
    write(hashed(KNOWN, "111111111111"), model_path, Output(), ledger)
    plans = plan_sidecars(
        hashed(NOTHING_KNOWN, "222222222222"), Spot(model_path), Output(), beside(model_path), ledger.of
    )
    assert [(each.content, each.is_removed) for each in plans] == [(None, True), (None, True)]
    assert all(each.expected is not None for each in plans)


def test_an_edited_header_leaves_what_we_said(tmp_path: Path) -> None:
    ledger = Ledger()
    model_path = tmp_path / "foo.safetensors"
    write(hashed(KNOWN, "111111111111"), model_path, Output(), ledger)
    other_file = Hashes("D" * 64, "E" * 64, None, "D" * 10, "111111111111", "F" * 8)
    edited = replace(NOTHING_KNOWN, hashes=other_file)
    plans = plan_sidecars(edited, Spot(model_path), Output(), beside(model_path), ledger.of)
    assert [(each.content, each.is_removed) for each in plans] == [(None, False), (None, False)]


@pytest.mark.parametrize("known", [KNOWN, NOTHING_KNOWN])
def test_what_a_person_added_outlives_the_weights(tmp_path: Path, known: Description) -> None:
    ledger = Ledger()
    model_path = tmp_path / "foo.safetensors"
    write(hashed(KNOWN, "111111111111"), model_path, Output(), ledger)
    path = tmp_path / "foo.json"
    theirs = found_at(path).content | {"notes": "mine"}
    path.write_text(json.dumps(theirs))
    write(hashed(known, "222222222222"), model_path, Output(), ledger)
    after = found_at(path).content
    assert after["notes"] == "mine"
    assert ("description" in after) == (known is KNOWN)
    again = plan_sidecars(hashed(known, "222222222222"), Spot(model_path), Output(), beside(model_path), ledger.of)
    assert [each.content for each in again if each.path == path] == [None]


def test_a_file_that_would_lose_something_is_left_alone_and_its_facts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_text('{"activation text": "mine", "notes": "first", "notes": "second"}')
    plans = plan_sidecars(
        KNOWN, Spot(tmp_path / "foo.safetensors"), Output(), beside(tmp_path / "foo.safetensors"), lambda _: {}
    )
    [plan] = [each for each in plans if each.path == path]
    assert plan.content is None
    assert "twice" in str(plan.refusal)
    facts, _ = found_facts(beside(tmp_path / "foo.safetensors"), lambda _: {})
    assert Field.ACTIVATION_TEXT in {each.field for each in facts}


def test_a_sidecar_that_nobody_could_read_again_is_not_written(tmp_path: Path) -> None:
    huge = describe({Field.DESCRIPTION: "x"}, version=version(version_body(description="y" * (17 * 1024 * 1024))))
    plans = plan_sidecars(huge, Spot(tmp_path / "foo.safetensors"), Output(), [], lambda _: {})
    [info] = [each for each in plans if each.path.name.endswith(".civitai.info")]
    assert info.content is None
    assert "bytes" in str(info.refusal)
