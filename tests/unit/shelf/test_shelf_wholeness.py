"""Whether a file is whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from modelshelf.domain.model_file import Fingerprint
from modelshelf.shelf.wholeness import Evidence, Judgement, NotYet, Whole, WholenessGate

NOW = 1_800_000_000.0
PATH = Path("/models/a.safetensors")
COMPLETE = Evidence(
    declared_size_bytes=1000,
    found_by_scan=False,
    seen_unchanged_seconds=0.0,
    partial_companion=None,
    stability_delay_seconds=5.0,
    is_local=True,
    now=NOW,
)
UNPROVEN = replace(COMPLETE, declared_size_bytes=None)


def judge(evidence: Evidence, *, is_written: bool | None = False, size: int = 1000, age: float = 0.0) -> Judgement:
    fingerprint = Fingerprint(size, int((NOW - age) * 1e9), 0, 1)
    return WholenessGate(lambda _path: is_written).judge(PATH, fingerprint, evidence)


def test_a_file_of_its_declared_length_that_nobody_writes_is_whole_at_once() -> None:
    assert judge(COMPLETE) == Whole()
    assert judge(replace(COMPLETE, found_by_scan=True)) == Whole()


def test_a_file_longer_than_it_declares_need_not_wait() -> None:
    assert judge(COMPLETE, size=1001) == Whole()


def test_a_file_shorter_than_it_declares_is_not_whole_however_long_it_is_quiet() -> None:
    found = judge(replace(COMPLETE, seen_unchanged_seconds=1e6), size=400, age=1e6)
    assert found == NotYet("400 of 1000 bytes are there", 3600.0)


def test_a_file_of_its_declared_length_that_somebody_writes_is_not_whole() -> None:
    assert judge(COMPLETE, is_written=True) == NotYet("still open for writing", 5.0)


def test_a_file_held_open_for_hours_is_looked_at_every_five_minutes() -> None:
    found = judge(replace(COMPLETE, seen_unchanged_seconds=9000.0), is_written=True)
    assert found == NotYet("still open for writing", 300.0)


@pytest.mark.parametrize(("quiet", "again"), [(0.0, 5.0), (40.0, 40.0), (80.0, 80.0), (1e6, 3600.0)])
def test_every_look_at_an_incomplete_file_is_twice_as_far_from_its_last_change(quiet: float, again: float) -> None:
    found = judge(replace(COMPLETE, seen_unchanged_seconds=quiet), size=1)
    assert isinstance(found, NotYet)
    assert found.again_in_seconds == again


def test_without_any_delay_there_is_still_a_pause_between_looks() -> None:
    found = judge(replace(COMPLETE, stability_delay_seconds=0.0), is_written=True)
    assert isinstance(found, NotYet)
    assert found.again_in_seconds == 0.5


def test_a_download_file_beside_it_holds_back_even_a_complete_file() -> None:
    found = judge(replace(COMPLETE, partial_companion=b"caf\xe9.aria2", seen_unchanged_seconds=60.0))
    assert found == NotYet(r"still being downloaded: caf\xe9.aria2 is beside it", 60.0)


@pytest.mark.parametrize("is_written", [None, False])
def test_a_file_that_declares_nothing_must_be_quiet_for_the_delay(*, is_written: bool | None) -> None:
    assert judge(replace(UNPROVEN, seen_unchanged_seconds=4.0), is_written=is_written) == NotYet(
        "changed less than 5 s ago", 1.0
    )
    assert judge(replace(UNPROVEN, seen_unchanged_seconds=5.0), is_written=is_written) == Whole()


def test_where_writers_cannot_be_known_even_a_complete_file_must_be_quiet() -> None:
    assert judge(COMPLETE, is_written=None) == NotYet("changed less than 5 s ago", 5.0)
    assert judge(replace(COMPLETE, seen_unchanged_seconds=5.0), is_written=None) == Whole()


def test_a_shared_file_system_is_never_asked_for_its_writers() -> None:
    asked: list[Path] = []

    def probe(path: Path) -> bool | None:
        asked.append(path)
        return False

    found = WholenessGate(probe).judge(PATH, Fingerprint(1000, int(NOW * 1e9), 0, 1), replace(COMPLETE, is_local=False))
    assert isinstance(found, NotYet)
    assert asked == []


def test_a_length_that_should_be_declared_and_is_not_proves_nothing() -> None:
    assert isinstance(judge(replace(COMPLETE, declared_size_bytes=None)), NotYet)


def test_what_a_scan_finds_counts_its_mtime_as_quiet_time() -> None:
    assert judge(replace(UNPROVEN, found_by_scan=True), age=5.0) == Whole()
    assert judge(replace(UNPROVEN, found_by_scan=True), age=3.0) == NotYet("changed less than 5 s ago", 2.0)


def test_what_an_event_brings_does_not_count_its_mtime() -> None:
    assert judge(UNPROVEN, age=1e6) == NotYet("changed less than 5 s ago", 5.0)


def test_a_time_in_the_future_is_no_quiet_time_but_does_not_hold_a_file_back_for_ever() -> None:
    future = replace(UNPROVEN, found_by_scan=True)
    assert judge(future, age=-1e9) == NotYet("changed less than 5 s ago", 5.0)
    assert judge(replace(future, seen_unchanged_seconds=5.0), age=-1e9) == Whole()


def test_without_delay_a_quiet_file_is_whole() -> None:
    assert judge(replace(UNPROVEN, stability_delay_seconds=0.0)) == Whole()
