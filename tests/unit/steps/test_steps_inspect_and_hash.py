from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.fact import Field
from modelshelf.domain.header import Format, Verdict
from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.task import TaskKind
from modelshelf.errors import FileChanged, FileGone, FolderOffline
from modelshelf.steps import hash_file
from modelshelf.steps.inspect_file import InspectFile
from modelshelf.steps.step import Done, Failed
from tests import builders
from tests.unit.steps.step_shelf import introduce, sha256

if TYPE_CHECKING:
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

CONTENT = builders.lora(1, metadata={"modelspec.title": "Embedded"})


def failure(outcomes: list[Any]) -> Exception:
    """Give the error of the one task that failed."""
    (outcome,) = outcomes
    assert isinstance(outcome, Failed)
    return outcome.error


def test_a_file_is_inspected_before_it_is_hashed(shelf: StepShelf) -> None:
    shelf.put("model.safetensors", CONTENT)
    shelf.scan()
    assert shelf.do(TaskKind.INSPECT_FILE, "model.safetensors") == []
    file = shelf.file("model.safetensors")
    assert (file.is_inspected, file.scan_phase) == (True, ScanPhase.INDEXED)
    header = shelf.store.files.header(file.id)
    assert header is not None
    assert (header.format, header.verdict) == (Format.SAFETENSORS, Verdict.SOUND)
    assert shelf.description("model.safetensors").text(Field.TITLE) == "Embedded"


def test_real_format_is_told_by_the_bytes_not_by_the_name(shelf: StepShelf) -> None:
    shelf.put("model.ckpt", CONTENT)
    shelf.scan()
    shelf.do(TaskKind.INSPECT_FILE, "model.ckpt")
    header = shelf.description("model.ckpt").header
    assert header is not None
    assert header.format is Format.SAFETENSORS


def test_a_broken_file_is_said_to_be_broken_before_anyone_hashes_it(shelf: StepShelf) -> None:
    shelf.put("page.safetensors", builders.html_page())
    shelf.scan()
    (page,) = shelf.do(TaskKind.INSPECT_FILE, "page.safetensors")
    assert page.kind is TaskKind.RENDER_PAGE
    assert [event["verdict"] for event in shelf.events("file_found_broken")] == ["broken"]
    assert shelf.file("page.safetensors").scan_phase is ScanPhase.DEEP
    assert shelf.file("page.safetensors").hash_skipped_reason


def test_a_large_file_is_described_without_a_hash(shelf: StepShelf) -> None:
    shelf.steps[TaskKind.INSPECT_FILE] = InspectFile(shelf.store, shelf.places, shelf.clock, size_limit_bytes=100)
    shelf.put("large.safetensors", CONTENT)
    shelf.scan()
    (sidecars,) = shelf.do(TaskKind.INSPECT_FILE, "large.safetensors")
    assert sidecars.kind is TaskKind.WRITE_SIDECARS
    assert f"{len(CONTENT)} bytes is above hashing.max_size (100 bytes)" == (
        shelf.file("large.safetensors").hash_skipped_reason
    )


def test_a_file_that_was_read_keeps_its_content_under_a_lower_limit_and_is_still_seen_to_rot(shelf: StepShelf) -> None:
    path = shelf.put("large.safetensors", CONTENT)
    shelf.look_through()
    content = shelf.content("large.safetensors")
    shelf.steps[TaskKind.INSPECT_FILE] = InspectFile(shelf.store, shelf.places, shelf.clock, size_limit_bytes=100)
    status = path.stat()
    path.write_bytes(CONTENT[:-1] + b"?")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    shelf.look_through()
    assert (shelf.content("large.safetensors"), shelf.file("large.safetensors").hash_skipped_reason) == (content, None)
    assert [rot.content_id for rot in shelf.store.rot.standing()] == [content.id]


def test_a_file_at_the_limit_is_hashed(shelf: StepShelf) -> None:
    limit = len(CONTENT)
    shelf.steps[TaskKind.INSPECT_FILE] = InspectFile(shelf.store, shelf.places, shelf.clock, size_limit_bytes=limit)
    shelf.put("model.safetensors", CONTENT)
    shelf.read("model.safetensors")
    assert shelf.content("model.safetensors").size_bytes == limit


def test_what_changed_while_it_was_inspected_is_inspected_again(shelf: StepShelf) -> None:
    shelf.put("model.safetensors", CONTENT)
    shelf.scan()
    outcomes = shelf.perform(TaskKind.INSPECT_FILE, "model.safetensors")
    shelf.put("model.safetensors", builders.html_page(), age_seconds=100)
    shelf.scan()
    shelf.record(outcomes)
    assert not shelf.file("model.safetensors").is_inspected


def test_a_hash_is_one_content_however_many_files_hold_it(shelf: StepShelf) -> None:
    for name in ("one.safetensors", "two.safetensors"):
        shelf.put(name, CONTENT)
        shelf.read(name)
    assert shelf.content("one.safetensors") == shelf.content("two.safetensors")
    assert shelf.content("one.safetensors").hashes.sha256 == sha256(CONTENT)


def test_reading_tells_how_far_it_is(shelf: StepShelf) -> None:
    shelf.put("model.safetensors", CONTENT)
    shelf.read("model.safetensors")
    assert shelf.reins.bytes_read == len(CONTENT)


def test_a_batch_ends_after_so_many_bytes_and_gives_the_rest_back(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_file, "BATCH_BYTES", len(CONTENT))
    for number in range(3):
        shelf.put(f"{number}.safetensors", builders.lora(number, metadata={"modelspec.title": "Embedded"}))
    shelf.scan()
    outcomes = shelf.perform(TaskKind.HASH_FILE, *(f"{number}.safetensors" for number in range(3)))
    assert len(outcomes) < 3


def test_a_file_that_changed_since_it_was_noticed_is_not_bound_to_its_hash(shelf: StepShelf) -> None:
    shelf.put("model.safetensors", CONTENT)
    shelf.scan()
    shelf.put("model.safetensors", builders.lora(2), age_seconds=100)
    assert isinstance(failure(shelf.perform(TaskKind.HASH_FILE, "model.safetensors")), FileChanged)


def test_a_hash_of_bytes_that_have_gone_since_is_dropped(shelf: StepShelf) -> None:
    shelf.put("model.safetensors", CONTENT)
    shelf.scan()
    outcomes = shelf.perform(TaskKind.HASH_FILE, "model.safetensors")
    shelf.put("model.safetensors", builders.lora(2), age_seconds=100)
    shelf.scan()
    assert shelf.record(outcomes) == []
    assert shelf.file("model.safetensors").content_id is None


def test_a_copy_of_what_is_identified_is_pictured_too(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    introduce(civitai, CONTENT, "Known")
    shelf.put("one.safetensors", CONTENT)
    shelf.look_through()
    shelf.put("two.safetensors", CONTENT)
    shelf.scan()
    (pictured,) = shelf.do(TaskKind.HASH_FILE, "two.safetensors")
    assert pictured.kind is TaskKind.FETCH_PREVIEWS


@pytest.mark.parametrize("kind", [TaskKind.INSPECT_FILE, TaskKind.HASH_FILE, TaskKind.WRITE_SIDECARS])
def test_a_file_that_is_gone_is_gone_and_not_unreadable(kind: TaskKind, shelf: StepShelf) -> None:
    shelf.put("stays.safetensors", builders.lora(3))
    path = shelf.put("gone.safetensors", CONTENT)
    shelf.scan()
    path.unlink()
    assert isinstance(failure(shelf.perform(kind, "gone.safetensors")), FileGone)
    shelf.scan()
    assert isinstance(failure(shelf.perform(kind, "gone.safetensors")), FileGone)
    assert isinstance(failure(shelf.perform(kind, 4711)), FileGone)


FILE_KINDS = [kind for kind in TaskKind if kind.value.endswith(("file", "sidecars", "previews", "page"))]


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_nothing_is_done_to_a_file_of_an_absent_folder(kind: TaskKind, shelf: StepShelf) -> None:
    shelf.put("model.safetensors", CONTENT)
    shelf.scan()
    shelf.path("").rename(shelf.root / "away")
    shelf.path("").mkdir()
    assert isinstance(failure(shelf.perform(kind, "model.safetensors")), FolderOffline)
    assert not shelf.names()


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_work_on_a_folder_that_is_not_configured_any_more_sleeps(kind: TaskKind, shelf: StepShelf) -> None:
    shelf.put("model.safetensors", CONTENT)
    shelf.scan()
    file_id = shelf.file("model.safetensors").id
    del shelf.places["loras"]
    assert isinstance(failure(shelf.perform(kind, file_id)), FolderOffline)


def test_one_bad_file_never_fails_its_neighbours(shelf: StepShelf) -> None:
    for number in range(3):
        shelf.put(f"{number}.safetensors", builders.lora(number))
    shelf.scan()
    shelf.path("1.safetensors").unlink()
    for kind in (TaskKind.INSPECT_FILE, TaskKind.HASH_FILE, TaskKind.WRITE_SIDECARS):
        outcomes = shelf.perform(kind, *(f"{number}.safetensors" for number in range(3)))
        assert [type(outcome) for outcome in outcomes] == [Done, Failed, Done]
