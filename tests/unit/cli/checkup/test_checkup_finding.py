"""Checks that hang, fail or break cost themselves and nobody else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from modelshelf.cli.checkup import finding
from modelshelf.cli.checkup.finding import Check, Deadline, Finding, Level, run_all
from modelshelf.errors import FileUnreadable, StoreDamaged
from tests.unit.cli.checkup.clinic import bad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.cli.checkup.patient import Patient
    from tests.unit.cli.checkup.clinic import Clinic

FINE = Finding("a", Level.OK, "fine")


def fine(_patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    yield FINE


def test_findings_come_in_the_order_of_the_checks_whoever_is_first(clinic: Clinic) -> None:
    is_second_done = threading.Event()

    def first(_patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
        assert is_second_done.wait(10)
        yield Finding("first", Level.OK, "")

    def second(_patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
        yield Finding("second", Level.OK, "")
        is_second_done.set()

    with clinic.patient() as patient:
        found = run_all([Check("first", first), Check("second", second)], patient)
    assert [each.check for each in found] == ["first", "second"]


def test_a_check_that_hangs_is_cut_short_and_keeps_what_it_found(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "GRACE_SECONDS", 0.05)
    is_over = threading.Event()

    def hanging(_patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
        yield FINE
        is_over.wait(30)

    with clinic.patient() as patient:
        found = run_all([Check("folders", hanging, seconds=0.05), Check("a", fine)], patient)
    is_over.set()
    assert found[0] == found[2] == FINE
    assert bad(found) == ["cut short after 0.05 seconds: a disk, a mount or a server does not answer"]


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), FileUnreadable("cannot list it")])
def test_a_check_that_fails_says_why(clinic: Clinic, error: Exception) -> None:
    def failing(_patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
        yield FINE
        raise error

    with clinic.patient() as patient:
        found = run_all([Check("state", failing)], patient)
    assert found[0] == FINE
    assert bad(found) == [f"could not be examined: {error}"]


def test_a_store_that_is_damaged_is_told_once_for_all_checks_that_met_it(clinic: Clinic) -> None:
    def failing(_patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
        yield FINE
        raise StoreDamaged("page 7 is no page")

    with clinic.patient() as patient:
        found = run_all([Check("work", failing), Check("chunks", failing)], patient)
    assert found[:2] == [FINE, FINE]
    assert bad(found) == ["page 7 is no page; so not all was examined of: work, chunks"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_check_that_breaks_is_a_bug_and_no_end_of_the_others(clinic: Clinic) -> None:
    def breaking(_patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
        yield FINE
        raise KeyError("x")

    with clinic.patient() as patient:
        found = run_all([Check("work", breaking), Check("a", fine)], patient)
    assert [each.text for each in found] == ["fine", "the check broke off, which is a bug in modelshelf", "fine"]


def test_a_deadline_never_has_less_than_nothing_left() -> None:
    now = [100.0]
    deadline = Deadline(5, lambda: now[0])
    assert (deadline.left_seconds(), deadline.is_over()) == (5, False)
    now[0] = 200.0
    assert (deadline.left_seconds(), deadline.is_over()) == (0, True)
