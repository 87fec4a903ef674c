"""Sidecars, pages and galleries, step by step."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.fact import Source
from modelshelf.domain.output import HtmlOutput, MetadataOutput, Output
from modelshelf.domain.task import Priority, TaskKind
from modelshelf.errors import FileGone
from modelshelf.sidecars import names
from modelshelf.sidecars.names import possible_stems
from modelshelf.steps import beside
from modelshelf.steps.beside import Surroundings, from_text, stats_of, to_text
from modelshelf.steps.step import Failed
from modelshelf.steps.testimony import civitai_facts
from modelshelf.store.entry import Entry
from tests import builders

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonObject
    from tests.unit.steps.step_shelf import StepShelf

CONTENT = builders.lora(1, metadata={"modelspec.title": "Embedded", "modelspec.description": "words"})


@pytest.fixture
def model(shelf: StepShelf) -> Path:
    """Give a file that is hashed and not yet described."""
    path = shelf.put("model.safetensors", CONTENT)
    shelf.read("model.safetensors")
    return path


def write(shelf: StepShelf) -> None:
    """Read and write what stands beside the model."""
    assert shelf.do(TaskKind.WRITE_SIDECARS, "model.safetensors") == []


def test_a_file_describes_itself_before_any_server_answers(shelf: StepShelf, model: Path) -> None:
    write(shelf)
    assert shelf.json("model.json")["description"] == "words"
    assert not shelf.path("model.civitai.info").exists()
    assert shelf.content("model.safetensors").next_lookup_at == shelf.clock.now()


def test_what_nobody_waits_for_is_written_once_when_civitai_was_asked_or_soon_without_it(
    shelf: StepShelf, model: Path
) -> None:
    (later,) = shelf.do(TaskKind.WRITE_SIDECARS, "model.safetensors", priority=Priority.CHANGED)
    assert not shelf.path("model.json").exists()
    assert shelf.content("model.safetensors").next_lookup_at == shelf.clock.now()
    assert (later.kind, later.subject) == (TaskKind.WRITE_SIDECARS, str(shelf.file("model.safetensors").id))
    assert (later.priority, later.due_at) == (Priority.CHANGED, shelf.clock.now() + timedelta(seconds=30))
    assert not shelf.do(TaskKind.WRITE_SIDECARS, "model.safetensors", priority=Priority.CHANGED)
    assert shelf.json("model.json")["description"] == "words"


def test_what_is_never_asked_for_is_written_at_once(shelf: StepShelf, model: Path) -> None:
    content_id = shelf.content("model.safetensors").id
    shelf.store.contents.record_hit(content_id, 5, shelf.clock.now())
    shelf.store.database.execute("UPDATE contents SET looked_up_at = NULL, next_lookup_at = NULL")
    assert not shelf.do(TaskKind.WRITE_SIDECARS, "model.safetensors", priority=Priority.REST)
    assert shelf.path("model.json").exists()


def test_what_stands_beside_is_remembered_with_what_we_wrote(shelf: StepShelf, model: Path) -> None:
    shelf.put("model.txt", "a note")
    write(shelf)
    assert from_text(shelf.file("model.safetensors").companions).keys() == {"model.json", "model.txt"}


def test_a_lookup_is_owed_once(shelf: StepShelf, model: Path) -> None:
    write(shelf)
    content = shelf.content("model.safetensors")
    shelf.store.contents.record_miss(content.id, shelf.clock.now(), shelf.clock.now().replace(year=2030))
    write(shelf)
    due_at = shelf.content("model.safetensors").next_lookup_at
    assert due_at is not None
    assert due_at.year == 2030


def test_a_forced_description_owes_the_lookup_again(shelf: StepShelf, model: Path) -> None:
    write(shelf)
    content = shelf.content("model.safetensors")
    shelf.store.contents.record_hit(content.id, 5, shelf.clock.now())
    shelf.do(TaskKind.WRITE_SIDECARS, "model.safetensors", is_forced=True)
    (lookup,) = shelf.tasks(TaskKind.IDENTIFY_CONTENT)
    assert (lookup.subject, lookup.is_forced) == (str(content.id), True)


def test_a_content_that_went_meanwhile_owes_nothing(shelf: StepShelf, model: Path) -> None:
    outcomes = shelf.perform(TaskKind.WRITE_SIDECARS, "model.safetensors")
    outcome: Any = outcomes[0]
    gone = replace(outcome.result, file=replace(outcome.result.file, content_id=4711))
    assert shelf.record([replace(outcome, result=gone)]) == []


def test_a_sidecar_goes_where_the_output_says_and_its_directory_is_made(shelf: StepShelf, model: Path) -> None:
    content = shelf.content("model.safetensors")
    body: JsonObject = {"id": 5, "modelId": 6, "files": [], "model": {"name": "Known", "type": "LORA"}}
    shelf.store.remote.keep_version(5, 6, body, shelf.clock.now())
    shelf.store.contents.record_hit(content.id, 5, shelf.clock.now())
    shelf.set_output(Output(metadata=MetadataOutput("{model_dir}/deep/er", "{model_name}.info.json")))
    write(shelf)
    assert shelf.json("deep/er/model.info.json")["id"] == 5
    write(shelf)
    assert not shelf.events("sidecar_not_written")


def test_a_file_where_a_directory_should_be_is_a_reason_not_an_end(shelf: StepShelf, model: Path) -> None:
    content = shelf.content("model.safetensors")
    body: JsonObject = {"id": 5, "modelId": 6, "files": [], "model": {"name": "Known", "type": "LORA"}}
    shelf.store.remote.keep_version(5, 6, body, shelf.clock.now())
    shelf.store.contents.record_hit(content.id, 5, shelf.clock.now())
    shelf.put("blocked", "a file")
    shelf.set_output(Output(metadata=MetadataOutput("{model_dir}/blocked/deep")))
    write(shelf)
    write(shelf)
    assert len(shelf.events("sidecar_not_written")) == 1


@pytest.mark.parametrize("body", [{}, {"id": "none"}, {"id": None, "modelVersions": []}])
def test_json_that_says_nothing_gives_no_fact(body: JsonObject) -> None:
    assert civitai_facts(body, None) == []


def test_json_without_hashes_is_believed() -> None:
    (fact, *_) = civitai_facts({"id": 1, "modelId": 2}, None)
    assert fact.source is Source.CIVITAI_JSON


def test_a_directory_is_no_companion(tmp_path: Path) -> None:
    (tmp_path / "model.json").mkdir()
    (tmp_path / "model.txt").write_text("a note")
    around = Surroundings.of(tmp_path, [b"model.safetensors"])
    assert around.stats_of(b"model").keys() == {"model.txt"}
    assert stats_of(bytes(tmp_path), [b"gone.txt"]) == {}


def test_a_name_that_was_written_since_is_found_with_the_others(tmp_path: Path) -> None:
    for name in ("a.json", "ab.json", "b.json"):
        (tmp_path / name).touch()
    around = Surroundings.of(tmp_path, [b"a.safetensors", b"b.safetensors"])
    (tmp_path / "a.civitai.info").touch()
    around.note(["a.civitai.info", "a.json"])
    assert around.companions_of(b"a") == [b"a.civitai.info", b"a.json"]
    assert around.companions_of(b"b") == [b"b.json"]


def test_a_directory_of_thousands_is_not_gone_through_for_each_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 2_000
    stems = [b"model %d" % number for number in range(count)]
    listed = frozenset(stem + ending for stem in stems for ending in (b".safetensors", b".json", b".civitai.info"))
    looked_at: list[bytes] = []

    def counting(name: bytes) -> list[bytes]:
        looked_at.append(name)
        return possible_stems(name)

    monkeypatch.setattr(names, "possible_stems", counting)
    around = Surroundings(tmp_path, listed, frozenset(stems))
    for stem in stems:
        assert around.companions_of(stem) == [stem + b".civitai.info", stem + b".json"]
        around.note([os.fsdecode(stem + b".preview.png")])
    assert len(looked_at) < 20 * count


def test_a_directory_that_cannot_be_listed_is_an_error_with_a_name(tmp_path: Path) -> None:
    with pytest.raises(FileGone):
        beside.names_in(bytes(tmp_path / "gone"))


def test_nothing_beside_a_model_is_no_text() -> None:
    assert to_text({}) == ""
    assert from_text("") == {}


def test_a_file_above_everything_is_paged_by_its_own_words(shelf: StepShelf, model: Path) -> None:
    write(shelf)
    shelf.do(TaskKind.RENDER_PAGE, "model.safetensors")
    assert "Embedded" in shelf.path("model.html").read_text()
    assert shelf.store.entries.of_folder("loras")[0].has_page


def test_an_unchanged_page_is_not_written_again(shelf: StepShelf, model: Path) -> None:
    shelf.do(TaskKind.RENDER_PAGE, "model.safetensors")
    before = shelf.path("model.html").stat()
    shelf.do(TaskKind.RENDER_PAGE, "model.safetensors")
    assert shelf.path("model.html").stat() == before


@pytest.mark.parametrize("html", [HtmlOutput(is_enabled=False), HtmlOutput(is_gallery_generated=False)])
def test_pages_and_galleries_can_be_turned_off(html: HtmlOutput, shelf: StepShelf, model: Path) -> None:
    shelf.set_output(Output(html=html))
    shelf.do(TaskKind.RENDER_PAGE, "model.safetensors")
    shelf.do(TaskKind.RENDER_GALLERY, "loras")
    assert shelf.path("model.html").exists() is html.is_enabled
    assert not shelf.path("gallery.html").exists()
    assert not html.is_enabled or "gallery.html" not in shelf.path("model.html").read_text()


def test_a_page_that_stands_can_be_left_as_it_is(shelf: StepShelf, model: Path) -> None:
    shelf.do(TaskKind.RENDER_PAGE, "model.safetensors")
    before = shelf.snapshot().files[str(shelf.path("model.html"))]
    shelf.set_output(Output(html=HtmlOutput(is_existing_skipped=True, gallery_title="changed")))
    shelf.put("model.json", json.dumps({"notes": "new words"}))
    write(shelf)
    shelf.do(TaskKind.RENDER_PAGE, "model.safetensors")
    assert shelf.snapshot().files[str(shelf.path("model.html"))] == before
    assert shelf.store.entries.of_folder("loras")[0].has_page


def test_a_directory_in_the_way_of_a_page_is_left(shelf: StepShelf, model: Path) -> None:
    shelf.path("model.html").mkdir()
    shelf.do(TaskKind.RENDER_PAGE, "model.safetensors")
    assert not shelf.store.entries.of_folder("loras")[0].has_page


def test_a_page_goes_where_the_output_says(shelf: StepShelf, model: Path) -> None:
    shelf.set_output(Output(html=HtmlOutput(path="{model_dir}/pages", filename="{model_name}.page.html")))
    shelf.do(TaskKind.RENDER_PAGE, "model.safetensors")
    shelf.do(TaskKind.RENDER_GALLERY, "loras")
    assert 'href="pages/model.page.html"' in shelf.path("gallery.html").read_text()
    assert 'href="../gallery.html"' in shelf.path("pages/model.page.html").read_text()


def test_a_file_that_was_not_inspected_has_no_page(shelf: StepShelf) -> None:
    shelf.put("model.safetensors", CONTENT)
    shelf.scan()
    shelf.do(TaskKind.RENDER_PAGE, "model.safetensors")
    assert not shelf.path("model.html").exists()


def test_a_gallery_shows_how_things_stand(shelf: StepShelf, model: Path) -> None:
    shelf.put("broken.safetensors", builders.html_page())
    shelf.read("broken.safetensors")
    shelf.put("waiting.safetensors", builders.lora(2))
    shelf.put("waiting.safetensors.part", b"")
    shelf.scan()
    shelf.do(TaskKind.RENDER_GALLERY, "loras")
    gallery = shelf.path("gallery.html").read_text()
    for words in ("broken", "being downloaded", "Embedded"):
        assert words in gallery


def test_values_of_a_wrong_type_make_no_card_fail(shelf: StepShelf, model: Path) -> None:
    entry = shelf.store.entries.of_folder("loras")[0]
    assert isinstance(entry, Entry)
    odd = {field: {"odd": [1]} for field in (*entry.values, "tags", "trained_words", "nsfw_level", "creator")}
    from modelshelf.steps.render_gallery import card_of  # noqa: PLC0415

    card = card_of(replace(entry, values=odd), shelf.places["loras"], shelf.path("gallery.html"))  # type: ignore[arg-type]
    assert (card.creator, card.words, card.tags, card.nsfw_level) == (None, (), (), 0)


def test_a_gallery_of_a_folder_that_is_not_configured_is_forgotten(shelf: StepShelf) -> None:
    (outcome,) = shelf.perform(TaskKind.RENDER_GALLERY, "elsewhere")
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, FileGone)


def test_an_empty_folder_has_an_empty_gallery(shelf: StepShelf) -> None:
    shelf.do(TaskKind.RENDER_GALLERY, "loras")
    assert shelf.path("gallery.html").exists()
