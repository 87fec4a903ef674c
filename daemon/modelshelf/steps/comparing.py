"""Compare one directory, as a walk saw it, with the catalog: all that is unchanged in one stroke, only the rest file by file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.model_file import Fingerprint
from modelshelf.errors import FileGone
from modelshelf.logs import get_log
from modelshelf.steps.arriving import arrivals_among
from modelshelf.steps.beside import by_stem, from_text, stats_of
from modelshelf.steps.looking import Fate
from modelshelf.steps.strays import notice, strays_among
from modelshelf.steps.sweep import has_left_traces, is_described

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from modelshelf.domain.model_file import ModelFile, Stamp
    from modelshelf.shelf.walk import Listing
    from modelshelf.steps.sweep import Sweep
    from modelshelf.store.store import Store

log = get_log(__name__)

_AS_READ = frozenset((Fate.SAME, Fate.SETTLED, Fate.PROBED))
"""What is not read again: where all is to be described once more, nothing else has such a file described."""


def compare(store: Store, sweep: Sweep, listing: Listing) -> None:
    """Note in the sweep what is new, changed and gone in a directory, and which files have others beside them now."""
    files, folder_id, directory = store.files, sweep.place.folder.id, listing.directory
    known = files.stamps_in(folder_id, directory)
    others = _others(known, listing.stamps, is_honest=sweep.place.traits.is_honest)
    sweep.notes.total += len(listing.stamps)
    sweep.has_life = sweep.has_life or len(listing.stamps) > len(others)
    sweep.unseen |= (unknown := _problems(listing))
    groups = _groups(listing) if listing.companions else {}
    names = {stamp[0] for stamp in others} | _not_listed(known, listing, others)
    names |= _accompanied(listing, groups, is_forced=sweep.task.is_forced)
    names.update(files.names_with_companions(folder_id, directory))
    is_most = len(names) >= len(known)
    rows = files.in_directory(folder_id, directory) if names and is_most else files.named(folder_id, directory, names)
    _look_at_others(sweep, listing, others, rows)
    if rows:
        _note_gone(sweep, listing, rows, unknown)
        _compare_companions(sweep, listing, groups, rows, {stamp[0] for stamp in others})
    if listing.stamps:
        strays = strays_among(listing.companions, [name for names in groups.values() for name in names])
        sweep.note_strays(notice(store, sweep.place, directory, strays, sweep.looker.reins))


def look(sweep: Sweep, path: bytes, fingerprint: Fingerprint, row: ModelFile | None, names: Container[bytes]) -> None:
    """Look at one file that is not known to be unchanged; `names` are those beside it."""
    try:
        found = sweep.looker.compare(path, fingerprint, row, names)
    except FileGone:
        sweep.gone += [row] if row is not None and row.missing_since is None else []
        return
    sweep.has_life = True
    if found.fate is not Fate.SAME:
        sweep.looks.append(found)
    if row is not None and sweep.task.is_forced and found.fate in _AS_READ and is_described(row):
        sweep.touched.append(row.id)


def _others(known: Sequence[Stamp], seen: Sequence[Stamp], *, is_honest: bool) -> list[Stamp]:
    """Give the stamps of which nothing is known yet; where inode and ctime are made up, name, size and mtime tell."""
    if not known:
        return sorted(seen)
    if is_honest:
        there = set(known)
        return sorted(stamp for stamp in seen if stamp not in there)
    shown = {stamp[:3] for stamp in known if stamp[4] is not None}
    return sorted(stamp for stamp in seen if stamp[:3] not in shown)


def _not_listed(known: Sequence[Stamp], listing: Listing, others: Sequence[Stamp]) -> set[bytes]:
    """Give the names of known files that are not listed: those that are gone, and those that could not be looked at."""
    if len(known) == len(listing.stamps) - len(others):
        return set()
    return {stamp[0] for stamp in known}.difference(stamp[0] for stamp in listing.stamps)


def _accompanied(listing: Listing, groups: Mapping[bytes, list[bytes]], *, is_forced: bool) -> set[bytes]:
    """Give the names of the files beside which something stands; all of them where each is to be described once more."""
    if not groups and not is_forced:
        return set()
    return {stamp[0] for stamp in listing.stamps if is_forced or os.path.splitext(stamp[0])[0] in groups}


def _look_at_others(sweep: Sweep, listing: Listing, others: Sequence[Stamp], rows: Mapping[bytes, ModelFile]) -> None:
    begin = os.path.join(listing.directory, b"")
    unknown = [stamp for stamp in others if begin + stamp[0] not in rows] if rows else others
    arrived = arrivals_among(sweep.looker, listing, unknown) if unknown else []
    sweep.note_arrivals(listing.directory, arrived)
    if len(arrived) == len(others):
        return
    names, decided = listing.names, set(arrived)
    for stamp in others:
        if stamp not in decided:
            sweep.looker.reins.check()
            look(sweep, begin + stamp[0], Fingerprint(*stamp[1:]), rows.get(begin + stamp[0]), names)


def _note_gone(sweep: Sweep, listing: Listing, rows: Mapping[bytes, ModelFile], unknown: Mapping[bytes, str]) -> None:
    begin = os.path.join(listing.directory, b"")
    there = {begin + stamp[0] for stamp in listing.stamps}
    gone = [
        row for path, row in rows.items() if row.missing_since is None and path not in there and path not in unknown
    ]
    if gone:
        sweep.gone += gone
        names = listing.names
        sweep.has_life = sweep.has_life or any(has_left_traces(row, names) for row in gone)


def _problems(listing: Listing) -> dict[bytes, str]:
    """Give what could not be looked at, and why: it is neither there nor gone."""
    for problem in listing.problems:
        log.warning("file_not_judged", path=readable(problem.path), reason=problem.reason)
    return {problem.path: problem.reason for problem in listing.problems}


def _compare_companions(
    sweep: Sweep,
    listing: Listing,
    groups: Mapping[bytes, list[bytes]],
    rows: Mapping[bytes, ModelFile],
    looked_at: Container[bytes],
) -> None:
    directory = os.path.join(os.fsencode(sweep.place.root), listing.directory)
    begin = os.path.join(listing.directory, b"")
    for name in sorted(stamp[0] for stamp in listing.stamps):
        row = rows.get(begin + name)
        if row is None or not is_described(row):
            continue
        known = from_text(row.companions)
        there = {os.fsdecode(each): listing.companions[each] for each in groups.get(os.path.splitext(name)[0], [])}
        # A walk names regular files only; a link that was noticed once is asked for by its name.
        there |= stats_of(directory, [os.fsencode(each) for each in known.keys() - there.keys()])
        if known != there or (sweep.task.is_forced and name not in looked_at):
            sweep.touched.append(row.id)


def _groups(listing: Listing) -> dict[bytes, list[bytes]]:
    return by_stem(listing.companions, frozenset(os.path.splitext(stamp[0])[0] for stamp in listing.stamps))
