"""Whatever is done to the tree, every directory that is left is heard."""

from __future__ import annotations

import os
import random
import shutil
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.watching.conftest import Heard

NAMES = ("a", "b", "c")


class Vandal:
    """Makes, moves, swaps and removes directories in `root` and in a place outside, as `dice` will have it."""

    def __init__(self, root: Path, dice: random.Random) -> None:
        self._root = root
        self._outside = root.parent / "outside"
        self._outside.mkdir()
        self._dice = dice

    def act(self) -> None:
        act = self._dice.choice([self._make, self._make, self._move, self._move, self._remove])
        try:
            act()
        except OSError:
            return  # what cannot be done is not done

    def _directory(self) -> Path:
        top = self._dice.choice([self._root, self._root, self._root, self._outside])
        return top.joinpath(*(self._dice.choice(NAMES) for _ in range(self._dice.randint(1, 3))))

    def _make(self) -> None:
        directory = self._directory()
        directory.mkdir(parents=True)
        (directory / "made.safetensors").touch()

    def _move(self) -> None:
        os.rename(self._directory(), self._directory())  # noqa: PTH104 - replaces an empty directory too

    def _remove(self) -> None:
        shutil.rmtree(self._directory())


@pytest.mark.parametrize("seed", range(12))
def test_after_any_storm_every_directory_is_heard(root: Path, watch: Callable[[], Heard], seed: int) -> None:
    vandal = Vandal(root, random.Random(seed))
    for _ in range(20):
        vandal.act()
    heard = watch()
    for _ in range(300):
        vandal.act()
    (root / "fence.json").write_bytes(b"{}")
    wait_until(partial(heard.has, b"fence.json"))
    heard.forget()
    directories = [os.fsencode(path.relative_to(root)) for path in root.rglob("*") if path.is_dir()]
    for number, directory in enumerate(directories):
        name = b"%d.safetensors" % number
        (root / os.fsdecode(directory) / os.fsdecode(name)).touch()
        wait_until(partial(heard.has, os.path.join(directory, name)))
    assert heard.observer.is_alive()
    assert heard.doubts == []
    assert heard.observer.watched_count > len(directories)
