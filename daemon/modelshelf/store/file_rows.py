"""A row of the table `files` as a ModelFile, and a relative path as its two columns."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modelshelf.domain.model_file import Fingerprint, ModelFile, ScanPhase
from modelshelf.store.columns import big, from_big, from_epoch, from_epoch_or_none

if TYPE_CHECKING:
    import sqlite3


def split(path: bytes) -> tuple[bytes, bytes]:
    """Give directory and name of a path relative to its folder; the folder itself is the empty directory."""
    return os.path.split(path)


def join(directory: bytes, name: bytes) -> bytes:
    """Give the path relative to the folder."""
    return os.path.join(directory, name)


def columns_of(fingerprint: Fingerprint) -> tuple[int | bytes, int | bytes, int | bytes, int | bytes]:
    """Give size, mtime, ctime and inode as they stand in columns."""
    return (
        big(fingerprint.size_bytes),
        big(fingerprint.mtime_ns),
        big(fingerprint.ctime_ns),
        big(fingerprint.inode),
    )


def file_from(row: sqlite3.Row) -> ModelFile:
    """Give the ModelFile of a row."""
    return ModelFile(
        id=row["id"],
        folder_id=row["folder_id"],
        path=join(row["directory"], row["name"]),
        fingerprint=Fingerprint(
            from_big(row["size_bytes"]), from_big(row["mtime_ns"]), from_big(row["ctime_ns"]), from_big(row["inode"])
        ),
        scan_phase=ScanPhase(row["scan_phase"]),
        is_inspected=bool(row["is_inspected"]),
        content_id=row["content_id"],
        first_seen_at=from_epoch(row["first_seen_at"]),
        missing_since=from_epoch_or_none(row["missing_since"]),
        waiting_reason=row["waiting_reason"],
        companions=row["companions"],
        hash_skipped_reason=row["hash_skipped_reason"],
        vouched_by=row["vouched_by"],
    )
