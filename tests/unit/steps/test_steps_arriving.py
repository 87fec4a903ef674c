"""New files come by the directory where that is safe; what may still be written, or written once more, is looked at."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.task import Priority, TaskKind
from modelshelf.errors import FileUnreadable
from modelshelf.shelf.wholeness import WholenessGate
from modelshelf.steps import arriving, looking
from modelshelf.steps.arriving import in_batches
from tests import builders
from tests.logged import logged
from tests.unit.steps.step_shelf import HOUR, TRAITS

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.model_file import Stamp
    from modelshelf.steps.scan_folder import ScanFolder
    from tests.unit.steps.step_shelf import StepShelf

CONTENT, NEW = builders.lora(1), builders.lora(2)
LARGE = builders.lora(3, padding_bytes=2_000_000)
NAME = "model.safetensors"
DAY = 24 * HOUR


def probe_with(shelf: StepShelf, probe: Any) -> None:
    step = replace(cast("ScanFolder", shelf.steps[TaskKind.SCAN_FOLDER]), gate=WholenessGate(probe))
    shelf.steps[TaskKind.SCAN_FOLDER] = step


def stand_on(shelf: StepShelf, **traits: Any) -> None:
    shelf.places["loras"] = replace(shelf.places["loras"], traits=replace(TRAITS, **traits))


@pytest.fixture
def opened(shelf: StepShelf) -> list[str]:
    """Give the names of the files that were asked for writers."""
    names: list[str] = []

    def probe(path: Path) -> bool:
        names.append(path.name)
        return path.name.startswith("written")

    probe_with(shelf, probe)
    return names


def test_old_files_are_not_opened_and_young_ones_are_asked_for_writers(shelf: StepShelf, opened: list[str]) -> None:
    shelf.put("old.pt", b"", age_seconds=DAY)
    shelf.put("young.pt", b"", age_seconds=60)
    shelf.put("written.pt", b"", age_seconds=60)
    shelf.scan()
    assert "old.pt" not in opened
    assert {"young.pt", "written.pt"} <= set(opened)
    assert shelf.file("written.pt").waiting_reason == "still open for writing"
    assert shelf.file("old.pt").waiting_reason is shelf.file("young.pt").waiting_reason is None


def test_where_writers_are_elsewhere_nobody_is_asked_for_them(shelf: StepShelf, opened: list[str]) -> None:
    stand_on(shelf, is_local=False, is_honest=False)
    shelf.put("written.pt", b"", age_seconds=60)
    shelf.scan()
    assert opened == []
    assert shelf.file("written.pt").waiting_reason is None


@pytest.mark.parametrize("beside", ["a.pt.part", "a.pt.aria2"])
def test_what_is_being_downloaded_waits_however_old(shelf: StepShelf, beside: str) -> None:
    shelf.put("a.pt", b"", age_seconds=DAY)
    shelf.put("b.pt", b"", age_seconds=DAY)
    shelf.put(beside, b"", age_seconds=DAY)
    shelf.scan()
    assert "still being downloaded" in (shelf.file("a.pt").waiting_reason or "")
    assert shelf.file("b.pt").waiting_reason is None


def test_a_look_at_a_directory_of_which_an_event_told_takes_no_age_for_proof(shelf: StepShelf) -> None:
    shelf.put("sub/a.pt", b"not much", age_seconds=DAY)
    shelf.scan("sub")
    assert shelf.file("sub/a.pt").waiting_reason is not None


def test_a_few_new_files_are_told_one_by_one_and_many_together(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "TOLD_EACH", 2)
    shelf.put("a.pt", b"12")
    with logged() as few:
        shelf.scan()
    for name in ("b.pt", "c.pt", "d.pt"):
        shelf.put(name, b"123")
    with logged() as many:
        shelf.scan()
    for name in ("e.pt", "f.pt", "g.pt"):
        shelf.put(name, b"1234", age_seconds=0)
    with logged() as waiting:
        shelf.scan()
    told = [[each for each in events if "noticed" in str(each["event"])] for events in (few, many, waiting)]
    assert [[each["event"] for each in events] for events in told] == [
        ["file_noticed"],
        ["files_noticed"],
        ["files_noticed"],
    ]
    assert [(events[0].get("files"), events[0]["size_bytes"]) for events in told] == [(None, 2), (3, 9), (3, 12)]


def test_new_files_take_the_urgency_of_the_scan_and_its_run(shelf: StepShelf) -> None:
    shelf.put("a.pt", b"")
    shelf.scan(priority=Priority.DEEP)
    row = shelf.store.database.rows("SELECT priority FROM files")[0]
    assert row["priority"] == Priority.PERSON


def test_batches_hold_no_more_than_is_recorded_at_once() -> None:
    def stamps(count: int) -> list[Stamp]:
        return [(b"%d" % number, 0, 0, 0, 0) for number in range(count)]

    batches = [
        [(directory, len(part)) for directory, part in batch]
        for batch in in_batches([(b"a", stamps(3)), (b"b", stamps(2)), (b"c", stamps(12)), (b"d", [])], 5)
    ]
    assert batches == [[(b"a", 3), (b"b", 2)], [(b"c", 5)], [(b"c", 5)], [(b"c", 2)]]
    assert list(in_batches([], 5)) == []


# times that may be borne twice


@pytest.mark.parametrize(("is_honest", "wait_seconds"), [(True, 0.011), (False, 2.2)])
def test_what_could_be_written_once_more_with_the_same_times_is_looked_at_again(
    shelf: StepShelf, wait_seconds: float, *, is_honest: bool
) -> None:
    stand_on(shelf, is_honest=is_honest)
    shelf.put(NAME, CONTENT, age_seconds=0)
    shelf.scan(NAME)
    (again,) = shelf.tasks(TaskKind.SCAN_FOLDER)
    assert shelf.file(NAME).waiting_reason == "changed within the last tick of its clock"
    assert again.due_at is not None
    assert (again.due_at - shelf.clock.now()).total_seconds() == pytest.approx(wait_seconds)
    shelf.clock.advance(wait_seconds)
    shelf.scan(NAME)
    assert shelf.file(NAME).waiting_reason is None


@pytest.mark.parametrize("age_seconds", [3, -3, -HOUR])
def test_a_clock_that_is_wrong_holds_nothing_back(shelf: StepShelf, age_seconds: float) -> None:
    stand_on(shelf, is_honest=False)
    shelf.put(NAME, CONTENT, age_seconds=age_seconds)
    shelf.scan(NAME)
    assert shelf.file(NAME).waiting_reason is None


def test_a_file_that_fat_gives_back_with_an_older_second_is_the_same(shelf: StepShelf) -> None:
    stand_on(shelf, is_honest=False)
    path = shelf.put(NAME, CONTENT)
    shelf.read(NAME)
    second = path.stat().st_mtime_ns
    os.utime(path, ns=(second + 1_500_000_000, second + 1_500_000_000))
    assert shelf.scan() == []
    assert shelf.file(NAME).scan_phase is ScanPhase.DEEP
    os.utime(path, ns=(second + 2_000_000_000, second + 2_000_000_000))
    shelf.scan()
    assert shelf.file(NAME).scan_phase is ScanPhase.INDEXED


# the probe


def rewrite(path: Path, offset: int, content: bytes) -> None:
    """Write in the middle and give the file its time back."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))


def test_another_ctime_costs_a_probe_and_the_file_is_verified_among_the_first(shelf: StepShelf) -> None:
    shelf.put("other.safetensors", CONTENT)
    shelf.put(NAME, LARGE)
    shelf.read("other.safetensors")
    shelf.read(NAME)
    shelf.path(NAME).chmod(0o600)
    with logged() as told:
        assert shelf.scan() == []
    assert [each["files"] for each in told if each["event"] == "files_probed"] == [1]
    assert shelf.file(NAME).scan_phase is ScanPhase.DEEP
    oldest = [each.file_id for each in shelf.store.verifications.oldest(["loras"], shelf.clock.now())]
    assert oldest == [shelf.file(NAME).id, shelf.file("other.safetensors").id]
    with logged() as told:
        shelf.scan()
    assert not [each for each in told if each["event"] == "files_probed"]


@pytest.mark.parametrize("offset", [100, 1024 * 1024, len(LARGE) - 1])
def test_after_another_probe_all_is_read(shelf: StepShelf, offset: int) -> None:
    path = shelf.put(NAME, LARGE)
    shelf.read(NAME)
    rewrite(path, offset, b"\xff")
    shelf.scan()
    assert shelf.file(NAME).scan_phase is ScanPhase.INDEXED


def test_a_write_that_an_event_told_of_is_read_whatever_the_probe(shelf: StepShelf) -> None:
    path = shelf.put(NAME, LARGE)
    shelf.read(NAME)
    rewrite(path, 500_000, b"\xff")
    shelf.scan(NAME)
    assert shelf.file(NAME).scan_phase is ScanPhase.INDEXED


def test_a_file_without_a_probe_or_that_cannot_be_probed_is_read_again(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bytes:
        raise FileUnreadable("input/output error")

    shelf.put(NAME, CONTENT)
    shelf.read(NAME)
    shelf.path(NAME).chmod(0o600)
    with monkeypatch.context() as broken:
        broken.setattr(looking, "probe_file", refuse)
        shelf.scan()
    assert shelf.file(NAME).scan_phase is ScanPhase.INDEXED
    shelf.read(NAME)
    shelf.store.database.execute("UPDATE contents SET probe = NULL")
    shelf.path(NAME).chmod(0o644)
    shelf.scan()
    assert shelf.file(NAME).scan_phase is ScanPhase.INDEXED
    assert shelf.file(NAME).content_id is not None


def test_a_copy_with_its_times_in_the_file_s_stead_is_probed_too(shelf: StepShelf) -> None:
    path = shelf.put(NAME, CONTENT)
    shelf.read(NAME)
    known, before = shelf.file(NAME), path.stat()
    for content, phase in ((CONTENT, ScanPhase.DEEP), (NEW, ScanPhase.INDEXED)):
        path.with_name("x.tmp").write_bytes(content)
        path.with_name("x.tmp").replace(path)
        os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
        shelf.scan()
        assert (shelf.file(NAME).id, shelf.file(NAME).scan_phase) == (known.id, phase)
