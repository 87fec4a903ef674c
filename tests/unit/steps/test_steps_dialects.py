"""Every dialect on a shelf, there and back: what others put into a file stays, and a second run changes no byte and no row."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.output import MetadataOutput, Output, SidecarKind
from modelshelf.domain.task import TaskKind
from tests import builders
from tests.unit.sidecars.owners import OWNERS, civitscraper
from tests.unit.steps.step_shelf import sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from tests.unit.steps.step_shelf import StepShelf

CONTENT = builders.lora(1, metadata={"modelspec.title": "Embedded", "modelspec.description": "words"})
NAME = "model.safetensors"
CIVITSCRAPER = "civitscraper"
DIALECTS = [*map(str, SidecarKind), CIVITSCRAPER]
FILES = {
    "forge": "model.json",
    "civitai_info": "model.civitai.info",
    "lora_manager": "model.metadata.json",
    "stability_matrix": "model.cm-info.json",
    "swarm": "model.swarm.json",
    CIVITSCRAPER: "model.json",
}
EDITS: dict[str, dict[str, JsonValue]] = {
    "forge": {"activation text": "mine", "unknown": {"deep": [1, None]}},
    "civitai_info": {"trainedWords": ["mine"], "unknown": {"deep": [1, None]}},
    "lora_manager": {"base_model": "My base", "notes": "mine", "unknown": {"deep": [1, None]}},
    "stability_matrix": {"ModelName": "Mine", "UserTitle": "mine", "Unknown": {"deep": [1, None]}},
    "swarm": {"modelspec.title": "Mine", "modelspec.usage_hint": "mine", "unknown": {"deep": [1, None]}},
    CIVITSCRAPER: {"trainedWords": ["mine"], "unknown": {"deep": [1, None]}},
}
HOSTILE = [
    b"",
    b"{",
    b"[1, 2]",
    b"null",
    b'"text"',
    b"\xff\xfe\x00",
    b'{"a": 1, "a": 2}',
    b'{"a": NaN}',
    b"[" * 50_000,
    b'{"x": "' + b"y" * (17 * 1024 * 1024) + b'"}',
    b'{"nodes": [], "links": []}',
]


def accept(dialect: str, content: bytes) -> None:
    """See that the owner of a dialect takes a file."""
    owner: Callable[[bytes], None] = civitscraper if dialect == CIVITSCRAPER else OWNERS[SidecarKind(dialect)]
    owner(content)


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest, shelf: StepShelf) -> str:
    """Give a dialect; a model that Civitai knows waits to be described in it alone."""
    name = str(request.param)
    kinds = frozenset() if name == CIVITSCRAPER else frozenset({SidecarKind(name)})
    shelf.set_output(Output(sidecars=kinds, metadata=MetadataOutput() if name == CIVITSCRAPER else None))
    shelf.put(NAME, CONTENT)
    shelf.read(NAME)
    know(shelf, NAME)
    return name


def know(shelf: StepShelf, name: str, **changes: JsonValue) -> None:
    """Let Civitai know a model and the model above it."""
    hashes: JsonObject = {"SHA256": sha256(shelf.path(name).read_bytes())}
    body: JsonObject = {
        "id": 5,
        "modelId": 6,
        "name": "v1",
        "baseModel": "SDXL 1.0",
        "trainedWords": ["ours"],
        "files": [{"id": 7, "name": name, "hashes": hashes}],
        "model": {"name": "Known", "type": "LORA"},
        **changes,
    }
    shelf.store.remote.keep_version(5, 6, body, shelf.clock.now())
    above: JsonObject = {"id": 6, "name": "Known", "type": "LORA", "tags": ["style"], "modelVersions": []}
    shelf.store.remote.keep_model(6, above, shelf.clock.now())
    shelf.store.contents.record_hit(shelf.content(name).id, 5, shelf.clock.now())
    from modelshelf.civitai.payload import parse_version  # noqa: PLC0415
    from modelshelf.domain.fact import Source  # noqa: PLC0415
    from modelshelf.steps.describe import known_model, remote_facts  # noqa: PLC0415

    facts = remote_facts(parse_version(body), known_model(shelf.store, 6))
    shelf.store.facts.replace_of_content(shelf.content(name).id, Source.CIVITAI_API, facts)


def write(shelf: StepShelf) -> None:
    """Read and write what stands beside the model."""
    shelf.do(TaskKind.WRITE_SIDECARS, NAME)


def edit(path: Path, changes: dict[str, JsonValue]) -> None:
    """Change a file as a person does."""
    content: dict[str, Any] = json.loads(path.read_bytes())
    path.write_text(json.dumps(content | changes), "utf-8")


def demand_still(shelf: StepShelf) -> None:
    """Demand that another run changes nothing at all."""
    before = shelf.snapshot()
    write(shelf)
    assert shelf.snapshot() == before


def test_a_file_is_made_that_its_owner_takes_and_once(shelf: StepShelf, dialect: str) -> None:
    write(shelf)
    accept(dialect, shelf.path(FILES[dialect]).read_bytes())
    assert {name for name in shelf.names() if name != NAME} == {FILES[dialect]}
    demand_still(shelf)


def test_what_we_wrote_is_no_fact(shelf: StepShelf, dialect: str) -> None:
    write(shelf)
    write(shelf)
    sources = {fact.source.value for fact in shelf.store.facts.of_file(shelf.file(NAME).id)}
    assert sources == {"embedded", "civitai_api"}


def test_edits_and_unknown_keys_stay_and_the_rest_is_refreshed(shelf: StepShelf, dialect: str) -> None:
    write(shelf)
    path = shelf.path(FILES[dialect])
    edit(path, EDITS[dialect])
    write(shelf)
    shelf.store.remote.keep_version(5, 6, {"id": 5, "modelId": 6, "name": "v2", "files": []}, shelf.clock.now())
    write(shelf)
    after = json.loads(path.read_bytes())
    assert {key: after[key] for key in EDITS[dialect]} == EDITS[dialect]
    accept(dialect, path.read_bytes())
    demand_still(shelf)


def test_a_value_that_we_wrote_once_is_a_persons_who_types_it_again(shelf: StepShelf, dialect: str) -> None:
    write(shelf)
    path = shelf.path(FILES[dialect])
    before = json.loads(path.read_bytes())
    know(shelf, NAME, trainedWords=["later"])
    write(shelf)
    after = json.loads(path.read_bytes())
    changed = {key: value for key, value in before.items() if key != "extensions" and after[key] != value}
    assert len(changed) == 1
    edit(path, changed)
    write(shelf)
    assert json.loads(path.read_bytes()) == after | changed
    demand_still(shelf)


def test_a_value_that_a_person_removed_does_not_return(shelf: StepShelf, dialect: str) -> None:
    removable = {"lora_manager": "modelDescription", "stability_matrix": "Tags", "swarm": "modelspec.tags"}
    key = removable.get(dialect, "description" if dialect == "forge" else "trainedWords")
    write(shelf)
    path = shelf.path(FILES[dialect])
    content: dict[str, Any] = json.loads(path.read_bytes())
    content.pop(key, None)
    path.write_text(json.dumps(content))
    write(shelf)
    assert key not in json.loads(path.read_bytes())
    demand_still(shelf)


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_file_is_left_as_it_is_and_told_of_once(shelf: StepShelf, dialect: str, content: bytes) -> None:
    shelf.put(FILES[dialect], content)
    write(shelf)
    assert shelf.path(FILES[dialect]).read_bytes() == content
    assert len(shelf.events("sidecar_not_written")) == 1
    demand_still(shelf)


@pytest.mark.parametrize("value", [None, 0, True, [], {}, "", "\ud800", [[1]], {"a": {"b": 1}}, 2**70, 1.5])
def test_values_of_a_wrong_type_are_a_persons_own_business(shelf: StepShelf, dialect: str, value: JsonValue) -> None:
    write(shelf)
    path = shelf.path(FILES[dialect])
    content: dict[str, Any] = json.loads(path.read_bytes())
    theirs = {key: value for key in content if key != "extensions"}
    path.write_text(json.dumps(theirs))
    write(shelf)
    demand_still(shelf)
    assert shelf.do(TaskKind.RENDER_PAGE, NAME) == []


def test_a_file_that_comes_back_from_a_backup_is_as_current_as_before(shelf: StepShelf, dialect: str) -> None:
    write(shelf)
    path = shelf.path(FILES[dialect])
    saved = path.with_name("saved.bak")
    shutil.copy2(path, saved)
    shelf.store.remote.keep_version(
        5, 6, {"id": 5, "modelId": 6, "name": "later", "files": [], "baseModel": "Pony"}, shelf.clock.now()
    )
    write(shelf)
    newer = path.read_bytes()
    shutil.copy2(saved, path)
    write(shelf)
    saved.unlink()
    assert path.read_bytes() == newer
    assert {fact.source.value for fact in shelf.store.facts.of_file(shelf.file(NAME).id)} == {"embedded", "civitai_api"}
    demand_still(shelf)


def test_a_file_that_lost_its_mark_is_still_known_as_ours(shelf: StepShelf, dialect: str) -> None:
    write(shelf)
    path = shelf.path(FILES[dialect])
    content: dict[str, Any] = json.loads(path.read_bytes())
    del content["extensions"]
    path.write_text(json.dumps(content))
    write(shelf)
    assert {fact.source.value for fact in shelf.store.facts.of_file(shelf.file(NAME).id)} == {"embedded", "civitai_api"}
    demand_still(shelf)


def test_a_dialect_that_is_off_is_never_touched(shelf: StepShelf, dialect: str) -> None:
    theirs = json.dumps({"extensions": {}, "notes": "mine"})
    shelf.put(FILES[dialect], theirs)
    shelf.set_output(Output(sidecars=frozenset()))
    write(shelf)
    assert shelf.path(FILES[dialect]).read_text() == theirs
    assert shelf.names() == {NAME, FILES[dialect]}


def test_a_moved_model_takes_its_file_along_and_it_is_current_there(shelf: StepShelf, dialect: str) -> None:
    write(shelf)
    edit(shelf.path(FILES[dialect]), {"unknown": 1})
    before = shelf.path(NAME)
    before.rename(shelf.path("moved.safetensors"))
    shelf.scan()
    shelf.do(TaskKind.CARRY_SIDECARS, "moved.safetensors", path=os.fsencode(before))
    name = FILES[dialect].replace("model.", "moved.", 1)
    assert shelf.names() == {"moved.safetensors", name}
    shelf.store.database.execute("DELETE FROM tasks")  # the carrying is done
    shelf.do(TaskKind.WRITE_SIDECARS, "moved.safetensors")
    after = shelf.json(name)
    assert after["unknown"] == 1
    if dialect == "lora_manager":
        assert after["file_path"] == str(shelf.path("moved.safetensors"))
    assert shelf.store.formers.of(os.fsencode(shelf.path(FILES[dialect]))) == []
