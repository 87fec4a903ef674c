"""Strays: JSON beside models under a stem of nobody's. A scan notices them once; a model asks for those that name it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.sidecars.reading import is_sidecar_name, read_sidecar
from modelshelf.sidecars.witness import names_of, witness
from modelshelf.store.strays import named_version

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from modelshelf.domain.content import Content
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.sidecars.mark import Digests
    from modelshelf.sidecars.witness import Witness
    from modelshelf.steps.place import Place
    from modelshelf.steps.step import Reins
    from modelshelf.store.store import Store

Stats = Mapping[bytes, tuple[int, int]]
"""Per name: size in bytes and mtime in nanoseconds."""


def strays_among(there: Stats, owned: Iterable[bytes]) -> dict[bytes, tuple[int, int]]:
    """Give what could be a sidecar among names, without those that are some model's."""
    taken = set(owned)
    return {name: stats for name, stats in there.items() if name not in taken and is_sidecar_name(name)}


@dataclass(frozen=True, slots=True)
class Noticed:
    """What a scan has to record of the strays in one directory (relative to the folder): who is gone, and what the new name."""

    directory: bytes
    gone: tuple[bytes, ...] = ()
    heard: Mapping[bytes, tuple[tuple[int, int], frozenset[str]]] = field(default_factory=dict)


def notice(store: Store, place: Place, directory: bytes, there: Stats, reins: Reins) -> Noticed | None:
    """Compare all strays of a directory with those known and read what is new; None where nothing is."""
    known = store.strays.in_directory(_absolute(place, directory))
    return _noticed(place, directory, known.keys() - there.keys(), _changed(there, known), reins)


def notice_one(store: Store, place: Place, path: bytes, stats: tuple[int, int] | None, reins: Reins) -> Noticed | None:
    """Look at one stray of which an event spoke; `stats` None: it is gone."""
    directory, name = os.path.split(path)
    if not is_sidecar_name(name):
        return None
    known = store.strays.in_directory(_absolute(place, directory))
    there = {} if stats is None else {name: stats}
    return _noticed(place, directory, ({name} & known.keys()) - there.keys(), _changed(there, known), reins)


def record_noticed(store: Store, place: Place, noticed: Noticed) -> list[int]:
    """Keep what was noticed, and give the files that one of the strays names or named."""
    absolute = _absolute(place, noticed.directory)
    named = {each for name in (*noticed.gone, *noticed.heard) for each in store.strays.named_by(absolute, name)}
    for name in noticed.gone:
        store.strays.forget(absolute, name)
    for name, (stats, told) in noticed.heard.items():
        store.strays.keep(absolute, name, stats, told)
        named |= told
    return store.strays.files_named(place.folder.id, noticed.directory, named)


def strays_of(
    store: Store, place: Place, file: ModelFile, content: Content | None, ours_of: Callable[[Path], Digests]
) -> list[Witness]:
    """Hear the strays that name the bytes of a file, or the version that it alone is in its directory."""
    if content is None:
        return []
    directory = os.path.dirname(file.path)
    absolute = _absolute(place, directory)
    version = content.version_id
    names = {*names_of(content.hashes), *([] if version is None else [named_version(version)])}
    found = (_heard(absolute, name, ours_of) for name in store.strays.naming(absolute, names))
    heard = [(each, each.speaks_of(content.hashes)) for each in found if each is not None]
    is_alone = bool(heard) and version is not None and store.strays.is_only_one(file.folder_id, directory, version)
    return [
        each for each, is_named in heard if is_named or (is_named is None and is_alone and version in each.version_ids)
    ]


def _changed(there: Stats, known: Stats) -> dict[bytes, tuple[int, int]]:
    return {name: stats for name, stats in there.items() if known.get(name) != stats}


def _noticed(place: Place, directory: bytes, gone: Collection[bytes], changed: Stats, reins: Reins) -> Noticed | None:
    if not gone and not changed:
        return None
    absolute = _absolute(place, directory)
    heard: dict[bytes, tuple[tuple[int, int], frozenset[str]]] = {}
    for name, stats in changed.items():
        reins.check()
        told = _heard(absolute, name, lambda _: {})
        heard[name] = (stats, _named(told) if told is not None else frozenset())
    return Noticed(directory, tuple(sorted(gone)), heard)


def _heard(directory: bytes, name: bytes, ours_of: Callable[[Path], Digests]) -> Witness | None:
    path = Path(os.fsdecode(os.path.join(directory, name)))
    found = read_sidecar(path)
    return None if found is None else witness(found, ours_of(path))


def _named(told: Witness) -> frozenset[str]:
    return told.hashes | set(map(named_version, told.version_ids))


def _absolute(place: Place, directory: bytes) -> bytes:
    root = os.fsencode(place.root)
    return os.path.join(root, directory) if directory else root
