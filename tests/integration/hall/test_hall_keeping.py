"""What is somebody else's stays as it is: pictures, sidecars, pages, and directories that may not be written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.fact import Field
from modelshelf.domain.output import MetadataOutput, Output
from modelshelf.domain.task import TaskKind
from modelshelf.errors import DiskFull, FileUnreadable, WriteRefused
from modelshelf.files import Drafts
from modelshelf.sidecars.names import PREVIEW_SUFFIXES
from modelshelf.steps import fetch_previews
from tests import builders
from tests.unit.steps.step_shelf import introduce, sha256

if TYPE_CHECKING:
    from typing import Any

    from modelshelf.domain.jsontypes import JsonObject
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

SUFFIXES = [suffix.decode() for suffix in PREVIEW_SUFFIXES]
USERS_OWN = [
    *SUFFIXES,
    *(f".preview{suffix}" for suffix in SUFFIXES),
    ".preview1.jpeg",
    ".thumb.jpg",
    ".example.0.jpeg",
    "_1.jpg",
    ".PNG",
]


@pytest.fixture
def content(civitai: CivitaiStandIn) -> bytes:
    """Give the bytes of a LoRA that the stand-in knows as "Theirs"."""
    made = builders.lora(30)
    introduce(civitai, made, "Theirs")
    return made


@pytest.mark.parametrize("ending", USERS_OWN)
def test_a_picture_that_is_there_is_the_user_s_own_and_none_is_fetched(
    ending: str, shelf: StepShelf, civitai: CivitaiStandIn, content: bytes
) -> None:
    shelf.put("mine.safetensors", content)
    mine = shelf.put(f"mine{ending}", b"not even a picture")
    shelf.look_through()
    assert mine.read_bytes() == b"not even a picture"
    assert not [request for request in civitai.requests if request.path.startswith("/images/")]
    assert f"mine{ending}" in shelf.path("gallery.html").read_text()
    assert f"mine{ending}" in shelf.path("mine.html").read_text()


def test_a_deleted_picture_is_noticed_and_not_fetched_again(shelf: StepShelf, content: bytes) -> None:
    shelf.put("mine.safetensors", content)
    shelf.look_through()
    shelf.path("mine.preview.png").unlink()
    shelf.look_through()
    assert not shelf.path("mine.preview.png").exists()
    assert "mine.preview.png" not in shelf.path("mine.html").read_text()
    assert "mine.preview.png" not in shelf.path("gallery.html").read_text()


def test_a_linked_sidecar_is_read_noticed_and_never_written_through(shelf: StepShelf, content: bytes) -> None:
    shelf.put("mine.safetensors", content)
    elsewhere = shelf.root / "elsewhere.json"
    elsewhere.write_text('{"notes": "linked words"}')
    shelf.path("mine.json").symlink_to(elsewhere)
    shelf.look_through()
    assert elsewhere.read_text() == '{"notes": "linked words"}'
    assert "linked words" in shelf.path("mine.html").read_text()
    before = shelf.snapshot()
    shelf.look_through()
    assert shelf.snapshot() == before


def test_an_a1111_file_keeps_every_word_and_gains_what_it_lacks(shelf: StepShelf, content: bytes) -> None:
    mine = {"activation text": "mine", "preferred weight": 0.7, "notes": "keep", "their own key": [1, 2]}
    shelf.put("mine.safetensors", content)
    shelf.put("mine.json", json.dumps(mine))
    shelf.look_through()
    merged = shelf.json("mine.json")
    assert {key: merged[key] for key in mine} == mine
    assert merged["sd version"] == "SDXL"
    assert shelf.description("mine.safetensors").value(Field.PREFERRED_WEIGHT) == 0.7


FOREIGN: dict[str, JsonObject] = {
    "CivitScraper": {"id": 1, "modelId": 2, "files": [], "siblingVersions": [], "parentModel": {}},
    "SD.Next": {"id": 3, "name": "x", "type": "LORA", "modelVersions": []},
    "ComfyUI": {"nodes": [], "links": []},
    "nobody": {"completely": "unknown", "to": "us"},
}


@pytest.mark.parametrize("tool", FOREIGN)
def test_another_tool_s_json_in_the_way_is_kept_and_said_once(tool: str, shelf: StepShelf, content: bytes) -> None:
    written = json.dumps(FOREIGN[tool])
    shelf.put("mine.safetensors", content)
    theirs = shelf.put("mine.json", written)
    shelf.look_through()
    shelf.look_through(is_forced=True)
    assert theirs.read_text() == written
    reasons = [str(each["reason"]) for each in shelf.events("sidecar_not_written")]
    assert len(reasons) == 1
    assert "left alone" in reasons[0]


def test_an_a1111_file_in_the_way_of_output_metadata_is_kept_and_the_other_said_to_be_missing(
    shelf: StepShelf, content: bytes
) -> None:
    shelf.set_output(Output(metadata=MetadataOutput()))
    shelf.put("mine.safetensors", content)
    mine = shelf.put("mine.json", '{"activation text": "mine"}')
    shelf.look_through()
    assert mine.read_text() == '{"activation text": "mine"}'
    assert not shelf.path("mine.civitai.info").exists()
    assert "another tool" in str(shelf.events("sidecar_not_written")[0]["reason"])


def test_a_stale_civitai_info_of_other_bytes_is_no_source_of_facts(shelf: StepShelf, content: bytes) -> None:
    stale = {
        "id": 7,
        "modelId": 8,
        "baseModel": "SD 1.5",
        "model": {"name": "Another model"},
        "files": [{"hashes": {"SHA256": "F" * 64}}],
    }
    shelf.put("mine.safetensors", content)
    shelf.put("mine.civitai.info", json.dumps(stale))
    shelf.look_through()
    assert shelf.description("mine.safetensors").text(Field.NAME) == "Theirs"
    assert shelf.json("mine.civitai.info") == stale
    assert "Another model" not in shelf.path("mine.html").read_text()


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_model_s_json_speaks_only_for_files_that_it_lists(is_ours: bool, shelf: StepShelf) -> None:  # noqa: FBT001
    content = builders.lora(31)
    listed = sha256(content) if is_ours else "F" * 64
    version: JsonObject = {"id": 6, "files": [{"hashes": {"SHA256": listed}}]}
    body: JsonObject = {"id": 5, "name": "From a model", "modelVersions": [version, "no version"]}
    shelf.put("mine.safetensors", content)
    shelf.put("mine.api_info.json", json.dumps(body))
    shelf.look_through()
    assert (shelf.description("mine.safetensors").text(Field.NAME) == "From a model") is is_ours


def test_what_we_wrote_is_never_a_fact(shelf: StepShelf, content: bytes) -> None:
    shelf.put("mine.safetensors", content)
    shelf.look_through()
    rows = shelf.store.database.rows("SELECT DISTINCT source FROM facts")
    assert {row["source"] for row in rows} == {"civitai_api", "embedded"}


def test_a_page_of_somebody_else_is_left_alone(shelf: StepShelf, content: bytes) -> None:
    shelf.put("mine.safetensors", content)
    theirs = shelf.put("mine.html", "<html>my notes</html>")
    shelf.look_through()
    assert theirs.read_text() == "<html>my notes</html>"
    assert not shelf.store.entries.of_folder("loras")[0].has_page


@pytest.mark.parametrize("refusal", [WriteRefused("not yours"), FileUnreadable("read-only", errno=30)])
def test_a_directory_that_may_not_be_written_is_reported_and_everything_else_done(
    refusal: Exception, shelf: StepShelf, civitai: CivitaiStandIn, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise refusal

    monkeypatch.setattr(fetch_previews, "create_file", refuse)
    monkeypatch.setattr(Drafts, "add", refuse)
    shelf.put("mine.safetensors", content)
    shelf.look_through()
    assert shelf.names() == {"mine.safetensors"}
    assert shelf.description("mine.safetensors").text(Field.NAME) == "Theirs"
    assert {str(each["reason"]) for each in shelf.events("sidecar_not_written")} == {str(refusal)}
    assert len([request for request in civitai.requests if request.path.startswith("/images/")]) == 1
    assert not shelf.tasks()


def test_a_directory_without_permission_is_owed_and_shown_until_somebody_mends_it(
    shelf: StepShelf, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise FileUnreadable("permission denied", errno=13)

    with monkeypatch.context() as barred:
        barred.setattr(Drafts, "add", refuse)
        shelf.put("mine.safetensors", content)
        shelf.look_through()
        (failure,) = shelf.store.journal.failures()
        assert (failure.kind, failure.failure_kind) == (TaskKind.WRITE_SIDECARS, "access")
        assert shelf.description("mine.safetensors").text(Field.NAME) == "Theirs"
    shelf.clock.advance(86_400)
    shelf.drain()
    assert shelf.path("mine.civitai.info").exists()
    assert not shelf.store.journal.failures()


def test_a_full_disk_is_tried_again_until_there_is_room(
    shelf: StepShelf, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise DiskFull("no space left")

    with monkeypatch.context() as full:
        full.setattr(Drafts, "add", refuse)
        shelf.put("mine.safetensors", content)
        shelf.look_through()
        assert "no space left" in str([task.last_error for task in shelf.tasks()])
    shelf.clock.advance(3600)
    shelf.drain()
    assert shelf.path("mine.civitai.info").exists()
    assert not shelf.tasks()
