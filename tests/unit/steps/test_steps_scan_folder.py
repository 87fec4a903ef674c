from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.task import Lane, Priority, TaskKind
from modelshelf.errors import FileGone, FileUnreadable
from modelshelf.shelf.walk import walk
from modelshelf.shelf.wholeness import WholenessGate
from modelshelf.steps import looking, scan_folder
from modelshelf.steps.footing import is_within
from modelshelf.steps.scan_folder import ScanFolder
from modelshelf.steps.step import Done, Failed, Interrupted
from modelshelf.store.files import Files
from tests import builders
from tests.unit.steps.step_shelf import FreeReins

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from modelshelf.domain.model_file import Fingerprint, ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.shelf.wholeness import Evidence, Judgement
    from tests.unit.steps.step_shelf import StepShelf

CONTENT = builders.lora(1)


def test_a_new_file_is_noticed_once(shelf: StepShelf) -> None:
    shelf.put("new.safetensors", CONTENT)
    shelf.scan()
    shelf.scan()
    file = shelf.file("new.safetensors")
    assert (file.scan_phase, file.waiting_reason, file.missing_since) == (ScanPhase.INDEXED, None, None)
    assert file.fingerprint.size_bytes == len(CONTENT)


@pytest.mark.parametrize(
    ("happens", "names"),
    [
        (lambda shelf: shelf.put("07.json", "{}"), ["07.safetensors"]),
        (lambda shelf: shelf.put("new.safetensors", CONTENT), []),
        (lambda shelf: shelf.put("07.safetensors", b"other"), ["07.safetensors"]),
        (lambda shelf: shelf.path("07.safetensors").unlink(), ["07.safetensors"]),
    ],
    ids=["companion", "new", "changed", "gone"],
)
def test_of_a_large_directory_only_the_rows_are_read_that_something_happened_to(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch, happens: Callable[[StepShelf], object], names: list[str]
) -> None:
    for number in range(20):
        shelf.put(f"{number:02}.safetensors", CONTENT)
    shelf.scan()
    happens(shelf)
    found: list[bytes] = []
    real = Files.named

    def named(self: Files, folder_id: str, directory: bytes, asked: Collection[bytes]) -> dict[bytes, ModelFile]:
        rows = real(self, folder_id, directory, asked)
        found.extend(rows)
        return rows

    monkeypatch.setattr(Files, "named", named)
    monkeypatch.delattr(Files, "in_directory")
    shelf.scan()
    assert found == [os.fsencode(name) for name in names]


def test_a_forced_scan_describes_a_file_with_another_ctime_once_more(shelf: StepShelf) -> None:
    shelf.put("model.safetensors", CONTENT)
    shelf.look_through()
    shelf.path("model.safetensors").chmod(0o600)
    assert TaskKind.WRITE_SIDECARS in {task.kind for task in shelf.scan(is_forced=True)}


def test_only_files_that_fit_the_patterns_are_models(shelf: StepShelf) -> None:
    for name in ("a.safetensors", "b.txt", ".hidden.safetensors", "c.safetensors.part", ".git/d.safetensors"):
        shelf.put(name, CONTENT)
    shelf.scan()
    assert list(shelf.store.files.in_directory("loras", b"")) == [b"a.safetensors"]


def test_a_name_that_is_no_utf8_is_a_name_like_any_other(shelf: StepShelf) -> None:
    name = os.fsdecode(b"caf\xe9\n[1].safetensors")
    shelf.put(name, CONTENT)
    shelf.scan()
    assert shelf.file(name).path == b"caf\xe9\n[1].safetensors"


def test_a_file_that_is_still_downloaded_waits_and_is_looked_at_again(shelf: StepShelf) -> None:
    shelf.put("slow.safetensors", CONTENT)
    shelf.put("slow.safetensors.aria2", b"")
    shelf.scan()
    (again,) = shelf.tasks(TaskKind.SCAN_FOLDER)
    assert again.path == b"slow.safetensors"
    assert again.due_at > shelf.clock.now()
    assert "being downloaded" in str(shelf.file("slow.safetensors").waiting_reason)


def test_a_waiting_file_is_ripe_when_nothing_holds_it_back(shelf: StepShelf) -> None:
    shelf.put("slow.safetensors", CONTENT)
    control = shelf.put("slow.safetensors.aria2", b"")
    shelf.scan()
    shelf.scan("slow.safetensors")
    assert shelf.file("slow.safetensors").waiting_reason is not None
    control.unlink()
    shelf.clock.advance(60)
    shelf.scan("slow.safetensors")
    assert shelf.file("slow.safetensors").waiting_reason is None


def test_a_file_that_proves_nothing_waits_its_quiet_time(shelf: StepShelf) -> None:
    shelf.put("plain.pt", b"\x80\x02nothing declared", age_seconds=0)
    shelf.scan("plain.pt")
    (again,) = shelf.tasks(TaskKind.SCAN_FOLDER)
    assert again.due_at == shelf.clock.now() + timedelta(seconds=5)
    shelf.clock.advance(5)
    assert shelf.scan("plain.pt") == []
    assert shelf.file("plain.pt").waiting_reason is None


def test_a_drop_is_more_urgent_than_a_scan_s_find(shelf: StepShelf) -> None:
    shelf.put("slow.safetensors", CONTENT)
    shelf.put("slow.safetensors.part", b"")
    shelf.scan()
    assert [task.priority for task in shelf.tasks()] == [Priority.DROP]
    shelf.scan(priority=Priority.PERSON)
    assert [task.priority for task in shelf.tasks()] == [Priority.DROP]
    shelf.scan(priority=Priority.DEEP)
    assert [task.priority for task in shelf.tasks()] == [Priority.DEEP]


def test_what_a_person_s_scan_finds_is_read_in_its_turn_unless_that_is_asked_for_too(shelf: StepShelf) -> None:
    shelf.put("noted.safetensors", CONTENT)
    shelf.scan(priority=Priority.PERSON)
    assert priorities(shelf) == {b"noted.safetensors": Priority.REST}
    shelf.put("new.safetensors", builders.lora(3))
    shelf.scan(priority=Priority.DEEP)
    assert priorities(shelf) == {b"noted.safetensors": Priority.PERSON, b"new.safetensors": Priority.PERSON}


def test_a_drop_has_what_was_noted_at_rest_read_at_once_and_nothing_else(shelf: StepShelf) -> None:
    shelf.put("noted.safetensors", CONTENT)
    shelf.put("other.safetensors", builders.lora(3))
    shelf.scan(priority=Priority.REST)
    shelf.scan("noted.safetensors", priority=Priority.DROP)
    assert priorities(shelf) == {b"noted.safetensors": Priority.DROP, b"other.safetensors": Priority.REST}


def test_a_walk_tells_how_many_files_it_came_past(shelf: StepShelf) -> None:
    for name in ("a/1.safetensors", "a/2.safetensors", "b/3.safetensors", "c/4.safetensors"):
        shelf.put(name, builders.lora(len(name)))
    shelf.scan()
    assert shelf.reins.bytes_read == 3  # the last directory is told of by the end of the walk


def priorities(shelf: StepShelf) -> dict[bytes, int]:
    rows = shelf.store.database.rows("SELECT name, priority FROM files")
    return {row["name"]: row["priority"] for row in rows}


def test_a_few_new_files_are_on_the_page_before_they_are_read(shelf: StepShelf) -> None:
    shelf.put("new.safetensors", CONTENT)
    assert [task.kind for task in shelf.scan()] == [TaskKind.RENDER_GALLERY]
    assert shelf.scan() == []


@pytest.mark.parametrize(
    ("path", "priority", "raised"),
    [
        ("", Priority.DROP, Priority.REST),
        ("", Priority.DEEP, Priority.PERSON),
        ("style", Priority.DROP, Priority.DROP),
        ("style", Priority.PERSON, Priority.REST),
    ],
)
def test_what_was_owed_before_is_read_at_once_where_it_lies_in_what_was_dropped_or_a_person_says_so(
    shelf: StepShelf, path: str, priority: Priority, raised: Priority
) -> None:
    shelf.put("style/owed.safetensors", CONTENT)
    shelf.scan(priority=Priority.REST)
    shelf.scan(path, priority=priority)
    assert priorities(shelf) == {b"owed.safetensors": raised}


def test_an_unchanged_file_is_no_news_to_an_event(shelf: StepShelf) -> None:
    shelf.put("same.safetensors", CONTENT)
    shelf.read("same.safetensors")
    before = shelf.snapshot()
    assert shelf.scan("same.safetensors") == []
    assert shelf.snapshot() == before


def test_an_event_of_a_deletion_marks_the_file_missing(shelf: StepShelf) -> None:
    shelf.put("gone.safetensors", CONTENT)
    shelf.put("stays.safetensors", builders.lora(12))
    shelf.scan()
    shelf.path("gone.safetensors").unlink()
    (gallery,) = shelf.scan("gone.safetensors")
    assert gallery.kind is TaskKind.RENDER_GALLERY
    assert shelf.file("gone.safetensors").missing_since == shelf.clock.now()
    assert shelf.scan("gone.safetensors") == []


def test_an_event_of_a_path_that_was_never_known_is_nothing(shelf: StepShelf) -> None:
    assert shelf.scan("never.safetensors") == []
    assert shelf.scan("nobody.txt") == []


def test_a_changed_sidecar_has_its_model_described_anew(shelf: StepShelf) -> None:
    shelf.put("model.safetensors", CONTENT)
    shelf.read("model.safetensors")
    shelf.put("model.json", "{}")
    (task,) = shelf.scan("model.json")
    assert (task.kind, task.subject) == (TaskKind.WRITE_SIDECARS, str(shelf.file("model.safetensors").id))
    assert [each.kind for each in shelf.scan()] == [TaskKind.WRITE_SIDECARS]


def test_a_changed_page_is_nobody_s_news(shelf: StepShelf) -> None:
    shelf.put("model.safetensors", CONTENT)
    shelf.read("model.safetensors")
    shelf.put("model.html", "<html>")
    assert shelf.scan("model.html") == []
    assert shelf.scan() == []


def test_a_sidecar_without_a_model_is_nobody_s(shelf: StepShelf) -> None:
    shelf.put("nobody.json", "{}")
    assert shelf.scan("nobody.json") == []


def test_a_sidecar_that_we_wrote_ourselves_is_no_news(shelf: StepShelf) -> None:
    shelf.put("model.safetensors", builders.lora(2, metadata={"modelspec.description": "words"}))
    shelf.read("model.safetensors")
    shelf.do(TaskKind.WRITE_SIDECARS, "model.safetensors")
    assert shelf.path("model.json").exists()
    assert shelf.scan("model.json") == []
    assert shelf.scan() == []


def test_a_missing_model_with_a_longer_stem_claims_no_companions(shelf: StepShelf) -> None:
    shelf.put("model.safetensors", CONTENT)
    shelf.put("model.preview.safetensors", builders.lora(3))
    shelf.read("model.safetensors")
    shelf.path("model.preview.safetensors").unlink()
    shelf.put("model.preview.png", builders.png())
    shelf.scan()
    shelf.do(TaskKind.WRITE_SIDECARS, "model.safetensors")
    assert shelf.scan() == []


def test_our_own_unfinished_files_of_an_earlier_life_are_removed(shelf: StepShelf) -> None:
    leftover = shelf.put(".a.json.modelshelf-0123456789abcdef.tmp", b"half")
    shelf.clock.advance(1)
    shelf.scan()
    assert not leftover.exists()


def test_a_leftover_that_cannot_be_removed_stops_nothing(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> int:
        raise FileUnreadable("read-only")

    monkeypatch.setattr(scan_folder, "remove_leftovers", refuse)
    shelf.put(".a.json.modelshelf-0123456789abcdef.tmp", b"half")
    shelf.put("new.safetensors", CONTENT)
    shelf.scan()
    assert shelf.file("new.safetensors")


def test_a_first_scan_is_recorded_as_it_goes(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_folder, "FLUSH_LOOKS", 2)
    monkeypatch.setattr(scan_folder, "FLUSH_ARRIVALS", 2)
    for number in range(3):
        shelf.put(f"{number}/model.safetensors", builders.lora(number))
    shelf.perform(TaskKind.SCAN_FOLDER, "loras")
    assert all(shelf.file(f"{number}/model.safetensors").id for number in range(3))


def test_a_folder_that_vanishes_while_it_is_walked_is_offline(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_folder, "FLUSH_LOOKS", 1)
    monkeypatch.setattr(scan_folder, "FLUSH_ARRIVALS", 1)
    shelf.put("a/one.safetensors", CONTENT)
    shelf.scan()
    shelf.put("a/two.safetensors", builders.lora(4))

    def walk_then_vanish(*given: Any, **named: Any) -> Any:
        yield from walk(*given, **named)
        shelf.path("").rename(shelf.root / "away")

    monkeypatch.setattr(scan_folder, "walk", walk_then_vanish)
    shelf.scan()
    shelf.scan()
    assert shelf.store.folders.state("loras").offline_since is not None
    assert shelf.file("a/one.safetensors").missing_since is None
    assert len(shelf.events("folder_went_offline")) == 1


def test_what_came_back_before_it_was_recorded_is_there_again_with_its_own_event(shelf: StepShelf) -> None:
    path = shelf.put("blink.safetensors", CONTENT)
    shelf.put("stays.safetensors", builders.lora(5))
    shelf.scan()
    path.unlink()
    outcomes = shelf.perform(TaskKind.SCAN_FOLDER, "loras")
    shelf.put("blink.safetensors", CONTENT)
    shelf.record(outcomes)
    shelf.scan("blink.safetensors")
    assert shelf.file("blink.safetensors").missing_since is None


def test_what_moved_before_it_was_recorded_is_not_missing(shelf: StepShelf) -> None:
    path = shelf.put("before.safetensors", CONTENT)
    shelf.put("stays.safetensors", builders.lora(6))
    shelf.scan()
    target = path.with_name("after.safetensors")
    path.rename(target)
    outcomes = shelf.perform(TaskKind.SCAN_FOLDER, "loras", path=b"before.safetensors")
    shelf.scan("after.safetensors")
    shelf.record(outcomes)
    assert shelf.file("after.safetensors").missing_since is None


def test_a_model_replaced_by_something_that_is_no_file_is_not_read(shelf: StepShelf) -> None:
    path = shelf.put("odd.safetensors", CONTENT)
    shelf.scan()
    path.unlink()
    path.symlink_to("/etc/hostname")
    shelf.scan("odd.safetensors")
    assert shelf.file("odd.safetensors").missing_since is None


def test_a_directory_moved_in_is_walked(shelf: StepShelf) -> None:
    shelf.put("new/deep/one.safetensors", CONTENT)
    shelf.scan("new")
    assert shelf.file("new/deep/one.safetensors")


def test_a_scan_of_a_folder_that_is_not_configured_is_forgotten(shelf: StepShelf) -> None:
    (outcome,) = shelf.perform(TaskKind.SCAN_FOLDER, "elsewhere")
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, FileGone)


def test_one_scan_that_fails_costs_the_next_nothing(shelf: StepShelf) -> None:
    shelf.put("new.safetensors", CONTENT)
    outcomes = shelf.perform(TaskKind.SCAN_FOLDER, "elsewhere", "loras", path=b"new.safetensors")
    assert [type(outcome) for outcome in outcomes] == [Failed, Done]


def test_a_scan_can_be_stopped(shelf: StepShelf) -> None:
    class PulledReins(FreeReins):
        def check(self) -> None:
            raise Interrupted

        def advance(self, task: Task, done_bytes: int) -> None:
            raise AssertionError

    shelf.put("new.safetensors", CONTENT)
    step = shelf.steps[TaskKind.SCAN_FOLDER]
    assert isinstance(step, ScanFolder)
    with pytest.raises(Interrupted):
        step.perform([shelf.task(TaskKind.SCAN_FOLDER, "loras")], PulledReins())


@pytest.mark.parametrize("size_bytes", [0, 3_000_000])
def test_a_stranger_with_the_inode_of_a_deleted_file_is_not_taken_for_it(
    size_bytes: int, shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = builders.lora(13, padding_bytes=size_bytes)
    path = shelf.put("known.safetensors", known)
    shelf.put("stays.safetensors", CONTENT)
    shelf.read("known.safetensors")
    path.rename(path.with_name("moved.safetensors"))
    path.with_name("moved.safetensors").write_bytes(builders.lora(14, padding_bytes=size_bytes))
    shelf.put("moved.safetensors", builders.lora(14, padding_bytes=size_bytes))
    shelf.scan()
    assert shelf.file("known.safetensors").missing_since is not None
    assert shelf.file("moved.safetensors").id != shelf.file("known.safetensors").id
    assert shelf.file("moved.safetensors").content_id is None


def test_a_large_file_is_known_again_by_a_small_part_of_it(shelf: StepShelf) -> None:
    path = shelf.put("known.safetensors", builders.lora(15, padding_bytes=3_000_000))
    shelf.read("known.safetensors")
    path.rename(path.with_name("moved.safetensors"))
    shelf.scan()
    assert shelf.content("moved.safetensors").size_bytes > 3_000_000


def test_a_moved_file_that_cannot_be_read_is_not_taken_for_the_one_it_was(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> bool:
        raise FileUnreadable("not yours")

    path = shelf.put("known.safetensors", CONTENT)
    shelf.read("known.safetensors")
    path.rename(path.with_name("moved.safetensors"))
    monkeypatch.setattr(looking, "has_content", refuse)
    shelf.scan()
    assert shelf.file("moved.safetensors").content_id is None


def test_a_scan_counts_what_it_saw(shelf: StepShelf) -> None:
    run_id = shelf.store.runs.start("nightly", shelf.clock.now())
    shelf.put("stays.safetensors", CONTENT)
    goes = shelf.put("goes.safetensors", builders.lora(7))
    moves = shelf.put("moves.safetensors", builders.lora(8))
    changes = shelf.put("changes.safetensors", builders.lora(9))
    shelf.scan()
    shelf.put("added.safetensors", builders.lora(11))
    goes.unlink()
    moves.rename(moves.with_name("moved.safetensors"))
    changes.write_bytes(builders.lora(10))
    shelf.scan(run_id=run_id)
    run = shelf.store.runs.get(run_id)
    assert run is not None
    counted = run.statistics
    assert (counted.total, counted.added, counted.updated, counted.moved, counted.missing) == (4, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("directory", "ancestor", "expected"),
    [
        (b"a", b"", True),
        (b"a", b"a", True),
        (b"a/b", b"a", True),
        (b"ab", b"a", False),
        (b"a", b"a/b", False),
    ],
)
def test_a_directory_lies_in_itself_and_in_those_above(directory: bytes, ancestor: bytes, *, expected: bool) -> None:
    assert is_within(directory, ancestor) is expected


def test_a_file_that_vanishes_in_the_middle_of_a_scan_costs_nobody_else_anything(shelf: StepShelf) -> None:
    shelf.put("a.safetensors", CONTENT)
    shelf.scan()
    for name in ("b.safetensors", "c.safetensors"):
        shelf.put(name, CONTENT + name.encode(), age_seconds=60)

    def probe(path: Path) -> bool:
        if path.name == "b.safetensors":
            path.unlink(missing_ok=True)
            raise FileGone("gone")
        return False

    step = replace(cast("ScanFolder", shelf.steps[TaskKind.SCAN_FOLDER]), gate=WholenessGate(probe))
    shelf.steps[TaskKind.SCAN_FOLDER] = step
    shelf.scan()
    assert shelf.file("c.safetensors").missing_since is None
    assert shelf.store.files.at("loras", b"b.safetensors") is None


def test_a_known_file_that_vanishes_while_it_is_looked_at_is_missing(
    shelf: StepShelf,
) -> None:
    path = shelf.put("a.safetensors", CONTENT)
    shelf.scan()
    shelf.put("a.safetensors", CONTENT + b"more")

    class VanishingGate(WholenessGate):
        def judge(self, path: Path, fingerprint: Fingerprint, evidence: Evidence) -> Judgement:
            path.unlink()
            raise FileGone("gone")

    step = replace(cast("ScanFolder", shelf.steps[TaskKind.SCAN_FOLDER]), gate=VanishingGate(lambda _: False))
    shelf.steps[TaskKind.SCAN_FOLDER] = step
    shelf.put("other.safetensors.txt", b"")
    shelf.scan("a.safetensors")
    assert not path.exists()
    assert shelf.file("a.safetensors").missing_since is not None


def test_what_a_scan_finds_is_owed_before_the_scan_is_over(shelf: StepShelf) -> None:
    path = shelf.put("before.safetensors", CONTENT)
    shelf.read("before.safetensors")
    path.rename(path.with_name("after.safetensors"))
    shelf.perform(TaskKind.SCAN_FOLDER, "loras")  # a kill comes before the other half
    assert [task.path for task in shelf.tasks(TaskKind.CARRY_SIDECARS)] == [os.fsencode(path)]
    assert shelf.scan() == []


def test_a_drop_that_a_scan_found_first_keeps_its_priority(shelf: StepShelf) -> None:
    shelf.put("quick.safetensors", CONTENT)
    shelf.scan(priority=Priority.REST)
    shelf.scan("quick.safetensors", priority=Priority.DROP)
    (claimed,) = shelf.store.journal.claim(Lane.DESK, shelf.clock.now())
    assert (claimed.kind, claimed.priority) == (TaskKind.INSPECT_FILE, Priority.DROP)


def test_a_file_that_came_back_is_described_again_for_what_was_forgotten_meanwhile(shelf: StepShelf) -> None:
    path = shelf.put("away.safetensors", CONTENT)
    shelf.put("stays.safetensors", CONTENT + b"other")
    shelf.read("away.safetensors")
    path.rename(path.with_name("hidden"))
    shelf.scan()
    path.with_name("hidden").rename(path)
    shelf.scan()
    assert [task.subject for task in shelf.tasks(TaskKind.WRITE_SIDECARS)] == [str(shelf.file("away.safetensors").id)]


def test_what_was_finished_before_a_stop_is_kept(shelf: StepShelf) -> None:
    shelf.put("a.safetensors", CONTENT)

    class ShortReins(FreeReins):
        def __init__(self) -> None:
            super().__init__()
            self.left = 2

        def check(self) -> None:
            self.left -= 1
            if self.left < 0:
                raise Interrupted

        def advance(self, task: Task, done_bytes: int) -> None:
            self.check()

    tasks = [
        shelf.task(TaskKind.SCAN_FOLDER, "loras", name)
        for name in (b"a.safetensors", b"b.safetensors", b"c.safetensors")
    ]
    outcomes = shelf.steps[TaskKind.SCAN_FOLDER].perform(tasks, ShortReins())
    assert [outcome.task.path for outcome in outcomes] == [b"a.safetensors", b"b.safetensors"]
