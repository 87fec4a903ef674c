"""What a run of a job owes, by what the job does and who begins it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.job import Appointment, Deed, JobKind
from modelshelf.domain.task import Priority, TaskKind
from modelshelf.domain.verification import Measure, Share, VerifySettings
from modelshelf.errors import DiskFull
from modelshelf.steps.beginning import begin_run
from tests import builders
from tests.unit.steps.step_shelf import StepShelf, introduce

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.civitai_server import CivitaiStandIn

EVERYTHING = VerifySettings(Share(10**15, Measure.BYTES))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[StepShelf]:
    made = StepShelf(tmp_path)
    yield made
    made.close()


def job(kind: JobKind, *folder_ids: str, is_forced: bool = False) -> Appointment:
    return Appointment("job", (Deed(kind, folder_ids or ("loras",), is_forced),))


def owed(shelf: StepShelf) -> list[tuple[TaskKind, str, int, int | None]]:
    """Give what the journal holds, but for a lookup, which goes on for ever where nobody answers."""
    tasks = [task for task in shelf.tasks() if task.kind is not TaskKind.IDENTIFY_CONTENT]
    return [(task.kind, task.subject, task.priority, task.run_id) for task in tasks]


def test_a_scan_is_owed_in_each_of_its_folders(shelf: StepShelf) -> None:
    run_id = begin_run(
        shelf.store, job(JobKind.SCAN_PATHS, "loras", "more", is_forced=True), shelf.clock, Priority.PERSON
    )
    assert owed(shelf) == [
        (TaskKind.SCAN_FOLDER, "loras", Priority.PERSON, run_id),
        (TaskKind.SCAN_FOLDER, "more", Priority.PERSON, run_id),
    ]
    assert all(task.is_forced for task in shelf.tasks())
    run = shelf.store.runs.get(run_id)
    assert run is not None
    assert (run.job_name, run.folder_ids) == ("job", ("loras", "more"))


def test_a_deep_scan_by_the_calendar_orders_its_folders_to_be_read_in_their_turn(shelf: StepShelf) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    shelf.scan(priority=Priority.CHANGED)
    run_id = begin_run(shelf.store, job(JobKind.DEEP_SCAN), shelf.clock, Priority.CHANGED)
    assert owed(shelf) == [(TaskKind.SCAN_FOLDER, "loras", Priority.CHANGED, run_id)]
    assert shelf.store.orders.folder_ids == {"loras"}
    assert shelf.store.reading.count("loras", b"", shelf.clock.now(), Priority.DROP) == (0, 0)


def test_a_deep_scan_by_a_person_has_all_read_at_once(shelf: StepShelf) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    shelf.scan(priority=Priority.CHANGED)
    run_id = begin_run(shelf.store, job(JobKind.DEEP_SCAN), shelf.clock, Priority.PERSON)
    assert owed(shelf) == [(TaskKind.SCAN_FOLDER, "loras", Priority.DEEP, run_id)]
    assert shelf.store.orders.folder_ids == set()
    assert shelf.store.reading.count("loras", b"", shelf.clock.now(), Priority.PERSON)[0] == 1


@pytest.mark.parametrize("priority", [Priority.CHANGED, Priority.PERSON])
def test_what_a_deep_scan_reads_is_counted_in_its_run_though_another_scan_found_it(
    priority: Priority, shelf: StepShelf
) -> None:
    shelf.add_folder("more")
    for folder_id in ("loras", "more"):
        shelf.put("a.safetensors", builders.lora(1), folder_id)
        shelf.scan(folder_id=folder_id, priority=Priority.CHANGED)
    run_id = begin_run(shelf.store, job(JobKind.DEEP_SCAN), shelf.clock, priority)
    shelf.drain()
    run = shelf.store.runs.get(run_id)
    assert run is not None
    assert run.statistics.hashes_calculated == 1
    assert run.ended_at is not None


@pytest.mark.parametrize(
    ("asked", "expected"), [(Priority.CHANGED, Priority.VERIFY), (Priority.PERSON, Priority.PERSON)]
)
def test_a_verification_owes_its_share_of_what_was_read(asked: Priority, expected: Priority, shelf: StepShelf) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    shelf.look_through()
    shelf.clock.advance(100 * 86_400)
    wanted = Appointment("job", (Deed(JobKind.VERIFY, ("loras",)),), verification=EVERYTHING)
    run_id = begin_run(shelf.store, wanted, shelf.clock, asked)
    subject = str(shelf.file("a.safetensors").id)
    assert owed(shelf) == [(TaskKind.VERIFY_FILE, subject, expected, run_id)]
    assert shelf.store.orders.folder_ids == ({"loras"} if asked < Priority.PERSON else set())


def test_a_gallery_is_drawn_anew(shelf: StepShelf) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    shelf.look_through()
    gallery = shelf.path("gallery.html")
    gallery.unlink()
    run_id = begin_run(shelf.store, job(JobKind.BUILD_GALLERY), shelf.clock, Priority.CHANGED)
    assert owed(shelf) == [(TaskKind.RENDER_GALLERY, "loras", Priority.CHANGED, run_id)]
    shelf.drain()
    assert gallery.exists()


@pytest.mark.parametrize("kind", [JobKind.BUILD_GALLERY, JobKind.CHECK_UPDATES])
def test_a_run_that_reads_nothing_is_over_as_soon_as_all_is_owed(kind: JobKind, shelf: StepShelf) -> None:
    run = shelf.store.runs.get(begin_run(shelf.store, job(kind), shelf.clock, Priority.CHANGED))
    assert run is not None
    assert (run.ended_at, run.folder_ids) == (shelf.clock.now(), ())


def test_a_run_is_about_the_folders_that_it_reads(shelf: StepShelf) -> None:
    deeds = (Deed(JobKind.BUILD_GALLERY, ("more",)), Deed(JobKind.VERIFY, ("loras",)))
    run = shelf.store.runs.get(begin_run(shelf.store, Appointment("job", deeds), shelf.clock, Priority.CHANGED))
    assert run is not None
    assert (run.ended_at, run.folder_ids) == (None, ("loras",))


def test_updates_are_asked_for_the_models_of_its_folders_alone(civitai: CivitaiStandIn, tmp_path: Path) -> None:
    shelf = StepShelf(tmp_path, civitai)
    shelf.add_folder("more")
    for number, folder_id in enumerate(("loras", "more")):
        content = builders.lora(number)
        introduce(civitai, content, folder_id)
        shelf.put("a.safetensors", content, folder_id)
        shelf.look_through(folder_id)
    models = [row["id"] for row in shelf.store.database.rows("SELECT id FROM civitai_models ORDER BY id")]
    assert len(models) == 2
    shelf.clock.advance(60)
    assert all(shelf.store.remote.is_fresh(each, shelf.clock.now()) for each in models)
    begin_run(shelf.store, job(JobKind.CHECK_UPDATES, "more"), shelf.clock, Priority.CHANGED)
    assert [shelf.store.remote.is_fresh(each, shelf.clock.now()) for each in models] == [True, False]
    assert shelf.drain() > 0
    assert shelf.store.remote.is_fresh(models[1], shelf.clock.now())
    shelf.close()


def test_a_run_that_cannot_be_written_down_is_not_half_begun(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise DiskFull("full")

    monkeypatch.setattr(shelf.store.orders, "add", refuse)
    with pytest.raises(DiskFull):
        begin_run(shelf.store, job(JobKind.DEEP_SCAN), shelf.clock, Priority.CHANGED)
    assert not shelf.tasks()
    assert not shelf.store.runs.latest(10)
