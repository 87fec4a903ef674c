"""When StableQueue's word is believed: by the bytes themselves, else by times."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from modelshelf.domain.model_file import Fingerprint
from modelshelf.importing.evidence import CHANGED, CONTRADICTION, OTHER_BYTES, TOUCHED, UNDATED, doubt
from modelshelf.importing.stablequeue import ToldModel

TOLD_AT = datetime(2025, 6, 20, 10, tzinfo=UTC)
NOW = TOLD_AT + timedelta(days=100)
EARLIER, LATER = TOLD_AT - timedelta(days=1), TOLD_AT + timedelta(days=1)
HEAD_BYTES = 1000
HEAD, SHA256 = "1234567890" + "A" * 54, "FEDCBA9876" + "B" * 54
TOLD = ToldModel(b"/m/x", SHA256, None, TOLD_AT, None, None, None, ())


def seen(mtime: datetime = EARLIER, ctime: datetime = EARLIER, size_bytes: int = 5000) -> Fingerprint:
    return Fingerprint(size_bytes, int(mtime.timestamp() * 1e9), int(ctime.timestamp() * 1e9), 7)


def said(told: ToldModel, fingerprint: Fingerprint) -> str | None:
    return doubt(told, fingerprint, HEAD, HEAD_BYTES, NOW)


def test_a_file_that_was_not_touched_since_is_believed() -> None:
    assert said(TOLD, seen()) is None


def test_a_file_written_later_is_not_believed() -> None:
    assert said(TOLD, seen(mtime=LATER, ctime=LATER)) == CHANGED


def test_a_time_is_cut_to_a_second() -> None:
    assert said(TOLD, seen(mtime=TOLD_AT + timedelta(milliseconds=999))) is None
    assert said(TOLD, seen(mtime=TOLD_AT + timedelta(seconds=1))) == CHANGED


def test_a_file_put_there_later_with_its_old_time_needs_a_second_witness() -> None:
    assert said(TOLD, seen(ctime=LATER)) == TOUCHED
    assert said(replace(TOLD, civitai_size_bytes=5000), seen(ctime=LATER)) is None
    assert said(replace(TOLD, civitai_size_bytes=5001), seen(ctime=LATER)) == TOUCHED


def test_the_hash_of_the_first_bytes_is_a_witness_whatever_the_times_are() -> None:
    told = replace(TOLD, autov2=HEAD[:10])
    assert said(told, seen(mtime=LATER, ctime=LATER)) is None
    assert said(replace(told, told_at=None), seen(mtime=LATER)) is None


def test_an_autov2_that_is_neither_of_the_file_nor_of_its_first_bytes_contradicts() -> None:
    assert said(replace(TOLD, autov2="0" * 10), seen()) == CONTRADICTION


def test_an_autov2_that_is_the_beginning_of_the_sha256_proves_nothing_by_itself() -> None:
    told = replace(TOLD, autov2=SHA256[:10])
    assert said(told, seen()) is None
    assert said(told, seen(mtime=LATER)) == CHANGED


@pytest.mark.parametrize("told_at", [None, NOW + timedelta(seconds=1)])
def test_without_a_time_that_can_be_true_nothing_is_believed(told_at: datetime | None) -> None:
    assert said(replace(TOLD, told_at=told_at), seen()) == UNDATED


def test_a_small_file_is_its_own_witness() -> None:
    small = seen(mtime=LATER, ctime=LATER, size_bytes=HEAD_BYTES)
    assert said(replace(TOLD, sha256=HEAD, told_at=None), small) is None
    assert said(TOLD, seen(size_bytes=HEAD_BYTES)) == OTHER_BYTES
    assert said(replace(TOLD, sha256=None, autov2=HEAD[:10], told_at=None), small) is None
    assert said(replace(TOLD, sha256=None, autov2=SHA256[:10]), seen(size_bytes=HEAD_BYTES)) == OTHER_BYTES


def test_without_any_hash_times_decide() -> None:
    told = replace(TOLD, sha256=None)
    assert said(told, seen(size_bytes=10)) is None
    assert said(told, seen(mtime=LATER, size_bytes=10)) == CHANGED
