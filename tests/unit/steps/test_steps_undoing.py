"""Rules for bringing a sidecar back: what is kept of it, what is refused, and that the daemon then leaves it alone."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.fact import Field
from modelshelf.domain.task import TaskKind
from modelshelf.errors import FileChanged, UsageError
from modelshelf.steps import undoing
from modelshelf.steps.undoing import Undone, undo_sidecar
from modelshelf.steps.write_sidecars import FRESH
from modelshelf.store.former_sidecars import KEPT, LeftSidecar, digest_of
from tests import builders

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.steps.step_shelf import StepShelf

NAME = "model.safetensors"
THEIRS = b'{"notes":   "mine"}'
WORDS = {"modelspec.description": "words"}


@pytest.fixture
def path(shelf: StepShelf) -> Path:
    """Give where the Forge file of a hashed model goes."""
    shelf.put(NAME, builders.lora(1, metadata=WORDS))
    shelf.read(NAME)
    return shelf.path("model.json")


def write(shelf: StepShelf) -> None:
    """Read and write what stands beside the model."""
    shelf.do(TaskKind.WRITE_SIDECARS, NAME)


def undo(shelf: StepShelf, path: Path, *, is_forced: bool = False) -> Undone:
    """Undo, as the command does."""
    return undo_sidecar(shelf.store, path, shelf.clock.now(), is_forced=is_forced)


def edit(path: Path, **changes: object) -> bytes:
    """Change a file as a person does; gives what it holds then."""
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))
    return path.read_bytes()


def refreshed(shelf: StepShelf, words: str) -> None:
    """Let something else be known of the model, and write it."""
    from modelshelf.domain.fact import Fact, Source  # noqa: PLC0415

    fact = Fact(Field.DESCRIPTION, Source.USER, words)
    shelf.store.facts.replace_of_content(shelf.content(NAME).id, Source.USER, [fact])
    write(shelf)


def test_what_a_person_had_comes_back_to_the_byte_and_stays(shelf: StepShelf, path: Path) -> None:
    path.write_bytes(THEIRS)
    write(shelf)
    assert path.read_bytes() != THEIRS
    assert undo(shelf, path) is Undone.BROUGHT_BACK
    assert path.read_bytes() == THEIRS
    write(shelf)
    refreshed(shelf, "other words")
    assert path.read_bytes() == THEIRS
    assert shelf.description(NAME).value(Field.NOTES) == "mine"
    (told,) = shelf.events("sidecar_not_written")
    assert "undo-sidecar" in told["reason"]


def test_an_undoing_is_undone_and_the_file_is_kept_current_again(shelf: StepShelf, path: Path) -> None:
    path.write_bytes(THEIRS)
    write(shelf)
    ours = path.read_bytes()
    undo(shelf, path)
    assert undo(shelf, path) is Undone.TAKEN_BACK
    assert path.read_bytes() == ours
    refreshed(shelf, "other words")
    assert shelf.json("model.json")["description"] == "other words"
    assert undo(shelf, path) is Undone.BROUGHT_BACK
    assert path.read_bytes() == THEIRS


def test_a_file_that_was_all_ours_is_removed_and_brought_back(shelf: StepShelf, path: Path) -> None:
    write(shelf)
    ours = path.read_bytes()
    assert undo(shelf, path) is Undone.REMOVED
    write(shelf)
    assert not path.exists()
    assert undo(shelf, path) is Undone.TAKEN_BACK
    assert path.read_bytes() == ours


def test_our_own_refreshing_does_not_push_out_what_a_person_had(shelf: StepShelf, path: Path) -> None:
    path.write_bytes(THEIRS)
    write(shelf)
    for number in range(2 * KEPT):
        shelf.clock.advance(FRESH.total_seconds() * 2)
        refreshed(shelf, f"words {number}")
    undo(shelf, path)
    assert path.read_bytes() == THEIRS


def test_of_a_file_that_is_all_ours_the_last_state_is_kept_but_not_each_step(shelf: StepShelf, path: Path) -> None:
    write(shelf)
    written_now(shelf, path)
    refreshed(shelf, "a step")
    assert shelf.store.formers.of(os.fsencode(path)) == []
    written_now(shelf, path)
    shelf.clock.advance(FRESH.total_seconds())
    second = path.read_bytes()
    refreshed(shelf, "much later")
    assert [each.content for each in shelf.store.formers.of(os.fsencode(path))] == [second]
    assert undo(shelf, path) is Undone.BROUGHT_BACK
    assert path.read_bytes() == second


def written_now(shelf: StepShelf, path: Path) -> None:
    """Let our last writing have been at the time of the shelf's clock."""
    moment = int(shelf.clock.now().timestamp()) * 10**9
    os.utime(path, ns=(moment, moment))
    shelf.store.database.execute("UPDATE writings SET mtime_ns = ?", (moment,))


def test_an_edit_since_is_refused_and_kept_when_it_is_forced(shelf: StepShelf, path: Path) -> None:
    path.write_bytes(THEIRS)
    write(shelf)
    edited = edit(path, notes="mine, later")
    with pytest.raises(UsageError, match="--force"):
        undo(shelf, path)
    assert path.read_bytes() == edited
    undo(shelf, path, is_forced=True)
    assert path.read_bytes() == THEIRS
    undo(shelf, path)
    assert path.read_bytes() == edited


def test_an_edit_after_an_undoing_is_refused_too(shelf: StepShelf, path: Path) -> None:
    path.write_bytes(THEIRS)
    write(shelf)
    undo(shelf, path)
    edit(path, notes="mine, later")
    with pytest.raises(UsageError, match="changed since"):
        undo(shelf, path)


def test_what_was_deleted_since_comes_back(shelf: StepShelf, path: Path) -> None:
    path.write_bytes(THEIRS)
    write(shelf)
    path.unlink()
    assert undo(shelf, path) is Undone.BROUGHT_BACK
    assert path.read_bytes() == THEIRS


def test_where_nothing_is_kept_nothing_is_done(shelf: StepShelf, path: Path) -> None:
    path.write_bytes(THEIRS)
    with pytest.raises(UsageError, match="changed since"):
        undo(shelf, path)
    with pytest.raises(UsageError, match="nothing is kept"):
        undo(shelf, path, is_forced=True)
    with pytest.raises(UsageError, match="nothing is kept"):
        undo(shelf, path.with_name("never.json"))
    assert path.read_bytes() == THEIRS


def test_a_crash_between_the_wish_and_the_file_loses_neither(
    shelf: StepShelf, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(THEIRS)
    write(shelf)
    ours = path.read_bytes()

    def crash(*_: object, on_ready: Any, **__: object) -> None:
        on_ready(path.lstat())
        raise FileChanged("the power went")

    with monkeypatch.context() as patched:
        patched.setattr(undoing, "replace_file", crash)
        with pytest.raises(FileChanged):
            undo(shelf, path)
    assert path.read_bytes() == ours
    assert {each.content for each in shelf.store.formers.of(os.fsencode(path))} == {THEIRS, ours}
    assert undo(shelf, path) is Undone.BROUGHT_BACK
    assert path.read_bytes() == THEIRS
    assert shelf.store.formers.left(os.fsencode(path)) is not None


def test_other_bytes_have_the_file_changed_only_where_nobody_wished_otherwise(shelf: StepShelf, path: Path) -> None:
    write(shelf)
    ours = path.read_bytes()
    undo(shelf, path)
    path.write_bytes(ours)
    shelf.put(NAME, builders.lora(2), age_seconds=1)
    shelf.scan()
    shelf.do(TaskKind.INSPECT_FILE, NAME)
    shelf.do(TaskKind.HASH_FILE, NAME)
    write(shelf)
    assert path.read_bytes() == ours
    shelf.store.formers.lift(os.fsencode(path))
    write(shelf)
    assert not path.exists() or path.read_bytes() != ours


def test_its_model_is_described_anew_at_once(shelf: StepShelf, path: Path) -> None:
    path.write_bytes(THEIRS)
    write(shelf)
    undo(shelf, path)
    assert [task.subject for task in shelf.tasks(TaskKind.WRITE_SIDECARS)] == [str(shelf.file(NAME).id)]


def test_a_moved_file_takes_its_past_and_the_wish_along(shelf: StepShelf, path: Path) -> None:
    path.write_bytes(THEIRS)
    write(shelf)
    ours = path.read_bytes()
    undo(shelf, path)
    before = shelf.path(NAME)
    before.rename(shelf.path("after.safetensors"))
    shelf.scan()
    shelf.do(TaskKind.CARRY_SIDECARS, "after.safetensors", path=os.fsencode(before))
    moved = os.fsencode(shelf.path("after.json"))
    assert shelf.store.formers.left(moved) == LeftSidecar(digest_of(THEIRS), digest_of(ours))
    assert shelf.store.formers.left(os.fsencode(path)) is None
    assert len(shelf.store.formers.of(moved)) == 2


def test_a_path_is_known_by_what_was_written_or_wished(shelf: StepShelf, path: Path) -> None:
    assert not undoing.is_known_path(shelf.store, os.fsencode(path))
    shelf.store.formers.leave_alone(os.fsencode(path), LeftSidecar(""), shelf.clock.now())
    assert undoing.is_known_path(shelf.store, os.fsencode(path))


def test_a_wish_keeps_the_past_from_being_forgotten(shelf: StepShelf) -> None:
    formers, now = shelf.store.formers, shelf.clock.now()
    formers.keep(b"/a", b"1", now)
    formers.keep(b"/b", b"2", now)
    formers.leave_alone(b"/b", LeftSidecar("x"), now)
    assert formers.prune(now) == 0
    assert formers.prune(now + timedelta(seconds=1)) == 1
    assert [formers.of(each) for each in (b"/a", b"/b")] == [[], formers.of(b"/b")]
    assert len(formers.of(b"/b")) == 1


def test_a_file_of_which_no_model_is_known_comes_back_too(shelf: StepShelf, path: Path) -> None:
    path.write_bytes(THEIRS)
    shelf.store.formers.keep(os.fsencode(path), b"before", shelf.clock.now())
    assert undo(shelf, path, is_forced=True) is Undone.BROUGHT_BACK
    assert path.read_bytes() == b"before"
    assert undo(shelf, path) is Undone.TAKEN_BACK
    assert path.read_bytes() == THEIRS
    assert shelf.tasks(TaskKind.WRITE_SIDECARS) == []


def test_scans_leave_an_undone_file_as_it_is_and_come_to_rest(shelf: StepShelf, path: Path) -> None:
    path.write_bytes(THEIRS)
    shelf.look_through()
    assert path.read_bytes() != THEIRS
    undo(shelf, path)
    shelf.look_through()
    before = shelf.snapshot()
    shelf.look_through()
    assert shelf.snapshot() == before
    assert path.read_bytes() == THEIRS
