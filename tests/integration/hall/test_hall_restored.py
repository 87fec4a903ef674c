"""After a restore: what we wrote since the backup is known as ours by its mark, and what a person wrote is theirs."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.fact import Source
from modelshelf.domain.output import HtmlOutput, ImagesOutput, MetadataOutput, Output
from modelshelf.domain.task import TaskKind
from modelshelf.store.backups import make_backup
from modelshelf.store.healing import REPLACED, put_in_place
from tests import builders
from tests.unit.steps.step_shelf import StepShelf, introduce

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.store.backups import Backup
    from tests.fakes.civitai_server import CivitaiStandIn

CONTENT = builders.lora(31)
NAME = "model.safetensors"
FROM_BESIDE = {Source.FORGE, Source.CIVITAI_JSON}
CIVITSCRAPER = Output(
    metadata=MetadataOutput(path="{model_dir}", filename="{model_name}.json"), html=HtmlOutput(), images=ImagesOutput()
)

MOMENTS = ("before it was seen", "before it was read", "before it was described", "before Civitai changed")


def back_up(shelf: StepShelf) -> Backup:
    return make_backup(shelf.store.database.path, shelf.clock.now())


def lived(shelf: StepShelf, civitai: CivitaiStandIn, moment: str) -> Backup:
    """Let a file come, be described and described anew; gives the backup that was made at one moment of it."""
    backups = {MOMENTS[0]: back_up(shelf)}
    version_id = introduce(civitai, CONTENT, "Model")
    shelf.clock.advance(60)
    shelf.put(NAME, CONTENT)
    shelf.scan()
    backups[MOMENTS[1]] = back_up(shelf)
    shelf.clock.advance(60)
    shelf.do(TaskKind.INSPECT_FILE, NAME)
    shelf.do(TaskKind.HASH_FILE, NAME)
    backups[MOMENTS[2]] = back_up(shelf)
    shelf.clock.advance(60)
    shelf.look_through()
    backups[MOMENTS[3]] = back_up(shelf)
    shelf.clock.advance(60)
    civitai.records.versions[version_id].body["trainedWords"] = ["second word"]
    shelf.look_through(is_forced=True)
    return backups[moment]


@contextmanager
def restored(shelf: StepShelf, backup: Backup, civitai: CivitaiStandIn) -> Iterator[StepShelf]:
    """Give the shelf as it goes on after the restore."""
    path, now, output = shelf.store.database.path, shelf.clock.now(), shelf.places["loras"].output
    shelf.close()
    put_in_place(path, backup, REPLACED, now)
    again = StepShelf(shelf.root, civitai)
    again.clock.advance((now - again.clock.now()).total_seconds())
    again.set_output(output)
    try:
        again.drain()
        yield again
    finally:
        again.close()


def from_beside(shelf: StepShelf) -> dict[str, object]:
    """Give the facts that stand in the catalog as the word of whoever wrote the sidecars."""
    facts = shelf.store.facts.of_file(shelf.file(NAME).id)
    return {fact.field.value: fact.value for fact in facts if fact.source in FROM_BESIDE}


def contents(shelf: StepShelf) -> dict[str, bytes]:
    """Give all that lies on the shelf but the gallery, which tells when a file was seen first."""
    return {name: shelf.path(name).read_bytes() for name in shelf.names() - {"gallery.html"}}


def trained_words(path: Path) -> object:
    document = json.loads(path.read_bytes())
    return document.get("trainedWords") or document["activation text"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("output", [Output(), CIVITSCRAPER], ids=["forge", "civitscraper"])
def test_what_we_wrote_since_the_backup_does_not_become_the_user_s_word(
    moment: str, output: Output, shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    shelf.set_output(output)
    backup = lived(shelf, civitai, moment)
    before = contents(shelf)
    sidecars = [name for name in before if name.endswith((".json", ".info"))]
    assert sidecars
    with restored(shelf, backup, civitai) as again:
        assert from_beside(again) == {}
        assert contents(again) == before
        assert len(again.store.database.rows("SELECT 1 FROM files")) == 1
        version_id = again.content(NAME).version_id
        assert version_id is not None
        civitai.records.versions[version_id].body["trainedWords"] = ["third word"]
        again.look_through(is_forced=True)
        for name in sidecars:
            assert "third word" in str(trained_words(again.path(name)))
        assert not again.tasks()


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_a_person_wrote_before_or_after_the_backup_is_theirs_and_kept(
    moment: str, shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    backup = lived(shelf, civitai, moment)
    sidecar = shelf.path("model.json")
    sidecar.write_text(json.dumps(shelf.json("model.json") | {"activation text": "as I say", "notes": "mine"}))
    shelf.look_through()
    with restored(shelf, backup, civitai) as again:
        assert set(from_beside(again).values()) >= {"mine"}
        assert "as I say" in str(from_beside(again))
        again.look_through(is_forced=True)
        document = again.json("model.json")
        assert (document["activation text"], document["notes"]) == ("as I say", "mine")
        assert document["sd version"] == shelf.json("model.json")["sd version"]
