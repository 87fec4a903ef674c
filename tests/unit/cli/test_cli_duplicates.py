"""`modelshelf duplicates`, and the duplicates in a scan's summary."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modelshelf.cli import copies, errands
from modelshelf.cli.owing import Errand
from modelshelf.domain.duplicate import Likeness
from modelshelf.domain.hashes import EMPTY_AUTOV3, Hashes
from modelshelf.domain.model_file import Fingerprint
from modelshelf.domain.task import Priority
from modelshelf.errors import FolderOffline
from modelshelf.shelf.patience import Patience
from modelshelf.store.files import NewFile
from tests.unit.cli.cli_shelf import THEN, hashes

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from modelshelf.store.store import Store
    from tests.unit.cli.cli_shelf import CliShelf


def read(store: Store, path: Path, number: int, autov3: str | None = None, folder_id: str = "loras") -> int:
    """Record a file that lies on the shelf as read, with the hashes of this number."""
    root = next(state.path for state in store.folders.states() if state.id == folder_id)
    fingerprint = Fingerprint.of(path.lstat())
    new = NewFile(folder_id, os.fsencode(path.relative_to(root)), fingerprint, THEN, Priority.REST)
    file_id = store.files.add(new)
    told = hashes(number)
    told = Hashes(told.sha256, told.blake3, told.autov1, told.autov2, autov3, told.crc32)
    store.files.record_content(file_id, store.contents.upsert(fingerprint.size_bytes, told, THEN).id)
    return file_id


def test_the_same_bytes_are_told_with_paths_and_what_they_would_free(shelf: CliShelf) -> None:
    first, second = shelf.put("ink.safetensors"), shelf.put("sub/pen.safetensors", folder_id="checkpoints")
    with shelf.store() as store:
        first_id = read(store, first, 1)
        second_id = read(store, second, 1, folder_id="checkpoints")
        read(store, shelf.put("other.safetensors"), 2)
    document = shelf.run("duplicates", "--json").document
    assert document == {
        "count": 1,
        "freed_bytes": {"bytes": 7, "weights": 0},
        "groups": [
            {
                "alike": "bytes",
                "hash": hashes(1).sha256,
                "freed_bytes": 7,
                "files": [
                    {
                        "filename": path.name,
                        "folder": folder,
                        "path": str(path),
                        "file_id": file_id,
                        "size_bytes": 7,
                        "sha256": hashes(1).sha256,
                        "hard_links": [],
                    }
                    for path, folder, file_id in ((second, "checkpoints", second_id), (first, "loras", first_id))
                ],
            }
        ],
        "not_compared": 0,
    }
    answer = shelf.run("duplicates")
    assert answer.code == 0
    assert answer.out.splitlines() == [
        f"2 files with the same bytes ({hashes(1).sha256[:10]}): 7 B could be freed",
        f"  {second} (7 B)",
        f"  {first} (7 B)",
        "",
        "1 group of files with the same bytes, 7 B could be freed.",
    ]


def test_no_duplicates_are_told_as_such(shelf: CliShelf) -> None:
    with shelf.store() as store:
        read(store, shelf.put("ink.safetensors"), 1)
    assert shelf.run("duplicates").out == "No duplicates.\n"
    assert shelf.run("duplicates", "--json").document["groups"] == []


def test_hard_links_are_no_duplicates(shelf: CliShelf) -> None:
    first = shelf.put("ink.safetensors")
    link = shelf.root / "checkpoints" / "link.safetensors"
    with shelf.store() as store:
        read(store, first, 1)  # as it was before the link: with another ctime
        link.hardlink_to(first)
        read(store, link, 1, folder_id="checkpoints")
        assert copies.find_duplicates(store) == []
        read(store, shelf.put("copy.safetensors"), 1)
    (group,) = shelf.run("duplicates", "--json").document["groups"]
    assert group["freed_bytes"] == 7
    assert sorted(len(file["hard_links"]) for file in group["files"]) == [0, 1]
    out = shelf.run("duplicates").out
    assert out.count("the same file: ") == 1


def test_the_same_weights_under_another_header_are_a_class_of_their_own(shelf: CliShelf) -> None:
    with shelf.store() as store:
        read(store, shelf.put("a.safetensors", b"head1 weights"), 1, "A" * 12)
        read(store, shelf.put("b.safetensors", b"header2 weights"), 2, "A" * 12)
        read(store, shelf.put("c.safetensors"), 3, EMPTY_AUTOV3)
        read(store, shelf.put("d.safetensors"), 4, EMPTY_AUTOV3)
        read(store, shelf.put("e.safetensors"), 5)
    document = shelf.run("duplicates", "--json").document
    assert [(group["alike"], group["hash"], group["freed_bytes"]) for group in document["groups"]] == [
        ("weights", "A" * 12, 13)
    ]
    assert "2 files with the same weights under another header" in shelf.run("duplicates").out


def test_what_went_away_or_changed_since_it_was_read_is_left_out(shelf: CliShelf) -> None:
    paths = [shelf.put(f"{name}.safetensors") for name in "abc"]
    with shelf.store() as store:
        for path in paths:
            read(store, path, 1)
        paths[1].unlink()
        paths[2].write_bytes(b"other weights")
        assert copies.find_duplicates(store) == []


def test_what_is_missing_unread_or_vouched_for_by_another_program_is_left_out(shelf: CliShelf) -> None:
    with shelf.store() as store:
        ids = [read(store, shelf.put(f"{name}.safetensors"), 1) for name in "abcd"]
        store.files.mark_missing(ids[:1], THEN)
        store.files.reset_deep(ids[1:2], Priority.REST)
        store.database.execute("UPDATE files SET vouched_by = 'stablequeue' WHERE id = ?", (ids[2],))
        assert copies.find_duplicates(store) == []
    assert shelf.run("duplicates").err == "1 file is not compared: their hashes are another program's word.\n"
    assert shelf.run("duplicates", "--json").document["not_compared"] == 1


def test_a_folder_no_longer_configured_is_left_out(shelf: CliShelf) -> None:
    with shelf.store() as store:
        read(store, shelf.put("a.safetensors"), 1)
        read(store, shelf.put("b.safetensors", folder_id="checkpoints"), 1, folder_id="checkpoints")
        assert len(copies.find_duplicates(store)) == 1
        store.folders.sync(shelf.folders[:1])
        assert copies.find_duplicates(store) == []


def test_of_a_folder_that_is_away_or_hangs_the_catalog_is_believed(
    shelf: CliShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shelf.store() as store:
        first = shelf.put("a.safetensors", folder_id="checkpoints")
        link = shelf.root / "checkpoints" / "b.safetensors"
        link.hardlink_to(first)
        for path in (first, link):
            read(store, path, 1, folder_id="checkpoints")
        read(store, shelf.put("c.safetensors"), 1)
        away = shelf.root / "away"
        (shelf.root / "checkpoints").rename(away)
        (group,) = copies.find_duplicates(store)
        assert sorted(len(names) for names in group.files) == [1, 2]
        monkeypatch.setattr(Patience, "ask", lambda *_: _raise(FolderOffline("it hangs")))
        (group,) = copies.find_duplicates(store)
        assert sorted(len(names) for names in group.files) == [1, 2]


def _raise(error: Exception) -> None:
    raise error


def test_a_file_that_cannot_be_looked_at_is_remembered(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    with shelf.store() as store:
        for name in "ab":
            read(store, shelf.put(f"{name}.safetensors"), 1)
        monkeypatch.setattr(os, "lstat", lambda _: _raise(PermissionError(13, "not yours")))
        assert [len(group.files) for group in copies.find_duplicates(store)] == [2]


def test_more_copies_than_are_looked_at_at_once(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "LOOKS_AT_ONCE", 2)
    with shelf.store() as store:
        for number in range(5):
            read(store, shelf.put(f"{number}.safetensors"), 1)
        (group,) = copies.find_duplicates(store)
    assert (len(group.files), group.freed_bytes) == (5, 28)


def test_a_scan_tells_of_the_duplicates_in_its_folders(shelf: CliShelf, capsys: pytest.CaptureFixture[str]) -> None:
    with shelf.store() as store:
        paths = [shelf.put(f"{name}.safetensors") for name in "ab"]
        for path in paths:
            read(store, path, 1)
        errands.report(store, Errand(("loras",), ()), errands.Wishes(("loras",), is_waited=True, is_json=False))
        out = capsys.readouterr().out
        assert "- Duplicates: 1 group of files with the same bytes, 7 B could be freed\n" in out
        assert all(f"    {path} (7 B)\n" in out for path in paths)
        errands.report(store, Errand(("checkpoints",), ()), errands.Wishes((), is_waited=True, is_json=False))
        assert "Duplicates" not in capsys.readouterr().out
        errands.report(store, Errand(("loras",), ()), errands.Wishes(("loras",), is_waited=True, is_json=True))
        assert '"alike": "bytes"' in capsys.readouterr().out


def test_a_scan_tells_the_largest_groups_only(
    shelf: CliShelf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errands, "GROUPS_SHOWN", 1)
    with shelf.store() as store:
        for name, number, content in (("a", 1, b"x"), ("b", 1, b"x"), ("c", 2, b"xxx"), ("d", 2, b"xxx")):
            read(store, shelf.put(f"{name}.safetensors", content), number)
        errands.report(store, Errand(("loras",), ()), errands.Wishes(("loras",), is_waited=True, is_json=False))
    out = capsys.readouterr().out
    assert "c.safetensors" in out
    assert "a.safetensors" not in out
    assert "  and 1 more: modelshelf duplicates\n" in out


def test_both_classes_are_summed_apart(shelf: CliShelf) -> None:
    with shelf.store() as store:
        read(store, shelf.put("a.safetensors", b"12345"), 1, "A" * 12)
        read(store, shelf.put("b.safetensors", b"12345"), 1, "A" * 12)
        read(store, shelf.put("c.safetensors", b"1234567"), 2, "A" * 12)
        groups = copies.find_duplicates(store)
    assert [copies.freed_bytes(groups, likeness) for likeness in Likeness] == [5, 5]
    assert copies.summary_line(groups) == (
        "1 group of files with the same bytes, 5 B could be freed; "
        "1 group of files with the same weights under another header, 5 B could be freed"
    )
