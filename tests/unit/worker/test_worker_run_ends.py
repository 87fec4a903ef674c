"""When a run is over, and what it leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.run_report import RunReport
from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind
from modelshelf.errors import FileUnreadable
from modelshelf.steps.run_report import report_of
from modelshelf.steps.verifying import owe_verification
from modelshelf.worker.leave import Leave
from modelshelf.worker.run_ends import end_runs
from tests import builders
from tests.unit.steps.step_shelf import sha256
from tests.unit.steps.test_steps_verify_file import flip

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from modelshelf.domain.run import Run
    from tests.unit.steps.step_shelf import StepShelf

NAME = "model.safetensors"


class Closed(Leave):
    """No folder has leave."""

    def held(self, folder_ids: Collection[str], now: datetime) -> dict[str, str]:
        """Hold them all."""
        return dict.fromkeys(folder_ids, "outside its window")


def begin(shelf: StepShelf, job_name: str | None = "nightly") -> int:
    """Begin a run that scans `loras`."""
    now = shelf.clock.now()
    run_id = shelf.store.runs.start(job_name, now, ["loras"])
    shelf.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras", run_id=run_id)], now)
    return run_id


def run(shelf: StepShelf, run_id: int) -> Run:
    found = shelf.store.runs.get(run_id)
    assert found is not None
    return found


def scan(shelf: StepShelf, run_id: int, priority: Priority = Priority.REST) -> None:
    """Do the scan of a run, and nothing that follows from it."""
    shelf.scan(run_id=run_id, priority=priority)
    shelf.store.database.execute("DELETE FROM tasks WHERE kind = 'scan_folder'")
    end_runs(shelf.hall)


def test_a_run_ends_when_what_it_found_is_read(shelf: StepShelf) -> None:
    shelf.put(NAME, builders.lora(1))
    run_id = begin(shelf)
    scan(shelf, run_id)
    assert run(shelf, run_id).ended_at is None
    shelf.do(TaskKind.INSPECT_FILE, NAME)
    end_runs(shelf.hall)
    assert run(shelf, run_id).ended_at is None
    shelf.do(TaskKind.HASH_FILE, NAME, run_id=run_id)
    end_runs(shelf.hall)
    assert run(shelf, run_id).ended_at == shelf.clock.now()
    assert run(shelf, run_id).statistics.counts() == {
        "total": 1,
        "added": 1,
        "updated": 0,
        "hashesCalculated": 1,
        "hashesSkipped": 0,
        "errors": 0,
    }


def test_reading_that_must_wait_is_not_waited_for(shelf: StepShelf) -> None:
    shelf.put(NAME, builders.lora(1))
    run_id = begin(shelf)
    scan(shelf, run_id)
    end_runs(replace(shelf.hall, leave=Closed()))
    assert run(shelf, run_id).ended_at is not None
    report = report_of(shelf.store, run(shelf, run_id))
    assert (report.owed_files, report.owed_bytes) == (1, len(builders.lora(1)))


@pytest.mark.parametrize("is_in_hand", [False, True])
def test_reading_that_a_person_began_is_waited_for_though_its_folder_must_wait(
    shelf: StepShelf, *, is_in_hand: bool
) -> None:
    shelf.put(NAME, builders.lora(1))
    run_id = begin(shelf)
    hall, held = replace(shelf.hall, leave=Closed()), lambda folder_ids: folder_ids
    scan(shelf, run_id, Priority.DEEP)
    if is_in_hand:
        shelf.store.journal.claim(Lane.DESK, shelf.clock.now())
    end_runs(hall)
    assert run(shelf, run_id).ended_at is None
    assert shelf.store.runs.under_way("nightly", shelf.clock.now(), held) is not None
    shelf.store.reading.ease("loras", b"")
    assert shelf.store.runs.under_way("nightly", shelf.clock.now(), held) is None
    end_runs(hall)
    assert run(shelf, run_id).ended_at is not None


def test_no_run_waits_for_a_scan_of_many_nights(shelf: StepShelf) -> None:
    shelf.put(NAME, builders.lora(1))
    run_id = begin(shelf)
    scan(shelf, run_id)
    shelf.clock.advance(timedelta(hours=12).total_seconds() - 1)
    end_runs(shelf.hall)
    assert run(shelf, run_id).ended_at is None
    shelf.clock.advance(1)
    end_runs(shelf.hall)
    assert run(shelf, run_id).ended_at is not None


def test_reading_that_failed_and_waits_is_not_waited_for(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FileUnreadable("bad sector")

    monkeypatch.setattr("modelshelf.steps.hash_file.hash_file", refuse)
    shelf.put(NAME, builders.lora(1))
    run_id = begin(shelf)
    shelf.drain(linger_seconds=0)
    assert run(shelf, run_id).ended_at is not None
    report = report_of(shelf.store, run(shelf, run_id))
    assert [(each.path, each.reason) for each in report.troubles] == [(str(shelf.path(NAME)), "bad sector")]


def test_a_run_waits_for_its_verifications(shelf: StepShelf) -> None:
    shelf.put(NAME, builders.lora(1))
    shelf.read(NAME)
    now = shelf.clock.now()
    run_id = shelf.store.runs.start("verify", now, ["loras"])
    owe_verification(shelf.store, shelf.store.verifications.within("loras", b""), now, run_id=run_id)
    end_runs(shelf.hall)
    assert run(shelf, run_id).ended_at is None
    shelf.drain()
    assert run(shelf, run_id).ended_at is not None
    assert run(shelf, run_id).statistics.verified == 1


@pytest.mark.parametrize(("priority", "is_under_way"), [(Priority.PERSON, True), (Priority.VERIFY, False)])
def test_a_verification_in_a_folder_that_must_wait_goes_on_where_a_person_began_it(
    shelf: StepShelf, priority: Priority, *, is_under_way: bool
) -> None:
    shelf.put(NAME, builders.lora(1))
    shelf.read(NAME)
    now = shelf.clock.now()
    run_id = shelf.store.runs.start("verify", now, ["loras"])
    files = shelf.store.verifications.within("loras", b"")
    owe_verification(shelf.store, files, now, run_id=run_id, priority=priority)
    found = shelf.store.runs.under_way("verify", now, lambda folder_ids: folder_ids)
    assert (found is not None) == is_under_way


def test_the_end_of_a_job_is_told_once_with_its_counts(shelf: StepShelf) -> None:
    shelf.put(NAME, builders.lora(1))
    begin(shelf)
    shelf.drain()
    end_runs(shelf.hall)
    (told,) = shelf.events("job_ended")
    assert (told["job"], told["stats"]["total"], told["stats"]["hashesCalculated"]) == ("nightly", 1, 1)


def test_a_known_model_with_another_sidecar_is_one_with_new_metadata(shelf: StepShelf) -> None:
    shelf.put(NAME, builders.lora(1))
    shelf.put("other.safetensors", builders.lora(2))
    shelf.look_through()
    shelf.put("model.txt", "a description")
    run_id = begin(shelf)
    shelf.drain()
    statistics = run(shelf, run_id).statistics
    assert (statistics.updated, statistics.described, statistics.counts()["updated"]) == (0, 1, 1)


def test_what_a_person_asked_for_ends_without_being_told(shelf: StepShelf) -> None:
    run_id = begin(shelf, None)
    shelf.drain()
    assert run(shelf, run_id).ended_at is not None
    assert shelf.events("job_ended") == []
    assert shelf.store.runs.report(run_id) is None
    assert shelf.store.runs.last_reported() is None


def test_a_report_is_kept_as_it_was_at_the_end(shelf: StepShelf) -> None:
    content = builders.lora(1)
    for name in (NAME, "copy.safetensors", "rotten.safetensors"):
        shelf.put(name, content if name != "rotten.safetensors" else builders.lora(2))
    shelf.look_through()
    found = flip(shelf.path("rotten.safetensors"))
    shelf.do(TaskKind.VERIFY_FILE, "rotten.safetensors", priority=Priority.VERIFY)
    shelf.store.failures.settle("loras", b"", {b"locked": "cannot list it (EACCES)"}, shelf.clock.now())
    now = shelf.clock.now()
    run_id = shelf.store.runs.start("nightly", now, ["loras"])
    end_runs(shelf.hall)
    kept = report_of(shelf.store, run(shelf, run_id))
    assert (kept.files, kept.size_bytes, kept.owed_files) == (3, 2 * len(content) + len(builders.lora(2)), 0)
    (alike,) = kept.duplicates
    assert alike.paths == (str(shelf.path("copy.safetensors")), str(shelf.path(NAME)))
    (damage,) = kept.damage
    assert (damage.path, damage.found) == (str(shelf.path("rotten.safetensors")), sha256(found))
    assert damage.expected == sha256(builders.lora(2))
    assert damage.rescue == "no good copy is known"
    assert [(each.path, each.reason) for each in kept.troubles] == [
        (str(shelf.path("locked")), "cannot list it (EACCES)")
    ]
    shelf.put("later.safetensors", builders.lora(3))
    shelf.look_through()
    assert report_of(shelf.store, run(shelf, run_id)) == kept
    assert shelf.store.runs.last_reported() == run(shelf, run_id)


def test_a_run_without_folders_reports_of_the_whole_shelf(shelf: StepShelf) -> None:
    shelf.add_folder("more")
    shelf.put("a.safetensors", builders.lora(1), "more")
    shelf.look_through("more")
    run_id = shelf.store.runs.start(None, shelf.clock.now())
    assert report_of(shelf.store, run(shelf, run_id)) == RunReport(
        run(shelf, run_id), files=1, size_bytes=len(builders.lora(1))
    )


def test_a_closed_hall_leaves_runs_to_the_next_daemon(shelf: StepShelf) -> None:
    run_id = shelf.store.runs.start("nightly", shelf.clock.now())
    shelf.hall.closed.set()
    end_runs(shelf.hall)
    assert run(shelf, run_id).ended_at is None


def test_reports_go_with_their_runs(shelf: StepShelf) -> None:
    first = shelf.store.runs.start("nightly", shelf.clock.now())
    end_runs(shelf.hall)
    shelf.store.runs.start("nightly", shelf.clock.now())
    assert shelf.store.runs.prune(shelf.clock.now() + timedelta(days=1)) == 1
    assert shelf.store.runs.report(first) is None
