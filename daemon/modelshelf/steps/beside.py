"""What stands beside a model: its sidecars and previews, with the stats that tell whether anybody changed them since."""

from __future__ import annotations

import json
import os
import stat
from bisect import bisect_left
from collections.abc import Container
from itertools import takewhile
from typing import TYPE_CHECKING

from modelshelf.errors import from_os_error
from modelshelf.shelf.walk import MAX_NAME_BYTES, MAX_PATH_BYTES
from modelshelf.sidecars.names import companions, possible_stems

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from modelshelf.domain.model_file import ModelFile
    from modelshelf.store.store import Store

Stats = dict[str, tuple[int, int]]
"""Per file name (as `os.fsdecode` gives it): size in bytes and mtime in nanoseconds."""

PAGE_SUFFIX = b".html"


class Surroundings:
    """The names in one directory, listed once for a whole batch.

    In order, so that what begins with a stem is found without looking at all the others: thousands of models share a directory.
    """

    def __init__(self, directory: Path, names: frozenset[bytes], stems: frozenset[bytes]) -> None:
        self.directory = directory
        self.names = names
        self._ordered = sorted(names)
        self._stems = stems

    @classmethod
    def of(cls, directory: Path, is_model: Iterable[bytes] | None = None) -> Surroundings:
        """List `directory`; `is_model` are the names of its model files."""
        names = names_in(os.fsencode(directory))
        models = names if is_model is None else frozenset(is_model) & names
        return cls(directory, names, frozenset(os.path.splitext(name)[0] for name in models))

    def companions_of(self, stem: bytes) -> list[bytes]:
        """Give the names that belong to the model with this stem, in order; pages are ours and never count."""
        found = companions(self._beginning_with(stem), stem, self._stems)
        return [name for name in found if not name.endswith(PAGE_SUFFIX)]

    def stats_of(self, stem: bytes) -> Stats:
        """Stat the companions of a stem; directories, and what vanished meanwhile, are left out."""
        return stats_of(os.fsencode(self.directory), self.companions_of(stem))

    def note(self, names: Iterable[str]) -> None:
        """Take note of names that were written since."""
        for name in map(os.fsencode, names):
            place = bisect_left(self._ordered, name)
            if self._ordered[place : place + 1] != [name]:
                self._ordered.insert(place, name)

    def _beginning_with(self, stem: bytes) -> list[bytes]:
        first = bisect_left(self._ordered, stem)
        following = (self._ordered[place] for place in range(first, len(self._ordered)))
        return list(takewhile(lambda name: name.startswith(stem), following))


def names_in(directory: bytes) -> frozenset[bytes]:
    """List the names in a directory; raise FileGone or FileUnreadable if that fails."""
    try:
        return frozenset(os.listdir(directory))
    except OSError as error:
        raise from_os_error(error, directory, "list") from error


class NamesBeside(Container[bytes]):
    """The names in a directory, for who asks for a few: each is looked for by itself, however many there are.

    Raises FileUnreadable where it cannot be told.
    """

    def __init__(self, directory: bytes) -> None:
        self._directory = directory

    def __contains__(self, name: object) -> bool:
        """Tell whether anything of this name is there."""
        if not isinstance(name, bytes):
            return False
        path = os.path.join(self._directory, name)
        is_possible = len(name) <= MAX_NAME_BYTES and len(path) <= MAX_PATH_BYTES
        return is_possible and stat_if_there(path) is not None


def stat_if_there(path: bytes) -> os.stat_result | None:
    """Give the lstat of `path`, None if nothing is there."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise from_os_error(error, path, "look at") from error


def stats_of(directory: bytes, names: Iterable[bytes]) -> Stats:
    """Stat these names in a directory, links as such; directories, and what is not there, are left out."""
    found = ((name, stat_if_there(os.path.join(directory, name))) for name in names)
    return {
        os.fsdecode(name): (status.st_size, status.st_mtime_ns)
        for name, status in found
        if status is not None and not stat.S_ISDIR(status.st_mode)
    }


def by_stem(names: Iterable[bytes], stems: frozenset[bytes]) -> dict[bytes, list[bytes]]:
    """Group companion names by the model stem that owns them: the longest stem wins."""
    groups: dict[bytes, list[bytes]] = {}
    for name in sorted(names):
        if name.endswith(PAGE_SUFFIX):
            continue
        owner = next((stem for stem in possible_stems(name) if stem in stems), None)
        if owner is not None:
            groups.setdefault(owner, []).append(name)
    return groups


def to_text(stats: Mapping[str, tuple[int, int]]) -> str:
    """Give the stats as the text that the catalog keeps; empty where there is nothing beside the model."""
    return json.dumps(stats, sort_keys=True) if stats else ""


def from_text(text: str) -> Stats:
    """Read what `to_text` gave."""
    return {name: (size, mtime) for name, (size, mtime) in json.loads(text or "{}").items()}


def model_names(store: Store, file: ModelFile) -> list[bytes]:
    """Give the names of the model files known in the directory of `file`."""
    return store.files.names_in_directory(file.folder_id, os.path.dirname(file.path))
