"""`--dry-run`: the difference between disk and catalog."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelshelf.domain.model_file import Fingerprint
from modelshelf.domain.task import Priority
from modelshelf.shelf.devices import DeviceTraits
from modelshelf.shelf.presence import ground_of
from modelshelf.store.files import NewFile
from tests.unit.cli.cli_shelf import THEN

if TYPE_CHECKING:
    import pytest

    from tests.unit.cli.cli_shelf import CliShelf


def know(shelf: CliShelf, *paths: Path) -> None:
    """Record these files as they are now."""
    with shelf.store() as store:
        store.grounds.keep("loras", ground_of(shelf.folders[0]))
        for path in paths:
            root = shelf.root / "loras"
            fingerprint = Fingerprint.of(path.lstat())
            store.files.add(NewFile("loras", os.fsencode(path.relative_to(root)), fingerprint, THEN, Priority.REST))


def differences(shelf: CliShelf, *arguments: str) -> list[tuple[str, str]]:
    document: Any = shelf.run("scan", "--dry-run", "--json", *arguments).document
    return [(each["change"], each["path"]) for each in document["differences"]]


def believe_inodes(monkeypatch: pytest.MonkeyPatch, *, is_honest: bool) -> None:
    traits = DeviceTraits(id="8:1", file_system="ext4", is_local=True, is_honest=is_honest, has_events=True)
    monkeypatch.setattr("modelshelf.cli.dry_run.device_of", lambda _: traits)


def test_where_nothing_is_recorded_everything_is_new(shelf: CliShelf) -> None:
    shelf.put("ink.safetensors")
    shelf.put("style/oil.safetensors")
    shelf.put("ink.json")
    assert differences(shelf) == [("new", "ink.safetensors"), ("new", "style/oil.safetensors")]


def test_what_is_as_recorded_is_no_difference(shelf: CliShelf) -> None:
    know(shelf, shelf.put("ink.safetensors"), shelf.put("style/oil.safetensors"))
    answer = shelf.run("scan", "--dry-run")
    assert answer.out == "A scan would find nothing new. Nothing was written.\n"


def test_changed_missing_and_returned_files_are_told(shelf: CliShelf) -> None:
    changed, gone, deep = (
        shelf.put(name) for name in ("changed.safetensors", "gone.safetensors", "a/deep.safetensors")
    )
    back = shelf.put("back.safetensors")
    know(shelf, changed, gone, deep, back)
    with shelf.store() as store:
        file = store.files.at("loras", b"back.safetensors")
        assert file is not None
        store.files.mark_missing([file.id], THEN)
    changed.write_bytes(b"other weights")
    gone.unlink()
    shutil.rmtree(deep.parent)
    assert differences(shelf, "loras") == [
        ("new", "back.safetensors"),
        ("changed", "changed.safetensors"),
        ("missing", "gone.safetensors"),
        ("missing", "a/deep.safetensors"),
    ]


def test_a_moved_file_is_told_with_where_it_was_and_is_not_missing(
    shelf: CliShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    believe_inodes(monkeypatch, is_honest=True)
    old = shelf.put("old.safetensors")
    know(shelf, old)
    old.rename(old.with_name("new.safetensors"))
    assert differences(shelf, "loras") == [("moved", "new.safetensors")]
    assert "was old.safetensors" in shelf.run("scan", "--dry-run", "loras").out


def test_a_hard_link_is_new_and_nothing_moved(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    believe_inodes(monkeypatch, is_honest=False)
    old = shelf.put("old.safetensors")
    know(shelf, old)
    old.with_name("link.safetensors").hardlink_to(old)
    assert differences(shelf, "loras") == [("new", "link.safetensors")]
    believe_inodes(monkeypatch, is_honest=True)
    assert ("new", "link.safetensors") in differences(shelf, "loras")


def test_a_path_alone_is_compared(shelf: CliShelf) -> None:
    style, other = shelf.put("style/a.safetensors"), shelf.put("other/b.safetensors")
    know(shelf, style, other)
    style.unlink()
    other.unlink()
    assert differences(shelf, "loras/style") == [("missing", "style/a.safetensors")]
    assert differences(shelf, "loras/other/b.safetensors") == [("missing", "other/b.safetensors")]
    shelf.put("other/c.safetensors")
    assert differences(shelf, "loras/other/c.safetensors") == [("new", "other/c.safetensors")]
    assert differences(shelf, str(shelf.put("other/c.json"))) == []


def test_a_directory_that_cannot_be_read_is_told_and_nothing_in_it_is_missing(
    shelf: CliShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(shelf, shelf.put("locked/a.safetensors"), shelf.put("locked/deeper/b.safetensors"))
    scandir = os.scandir

    def refuse(path: bytes) -> Any:
        if path.endswith(b"locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    assert differences(shelf, "loras") == [("unreadable", "locked")]
    assert "Permission denied" in shelf.run("scan", "--dry-run", "loras").out


def test_a_folder_that_is_away_is_an_error_after_the_others_are_told(shelf: CliShelf) -> None:
    shelf.put("big.safetensors", folder_id="checkpoints")
    (shelf.root / "loras").rmdir()
    answer = shelf.run("scan", "--dry-run")
    assert answer.code == 1
    assert "big.safetensors" in answer.out
    assert "loras: " in answer.err
    assert "is not there" in answer.err


def test_a_path_that_cannot_be_looked_at_is_an_error(shelf: CliShelf) -> None:
    answer = shelf.run("scan", "--dry-run", "loras/" + "x" * 300)
    assert answer.code == 1
    assert "ENAMETOOLONG" in answer.err


def test_names_that_are_no_text_are_told_fit_for_eyes(shelf: CliShelf) -> None:
    Path(os.fsdecode(os.fsencode(shelf.root) + b"/loras/\xff\n.safetensors")).write_bytes(b"")
    assert r"loras: \xff\n.safetensors (0 B)" in shelf.run("scan", "--dry-run").out


def test_a_bare_mount_point_with_a_stray_model_is_no_difference_but_an_error(shelf: CliShelf) -> None:
    know(shelf, shelf.put("a.safetensors"))
    (shelf.root / "loras").rename(shelf.root / "unmounted")
    shelf.put("stray.safetensors")
    answer = shelf.run("scan", "--dry-run", "--json", "loras")
    assert answer.code == 1
    assert answer.document["differences"] == []
    assert "not mounted?" in answer.err
