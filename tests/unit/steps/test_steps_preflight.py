"""What would fail is said before a walk begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.task import TaskKind
from modelshelf.errors import DiskFull
from modelshelf.shelf.room import LEAST_FREE_BYTES, Room
from modelshelf.steps.step import Failed
from tests import builders

if TYPE_CHECKING:
    import pytest

    from tests.unit.steps.step_shelf import StepShelf


def leave(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    monkeypatch.setattr("modelshelf.steps.preflight.room_at", lambda _: Room(1, 10**12, free_bytes))


def outcome(shelf: StepShelf, path: bytes = b"") -> object:
    (found,) = shelf.perform(TaskKind.SCAN_FOLDER, "loras", path=path)
    return found


def test_without_room_for_what_it_finds_no_folder_is_walked(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    leave(monkeypatch, LEAST_FREE_BYTES - 1)
    found = outcome(shelf)
    assert isinstance(found, Failed)
    assert isinstance(found.error, DiskFull)
    assert shelf.store.files.at("loras", b"a.safetensors") is None
    leave(monkeypatch, LEAST_FREE_BYTES)
    shelf.scan()
    assert shelf.file("a.safetensors")


def test_what_is_needed_grows_with_what_is_known(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    shelf.scan()
    shelf.store.database.execute("UPDATE folders SET file_count = 1000000")
    leave(monkeypatch, 99_000_000 + LEAST_FREE_BYTES)
    assert isinstance(outcome(shelf), Failed)
    leave(monkeypatch, 100_000_000 + LEAST_FREE_BYTES)
    assert not isinstance(outcome(shelf), Failed)


def test_one_file_is_looked_at_all_the_same(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    leave(monkeypatch, 0)
    assert not isinstance(outcome(shelf, b"a.safetensors"), Failed)
