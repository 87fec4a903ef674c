from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.task import TaskKind
from modelshelf.errors import FileUnreadable
from modelshelf.steps import looking
from modelshelf.steps.beside import NamesBeside
from modelshelf.steps.looking import Fate, Look
from modelshelf.steps.taking_note import Notes, take_note
from tests import builders
from tests.fakes.careless import forget_letter_case
from tests.unit.steps.step_shelf import TRAITS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.steps.step_shelf import StepShelf

CONTENT = builders.lora(1)


def distrust(shelf: StepShelf) -> None:
    """Make the folder's file system one that invents inodes and ctimes."""
    traits = replace(TRAITS, is_honest=False, is_local=False)
    shelf.places["loras"] = replace(shelf.places["loras"], traits=traits)


def test_where_the_file_system_invents_inodes_a_moved_file_is_known_by_its_bytes(shelf: StepShelf) -> None:
    distrust(shelf)
    path = shelf.put("before.safetensors", CONTENT)
    shelf.put("stays.safetensors", builders.lora(2))
    shelf.read("before.safetensors")
    known = shelf.file("before.safetensors")
    path.rename(path.with_name("after.safetensors"))
    shelf.scan()
    assert shelf.file("after.safetensors").id == known.id
    assert shelf.file("after.safetensors").content_id == known.content_id


def test_where_the_file_system_invents_inodes_one_that_it_gave_again_proves_nothing(shelf: StepShelf) -> None:
    distrust(shelf)
    path = shelf.put("before.safetensors", CONTENT)
    shelf.read("before.safetensors")
    shelf.put("stays.safetensors", builders.lora(2))
    with path.open("r+b") as opened:
        opened.seek(-1, os.SEEK_END)
        opened.write(b"?")
    stranger = path.rename(path.with_name("stranger.safetensors"))
    seen = shelf.file("before.safetensors").fingerprint
    os.utime(stranger, ns=(seen.mtime_ns, seen.mtime_ns))
    assert (stranger.stat().st_ino, stranger.stat().st_size) == (seen.inode, seen.size_bytes)
    shelf.scan()
    assert shelf.file("stranger.safetensors").id != shelf.file("before.safetensors").id
    assert shelf.file("before.safetensors").missing_since is not None


def test_where_the_file_system_invents_inodes_size_and_mtime_tell_a_change(shelf: StepShelf) -> None:
    distrust(shelf)
    path = shelf.put("model.safetensors", CONTENT)
    shelf.read("model.safetensors")
    copy = path.with_name("copy")
    copy.write_bytes(CONTENT)
    os.utime(copy, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))
    copy.replace(path)
    shelf.scan()
    assert shelf.file("model.safetensors").content_id is not None


@pytest.mark.parametrize("path", ["", "A/MODEL.safetensors", "A"])
def test_where_letter_case_does_not_count_a_file_spelled_anew_is_the_same_file(
    path: str, shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put("a/model.safetensors", CONTENT)
    shelf.put("stays.safetensors", builders.lora(2))
    shelf.read("a/model.safetensors")
    known = shelf.file("a/model.safetensors")
    shelf.path("a/model.safetensors").rename(shelf.path("a/MODEL.safetensors"))
    shelf.path("a").rename(shelf.path("A"))
    forget_letter_case(monkeypatch)
    shelf.scan(path)
    shelf.scan("a")
    shelf.scan("a/model.safetensors")
    assert shelf.store.folders.state("loras").file_count == 2
    shelf.scan()
    assert shelf.file("A/MODEL.safetensors").id == known.id
    assert shelf.file("A/MODEL.safetensors").content_id == known.content_id
    assert shelf.store.folders.state("loras").file_count == 2


def test_a_file_is_not_moved_from_a_place_that_cannot_be_looked_at(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise FileUnreadable("input/output error")

    path = shelf.put("before.safetensors", CONTENT)
    shelf.put("stays.safetensors", builders.lora(2))
    shelf.scan()
    path.rename(path.with_name("after.safetensors"))
    with monkeypatch.context() as broken:
        broken.setattr(looking, "check_presence", refuse)
        shelf.scan("after.safetensors")
    assert shelf.file("after.safetensors").id != shelf.file("before.safetensors").id


def test_a_file_whose_length_cannot_be_read_yet_is_judged_by_its_quiet(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise FileUnreadable("not yours yet")

    monkeypatch.setattr(looking, "declared_size", refuse)
    shelf.put("model.safetensors", CONTENT, age_seconds=0)
    shelf.scan("model.safetensors")
    assert [task.path for task in shelf.tasks(TaskKind.SCAN_FOLDER)] == [b"model.safetensors"]
    assert "changed less than 5 s ago" in str(shelf.file("model.safetensors").waiting_reason)


def test_a_file_waiting_to_be_whole_is_not_taken_for_a_moved_one(shelf: StepShelf) -> None:
    path = shelf.put("before.safetensors", CONTENT)
    shelf.put("before.safetensors.aria2", b"")
    shelf.scan()
    path.rename(path.with_name("after.safetensors"))
    shelf.scan()
    assert shelf.file("after.safetensors").id != shelf.file("before.safetensors").id


def test_a_name_beside_is_looked_for_by_itself_and_none_is_too_long_to_ask_for(tmp_path: Path) -> None:
    (tmp_path / "a.aria2").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    beside = NamesBeside(os.fsencode(tmp_path))
    assert b"a.aria2" in beside
    assert b"dangling" in beside
    assert b"a.part" not in beside
    assert b"x" * 256 not in beside
    no_name: Any = "a.aria2"
    assert no_name not in beside
    assert b"a" not in NamesBeside(b"/" + b"d/" * 2047)


def test_a_look_without_a_row_changes_none(shelf: StepShelf) -> None:
    shelf.put("model.safetensors", CONTENT)
    shelf.scan()
    fingerprint = shelf.file("model.safetensors").fingerprint
    before = shelf.snapshot()
    notes = Notes()
    fates = (Fate.CHANGED, Fate.MOVED, Fate.RETURNED, Fate.RIPENED, Fate.TOUCHED)
    looks = [Look(fate, b"model.safetensors", fingerprint, None) for fate in fates]
    task = shelf.task(TaskKind.SCAN_FOLDER, "loras")
    take_note(shelf.store, shelf.places["loras"], task, looks, notes, shelf.clock.now())
    assert shelf.snapshot() == before
    assert notes == Notes()


@pytest.mark.parametrize("ahead_seconds", [3600.0, 400_000_000_000.0])
def test_an_mtime_in_the_future_delays_a_file_by_its_quiet_time_at_most(shelf: StepShelf, ahead_seconds: float) -> None:
    shelf.put("plain.pt", b"\x80\x02nothing declared", age_seconds=-ahead_seconds)
    shelf.put("other.safetensors", CONTENT)
    shelf.scan()
    (again,) = shelf.tasks(TaskKind.SCAN_FOLDER)
    assert (again.due_at - shelf.clock.now()).total_seconds() <= 5
    assert shelf.file("other.safetensors").waiting_reason is None
    shelf.clock.advance(5)
    shelf.scan("plain.pt")
    assert shelf.file("plain.pt").waiting_reason is None
