"""Folders on a file system that others can write to behind the kernel's back: a real mergerfs."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.faults.grounds import mounted
from tests.faults.living_shelf import LivingShelf
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Path]:
    """Give where a pool of one branch is mounted; the branch is `branch` beside it."""
    (tmp_path / "branch").mkdir()
    command = ["mergerfs", str(tmp_path / "branch"), str(tmp_path / "models")]
    with mounted(command, tmp_path / "models") as point:
        yield point


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], LivingShelf]]:
    """Give a function that opens a shelf over the folder, watched in this way."""
    made: list[LivingShelf] = []

    def begin(watch: str) -> LivingShelf:
        made.append(LivingShelf(tmp_path, watch=watch).listen(monkeypatch))
        return made[-1].open()

    yield begin
    for shelf in made:
        shelf.close()


def interval(shelf: LivingShelf) -> timedelta:
    """Give how often the folder is looked through by itself."""
    found: timedelta = shelf.house.calendar._scheduler.get_job("scan:shelf").trigger.interval
    return found


def test_a_pool_is_looked_through_every_quarter_of_an_hour_and_not_listened_to(
    pool: Path, make: Callable[[str], LivingShelf]
) -> None:
    (pool / "first.safetensors").write_bytes(builders.lora(1))
    shelf = make("auto")
    assert timedelta(minutes=11) < interval(shelf) < timedelta(minutes=19)
    assert shelf.store.watches.of_folders() == {}
    assert shelf.house.watch._observers == {}
    wait_until(lambda: shelf.hashed == ["first.safetensors"])
    (pool.parent / "branch" / "behind.safetensors").write_bytes(builders.lora(2))
    os.utime(pool.parent / "branch" / "behind.safetensors", (1e9, 1e9))
    shelf.house.calendar._scan("shelf")
    wait_until(lambda: shelf.sha256("behind.safetensors"))


def test_a_file_renamed_in_a_pool_is_not_read_again(pool: Path, make: Callable[[str], LivingShelf]) -> None:
    (pool / "a").mkdir()
    (pool / "keeper.safetensors").write_bytes(builders.lora(3))
    (pool / "a" / "before.safetensors").write_bytes(builders.lora(1, padding_bytes=3_000_000))
    shelf = make("auto")
    wait_until(lambda: shelf.sha256("a/before.safetensors") and shelf.sha256("keeper.safetensors"))
    known = shelf.row("a/before.safetensors")
    assert known is not None
    (pool / "a" / "before.safetensors").rename(pool / "a" / "after.safetensors")
    (pool / "a").rename(pool / "b")
    shelf.house.calendar._scan("shelf")
    wait_until(lambda: shelf.has("b/after.safetensors"))
    shelf.rest()
    moved = shelf.row("b/after.safetensors")
    assert moved is not None
    assert (moved.id, moved.content_id) == (known.id, known.content_id)
    assert len(shelf.hashed) == 2


def test_a_pool_is_listened_to_where_its_person_says_so(pool: Path, make: Callable[[str], LivingShelf]) -> None:
    shelf = make("events")
    assert interval(shelf) > timedelta(hours=12)
    (pool / "heard.safetensors").write_bytes(builders.lora(1))
    shelf.await_known("heard.safetensors")


def test_a_local_folder_is_not_listened_to_where_its_person_says_so(
    tmp_path: Path, make: Callable[[str], LivingShelf]
) -> None:
    shelf = make("poll")
    assert interval(shelf) < timedelta(minutes=19)
    assert shelf.house.watch._observers == {}
    (tmp_path / "models" / "seen.safetensors").write_bytes(builders.lora(1))
    shelf.house.calendar._scan("shelf")
    shelf.await_known("seen.safetensors")
