"""Is a file still the one that StableQueue told of? Decided without reading all of it, and never on its word alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelshelf.domain.model_file import Fingerprint
    from modelshelf.importing.stablequeue import ToldModel

_AUTOV2_DIGITS = 10
_TRUNCATED = timedelta(seconds=1)
"""Its times are cut to whole seconds, so that a file may seem to be younger than its row."""

CHANGED = "it changed since StableQueue looked at it"
OTHER_BYTES = "its bytes are not those that StableQueue hashed"
CONTRADICTION = "the two hashes that StableQueue has contradict each other"
UNDATED = "nothing tells when StableQueue looked at it"
TOUCHED = "it was moved or copied since StableQueue looked at it, and nothing proves that it is the same"


def doubt(told: ToldModel, fingerprint: Fingerprint, head_sha256: str, head_bytes: int, now: datetime) -> str | None:
    """Give why what is told is not believed of this file, None where it is.

    `head_sha256` is that of the file's first `head_bytes`. Where they are the whole file, or StableQueue has their hash, the
    bytes themselves bear witness. Else the file must not have been touched since, or only moved, and of the size that Civitai
    told.
    """
    told_hash = told.sha256 or told.autov2
    if fingerprint.size_bytes <= head_bytes and told_hash is not None:
        return None if head_sha256.startswith(told_hash) else OTHER_BYTES
    if told.autov2 is not None and told.autov2 == head_sha256[:_AUTOV2_DIGITS]:
        return None
    if told.autov2 is not None and told.sha256 is not None and told.autov2 != told.sha256[:_AUTOV2_DIGITS]:
        return CONTRADICTION
    return _doubt_by_time(told, fingerprint, now)


def _doubt_by_time(told: ToldModel, fingerprint: Fingerprint, now: datetime) -> str | None:
    if told.told_at is None or told.told_at > now:
        return UNDATED
    latest_ns = _ns(told.told_at + _TRUNCATED)
    if fingerprint.mtime_ns >= latest_ns:
        return CHANGED
    if fingerprint.ctime_ns >= latest_ns and told.civitai_size_bytes != fingerprint.size_bytes:
        return TOUCHED
    return None


def _ns(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
