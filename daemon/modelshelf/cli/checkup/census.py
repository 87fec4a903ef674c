"""The census: what lies in the folders against what is recorded of them, and what in there the daemon may not read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.cli.checkup.finding import Finding, Level
from modelshelf.cli.wording import count_text
from modelshelf.domain.display import readable
from modelshelf.errors import FolderOffline
from modelshelf.shelf.intake import Intake
from modelshelf.shelf.patience import Patience
from modelshelf.shelf.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from modelshelf.cli.checkup.account import Account
    from modelshelf.cli.checkup.finding import Deadline
    from modelshelf.cli.checkup.patient import Patient
    from modelshelf.domain.folder import Folder
    from modelshelf.shelf.walk import Listing

TOLERANCE = 10
TOLERANCE_SHARE = 0.01
"""Files come and go while it is counted, and those of the last minutes are not recorded yet."""

LOOKED_INTO = 1_000
"""Of so many files and directories per folder the permissions are looked at: what is wrong with one is wrong with many."""

NAMES_SHOWN = 3


@dataclass
class Tally:
    """What a walk met. `is_complete` is False where the time was over first."""

    files: int = 0
    directories: int = 0
    barred: list[bytes] = field(default_factory=list)
    unlisted: list[bytes] = field(default_factory=list)
    is_complete: bool = False


def files(patient: Patient, deadline: Deadline) -> Iterator[Finding]:
    """Count the models of every folder and compare; the time that is left is shared among the folders that are left."""
    recorded = _recorded(patient)
    for number, folder in enumerate(patient.folders):
        if not folder.patterns or not _is_there(folder):
            continue
        share = deadline.left_seconds() / (len(patient.folders) - number)
        tally = count(folder, patient.account, _Span(deadline, share))
        yield _compared(folder, tally, recorded.get(folder.id))
        yield from _unreadable(folder, tally, patient.account)


def _is_there(folder: Folder) -> bool:
    try:
        return Patience().ask(folder.id, folder.path.is_dir)
    except FolderOffline:
        return False


class _Span:
    """The part of a deadline that one folder may take."""

    def __init__(self, deadline: Deadline, seconds: float) -> None:
        self._deadline = deadline
        self._left_at_end = deadline.left_seconds() - seconds

    def is_over(self) -> bool:
        return self._deadline.left_seconds() <= max(0.0, self._left_at_end)


def count(folder: Folder, account: Account | None, span: _Span) -> Tally:
    """Walk a folder as a scan does, until the time is over."""
    tally, looked_into = Tally(), 0
    for listing in walk(folder.path, Intake(folder), is_recursive=folder.is_recursive):
        tally.directories += 1
        tally.files += len(listing.models)
        if listing.error is not None:
            tally.unlisted.append(listing.directory)
        elif account is not None and looked_into < LOOKED_INTO:
            looked_into += 1 + len(listing.models)
            tally.barred += _barred(folder, listing, account)
        if span.is_over():
            return tally
    tally.is_complete = True
    return tally


def _barred(folder: Folder, listing: Listing, account: Account) -> Iterator[bytes]:
    wanted: dict[bytes, int] = dict.fromkeys([*listing.models][:LOOKED_INTO], os.R_OK)
    if listing.directory:
        wanted = {listing.directory: os.R_OK | os.W_OK | os.X_OK, **wanted}
    for path, mode in wanted.items():
        try:
            is_allowed = account.may(Path(folder.path, os.fsdecode(path)), mode)
        except OSError:
            continue  # it went meanwhile, or is closed to us as well, which the walk tells
        if is_allowed is False:
            yield path


def _compared(folder: Folder, tally: Tally, recorded: int | None) -> Finding:
    if not tally.is_complete:
        text = f"{tally.files:,} and more models on disk; there was no time to count them all"
        return Finding("files", Level.OK, text, about=folder.id)
    text = f"{count_text(tally.files, 'model', 'models')} on disk"
    if recorded is None:
        return Finding("files", Level.OK, text, about=folder.id)
    text += f", {recorded:,} recorded"
    if abs(tally.files - recorded) > max(TOLERANCE, TOLERANCE_SHARE * recorded):
        return Finding("files", Level.WARNING, text, f"modelshelf scan {folder.id} --wait", folder.id)
    return Finding("files", Level.OK, text, about=folder.id)


def _unreadable(folder: Folder, tally: Tally, account: Account | None) -> Iterator[Finding]:
    if tally.unlisted:
        text = f"{_named(tally.unlisted, 'directory', 'directories')} cannot be listed"
        yield Finding("permissions", Level.WARNING, text, "chmod g+rx and chgrp them; or see the disk", folder.id)
    if tally.barred and account is not None:
        text = f"{account.name} may not use {_named(tally.barred, 'place', 'places')}"
        advice = "let its group read the files and write into the directories (chgrp, chmod g+rX, g+w)"
        yield Finding("permissions", Level.WARNING, text, advice, folder.id)


def _named(paths: list[bytes], one: str, many: str) -> str:
    names = ", ".join(readable(path) for path in paths[:NAMES_SHOWN])
    return f"{count_text(len(paths), one, many)} ({names}{', ...' if len(paths) > NAMES_SHOWN else ''})"


def _recorded(patient: Patient) -> Mapping[str, int]:
    with patient.store() as store:
        if store is None:
            return {}
        return {state.id: state.file_count for state in store.folders.states() if state.last_scan_at is not None}
