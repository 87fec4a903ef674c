"""`modelshelf mute`: newer versions that nobody wants to hear of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.task import TaskKind
from modelshelf.domain.update import Access, Update
from tests.unit.cli.cli_shelf import THEN, add, add_read, tasks

if TYPE_CHECKING:
    from tests.unit.cli.cli_shelf import CliShelf

NEWER = [Update(6, number, None, "SDXL 1.0", "2024-02-01", is_same_base=True, access=Access.FREE) for number in (8, 9)]


@pytest.fixture
def file_id(shelf: CliShelf) -> int:
    """Give a file that is version 7 of model 6, of which there are newer ones."""
    with shelf.store() as store:
        found, content_id = add_read(store, b"ink.safetensors", 1)
        add_read(store, b"copy.safetensors", 1)
        store.remote.keep_version(7, 6, {"id": 7}, THEN)
        store.database.execute("UPDATE contents SET version_id = 7 WHERE id = ?", (content_id,))
        store.updates.replace(6, NEWER, THEN)
        return found


def muted(shelf: CliShelf) -> list[int]:
    with shelf.store() as store:
        return sorted(each.version_id for each in store.updates.all() if each.is_muted)


@pytest.mark.parametrize("target", ["6", "https://civitai.com/models/6/ink?modelVersionId=7", "loras/ink.safetensors"])
def test_a_model_is_meant_by_its_id_its_address_or_a_file_of_it(shelf: CliShelf, file_id: int, target: str) -> None:
    answer = shelf.run("mute", target)
    assert answer.out == "Newer versions of model 6 are not told of any more.\n"
    assert muted(shelf) == [8, 9]
    assert "told of again" in shelf.run("mute", target, "--clear").out
    assert muted(shelf) == []


def test_one_version_may_be_muted_and_the_next_is_told_of(shelf: CliShelf, file_id: int) -> None:
    document = shelf.run("mute", "6", "--version", "8", "--json").document
    assert document == {"model_id": 6, "version_id": 8, "is_muted": True, "is_daemon_running": False}
    assert muted(shelf) == [8]
    assert "Version 8 of model 6 is told of again" in shelf.run("mute", "6", "--version", "8", "--clear").out


def test_the_pages_of_its_files_follow(shelf: CliShelf, file_id: int) -> None:
    shelf.run("mute", "6")
    with shelf.store() as store:
        owed = [(task.kind, int(task.subject)) for task in tasks(store)]
    assert (TaskKind.RENDER_PAGE, file_id) in owed
    assert len(owed) == 2


def test_muting_twice_changes_nothing_and_is_no_error(shelf: CliShelf, file_id: int) -> None:
    assert shelf.run("mute", "6").code == 0
    assert shelf.run("mute", "6").code == 0
    assert muted(shelf) == [8, 9]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["6", "--clear"], "model 6 is not muted"),
        (["6", "--clear", "--version", "8"], "version 8 of model 6 is not muted"),
        (["77"], "no file here is known to be of model 77"),
        (["new.safetensors"], "its model on Civitai is not known"),
        (["stranger.safetensors"], "its model on Civitai is not known"),
        (["nowhere.safetensors"], "no file, name or hash"),
        (["same.safetensors"], "files of 2 models are meant"),
    ],
)
def test_what_cannot_be_muted_is_told(shelf: CliShelf, file_id: int, arguments: list[str], complaint: str) -> None:
    with shelf.store() as store:
        add(store, b"new.safetensors")
        add_read(store, b"stranger.safetensors", 2)
        for number, folder_id in ((3, "loras"), (4, "checkpoints")):
            _, content_id = add_read(store, b"same.safetensors", number, folder_id)
            store.remote.keep_version(number, 10 * number, {"id": number}, THEN)
            store.database.execute("UPDATE contents SET version_id = ? WHERE id = ?", (number, content_id))
    answer = shelf.run("mute", *arguments)
    assert answer.code == 2
    assert complaint in answer.err


def test_before_anything_is_recorded_nothing_can_be_muted(shelf: CliShelf) -> None:
    assert shelf.run("mute", "6").code == 1
    assert not shelf.state.exists()
