"""Is it ours? Which paths of a Folder are model files, and which directories are never entered."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modelshelf.shelf import partial
from modelshelf.shelf.patterns import Exclusions, Patterns, deciding_endings

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.domain.folder import Folder


class Intake:
    """The patterns of one Folder, asked about paths relative to it.

    Hidden names are never ours, files or directories: other tools keep caches, versions and deleted files there. Whether a
    file is what its name says is not decided here.
    """

    def __init__(self, folder: Folder) -> None:
        """Compile the folder's patterns."""
        self._patterns = Patterns(folder.patterns)
        self._exclusions = Exclusions(folder.exclude_patterns)
        unfinished = [f"*{ending.decode()}" for ending in partial.UNFINISHED_SUFFIXES]
        beginnings = [f"{each.decode()}*" for each in (b".", *partial.UNFINISHED_PREFIXES)]
        self._endings = deciding_endings(folder.patterns, [*folder.exclude_patterns, *unfinished, *beginnings])

    def is_model(self, path: bytes) -> bool:
        """Tell whether the file at this path would be a ModelFile."""
        return self.is_model_name(path) and not self.is_excluded_directory(os.path.dirname(path))

    def is_model_name(self, path: bytes) -> bool:
        """Answer as `is_model` does for a path whose directory is known to be ours."""
        name = os.path.basename(path)
        if not name or name.startswith(b".") or partial.is_partial(name):
            return False
        readable = os.fsdecode(path)
        return self._patterns.matches(readable) and not self._exclusions.has_file(readable)

    def chooser(self, directory: bytes) -> Callable[[list[bytes]], list[bytes]]:
        """Give what chooses the model names among names in a directory of ours, as fast as the patterns allow."""
        endings, begin = self._endings, os.path.join(directory, b"")

        def choose(names: list[bytes]) -> list[bytes]:
            if endings is None or not b"".join(names).isascii():
                return [name for name in names if self.is_model_name(begin + name)]
            fitting = [name for name in names if name.lower().endswith(endings.taken)]
            return [name for name in fitting if name[0] not in endings.doubtful or self.is_model_name(begin + name)]

        return choose

    def is_excluded_directory(self, relative: bytes) -> bool:
        """Tell whether this directory, or any above it within the folder, is left out; the folder itself never is."""
        parts = [part for part in os.fsdecode(relative).split("/") if part]
        return any(
            part.startswith(".") or self._exclusions.has_directory("/".join(parts[: depth + 1]))
            for depth, part in enumerate(parts)
        )

    @staticmethod
    def is_partial(name: bytes) -> bool:
        """Tell whether a file of this name is unfinished by its name alone; our own temporary files are."""
        return partial.is_partial(name)
