"""Take the sidecars and previews that a moved model left behind along to where it is now."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.errors import FileGone, FileUnreadable, WriteRefused
from modelshelf.files import move_without_replacing
from modelshelf.logs import get_log
from modelshelf.sidecars.names import companions
from modelshelf.steps.beside import Surroundings, stat_if_there
from modelshelf.steps.place import present_file
from modelshelf.steps.step import Done, Outcome, Reins, one_by_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.domain.task import Task
    from modelshelf.steps.place import Places
    from modelshelf.store.store import Store

log = get_log(__name__)

WEIGHT_SUFFIXES = (b".safetensors", b".sft", b".ckpt", b".pt", b".pth", b".bin", b".gguf", b".onnx")
"""A file of such a name may be the model that the sidecars belong to, even where the folder's patterns leave it out."""


@dataclass(frozen=True, slots=True)
class Carried:
    """The moves done: absolute paths, from and to."""

    moves: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class CarrySidecars:
    """A task's `path` is the absolute path that the model had before."""

    store: Store
    places: Places
    kind: TaskKind = TaskKind.CARRY_SIDECARS

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Carried]]:
        """Move what is left, never over a file, and only if no other model has that stem."""
        return one_by_one(tasks, reins, lambda task: Done(task, self._carry(task)))

    def _carry(self, task: Task) -> Carried:
        file, place = present_file(self.store, self.places, task)
        here = place.locate(file)
        before = Path(os.fsdecode(task.path))
        if stat_if_there(task.path) is not None or here == before:
            return Carried(())
        try:
            around = Surroundings.of(before.parent)
        except FileGone:
            return Carried(())
        stem = os.path.splitext(os.path.basename(task.path))[0]
        new_stem = os.path.splitext(os.fsencode(here.name))[0]
        moves = [
            (os.path.join(os.fsencode(before.parent), name), renamed(name, stem, new_stem, os.fsencode(here.parent)))
            for name in self._left_behind(around.names, before.parent, stem)
        ]
        return Carried(tuple(move for move in sorted(moves) if self._move(*move)))

    def _left_behind(self, names: frozenset[bytes], directory: Path, stem: bytes) -> list[bytes]:
        if any(each.startswith(stem) and each[len(stem) :].lower() in WEIGHT_SUFFIXES for each in names):
            return []
        models = frozenset(name for name in names if self._is_model(directory, name))
        stems = frozenset(os.path.splitext(name)[0] for name in models)
        return [] if stem in stems else companions(names - models, stem, stems)

    def _is_model(self, directory: Path, name: bytes) -> bool:
        for place in self.places.values():
            relative = os.path.relpath(os.path.join(os.fsencode(directory), name), os.fsencode(place.root))
            if not relative.startswith(b"..") and place.intake.is_model(relative):
                return True
        return False

    def _move(self, source: bytes, target: bytes) -> bool:
        try:
            move_without_replacing(Path(os.fsdecode(source)), Path(os.fsdecode(target)))
        except (FileGone, WriteRefused, FileUnreadable) as error:
            log.warning("sidecar_left_behind", path=readable(source), reason=str(error))
            return False  # budget: the person's own move was quicker, or a file is in the way
        log.info("sidecar_carried", path=readable(source), target=readable(target))
        return True

    def record(self, done: Sequence[Done[Carried]]) -> list[NewTask]:
        """Let what is known of the files follow them: what we wrote, what stood there before, what is to be left alone."""
        for each in done:
            for source, target in each.result.moves:
                self.store.ledger.move(source, target)
                self.store.formers.move(source, target)
                self.store.strays.forget(*os.path.split(source))
        return []


def renamed(name: bytes, stem: bytes, new_stem: bytes, directory: bytes) -> bytes:
    """Give the absolute path of a companion under its model's new stem."""
    return os.path.join(directory, new_stem + name[len(stem) :])
