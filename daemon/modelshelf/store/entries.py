"""Entries: one row of effective values per file, recomputed when a fact changes, read by lists, search and cards."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from typing import TYPE_CHECKING, cast

from modelshelf.domain.display import readable
from modelshelf.domain.fact import Field, Source, choose
from modelshelf.domain.model_file import NOT_A_MODEL, ScanPhase
from modelshelf.errors import UsageError
from modelshelf.store.columns import from_big, from_epoch, from_epoch_or_none, from_json, text, to_json
from modelshelf.store.entry import Entry, EntryQuery, EntryState
from modelshelf.store.facts import FactTable
from modelshelf.store.file_rows import join
from modelshelf.store.trigrams import FEW, HAS_WORDS, those_with

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping

    from modelshelf.domain.fact import Fact
    from modelshelf.domain.jsontypes import JsonValue
    from modelshelf.store.database import Database

__all__ = ["Entries", "Entry", "EntryQuery", "EntryState"]

_COLUMNS = """f.id AS file_id, f.folder_id, f.directory, f.name, f.size_bytes, f.mtime_ns, f.scan_phase,
    f.waiting_reason, f.missing_since, f.first_seen_at, h.format, h.verdict, h.reason, h.pickle_verdict, c.sha256, c.version_id"""
_BESIDE = "LEFT JOIN headers h ON h.file_id = f.id LEFT JOIN contents c ON c.id = f.content_id"
_FILE = f"SELECT {_COLUMNS} FROM files f {_BESIDE} WHERE f.id = ?"  # noqa: S608 - constants only
_ALL = f"""SELECT {_COLUMNS}, e.effective, e.has_page, p.path AS preview FROM entries e"""  # noqa: S608 - constants only
_THEIRS = f"""JOIN files f ON f.id = e.file_id AND f.hash_skipped_reason IS NOT '{NOT_A_MODEL}' {_BESIDE}
    LEFT JOIN previews p ON p.file_id = f.id"""
_SELECT = f"{_ALL} {_THEIRS}"
_OF_FOLDER = f"{_SELECT} WHERE f.folder_id = ? AND f.missing_since IS NULL ORDER BY f.directory, f.name"
_PAGE_OF_FOLDER = f"""{_SELECT}
    WHERE f.folder_id = ? AND (f.directory, f.name) > (?, ?) AND f.missing_since IS NULL
    ORDER BY f.directory, f.name LIMIT ?"""
_PAGE = 500
_MATCHING = f"""WHERE (:folder IS NULL OR f.folder_id = :folder)
        AND (:model_type IS NULL OR e.model_type = :model_type)
        AND (:base_model IS NULL OR e.base_model = :base_model)
        AND (f.missing_since IS NOT NULL) = (:state IS 'missing')
        AND CASE :state
            WHEN 'broken' THEN h.verdict = 'broken' OR h.verdict = 'incomplete' AND f.waiting_reason IS NULL
            WHEN 'waiting' THEN f.waiting_reason IS NOT NULL
            WHEN 'unidentified' THEN f.scan_phase = 1 AND c.version_id IS NULL
            ELSE TRUE END
        AND {HAS_WORDS}
    ORDER BY e.name COLLATE NOCASE, e.file_id LIMIT :limit OFFSET :offset"""
_SEARCH = f"{_SELECT} {_MATCHING}"
_SEARCH_AMONG = f"""{_ALL.replace("FROM entries e", "FROM json_each(:among) a CROSS JOIN entries e ON e.file_id = a.value")}
    {_THEIRS} {_MATCHING}"""
_BY_NAME_AMONG = """FROM entries n INDEXED BY entries_by_name
    CROSS JOIN entries e ON e.file_id = n.file_id AND +n.file_id IN (SELECT value FROM json_each(:among))"""
"""Goes along the names by the index alone, and looks at an entry only where it is among them."""
_SEARCH_BY_NAME_AMONG = f"""{_ALL.replace("FROM entries e", _BY_NAME_AMONG)} {_THEIRS}
    {_MATCHING.replace("ORDER BY e.name COLLATE NOCASE, e.file_id", "ORDER BY n.name COLLATE NOCASE, n.file_id")}"""
_BEGIN = """INSERT INTO entries (file_id, name, search_text, effective, digest) VALUES (?, '', '', '{}', x'')
    ON CONFLICT (file_id) DO NOTHING"""
_PUT = """UPDATE entries SET directory = ?, filename = ?, name = ?, model_type = ?, base_model = ?, creator = ?,
        search_text = ?, effective = ?, digest = ? WHERE file_id = ?"""
_PUT_PREVIEW = """INSERT INTO previews (file_id, path) SELECT id, ?2 FROM files WHERE id = ?1
    ON CONFLICT (file_id) DO UPDATE SET path = excluded.path WHERE path IS NOT excluded.path"""
_FILTERED = (Field.MODEL_TYPE, Field.BASE_MODEL, Field.CREATOR)
_SEARCHED = (Field.NAME, Field.TRAINED_WORDS, Field.TAGS, Field.CREATOR)


class Entries:
    """The row is made at the first `refresh` of a file; what the disk says (size, missing, ...) is read live beside it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._facts = FactTable(database)

    def refresh(self, file_ids: Iterable[int]) -> list[int]:
        """Choose the effective values again; gives the files of which anything shown has changed, and writes only those."""
        with self._database.transaction():
            return [file_id for file_id in file_ids if self._refresh_one(file_id)]

    def get(self, file_id: int) -> Entry | None:
        """Give the entry of a file, None where it was never refreshed."""
        row = self._database.row(f"{_SELECT} WHERE e.file_id = ?", (file_id,))
        return None if row is None else _entry_from(row)

    def of_folder(self, folder_id: str) -> list[Entry]:
        """Give the entries of the files that are there, by directory and name."""
        return [_entry_from(row) for row in self._database.rows(_OF_FOLDER, (folder_id,))]

    def walk_folder(self, folder_id: str) -> Iterator[Entry]:
        """Give what `of_folder` gives, page by page: ten thousand entries at once are tens of megabytes that stay."""
        directory, name = b"", b""
        while page := self._database.rows(_PAGE_OF_FOLDER, (folder_id, directory, name, _PAGE)):
            directory, name = page[-1]["directory"], page[-1]["name"]
            yield from map(_entry_from, page)

    def search(self, query: EntryQuery) -> list[Entry]:
        """Give the entries that match, by name; UsageError for a state that does not exist."""
        words = _folded(query.text).split()
        those = those_with(self._database, words)
        parameters = {
            "folder": query.folder_id,
            "model_type": query.model_type,
            "base_model": query.base_model,
            "state": _state_of(query),
            "words": to_json(words),
            "limit": query.limit,
            "offset": query.offset,
        }
        if those is None:
            return [_entry_from(row) for row in self._database.rows(_SEARCH, parameters)]
        sql = _SEARCH_AMONG if those.number <= FEW else _SEARCH_BY_NAME_AMONG
        return [_entry_from(row) for row in self._database.rows(sql, {**parameters, "among": those.ids})]

    def set_preview(self, file_id: int, preview: bytes | None) -> None:
        """Keep where the file's picture lies, relative to the folder; None where it has none."""
        if preview is None:
            self._database.execute("DELETE FROM previews WHERE file_id = ?", (file_id,))
        else:
            self._database.execute(_PUT_PREVIEW, (file_id, preview))

    def set_page(self, file_id: int, *, has_page: bool) -> None:
        """Keep whether the file has a page."""
        with self._database.transaction():
            if self._database.row("SELECT 1 FROM entries WHERE file_id = ?", (file_id,)) is None:
                self._refresh_one(file_id)
            self._database.execute(
                "UPDATE entries SET has_page = ?1 WHERE file_id = ?2 AND has_page IS NOT ?1", (has_page, file_id)
            )

    def _refresh_one(self, file_id: int) -> bool:
        file = self._database.row(_FILE, (file_id,))
        if file is None:
            return False
        facts = choose(self._facts.of_file(file_id))
        effective = to_json({field: [facts[field].source, facts[field].value] for field in Field if field in facts})
        digest = hashlib.sha256(repr((*file, effective)).encode()).digest()
        if self._database.row("SELECT 1 FROM entries WHERE file_id = ? AND digest = ?", (file_id, digest)) is not None:
            return False
        name = _text_of(facts, Field.NAME) or readable(os.path.splitext(file["name"])[0])
        columns = (text(name), *(_text_of(facts, field) for field in _FILTERED), _search_text(file, facts))
        place = (readable(file["directory"]), readable(file["name"]))
        self._database.execute(_BEGIN, (file_id,))
        self._database.execute(_PUT, (*place, *columns, effective, digest, file_id))
        return True


def _text_of(facts: Mapping[Field, Fact], field: Field) -> str | None:
    value = facts[field].value if field in facts else None
    return text(value) if isinstance(value, str) else None


def _search_text(file: sqlite3.Row, facts: Mapping[Field, Fact]) -> str:
    values = [facts[field].value for field in _SEARCHED if field in facts]
    words = [str(word) for value in values for word in (value if isinstance(value, list) else [value])]
    return _folded("\n".join([readable(join(file["directory"], file["name"])), *words]))


def _folded(words: str) -> str:
    """Make equal what looks equal: case, and the two ways to write an accent (macOS decomposes file names).

    NUL, which only strangers' text may hold, would end the text for the index of trigrams.
    """
    return unicodedata.normalize("NFKC", text(words)).casefold().replace("\0", " ")


def _state_of(query: EntryQuery) -> EntryState | None:
    if query.state is None:
        return None
    try:
        return EntryState(query.state)
    except ValueError as error:
        raise UsageError(f"there is no state {query.state!r}: {', '.join(EntryState)}") from error


def _entry_from(row: sqlite3.Row) -> Entry:
    effective = cast("dict[str, list[JsonValue]]", from_json(row["effective"]))
    return Entry(
        file_id=row["file_id"],
        folder_id=row["folder_id"],
        path=join(row["directory"], row["name"]),
        size_bytes=from_big(row["size_bytes"]),
        mtime_ns=from_big(row["mtime_ns"]),
        scan_phase=ScanPhase(row["scan_phase"]),
        format=row["format"],
        verdict=row["verdict"],
        reason=row["reason"],
        sha256=row["sha256"],
        values={Field(field): value for field, (_, value) in effective.items()},
        sources={Field(field): Source(str(source)) for field, (source, _) in effective.items()},
        preview=row["preview"],
        has_page=bool(row["has_page"]),
        waiting_reason=row["waiting_reason"],
        missing_since=from_epoch_or_none(row["missing_since"]),
        first_seen_at=from_epoch(row["first_seen_at"]),
        pickle_verdict=row["pickle_verdict"],
    )
