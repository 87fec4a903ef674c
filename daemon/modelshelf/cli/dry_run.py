"""`--dry-run`: walk the folders, compare with the catalog, tell the difference, write nothing."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelshelf.cli.exits import Exit
from modelshelf.cli.opening import NothingRecorded
from modelshelf.cli.showing import show_json, show_line
from modelshelf.cli.wording import count_text, path_json, size_text
from modelshelf.domain.display import readable
from modelshelf.domain.model_file import Fingerprint
from modelshelf.errors import ModelshelfError, from_os_error
from modelshelf.shelf.devices import device_of
from modelshelf.shelf.intake import Intake
from modelshelf.shelf.presence import check_presence
from modelshelf.shelf.walk import Listing, walk
from modelshelf.steps.footing import find_footing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from modelshelf.cli.finding import Spot
    from modelshelf.cli.opening import Opening
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.store.store import Store

CHANGES = ("new", "changed", "moved", "missing", "unreadable")


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a folder differs from what is recorded; `before` is where a moved file was."""

    change: str
    folder_id: str
    path: bytes
    size_bytes: int | None = None
    before: bytes | None = None
    reason: str | None = None


def show_differences(opening: Opening, spots: Sequence[Spot], *, is_json: bool) -> int:
    """Show what a scan of these spots would record; an error, after the answer, where a folder cannot be looked at."""
    differences: list[Difference] = []
    problems: list[str] = []
    with _catalog(opening) as store:
        for spot in spots:
            try:
                differences += Comparison(store, spot).differences()
            except ModelshelfError as error:
                problems.append(f"{spot.folder.id}: {error}")
    if is_json:
        show_json(
            {"is_dry_run": True, "differences": [_document(each) for each in differences], "problems": [*problems]}
        )
    else:
        _show(differences)
    if problems:
        raise ModelshelfError("not everything could be looked at: " + "; ".join(problems))
    return Exit.GOOD


@contextmanager
def _catalog(opening: Opening) -> Iterator[Store | None]:
    """Give the store, None where nothing is recorded yet: then everything is new."""
    try:
        with opening.reading() as store:
            yield store
    except NothingRecorded:
        yield None


@dataclass(slots=True)
class Comparison:
    """One spot on disk beside its rows; without a store there are none."""

    store: Store | None
    spot: Spot
    is_honest: bool = False
    visited: set[bytes] = field(default_factory=set)
    moved_ids: set[int] = field(default_factory=set)

    def differences(self) -> list[Difference]:
        """Walk and compare; FolderOffline where the folder is not there, or is not the one that was."""
        folder = self.spot.folder
        check_presence(folder, 0)
        if self.store is not None and folder.id in {state.id for state in self.store.folders.states()}:
            find_footing(self.store, folder)
        self.is_honest = device_of(folder.path).is_honest
        found: list[Difference] = []
        gone: list[ModelFile] = []
        for listing in self._listings():
            self.visited.add(listing.directory)
            rows = self._rows(listing.directory)
            found += self._compare(listing, rows)
            if listing.error is None:
                gone += [row for path, row in rows.items() if path not in listing.models]
        gone += self._rows_of_gone_directories(found)
        return found + [
            Difference("missing", folder.id, row.path, row.fingerprint.size_bytes)
            for row in gone
            if row.missing_since is None and row.id not in self.moved_ids
        ]

    def _listings(self) -> Iterator[Listing]:
        folder, intake = self.spot.folder, Intake(self.spot.folder)
        try:
            status = os.lstat(self.spot.absolute)
        except FileNotFoundError:
            yield Listing(os.path.dirname(self.spot.path))
            return
        except OSError as error:
            raise from_os_error(error, self.spot.absolute, "look at") from error
        if stat.S_ISDIR(status.st_mode):
            yield from walk(folder.path, intake, self.spot.path, is_recursive=folder.is_recursive)
        elif stat.S_ISREG(status.st_mode) and intake.is_model(self.spot.path):
            directory, name = os.path.split(self.spot.path)
            yield Listing(directory, [(name, *Fingerprint.of(status))])

    def _rows(self, directory: bytes) -> Mapping[bytes, ModelFile]:
        """Give the rows of a directory, as far as they lie in the spot."""
        if self.store is None:
            return {}
        rows = self.store.files.in_directory(self.spot.folder.id, directory)
        start = self.spot.path
        return {path: row for path, row in rows.items() if not start or path == start or path.startswith(start + b"/")}

    def _compare(self, listing: Listing, rows: Mapping[bytes, ModelFile]) -> list[Difference]:
        folder_id = self.spot.folder.id
        if listing.error is not None:
            return [Difference("unreadable", folder_id, listing.directory, reason=str(listing.error))]
        found = [Difference("unreadable", folder_id, each.path, reason=each.reason) for each in listing.problems]
        for path, fingerprint in listing.models.items():
            row = rows.get(path)
            if row is None or row.missing_since is not None:
                before = self._before(path, fingerprint)
                found.append(
                    Difference("moved" if before else "new", folder_id, path, fingerprint.size_bytes, before=before)
                )
            elif not row.fingerprint.is_same(fingerprint, is_honest=self.is_honest):
                found.append(Difference("changed", folder_id, path, fingerprint.size_bytes))
        return found

    def _before(self, path: bytes, fingerprint: Fingerprint) -> bytes | None:
        """Give where the file was, if its old place in this folder is empty now."""
        if self.store is None:
            return None
        folder = self.spot.folder
        for twin in self.store.files.twins(fingerprint):
            if twin.folder_id == folder.id and twin.path != path and not os.path.lexists(twin.absolute(folder.path)):
                self.moved_ids.add(twin.id)
                return twin.path
        return None

    def _rows_of_gone_directories(self, found: Sequence[Difference]) -> list[ModelFile]:
        if self.store is None:
            return []
        blind = [each.path for each in found if each.change == "unreadable"]
        directories = self.store.files.directories_below(self.spot.folder.id, self.spot.path)
        unseen = [each for each in directories if each not in self.visited and not any(map(each.startswith, blind))]
        return [row for directory in unseen for row in self._rows(directory).values()]


def _show(differences: Sequence[Difference]) -> None:
    for each in differences:
        size = f" ({size_text(each.size_bytes)})" if each.size_bytes is not None else ""
        before = f", was {readable(each.before)}" if each.before else ""
        reason = f": {readable(each.reason)}" if each.reason else ""
        show_line(f"{each.change:<10}  {each.folder_id}: {readable(each.path)}{size}{before}{reason}")
    counts = [(change, sum(each.change == change for each in differences)) for change in CHANGES]
    told = ", ".join(count_text(count, change, change) for change, count in counts if count)
    show_line(f"A scan would find {told or 'nothing new'}. Nothing was written.")


def _document(each: Difference) -> JsonObject:
    document: JsonObject = {
        "change": each.change,
        "folder": each.folder_id,
        **path_json(each.path),
        "size_bytes": each.size_bytes,
        "reason": each.reason,
    }
    return document | (path_json(each.before, "before") if each.before else {})
