"""What is told of the daemon's own health while it works: when, and what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.cli.health import REPORT_SECONDS, VITALS_STANDING, Health, last_work, size_at
from modelshelf.domain.task import Lane, NewTask, TaskKind
from modelshelf.vitals import Vitals
from tests.fakes.clock import FakeClock
from tests.logged import logged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.store.store import Store
    from tests.unit.cli.cli_shelf import CliShelf

WORK = {"seconds": 300, "tasks": 2, "transactions": 2, "cpu_seconds": 1.5, "read_bytes": 100, "written_bytes": 10}


class Kernel:
    """Tells a process's vitals; `asked` counts how often."""

    def __init__(self) -> None:
        self.vitals: Vitals | None = Vitals(1.0, 5000, 7, 12, 10.0, 1000, 100)
        self.asked = 0

    def take(self) -> Vitals | None:
        self.asked += 1
        return self.vitals


@pytest.fixture
def store(shelf: CliShelf) -> Iterator[Store]:
    with shelf.store() as opened:
        yield opened


def work_off(store: Store, clock: FakeClock, count: int = 2) -> None:
    """Do so many tasks, in two transactions."""
    with store.database.transaction():
        wanted = [NewTask(TaskKind.SCAN_FOLDER, "loras", path=b"%d" % each) for each in range(count)]
        store.journal.add(wanted, clock.now())
    with store.database.transaction():
        store.journal.settle(store.journal.claim(Lane.DESK, clock.now()))


def test_work_is_told_with_what_it_cost(store: Store) -> None:
    clock, kernel = FakeClock(), Kernel()
    health = Health(store, clock, kernel.take)
    work_off(store, clock)
    clock.advance(300)
    kernel.vitals = Vitals(301.0, 6000, 8, 13, 11.5, 1100, 110)
    with logged() as told:
        health.look()
    facts = {name: told[0][name] for name in (*WORK, "memory_bytes", "threads", "open_files", "database_bytes")}
    size_bytes = store.database.path.stat().st_size
    grown = {"memory_bytes": 6000, "threads": 8, "open_files": 13, "database_bytes": size_bytes}
    assert (told[0]["event"], facts) == ("vitals_taken", WORK | grown)
    kept = last_work(store)
    assert kept is not None
    assert (kept.at, kept.tasks, kept.threads) == (clock.now(), 2, 8)


def test_without_work_nothing_is_asked_told_or_written(store: Store) -> None:
    clock, kernel = FakeClock(), Kernel()
    health = Health(store, clock, kernel.take)
    before, asked = store.database.transaction_count, kernel.asked
    with logged() as told:
        for _ in range(100):
            clock.advance(REPORT_SECONDS)
            with store.database.transaction():
                pass  # as the half-minute's round does, to see that the store is ours
            store.database.rows("SELECT 1")
            health.look()
    assert (told, store.database.transaction_count, kernel.asked) == ([], before, asked)


def test_work_is_told_every_five_minutes_at_most_and_the_last_of_it_once(store: Store) -> None:
    clock, kernel = FakeClock(), Kernel()
    health = Health(store, clock, kernel.take)
    with logged() as told:
        for _ in range(20):
            work_off(store, clock)
            clock.advance(30)
            health.look()
        for _ in range(50):
            clock.advance(30)
            health.look()
    assert [event["tasks"] for event in told] == [20, 20]
    work_off(store, clock)
    with logged() as told:
        health.look()
    assert [event["tasks"] for event in told] == [2]


def test_what_may_not_be_seen_is_not_told(store: Store) -> None:
    clock, kernel = FakeClock(), Kernel()
    kernel.vitals = Vitals(1.0, 5000, 7, None)
    health = Health(store, clock, kernel.take)
    work_off(store, clock)
    clock.advance(300)
    with logged() as told:
        health.look()
        assert (told[0]["read_bytes"], told[0]["written_bytes"], told[0]["open_files"]) == (None, None, None)
        kernel.vitals = None
        work_off(store, clock)
        clock.advance(300)
        health.look()
    assert len(told) == 1


def test_a_file_that_is_not_there_has_no_size(tmp_path: Path) -> None:
    assert size_at(tmp_path / "gone") == 0


def test_status_shows_the_last_work(shelf: CliShelf, store: Store) -> None:
    assert shelf.run("status", "--json").document["last_work"] is None
    assert "last work" not in shelf.run("status").out
    clock, kernel = FakeClock(), Kernel()
    health = Health(store, clock, kernel.take)
    work_off(store, clock)
    clock.advance(300)
    kernel.vitals = Vitals(301.0, 6000, 8, 13, 12.0, 5_001_000, 100)
    health.look()
    shown = shelf.run("status", "--json").document["last_work"]
    assert (shown["tasks"], shown["read_bytes"], shown["at"]) == (2, 5_000_000, "2026-08-08T12:05:00.000Z")
    line = next(line for line in shelf.run("status").out.splitlines() if line.startswith("last work"))
    assert "2 tasks, 2 transactions, 2 s of processor, 4.8 MiB read, 0 B written in 5 min" in line
    store.standing.put(VITALS_STANDING, '{"at": "yesterday"}')
    assert shelf.run("status", "--json").document["last_work"] is None
