"""Rules for `modelshelf undo-sidecar`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from modelshelf.store.ledger import Writing
from tests.unit.cli.cli_shelf import THEN, add_read, tasks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.cli_shelf import CliShelf


@pytest.fixture
def sidecar(shelf: CliShelf) -> Path:
    """Give a sidecar into which we wrote, and which a person had before."""
    path = shelf.put("foo.json", b"ours and theirs")
    status = path.stat()
    with shelf.store() as store:
        file_id, _ = add_read(store, b"foo.safetensors", 1)
        store.formers.keep(os.fsencode(path), b"theirs", THEN)
        store.ledger.intend(Writing(os.fsencode(path), file_id, "forge", status.st_size, status.st_mtime_ns))
    return path


def test_it_brings_back_what_stood_there_and_says_how_to_take_that_back(shelf: CliShelf, sidecar: Path) -> None:
    answer = shelf.run("undo-sidecar", str(sidecar))
    assert answer.code == 0, answer.err
    assert "stays so; the same command again takes this back" in answer.out
    assert sidecar.read_bytes() == b"theirs"
    with shelf.store() as store:
        assert [task.kind.value for task in tasks(store)] == ["write_sidecars"]
    assert "keeps it current again" in shelf.run("undo-sidecar", str(sidecar)).out
    assert sidecar.read_bytes() == b"ours and theirs"


def test_it_works_beside_a_daemon_and_answers_scripts(shelf: CliShelf, sidecar: Path) -> None:
    with shelf.daemon():
        document = shelf.run("undo-sidecar", "--json", str(sidecar)).document
    assert document["result"] == "brought_back"
    assert document["path"] == str(sidecar)


def test_an_edited_file_needs_force(shelf: CliShelf, sidecar: Path) -> None:
    sidecar.write_bytes(b"edited")
    answer = shelf.run("undo-sidecar", str(sidecar))
    assert (answer.code, sidecar.read_bytes()) == (2, b"edited")
    assert "--force" in answer.err
    assert shelf.run("undo-sidecar", "--force", str(sidecar)).code == 0
    assert sidecar.read_bytes() == b"theirs"


def test_a_file_that_was_never_changed_is_refused(shelf: CliShelf, sidecar: Path) -> None:
    answer = shelf.run("undo-sidecar", str(sidecar.with_name("foo.safetensors")))
    assert answer.code == 2
    assert "never changed" in answer.err


def test_a_path_may_be_relative_or_lead_through_a_link(
    shelf: CliShelf, sidecar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = shelf.root / "link"
    link.symlink_to(sidecar.parent)
    monkeypatch.chdir(shelf.root)
    assert shelf.run("undo-sidecar", "link/foo.json").code == 0
    assert shelf.run("undo-sidecar", "loras/.././loras/foo.json").code == 0
    assert sidecar.read_bytes() == b"ours and theirs"


def test_a_folder_that_is_a_link_knows_its_files_by_its_own_name(shelf: CliShelf, sidecar: Path) -> None:
    real = shelf.root / "disk"
    sidecar.parent.rename(real)
    sidecar.parent.symlink_to(real)
    assert shelf.run("undo-sidecar", str(real / "foo.json")).code == 0
    assert sidecar.read_bytes() == b"theirs"


def test_nothing_is_put_onto_a_bare_mount_point(shelf: CliShelf, sidecar: Path) -> None:
    sidecar.unlink()
    answer = shelf.run("undo-sidecar", str(sidecar))
    assert answer.code == 1
    assert "not mounted?" in answer.err
    assert not sidecar.exists()


def test_a_file_in_no_folder_comes_back_too(shelf: CliShelf, sidecar: Path) -> None:
    elsewhere = shelf.root / "elsewhere.json"
    sidecar.rename(elsewhere)
    with shelf.store() as store:
        store.ledger.move(os.fsencode(sidecar), os.fsencode(elsewhere))
        store.formers.move(os.fsencode(sidecar), os.fsencode(elsewhere))
    assert shelf.run("undo-sidecar", str(elsewhere)).code == 0
    assert elsewhere.read_bytes() == b"theirs"
