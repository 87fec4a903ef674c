"""What a scan did not find: missing, or held back where it is too much at once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.task import TaskKind
from modelshelf.shelf.mounts import MountView
from modelshelf.steps import footing
from modelshelf.steps.absence import BRAKE_FILES, SAMPLE_FILES
from modelshelf.store.holds import RECENT
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from modelshelf.domain.task import NewTask
    from tests.unit.steps.step_shelf import StepShelf


def fill(shelf: StepShelf, count: int, directory: str = "") -> list[str]:
    names = [f"{directory}{number}.safetensors" for number in range(count)]
    for number, name in enumerate(names):
        shelf.put(name, builders.lora(number))
    shelf.scan()
    return names


def remove(shelf: StepShelf, names: Iterable[str]) -> None:
    for name in names:
        shelf.path(name).unlink()


def missing(shelf: StepShelf) -> int:
    return int(shelf.store.database.rows("SELECT count(*) FROM files WHERE missing_since IS NOT NULL")[0][0])


def held(shelf: StepShelf) -> int:
    hold = shelf.store.holds.of("loras")
    return 0 if hold is None else hold.file_count


def scans(new: list[NewTask]) -> list[bytes]:
    return [task.path for task in new if task.kind is TaskKind.SCAN_FOLDER]


def test_fifty_files_are_believed_and_one_more_is_not(shelf: StepShelf) -> None:
    names = fill(shelf, 2 * BRAKE_FILES + 2)
    remove(shelf, names[:BRAKE_FILES])
    shelf.scan()
    assert (missing(shelf), held(shelf)) == (BRAKE_FILES, 0)
    shelf.clock.advance(RECENT.total_seconds() + 1)
    remove(shelf, names[BRAKE_FILES : 2 * BRAKE_FILES + 1])
    shelf.scan()
    assert (missing(shelf), held(shelf)) == (BRAKE_FILES, BRAKE_FILES + 1)


def test_of_a_large_folder_a_tenth_is_believed(shelf: StepShelf) -> None:
    names = fill(shelf, 20 * BRAKE_FILES)
    remove(shelf, names[: 2 * BRAKE_FILES])
    shelf.scan()
    assert (missing(shelf), held(shelf)) == (2 * BRAKE_FILES, 0)
    shelf.clock.advance(RECENT.total_seconds() + 1)
    remove(shelf, names[2 * BRAKE_FILES : 4 * BRAKE_FILES])
    shelf.scan()
    assert (missing(shelf), held(shelf)) == (2 * BRAKE_FILES, 2 * BRAKE_FILES)


def test_a_hold_is_told_once_with_its_count_and_a_few_of_its_files(shelf: StepShelf) -> None:
    names = fill(shelf, BRAKE_FILES + 10)
    remove(shelf, names[1:])
    shelf.scan()
    shelf.clock.advance(60)
    shelf.scan()
    assert shelf.events("files_held_back") == [{"files": BRAKE_FILES + 9, "known": BRAKE_FILES + 10}]
    hold = shelf.store.holds.of("loras")
    assert hold is not None
    assert len(set(hold.sample)) == SAMPLE_FILES
    assert shelf.events("file_went_missing") == []


def test_files_that_return_end_the_hold_by_themselves(shelf: StepShelf) -> None:
    names = fill(shelf, BRAKE_FILES + 10)
    aside = shelf.root / "aside"
    aside.mkdir()
    for name in names[1:]:
        shelf.path(name).rename(aside / name)
    shelf.scan()
    for name in names[2:]:
        (aside / name).rename(shelf.path(name))
    shelf.scan()
    assert (held(shelf), missing(shelf)) == (0, 1)
    assert shelf.events("hold_ended") == [{"is_confirmed": False}]


def test_while_a_folder_is_held_its_parts_are_not_judged(shelf: StepShelf) -> None:
    names = fill(shelf, BRAKE_FILES + 10)
    remove(shelf, names[1:])
    shelf.scan()
    remove(shelf, names[:1])
    shelf.put("notes.txt", b"")
    assert shelf.scan(names[0]) == []
    assert missing(shelf) == 0


def test_a_person_s_word_ends_the_hold_and_what_follows_is_counted_anew(shelf: StepShelf) -> None:
    names = fill(shelf, BRAKE_FILES + 10)
    remove(shelf, names[2:])
    shelf.scan()
    shelf.confirm_missing()
    shelf.clock.advance(1)
    shelf.scan()
    assert (held(shelf), missing(shelf)) == (0, BRAKE_FILES + 8)
    assert shelf.events("hold_ended") == [{"is_confirmed": True}]
    shelf.clock.advance(1)
    remove(shelf, names[1:2])
    shelf.scan(names[1])
    assert missing(shelf) == BRAKE_FILES + 9


def test_many_small_looks_do_not_slip_under_the_brake(shelf: StepShelf) -> None:
    for directory in range(8):
        fill(shelf, 10, f"{directory}/")
    owed: list[bytes] = []
    for directory in range(7):
        remove(shelf, [f"{directory}/{number}.safetensors" for number in range(10)])
        shelf.path(str(directory)).rmdir()
        owed += scans(shelf.scan(str(directory)))
        shelf.clock.advance(60)
    assert (missing(shelf), owed) == (50, [b"", b""])
    shelf.scan()
    assert (missing(shelf), held(shelf)) == (50, 20)


def test_a_person_s_scan_of_a_part_looks_at_the_whole_at_once(shelf: StepShelf) -> None:
    names = fill(shelf, BRAKE_FILES + 1, "old/")
    shelf.put("stays.safetensors", builders.lora(99))
    remove(shelf, names)
    run_id = shelf.store.runs.start(None, shelf.clock.now())
    (again,) = shelf.scan("old", run_id=run_id)
    assert (again.path, again.due_at, again.run_id) == (b"", None, run_id)


def test_a_file_that_was_seen_again_with_other_bytes_is_not_missing(shelf: StepShelf) -> None:
    names = fill(shelf, 2)
    remove(shelf, names[:1])
    outcomes = shelf.perform(TaskKind.SCAN_FOLDER, "loras")
    shelf.put(names[0], builders.lora(77, padding_bytes=100))
    shelf.scan(names[0])
    shelf.record(outcomes)
    assert missing(shelf) == 0


def test_a_renamed_directory_is_no_disappearance(shelf: StepShelf) -> None:
    fill(shelf, BRAKE_FILES + 10, "old/")
    shelf.path("old").rename(shelf.path("new"))
    shelf.look_through(path="old")
    shelf.look_through(path="new")
    assert (missing(shelf), shelf.events("files_held_back")) == (0, [])
    assert shelf.file("new/1.safetensors").missing_since is None


def test_what_was_moved_by_copying_is_believed_once_the_copies_are_known(shelf: StepShelf) -> None:
    shelf.add_folder("other")
    for number in range(BRAKE_FILES + 10):
        shelf.put(f"{number}.safetensors", builders.lora(number))
    shelf.put("stays.safetensors", builders.lora(999))
    shelf.look_through()
    for number in range(BRAKE_FILES + 10):
        path = shelf.path(f"{number}.safetensors")
        shelf.put(path.name, path.read_bytes(), "other")
        path.unlink()
    shelf.scan()
    assert (missing(shelf), held(shelf)) == (0, BRAKE_FILES + 10)
    shelf.look_through("other")
    shelf.look_through()
    assert (missing(shelf), held(shelf)) == (BRAKE_FILES + 10, 0)
    shelf.path("stays.safetensors").unlink()
    shelf.put("notes.txt", b"")
    shelf.scan("stays.safetensors")
    assert missing(shelf) == BRAKE_FILES + 11


def test_a_slow_thinning_out_is_believed(shelf: StepShelf) -> None:
    names = fill(shelf, BRAKE_FILES + 10)
    for name in names[1:]:
        remove(shelf, [name])
        shelf.scan(name)
        shelf.clock.advance(RECENT.total_seconds() / BRAKE_FILES + 1)
    assert (missing(shelf), held(shelf)) == (len(names) - 1, 0)


def test_a_mount_that_changes_before_the_record_leaves_the_judging_to_a_second_look(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = fill(shelf, 3)
    remove(shelf, names[:1])
    outcomes = shelf.perform(TaskKind.SCAN_FOLDER, "loras", path=names[0].encode())
    monkeypatch.setattr(footing, "mounts_around", lambda _: MountView(frozenset({b"new"}), frozenset()))
    (again,) = shelf.record(outcomes)
    assert (again.kind, again.path) == (TaskKind.SCAN_FOLDER, names[0].encode())
    assert again.due_at == shelf.clock.now() + timedelta(seconds=10)
    assert missing(shelf) == 0


def test_no_disk_is_asked_while_a_scan_is_recorded(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a transaction waits for a disk")

    names = fill(shelf, 3)
    remove(shelf, names[:1])
    outcomes = shelf.perform(TaskKind.SCAN_FOLDER, "loras")
    with monkeypatch.context() as barred:
        for name in ("stat", "lstat", "scandir", "listdir", "statvfs"):
            barred.setattr(f"os.{name}", refuse)
        shelf.record(outcomes)
    assert missing(shelf) == 1


def test_a_whole_folder_ends_its_batch(shelf: StepShelf) -> None:
    tasks = [shelf.task(TaskKind.SCAN_FOLDER, "loras", path) for path in (b"a", b"", b"b")]
    outcomes = shelf.steps[TaskKind.SCAN_FOLDER].perform(tasks, shelf.reins)
    assert [outcome.task.path for outcome in outcomes] == [b"a", b""]


def test_a_mount_with_no_model_on_it_is_nobody_s_business(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(shelf, 1)
    monkeypatch.setattr(footing, "mounts_around", lambda _: MountView(frozenset(), frozenset({b"backup"})))
    shelf.scan()
    assert shelf.store.grounds.all_mount_points() == []


def test_a_person_s_word_forgets_a_lost_mount_too(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = MountView(frozenset(), frozenset({b"big"}))
    monkeypatch.setattr(footing, "mounts_around", lambda _: mounts)
    fill(shelf, 2, "big/")
    fill(shelf, 1)
    monkeypatch.setattr(footing, "mounts_around", lambda _: MountView())
    remove(shelf, ["big/0.safetensors", "big/1.safetensors"])
    shelf.scan()
    assert [point.lost_since for point in shelf.store.grounds.all_mount_points()] == [shelf.clock.now()]
    assert (missing(shelf), len(shelf.store.failures.all())) == (0, 1)
    shelf.confirm_missing()
    shelf.scan()
    assert shelf.store.grounds.all_mount_points() == []
    assert (missing(shelf), shelf.store.failures.all()) == (2, [])
