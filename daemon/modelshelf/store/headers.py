"""Headers in the catalog: what each file said of itself when it was last inspected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelshelf.domain.header import Format, Header, PickleVerdict, Verdict
from modelshelf.store.columns import pack, text, unpack

if TYPE_CHECKING:
    from modelshelf.store.database import Database

_PUT = """INSERT INTO headers (file_id, format, verdict, reason, body, has_metadata, pickle_verdict)
    SELECT id, ?, ?, ?, ?, ?, ? FROM files WHERE id = ?
    ON CONFLICT (file_id) DO UPDATE SET format = excluded.format, verdict = excluded.verdict, reason = excluded.reason,
        body = excluded.body, has_metadata = excluded.has_metadata, pickle_verdict = excluded.pickle_verdict"""

_PICKLES = """SELECT h.file_id FROM headers h JOIN files f ON f.id = h.file_id
    WHERE f.missing_since IS NULL AND h.verdict IN ('sound', 'unproven')
        AND h.format IN ('torch_zip', 'pickle', 'archive', 'unknown') ORDER BY h.file_id"""
_SCANNER = "pickle_scanner"


def put_header(database: Database, file_id: int, header: Header) -> None:
    """Keep the header of a file; nothing happens where the file is no longer known."""
    body = {
        "declared_size_bytes": header.declared_size_bytes,
        "tensor_count": header.tensor_count,
        "dtypes": dict(header.dtypes),
        "metadata": dict(header.metadata),
        "kind": header.kind,
        "architecture": header.architecture,
        "pickle_findings": header.pickle_findings,
    }
    reason = None if header.reason is None else text(header.reason)
    columns = (header.format, header.verdict, reason, pack(body), bool(header.metadata), header.pickle_verdict)
    database.execute(_PUT, (*columns, file_id))


def header_of(database: Database, file_id: int) -> Header | None:
    """Give the header of a file, None where it was not inspected since its bytes changed."""
    row = database.row("SELECT * FROM headers WHERE file_id = ?", (file_id,))
    if row is None:
        return None
    body: dict[str, Any] = unpack(row["body"])
    body["pickle_findings"] = tuple(body.get("pickle_findings", ()))
    return Header(
        format=Format(row["format"]),
        verdict=Verdict(row["verdict"]),
        reason=row["reason"],
        pickle_verdict=PickleVerdict(row["pickle_verdict"]) if row["pickle_verdict"] else None,
        **body,
    )


def pickles_not_scanned_by(database: Database, scanner: str) -> list[int]:
    """Give the files that may hold pickles, none where `scanner` is the one that was named last; it is named now."""
    row = database.row("SELECT value FROM standing WHERE name = ?", (_SCANNER,))
    if row is not None and row["value"] == scanner:
        return []
    database.execute("INSERT OR REPLACE INTO standing (name, value) VALUES (?, ?)", (_SCANNER, scanner))
    return [int(row["file_id"]) for row in database.rows(_PICKLES)]
