"""What a dropped file gets: sidecars, picture, page, gallery; with and without Civitai."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.fact import Field
from modelshelf.domain.task import TaskKind
from modelshelf.gallery.content import Sites
from modelshelf.steps.inspect_file import InspectFile
from modelshelf.steps.render_page import RenderPage
from tests import builders
from tests.fakes import civitai_moods as moods
from tests.unit.steps.step_shelf import introduce, sha256

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf


def test_an_identified_file_gets_sidecars_a_picture_a_page_and_a_card(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    content = builders.lora(1)
    version_id = introduce(civitai, content, "Rosy", creator="gardener", tags=["roses"])
    shelf.put("rosy.safetensors", content)
    shelf.look_through()
    assert shelf.names() == {
        "rosy.safetensors", "rosy.civitai.info", "rosy.json", "rosy.preview.png", "rosy.html", "gallery.html"
    }  # fmt: skip
    assert shelf.json("rosy.civitai.info")["id"] == version_id
    assert shelf.json("rosy.civitai.info")["model"]["tags"] == ["roses"]
    assert shelf.json("rosy.json")["activation text"] == "Rosy word"
    assert "gardener" in shelf.path("rosy.html").read_text()
    assert "rosy.preview.png" in shelf.path("gallery.html").read_text()
    assert not shelf.tasks()


def test_a_second_drain_changes_no_file_and_no_row(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    content = builders.lora(2)
    introduce(civitai, content, "Once")
    shelf.put("once.safetensors", content)
    shelf.put("unknown.safetensors", builders.lora(3))
    shelf.put("broken.safetensors", b"\0" * 100)
    shelf.put("same.safetensors", builders.lora(4))
    shelf.put("same.ckpt", builders.torch_zip(4))
    shelf.put("same.json", '{"notes": "mine"}')
    shelf.put("foreign.safetensors", builders.lora(5))
    shelf.put("foreign.json", '{"nodes": [], "links": []}')
    shelf.look_through()
    before = shelf.snapshot()
    requests = len(civitai.requests)
    shelf.look_through()
    assert shelf.snapshot() == before
    assert len(civitai.requests) == requests


def test_without_civitai_all_is_done_that_needs_no_server(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    civitai.mood_for = lambda _: moods.crashed
    shelf.put("alone.safetensors", builders.lora(6, metadata={"modelspec.title": "Alone"}))
    shelf.look_through()
    assert shelf.description("alone.safetensors").text(Field.TITLE) == "Alone"
    assert "Alone" in shelf.path("alone.html").read_text()
    assert shelf.path("gallery.html").exists()
    assert shelf.content("alone.safetensors").next_lookup_at is not None


def test_civitai_s_word_and_only_what_is_unknown_elsewhere(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    content = builders.lora(7)
    introduce(civitai, content, "Theirs")
    shelf.put("mine.safetensors", content)
    shelf.put("mine.json", '{"activation text": "my words", "sd version": "SDXL", "notes": "mine"}')
    shelf.look_through()
    kept = shelf.json("mine.json")
    assert (kept["activation text"], kept["notes"]) == ("my words", "mine")
    assert kept["description"] == "A model of the stand-in."
    assert shelf.description("mine.safetensors").text(Field.ACTIVATION_TEXT) == "my words"
    assert "my words" in shelf.path("mine.html").read_text()


def test_a_file_that_is_not_on_civitai_has_no_civitai_info(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    shelf.put("private.safetensors", builders.lora(8, metadata={"modelspec.description": "Of my own."}))
    shelf.look_through()
    assert shelf.names() == {"private.safetensors", "private.json", "private.html", "gallery.html"}
    assert shelf.json("private.json")["description"] == "Of my own."
    assert "Not on Civitai" in shelf.path("private.html").read_text()


def test_an_unknown_file_is_asked_for_again_in_two_hours_then_later_and_later(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    content = builders.lora(9)
    shelf.put("late.safetensors", content)
    shelf.look_through()
    for hours in (2, 24, 7 * 24, 30 * 24, 30 * 24):
        due_at = shelf.content("late.safetensors").next_lookup_at
        assert due_at is not None
        assert round((due_at - shelf.clock.now()).total_seconds() / 3600) == hours
        shelf.clock.advance(hours * 3600 + 60)
        shelf.drain()
    introduce(civitai, content, "Published")
    shelf.clock.advance(31 * 24 * 3600)
    shelf.drain()
    assert shelf.content("late.safetensors").version_id is not None
    assert "Published" in shelf.path("late.html").read_text()


def test_a_duplicate_is_looked_up_once_and_described_in_both_folders(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    shelf.add_folder("more")
    content = builders.lora(10)
    introduce(civitai, content, "Twin")
    shelf.put("one.safetensors", content)
    shelf.put("two.safetensors", content, "more")
    shelf.look_through("more")
    shelf.look_through("loras")
    assert shelf.content("one.safetensors").id == shelf.content("two.safetensors", "more").id
    for name, folder_id in (("one", "loras"), ("two", "more")):
        assert shelf.json(f"{name}.civitai.info", folder_id)["model"]["tags"] == ["Twin tag"]
        assert shelf.path(f"{name}.preview.png", folder_id).exists()
    assert [each.method for each in civitai.requests if "by-hash" in each.path] == ["GET", "POST"]


def test_of_two_files_with_one_stem_the_first_owns_the_sidecars(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    first, second = builders.torch_zip(11), builders.lora(11)
    introduce(civitai, first, "First")
    introduce(civitai, second, "Second")
    shelf.put("both.ckpt", first)
    shelf.put("both.safetensors", second)
    shelf.look_through()
    assert shelf.json("both.civitai.info")["model"]["name"] == "First"
    assert [each["reason"] for each in shelf.events("sidecar_not_written")] == [
        "its sidecars have the same names as those of both.ckpt"
    ]
    gallery = shelf.path("gallery.html").read_text()
    assert "First" in gallery
    assert "Second" in gallery
    assert [entry.has_page for entry in shelf.store.entries.of_folder("loras")] == [True, False]


def test_a_broken_file_owns_no_stem(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    content = builders.lora(12)
    introduce(civitai, content, "Sound")
    shelf.put("pair.ckpt", builders.html_page())
    shelf.put("pair.safetensors", content)
    shelf.look_through()
    assert shelf.json("pair.civitai.info")["model"]["name"] == "Sound"


def test_who_is_left_of_a_stem_inherits_the_sidecars(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    first, second = builders.torch_zip(13), builders.lora(13)
    introduce(civitai, first, "First")
    introduce(civitai, second, "Second")
    gone = shelf.put("both.ckpt", first)
    shelf.put("both.safetensors", second)
    shelf.look_through()
    gone.unlink()
    shelf.look_through()
    assert shelf.json("both.civitai.info")["model"]["name"] == "Second"
    assert "Second" in shelf.path("both.html").read_text()
    assert shelf.store.entries.of_folder("loras")[0].has_page


def test_a_file_above_the_size_limit_is_described_but_not_hashed_and_says_so(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    shelf.steps[TaskKind.INSPECT_FILE] = InspectFile(shelf.store, shelf.places, shelf.clock, size_limit_bytes=10_000)
    content = builders.lora(14, padding_bytes=20_000, metadata={"modelspec.title": "Large"})
    introduce(civitai, content, "Never asked")
    shelf.put("large.safetensors", content)
    run_id = shelf.store.runs.start("nightly", shelf.clock.now())
    shelf.look_through(run_id=run_id)
    run = shelf.store.runs.get(run_id)
    assert run is not None
    assert (run.statistics.hashes_skipped, run.statistics.hashes_calculated) == (1, 0)
    assert "above hashing.max_size" in str(shelf.file("large.safetensors").hash_skipped_reason)
    page = shelf.path("large.html").read_text()
    assert "Large" in page
    assert "was not hashed" in page
    assert not civitai.requests


BROKEN = {
    "cut.safetensors": builders.lora(15)[:-100],
    "login.safetensors": builders.html_page(),
    "pointer.safetensors": builders.lfs_pointer(),
    "blank.safetensors": bytes(5000),
    "empty.safetensors": b"",
    "error.safetensors": b'{"error": "unauthorized"}',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_said_to_be_broken_and_why(name: str, shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    shelf.put(name, BROKEN[name])
    run_id = shelf.store.runs.start("nightly", shelf.clock.now())
    shelf.look_through(run_id=run_id)
    entry = shelf.store.entries.of_folder("loras")[0]
    assert entry.verdict in {"broken", "incomplete"}
    assert entry.reason
    assert shelf.events(f"file_found_{entry.verdict}")[0]["reason"] == entry.reason
    run = shelf.store.runs.get(run_id)
    assert run is not None
    assert (run.statistics.errors, run.statistics.hashes_skipped) == (1, 0)
    assert shelf.names() == {name, "gallery.html"}
    assert not civitai.requests


def test_an_incomplete_file_waits_until_it_is_whole(shelf: StepShelf) -> None:
    content = builders.lora(16)
    shelf.put("growing.safetensors", content[:-100], age_seconds=0)
    shelf.scan("growing.safetensors")
    assert "bytes are there" in str(shelf.file("growing.safetensors").waiting_reason)
    shelf.drain()
    assert shelf.file("growing.safetensors").content_id is None
    shelf.put("growing.safetensors", content)
    shelf.look_through()
    assert shelf.content("growing.safetensors").size_bytes == len(content)


def test_a_page_of_a_file_that_became_broken_says_so(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    content = builders.lora(17)
    introduce(civitai, content, "Good once")
    shelf.put("rotten.safetensors", content)
    shelf.look_through()
    shelf.put("rotten.safetensors", builders.html_page(), age_seconds=1800)
    shelf.look_through()
    page = shelf.path("rotten.html").read_text()
    assert "This file is broken" in page
    assert "Good once" not in page


def test_a_page_leads_to_the_site_that_is_configured(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    content = builders.lora(18)
    introduce(civitai, content, "Rosy")
    shelf.put("rosy.safetensors", content)
    step = shelf.steps[TaskKind.RENDER_PAGE]
    assert isinstance(step, RenderPage)
    shelf.steps[TaskKind.RENDER_PAGE] = replace(step, sites=Sites("mirror.example", "mirror.example"))
    shelf.look_through()
    assert 'href="https://mirror.example/models/' in shelf.path("rosy.html").read_text()


def test_a_bin_that_is_no_model_is_neither_shown_nor_looked_up(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    content = b"firmware \x01\x02 " * 1000
    introduce(civitai, content, "Never asked")
    shelf.put("router.bin", content)
    shelf.put("router.json", '{"activation text": "of somebody else"}')
    shelf.put("router.safetensors", builders.lora(18))
    shelf.look_through()
    shelf.look_through(is_forced=True)
    gallery = shelf.path("gallery.html").read_text()
    assert "router.bin" not in gallery
    assert shelf.file("router.bin").content_id is None
    assert "router.safetensors" in shelf.path("router.html").read_text()
    hashes = {sha256(builders.lora(18))}
    assert {request.path.rpartition("/")[2] for request in civitai.requests} <= hashes


def test_what_is_described_by_its_sidecars_is_not_looked_up(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    content = builders.lora(19)
    introduce(civitai, content, "Theirs")
    shelf.put("known.safetensors", content)
    shelf.put("known.civitai.info", json.dumps(described(content)))
    shelf.look_through()
    assert not civitai.requests
    assert shelf.json("known.civitai.info") == described(content)
    assert "As I say" in shelf.path("known.html").read_text()


def test_a_forced_scan_has_what_is_described_looked_up_again(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    content = builders.lora(20)
    version_id = introduce(civitai, content, "Before")
    shelf.put("known.safetensors", content)
    shelf.look_through()
    model = civitai.records.versions[version_id].model
    model.body["tags"] = ["new tag"]
    model.body["name"] = "After"
    shelf.look_through(is_forced=True)
    assert shelf.json("known.civitai.info")["model"]["tags"] == ["new tag"]
    assert "new tag" in shelf.path("known.html").read_text()
    assert not shelf.tasks()


def test_a_forced_scan_of_one_path_forces_that_file_alone(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    for number, name in ((21, "one"), (22, "two")):
        introduce(civitai, builders.lora(number), name)
        shelf.put(f"{name}.safetensors", builders.lora(number))
    shelf.look_through()
    civitai.requests.clear()
    shelf.look_through(path="one.safetensors", is_forced=True)
    asked = [json.loads(request.body) for request in civitai.requests if "by-hash" in request.path]
    assert asked == [[sha256(builders.lora(21))]] * 2


def test_skip_existing_false_looks_up_once_and_no_more(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    content = builders.lora(23)
    introduce(civitai, content, "Theirs")
    shelf.places["loras"] = replace(shelf.places["loras"], is_described_skipped=False)
    shelf.put("known.safetensors", content)
    shelf.put("known.civitai.info", json.dumps(described(content)))
    shelf.look_through()
    assert shelf.content("known.safetensors").version_id is not None
    count = len(civitai.requests)
    shelf.look_through()
    assert len(civitai.requests) == count


def described(content: bytes) -> JsonObject:
    """Give a `.civitai.info` as another tool has written it, with everything that Civitai could be asked for."""
    return {
        "id": 501,
        "modelId": 401,
        "name": "v7",
        "baseModel": "SDXL 1.0",
        "trainedWords": ["as I say"],
        "model": {"name": "As I say", "type": "LORA", "tags": ["mine"]},
        "creator": {"username": "me"},
        "files": [{"name": "a.safetensors", "hashes": {"SHA256": sha256(content)}}],
        "images": [],
    }
