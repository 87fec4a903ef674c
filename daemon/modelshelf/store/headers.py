"""Headers in the catalog: what each file said of itself when it was last inspected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.store.columns import pack, text, unpack

if TYPE_CHECKING:
    from modelshelf.store.database import Database

_PUT = """INSERT INTO headers (file_id, format, verdict, reason, body) SELECT id, ?, ?, ?, ? FROM files WHERE id = ?
    ON CONFLICT (file_id) DO UPDATE SET
        format = excluded.format, verdict = excluded.verdict, reason = excluded.reason, body = excluded.body"""


def put_header(database: Database, file_id: int, header: Header) -> None:
    """Keep the header of a file; nothing happens where the file is no longer known."""
    body = {
        "declared_size_bytes": header.declared_size_bytes,
        "tensor_count": header.tensor_count,
        "dtypes": dict(header.dtypes),
        "metadata": dict(header.metadata),
        "kind": header.kind,
        "architecture": header.architecture,
    }
    reason = None if header.reason is None else text(header.reason)
    database.execute(_PUT, (header.format, header.verdict, reason, pack(body), file_id))


def header_of(database: Database, file_id: int) -> Header | None:
    """Give the header of a file, None where it was not inspected since its bytes changed."""
    row = database.row("SELECT * FROM headers WHERE file_id = ?", (file_id,))
    if row is None:
        return None
    body: dict[str, Any] = unpack(row["body"])
    return Header(format=Format(row["format"]), verdict=Verdict(row["verdict"]), reason=row["reason"], **body)
