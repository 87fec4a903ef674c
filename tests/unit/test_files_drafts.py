"""Files put in place together: all durable and announced before one appears, and none at another's cost."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import FileChanged, FileUnreadable, ModelshelfError, StoreError, WriteRefused
from modelshelf.files import Drafts, Ending, drafted
from modelshelf.files.drafts import MOST_DRAFTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Diary:
    """What was told, in order."""

    told: list[str] = field(default_factory=list)
    errors: list[ModelshelfError] = field(default_factory=list)
    ready: dict[str, os.stat_result] = field(default_factory=dict)
    placed: dict[str, os.stat_result] = field(default_factory=dict)

    def ending(self, name: str) -> Ending:
        def on_ready(status: os.stat_result) -> None:
            self.told.append(f"ready {name}")
            self.ready[name] = status

        def on_placed(status: os.stat_result) -> None:
            self.told.append(f"placed {name}")
            self.placed[name] = status

        def on_refused(error: ModelshelfError) -> None:
            self.told.append(f"refused {name}")
            self.errors.append(error)

        return Ending(on_ready, on_placed, on_refused)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.told.append("begin")
        yield
        self.told.append("commit")


def add(
    drafts: Drafts, diary: Diary, path: Path, content: bytes = b"ours", expected: os.stat_result | None = None
) -> None:
    drafts.add(path, content, diary.ending(path.name), expected=expected, within=path.parent)


def test_all_are_ready_in_one_transaction_before_one_appears(tmp_path: Path) -> None:
    diary = Diary()
    with drafted(diary.transaction) as drafts:
        add(drafts, diary, tmp_path / "a")
        add(drafts, diary, tmp_path / "b")
        assert not (tmp_path / "a").exists()
    assert diary.told == ["begin", "ready a", "ready b", "commit", "placed a", "placed b"]
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    for name in ("a", "b"):
        assert diary.ready[name].st_mtime_ns == diary.placed[name].st_mtime_ns == (tmp_path / name).stat().st_mtime_ns


def test_every_draft_is_durable_before_one_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    sync = os.fsync

    def synced(descriptor: int) -> None:
        seen.append([name for name in os.listdir(tmp_path) if not name.startswith(".")])
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    diary = Diary()
    with drafted(diary.transaction) as drafts:
        add(drafts, diary, tmp_path / "a")
        add(drafts, diary, tmp_path / "b")
    assert seen[:2] == [[], []]


def test_nothing_is_closed_under_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who watches for files that are written to would take that for somebody's writing."""
    closed: list[str] = []
    close = os.close

    def noted(descriptor: int) -> None:
        closed.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))  # noqa: PTH115 - as the kernel says it
        close(descriptor)

    monkeypatch.setattr(os, "close", noted)
    diary = Diary()
    with drafted(diary.transaction) as drafts:
        add(drafts, diary, tmp_path / "a")
    assert "a" not in closed
    assert any(name.startswith(".a.modelshelf-") for name in closed)


def test_what_replaces_a_file_keeps_its_mode(tmp_path: Path) -> None:
    path, diary = tmp_path / "a", Diary()
    path.write_bytes(b"theirs")
    path.chmod(0o640)
    with drafted(nullcontext) as drafts:
        add(drafts, diary, path, expected=path.lstat())
    assert path.read_bytes() == b"ours"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_appears_or_changes_meanwhile_costs_no_other(tmp_path: Path) -> None:
    diary = Diary()
    changed = tmp_path / "changed"
    changed.write_bytes(b"as read")
    with drafted(nullcontext) as drafts:
        add(drafts, diary, tmp_path / "new")
        add(drafts, diary, changed, expected=changed.lstat())
        add(drafts, diary, tmp_path / "other")
        (tmp_path / "new").write_bytes(b"theirs")
        changed.write_bytes(b"theirs too")
    assert [type(each) for each in diary.errors] == [FileChanged, FileChanged]
    assert sorted(os.listdir(tmp_path)) == ["changed", "new", "other"]
    assert (tmp_path / "new").read_bytes() == b"theirs"
    assert changed.read_bytes() == b"theirs too"


def test_what_cannot_be_made_durable_does_not_appear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync, calls = os.fsync, iter(range(100))

    def failing(descriptor: int) -> None:
        if next(calls) == 0:
            raise OSError(5, "Input/output error")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    diary = Diary()
    with drafted(diary.transaction) as drafts:
        add(drafts, diary, tmp_path / "a")
        add(drafts, diary, tmp_path / "b")
    assert diary.told == ["refused a", "begin", "ready b", "commit", "placed b"]
    assert isinstance(diary.errors[0], FileUnreadable)
    assert os.listdir(tmp_path) == ["b"]


def test_where_the_transaction_fails_nothing_appears_and_each_is_told(tmp_path: Path) -> None:
    """Each, for who added it may have thought that all was well with it."""

    @contextmanager
    def lost() -> Iterator[None]:
        yield
        raise StoreError("the journal is lost")

    diary = Diary()
    with drafted(lost) as drafts:
        for number in range(MOST_DRAFTS + 1):
            add(drafts, diary, tmp_path / f"{number}")
    assert os.listdir(tmp_path) == []
    assert [type(each) for each in diary.errors] == (MOST_DRAFTS + 1) * [StoreError]


def test_nothing_appears_and_nothing_is_left_where_the_block_fails(tmp_path: Path) -> None:
    diary = Diary()

    def stumble(drafts: Drafts) -> None:
        add(drafts, diary, tmp_path / "a")
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"), drafted(diary.transaction) as drafts:
        stumble(drafts)
    assert diary.told == []
    assert os.listdir(tmp_path) == []


def test_what_is_in_the_way_is_told_at_once(tmp_path: Path) -> None:
    diary = Diary()
    (tmp_path / "a").write_bytes(b"theirs")
    (tmp_path / "locked").write_bytes(b"theirs")
    (tmp_path / "locked").chmod(0o444)
    with drafted(diary.transaction) as drafts:
        with pytest.raises(WriteRefused, match="in the way"):
            add(drafts, diary, tmp_path / "a")
        with pytest.raises(WriteRefused, match="read-only"):
            add(drafts, diary, tmp_path / "locked", expected=(tmp_path / "locked").lstat())
        with pytest.raises(FileChanged):
            add(drafts, diary, tmp_path / "gone", expected=(tmp_path / "a").lstat())
    assert sorted(os.listdir(tmp_path)) == ["a", "locked"]


def test_so_many_hold_no_more_descriptors_than_some(tmp_path: Path) -> None:
    diary = Diary()
    before = len(os.listdir("/proc/self/fd"))
    most = 0
    with drafted(diary.transaction) as drafts:
        for number in range(3 * MOST_DRAFTS):
            add(drafts, diary, tmp_path / f"{number}")
            most = max(most, len(os.listdir("/proc/self/fd")) - before)
    assert most < MOST_DRAFTS
    assert len(os.listdir(tmp_path)) == 3 * MOST_DRAFTS
    assert len(os.listdir("/proc/self/fd")) == before
