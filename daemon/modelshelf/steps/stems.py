"""Who owns a stem: of several files in one directory with the same name but for its extension, one is described there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modelshelf.domain.model_file import NOT_A_MODEL, ScanPhase
from modelshelf.domain.task import NewTask, TaskKind

if TYPE_CHECKING:
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.store.store import Store


def is_foreign(file: ModelFile) -> bool:
    """Tell whether the file was found to be no model at all; nothing is written, asked or shown for it."""
    return file.hash_skipped_reason == NOT_A_MODEL


def sharing_stem(store: Store, file: ModelFile) -> list[ModelFile]:
    """Give the files that are there and share stem and directory with `file`, itself among them if it is there."""
    directory, name = os.path.split(file.stem)
    return store.files.with_stem(file.folder_id, directory, name)


def owner_of_stem(store: Store, file: ModelFile) -> ModelFile:
    """Give the file that owns what is written under this stem: the first by name of those that can be used as models."""
    sharing = {each.id: each for each in [*sharing_stem(store, file), file]}
    if len(sharing) == 1:
        return file
    return min(sharing.values(), key=lambda each: (not _is_usable(store, each), each.path))


def heirs(store: Store, file: ModelFile) -> list[NewTask]:
    """Give the work of those that share the stem of a file which is gone, or no good: one of them owns it now."""
    return [
        NewTask(TaskKind.WRITE_SIDECARS, str(each.id))
        for each in sharing_stem(store, file)
        if each.id != file.id and each.scan_phase is ScanPhase.DEEP
    ]


def _is_usable(store: Store, file: ModelFile) -> bool:
    header = store.files.header(file.id)
    return header is not None and header.is_readable and not is_foreign(file)
