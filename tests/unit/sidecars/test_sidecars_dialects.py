"""Rules for every dialect that is written for another tool: what its owner takes, and what stays of what stood there."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelshelf.domain.civitai import RemoteFile
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.hashes import EMPTY_AUTOV3
from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.domain.output import Output, SidecarKind, Spot
from modelshelf.sidecars import lora_manager, mark, stability_matrix, swarm
from modelshelf.sidecars.plan import plan_sidecars, sidecar_paths
from tests.unit.sidecars.owners import OWNERS
from tests.unit.sidecars.sidecar_builders import HASHES, describe, loaded, model, spoken, unwritten, version

if TYPE_CHECKING:
    from modelshelf.domain.civitai import ModelVersion
    from modelshelf.domain.description import Description
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.sidecars.mark import Digests
    from modelshelf.sidecars.writer import Planned, Writer

MODEL = Path("/models/loras/foo.v2.safetensors")
ALL = Output(sidecars=frozenset(SidecarKind))
VALUES: dict[Field, JsonValue] = {
    Field.NAME: "Foo é",
    Field.VERSION_NAME: "v1",
    Field.MODEL_TYPE: "LORA",
    Field.BASE_MODEL: "SDXL 1.0",
    Field.DESCRIPTION: "<p>All about Foo</p>",
    Field.TRAINED_WORDS: ["foostyle", "bar,"],
    Field.TAGS: ["style"],
    Field.CREATOR: "anna",
    Field.NSFW: True,
    Field.PREFERRED_WEIGHT: 0.8,
    Field.PUBLISHED_AT: "2025-01-01T00:00:00.000Z",
}


def known(values: dict[Field, JsonValue] | None = None, **details: Any) -> Description:
    """Describe a hashed file that Civitai knows."""
    found = {"version": version(), "model": model(), "hashes": HASHES, **details}
    place = {key: found.pop(key) for key in ("path", "file") if key in found}
    return replace(describe(VALUES if values is None else values, **found), **{"path": MODEL, **place})


KNOWN = known()


def wrote(writer: Writer, description: Description = KNOWN, existing: JsonObject | None = None) -> Planned:
    """Plan one file over what stands there."""
    return writer.compose(description, None if existing is None else unwritten(Path("foo.json"), existing), {})


def test_each_tools_file_is_written_where_that_tool_looks() -> None:
    names = {path.name for path in sidecar_paths(Spot(MODEL, "LORA", Path("/elsewhere")), ALL)}
    endings = (".json", ".civitai.info", ".metadata.json", ".cm-info.json", ".swarm.json")
    assert names == {f"foo.v2{ending}" for ending in endings}


def test_a_tool_that_nobody_asked_for_gets_no_file() -> None:
    names = {path.name for path in sidecar_paths(Spot(MODEL), Output(sidecars=frozenset({SidecarKind.SWARM})))}
    assert names == {"foo.v2.swarm.json"}
    assert sidecar_paths(Spot(MODEL), Output(sidecars=frozenset())) == {}


@pytest.mark.parametrize("kind", SidecarKind)
def test_its_owner_takes_what_is_written(kind: SidecarKind) -> None:
    (plan,) = plan_sidecars(KNOWN, Spot(MODEL), Output(sidecars=frozenset({kind})), [], lambda _: {})
    assert plan.content is not None
    OWNERS[kind](plan.content)


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(list(Field)), HOSTILE, max_size=8), st.integers(-(2**40), 2**40), st.booleans())
def test_its_owner_takes_what_is_written_whatever_the_facts_are(
    values: dict[Field, JsonValue], version_id: int, is_known: object
) -> None:
    answer = replace(version(), id=version_id, body={"id": version_id, "stats": {"rating": float("nan")}})
    description = known(values, version=answer if is_known else None, model=None)
    for kind in SidecarKind:
        (plan,) = plan_sidecars(description, Spot(MODEL), Output(sidecars=frozenset({kind})), [], lambda _: {})
        if plan.content is not None:
            OWNERS[kind](plan.content)


# LoRA-Manager


def test_a_file_for_lora_manager_has_every_key_that_it_requires() -> None:
    body = spoken(wrote(lora_manager).content)
    assert body["file_name"] == "foo.v2"
    assert body["file_path"] == str(MODEL)
    assert (body["model_name"], body["base_model"], body["sha256"]) == ("Foo é", "SDXL 1.0", "a1" * 32)
    assert (body["from_civitai"], body["tags"], body["usage_tips"]) == (True, ["style"], '{"strength": 0.8}')
    assert body["autov3"] == "d4" * 6
    assert "sub_type" not in body


def test_a_model_of_which_nothing_is_known_has_a_file_for_lora_manager_too() -> None:
    unknown = known({}, version=None, model=None, hashes=replace(HASHES, autov3=EMPTY_AUTOV3))
    content = wrote(lora_manager, unknown).content
    assert content is not None
    OWNERS[SidecarKind.LORA_MANAGER](content)
    body = spoken(content)
    assert (body["model_name"], body["base_model"], body["civitai"]) == ("foo.v2", "Unknown", {})
    assert "autov3" not in body


@pytest.mark.parametrize("writer", [lora_manager, stability_matrix])
def test_a_file_that_was_not_hashed_is_not_described_to_who_wants_hashes(writer: Writer) -> None:
    assert wrote(writer, known(hashes=None)).content is None


@pytest.mark.parametrize(("kind", "word"), [("Checkpoint", "checkpoint"), ("TextualInversion", "embedding")])
def test_lora_manager_is_told_the_kind_in_its_own_word(kind: str, word: str) -> None:
    assert spoken(wrote(lora_manager, known({Field.MODEL_TYPE: kind})).content)["sub_type"] == word


THEIR_MANAGER: JsonObject = {
    "file_name": "foo",
    "model_name": "My name",
    "file_path": "/container/foo.safetensors",
    "size": 1,
    "modified": 1.5,
    "sha256": "a1" * 32,
    "base_model": "Unknown",
    "preview_url": "/container/foo.webp",
    "tags": [],
    "usage_tips": "{}",
    "favorite": True,
    "notes": "mine",
    "civitai": {},
}


def test_what_lora_manager_wrote_stays_and_what_it_left_empty_is_filled() -> None:
    after = spoken(wrote(lora_manager, existing=THEIR_MANAGER).content)
    filled = {"base_model", "tags", "usage_tips", "civitai"}
    assert {key: after[key] for key in THEIR_MANAGER.keys() - filled} == {
        key: value for key, value in THEIR_MANAGER.items() if key not in filled
    }
    assert (after["base_model"], after["tags"], after["usage_tips"]) == ("SDXL 1.0", ["style"], '{"strength": 0.8}')
    assert after["civitai"]["id"] == 20  # type: ignore[index,call-overload]


def test_a_hash_that_lora_manager_still_calculates_is_left_to_it() -> None:
    pending = THEIR_MANAGER | {"sha256": "", "hash_status": "pending"}
    after = spoken(wrote(lora_manager, existing=pending).content)
    assert (after["sha256"], after["hash_status"]) == ("", "pending")


@pytest.mark.parametrize("change", [{"sha256": "f" * 64}, {"civitai": {"id": 21, "modelId": 10}}])
def test_a_file_of_lora_managers_that_speaks_of_something_else_is_left_alone(change: JsonObject) -> None:
    planned = wrote(lora_manager, existing=THEIR_MANAGER | change)
    assert planned.content is None
    assert "left alone" in str(planned.refusal)


def test_a_file_of_ours_for_lora_manager_follows_its_bytes() -> None:
    ours = loaded(wrote(lora_manager).content)
    edited = known(hashes=replace(HASHES, sha256="E5" * 32))
    assert spoken(wrote(lora_manager, edited, ours).content)["sha256"] == "e5" * 32


@pytest.mark.parametrize("key", ["model_name", "sha256", "preview_url"])
def test_a_key_that_lora_manager_requires_returns_when_it_is_lost(key: str) -> None:
    ours = loaded(wrote(lora_manager).content) | {"notes": "mine"}
    after = loaded(wrote(lora_manager, existing={name: value for name, value in ours.items() if name != key}).content)
    assert after == {**ours, mark.EXTENSIONS: after[mark.EXTENSIONS]}
    OWNERS[SidecarKind.LORA_MANAGER](json.dumps(after).encode())


def test_what_lora_manager_did_not_find_on_civitai_is_not_said_to_be_there() -> None:
    lost = THEIR_MANAGER | {"from_civitai": False, "civitai_deleted": True, "metadata_source": None}
    after = spoken(wrote(lora_manager, existing=lost).content)
    told = ("from_civitai", "civitai_deleted", "metadata_source", "civitai")
    assert {key: after[key] for key in told} == {key: lost[key] for key in told}
    assert "modelDescription" not in after
    assert after["base_model"] == "SDXL 1.0"


def test_what_was_said_of_civitais_answer_stays_where_there_is_none_any_more() -> None:
    ours = loaded(wrote(lora_manager).content)
    assert wrote(lora_manager, known({}, version=None, model=None), ours).content is None


def test_a_missing_hash_is_not_said_to_be_complete() -> None:
    after = spoken(wrote(lora_manager, existing=THEIR_MANAGER | {"sha256": ""}).content)
    assert after["sha256"] == ""
    assert "hash_status" not in after


def test_new_weights_leave_lora_manager_a_whole_file_with_what_a_person_added() -> None:
    ours = loaded(wrote(lora_manager).content) | {"notes": "mine", "favorite": True}
    path = MODEL.with_name("foo.v2.metadata.json")
    other = known({}, version=None, model=None, hashes=replace(HASHES, sha256="E5" * 32, autov3="F6" * 6))
    output = Output(sidecars=frozenset({SidecarKind.LORA_MANAGER}))
    (plan,) = plan_sidecars(other, Spot(MODEL), output, [unwritten(path, ours)], lambda _: {})
    assert plan.content is not None
    OWNERS[SidecarKind.LORA_MANAGER](plan.content)
    after = spoken(plan.content)
    assert (after["notes"], after["favorite"], after["civitai"]) == ("mine", True, {})


# Stability Matrix


def answer_with_file(**changes: Any) -> ModelVersion:
    listed = RemoteFile(7, "foo.safetensors", "Model", 1.0, {"SHA256": HASHES.sha256}, True, None, **changes)
    return replace(version(), files=(RemoteFile(6, "other", None, None, {}, False, None), listed))


def test_a_file_for_stability_matrix_says_where_it_comes_from() -> None:
    metadata: JsonObject = {"fp": "fp16", "size": "full", "format": "SafeTensor"}
    body = spoken(wrote(stability_matrix, known(version=answer_with_file(metadata=metadata))).content)
    assert (body["ModelId"], body["VersionId"], body["Source"]) == (10, 20, 0)
    assert (body["ModelType"], body["BaseModel"], body["Nsfw"]) == ("LORA", "SDXL 1.0", True)
    assert body["Hashes"] == {"SHA256": HASHES.sha256, "CRC32": HASHES.crc32, "BLAKE3": HASHES.blake3}
    assert (body["RemoteFileId"], body["FileMetadata"]) == (7, metadata)
    assert body["ImportedAt"] == "2026-01-02T00:00:00+00:00"


def test_values_that_stability_matrix_cannot_read_are_not_written() -> None:
    odd = answer_with_file(metadata={"fp": 16, "size": None, "format": "Pickle"})
    body = spoken(wrote(stability_matrix, known({Field.MODEL_TYPE: "Something new"}, version=odd)).content)
    assert body["FileMetadata"] == {"fp": None, "size": None, "format": "Unknown"}
    assert body["ModelType"] == "Unknown"


@pytest.mark.parametrize("ids", [{"id": 2**31}, {"model_id": None}, {"model_id": 2**40}])
def test_a_number_beyond_32_bits_would_make_the_file_unreadable_so_it_is_not_written(ids: dict[str, Any]) -> None:
    assert wrote(stability_matrix, known(version=replace(version(), **ids))).content is None


def test_what_stability_matrix_wrote_stays() -> None:
    theirs: JsonObject = {"ModelName": "Mine", "VersionId": 20, "UserTitle": "my title", "Tags": ["a"], "Hashes": None}
    after = spoken(wrote(stability_matrix, existing=theirs).content)
    assert (after["ModelName"], after["UserTitle"], after["Tags"]) == ("Mine", "my title", ["a"])
    assert after["Hashes"] == {"SHA256": HASHES.sha256, "CRC32": HASHES.crc32, "BLAKE3": HASHES.blake3}


def test_a_file_of_stability_matrix_for_another_version_is_left_alone() -> None:
    planned = wrote(stability_matrix, existing={"ModelName": "Mine", "VersionId": 21})
    assert planned.content is None
    assert "another version" in str(planned.refusal)


@pytest.mark.parametrize("source", [1, 2, "Civitai"])
def test_a_model_that_stability_matrix_has_from_elsewhere_gets_nothing_of_civitais(source: JsonValue) -> None:
    planned = wrote(stability_matrix, existing={"ModelName": "4x", "ModelId": None, "Hashes": {}, "Source": source})
    assert planned.content is None
    assert "elsewhere" in str(planned.refusal)


def test_the_hashes_without_which_stability_matrix_fails_return_when_they_are_lost() -> None:
    ours = loaded(wrote(stability_matrix).content)
    fewer = {key: value for key, value in ours.items() if key not in {"Hashes", "Tags"}}
    after = spoken(wrote(stability_matrix, existing=fewer).content)
    assert after == {key: value for key, value in ours.items() if key not in {"Tags", mark.EXTENSIONS}}


def test_hashes_are_put_into_a_file_of_stability_matrix_even_where_civitai_knows_nothing() -> None:
    unknown = known({}, version=None)
    assert wrote(stability_matrix, unknown).content is None
    after = spoken(wrote(stability_matrix, unknown, {"ModelName": "x", "ModelType": "LORA"}).content)
    assert after.keys() == {"ModelName", "ModelType", "Hashes"}


# SwarmUI


def with_header(description: Description, **metadata: JsonValue) -> Description:
    """Give the description of a file with `modelspec.*` in its header."""
    stated = {f"modelspec.{key}": value for key, value in metadata.items()}
    return replace(description, header=Header(Format.SAFETENSORS, Verdict.SOUND, metadata=stated))


def test_swarmui_is_told_what_the_header_does_not_say() -> None:
    header = {"title": "A person's", "trigger_phrase": "theirs", "tags": "theirs", "author": " ", "license": "x"}
    after = spoken(wrote(swarm, with_header(KNOWN, **header)).content)
    assert after.keys() == {f"modelspec.{key}" for key in ("author", "description", "date", "lora_default_weight")}
    assert wrote(swarm, with_header(known({Field.NAME: "x"}), title="A person's")).content is None


def test_what_swarmui_was_told_goes_when_the_header_says_it() -> None:
    ours = loaded(wrote(swarm).content) | {"modelspec.author": "edited"}
    after = spoken(wrote(swarm, with_header(KNOWN, title="A person's", author="A person"), ours).content)
    assert "modelspec.title" not in after
    assert after["modelspec.author"] == "edited"
    alone = loaded(wrote(swarm, known({Field.NAME: "x"})).content)
    assert spoken(wrote(swarm, with_header(known({}), title="A person's"), alone).content) == {}


def test_nothing_lesser_is_told_in_place_of_the_headers_own_description() -> None:
    facts = {
        **KNOWN.facts,
        Field.DESCRIPTION: Fact(Field.DESCRIPTION, Source.EMBEDDED, "of the header"),
        Field.VERSION_DESCRIPTION: Fact(Field.VERSION_DESCRIPTION, Source.CIVITAI_API, "of this version"),
    }
    assert "modelspec.description" not in spoken(wrote(swarm, replace(KNOWN, facts=facts)).content)


def test_swarmui_is_told_all_that_is_known_where_the_header_says_nothing() -> None:
    assert spoken(wrote(swarm).content) == {
        "modelspec.title": "Foo é",
        "modelspec.author": "anna",
        "modelspec.description": "All about Foo",
        "modelspec.trigger_phrase": "foostyle, bar",
        "modelspec.date": "2025-01-01T00:00:00.000Z",
        "modelspec.tags": ["style"],
        "modelspec.lora_default_weight": "0.8",
    }


@pytest.mark.parametrize("source", [Source.EMBEDDED, Source.TOOL_JSON])
def test_swarmui_is_not_told_what_it_said_itself(source: Source) -> None:
    assert wrote(swarm, describe({Field.NAME: "x", Field.DESCRIPTION: "y"}, source=source)).content is None


def test_what_swarmui_wrote_stays() -> None:
    theirs: JsonObject = {
        "modelspec.title": "Mine",
        "modelspec.author": "",
        "modelspec.architecture": "flux-1-dev/lora",
    }
    after = spoken(wrote(swarm, existing=theirs).content)
    assert (after["modelspec.title"], after["modelspec.author"]) == ("Mine", "anna")
    assert after["modelspec.architecture"] == "flux-1-dev/lora"


# All of them


@pytest.mark.parametrize("writer", [lora_manager, stability_matrix, swarm])
@pytest.mark.parametrize(
    "content", [{"hello": 1}, {"nodes": [], "links": []}, {"activation text": "mine"}, {"id": 1, "modelVersions": []}]
)
def test_another_tools_file_in_its_place_is_left_alone(writer: Writer, content: JsonObject) -> None:
    planned = wrote(writer, existing=content)
    assert planned.content is None
    assert "left alone" in str(planned.refusal)


@pytest.mark.parametrize("writer", [lora_manager, stability_matrix, swarm])
def test_an_empty_object_is_filled(writer: Writer) -> None:
    assert wrote(writer, existing={}).content is not None


@pytest.mark.parametrize("writer", [lora_manager, stability_matrix, swarm])
def test_what_was_written_is_not_written_again_and_what_was_removed_stays_removed(writer: Writer) -> None:
    ours = loaded(wrote(writer).content)
    assert wrote(writer, existing=ours).content is None
    key = min(ours.keys() - {mark.EXTENSIONS, "ModelName", "file_path", "file_name", "model_name"})
    without = {name: value for name, value in ours.items() if name != key}
    assert wrote(writer, existing=without).content is None


ELSEWHERE = replace(
    KNOWN,
    path=Path("/mnt/other.safetensors"),
    file=replace(KNOWN.file, first_seen_at=KNOWN.file.first_seen_at + timedelta(days=1)),
)


@pytest.mark.parametrize("writer", [lora_manager, stability_matrix])
def test_two_shelves_that_see_a_folder_otherwise_do_not_write_by_turns(writer: Writer) -> None:
    ours = loaded(wrote(writer).content)
    assert wrote(writer, ELSEWHERE, ours).content is None
    other = known({**VALUES, Field.TAGS: ["later"]}, path=ELSEWHERE.path, file=ELSEWHERE.file)
    settled = {key for key in ("file_path", "file_name", "ImportedAt") if key in ours}
    planned = wrote(writer, other, ours)
    after = loaded(planned.content)
    assert {key: after[key] for key in settled} == {key: ours[key] for key in settled}
    assert planned.digests.keys().isdisjoint(settled)
    assert mark.without_ours(after, {}) == {}
    assert writer.compose(other, unwritten(Path("foo.json"), after), ledger_of(planned)).content is None


@pytest.mark.parametrize("writer", [lora_manager, stability_matrix])
def test_the_shelf_that_wrote_a_file_keeps_it_current(writer: Writer) -> None:
    planned = wrote(writer)
    after = writer.compose(ELSEWHERE, unwritten(Path("foo.json"), loaded(planned.content)), ledger_of(planned))
    assert spoken(after.content) == spoken(wrote(writer, ELSEWHERE).content)


def ledger_of(planned: Planned) -> Digests:
    """Give what the ledger knows after one writing."""
    return {key: [value] for key, value in planned.digests.items()}


def test_of_an_object_in_which_one_value_was_changed_that_value_is_theirs() -> None:
    ours = loaded(wrote(lora_manager).content)
    inner = ours["civitai"]
    assert isinstance(inner, dict)
    changed = ours | {"civitai": {**inner, "trainedWords": ["mine"]}}
    assert mark.without_ours(changed, {}) == {"civitai": {"trainedWords": ["mine"]}}
    assert json.dumps(ours).count("civitai/trainedWords") == 1


def test_an_object_of_which_nothing_is_theirs_is_gone_from_what_is_theirs() -> None:
    ours = loaded(wrote(lora_manager).content)
    inner = ours["civitai"]
    assert isinstance(inner, dict)
    fewer = ours | {"civitai": {key: value for key, value in inner.items() if key != "images"}}
    assert mark.without_ours(fewer, {}) == {}
