"""A kill between the halves of a step only repeats it: nothing is lost, doubled or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.errors import DiskFull
from modelshelf.steps.verifying import owe_verification
from tests import builders
from tests.unit.steps.step_shelf import introduce

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.steps.step import Step
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

CONTENT = builders.lora(70)


class Killed(BaseException):
    """What stands for a kill: nothing catches it."""


class DyingStep:
    """A step whose first recordings never happen."""

    def __init__(self, step: Step[Any], error: BaseException, times: int = 1) -> None:
        self._step = step
        self._error = error
        self.times = times
        self.kind = step.kind

    def perform(self, tasks: Any, reins: Any) -> Any:
        return self._step.perform(tasks, reins)

    def record(self, done: Sequence[Any]) -> list[NewTask]:
        if self.times > 0:
            self.times -= 1
            self._step.record(done)
            raise self._error
        return self._step.record(done)


def described(shelf: StepShelf) -> set[str]:
    """Give what bears the stem `model`, once everything is done."""
    return {name for name in shelf.names() if name.startswith("model")}


WHOLE = {"model.safetensors", "model.civitai.info", "model.json", "model.preview.png", "model.html"}


@pytest.mark.parametrize("kind", [each for each in TaskKind if each is not TaskKind.MATCH_WEIGHTS])
def test_a_kill_between_perform_and_record_repeats_the_step_harmlessly(
    kind: TaskKind, shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    introduce(civitai, CONTENT, "Killed")
    shelf.steps[kind] = DyingStep(shelf.steps[kind], Killed())
    if kind is TaskKind.CARRY_SIDECARS:
        shelf.put("before.safetensors", CONTENT)
        shelf.look_through()
        shelf.path("before.safetensors").rename(shelf.path("model.safetensors"))
    else:
        shelf.put("model.safetensors", CONTENT)
    if kind is TaskKind.VERIFY_FILE:
        shelf.look_through()
        now = shelf.clock.now()
        owe_verification(shelf.store, shelf.store.verifications.within("loras", b""), now, run_id=None)
    with pytest.raises(Killed):
        shelf.look_through()
    assert shelf.store.journal.recover() > 0
    assert any(task.crashes for task in shelf.tasks())
    shelf.look_through()
    shelf.look_through()
    assert described(shelf) == WHOLE
    assert shelf.json("model.civitai.info")["model"]["tags"] == ["Killed tag"]
    assert "model.preview.png" in shelf.path("gallery.html").read_text()
    assert shelf.store.entries.of_folder("loras")[0].has_page
    assert not shelf.tasks()


def test_a_full_disk_under_the_journal_gives_the_work_back(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    introduce(civitai, CONTENT, "Full")
    shelf.steps[TaskKind.HASH_FILE] = DyingStep(shelf.steps[TaskKind.HASH_FILE], DiskFull("no space left"), times=3)
    shelf.put("model.safetensors", CONTENT)
    for _ in range(3):
        with pytest.raises(DiskFull):
            shelf.look_through()
        assert [task.attempts for task in shelf.tasks(TaskKind.HASH_FILE)] == [0]
        assert shelf.file("model.safetensors").content_id is None
    shelf.drain()
    assert described(shelf) == WHOLE


def test_a_step_that_breaks_while_recording_costs_its_neighbours_nothing(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    for number in range(3):
        shelf.put(f"model{number}.safetensors", builders.lora(71 + number))
    shelf.scan()
    poisoned = shelf.file("model1.safetensors").id
    genuine = shelf.steps[TaskKind.INSPECT_FILE]

    class Poisoned(DyingStep):
        def record(self, done: Sequence[Any]) -> list[NewTask]:
            if any(each.result.file.id == poisoned for each in done):
                raise KeyError("unforeseen")
            return genuine.record(done)

    shelf.steps[TaskKind.INSPECT_FILE] = Poisoned(genuine, Killed())
    shelf.drain()
    assert shelf.file("model0.safetensors").content_id is not None
    assert shelf.file("model2.safetensors").content_id is not None
    (task,) = shelf.tasks(TaskKind.INSPECT_FILE)
    assert "unforeseen" in str(task.last_error)


def test_every_run_is_counted_and_ended(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    shelf.add_folder("more")
    shelf.put("one.safetensors", CONTENT)
    shelf.put("two.safetensors", builders.lora(74), "more")
    shelf.put("bad.safetensors", builders.html_page(), "more")
    now = shelf.clock.now()
    first, second = shelf.store.runs.start("first", now), shelf.store.runs.start("second", now)
    for run_id in (first, second):
        tasks = [NewTask(TaskKind.SCAN_FOLDER, folder_id, run_id=run_id) for folder_id in ("loras", "more")]
        shelf.store.journal.add(tasks, now)
    shelf.drain()
    runs = {run.id: run for run in shelf.store.runs.latest(10)}
    assert all(run.ended_at is not None for run in runs.values())
    counted = runs[first].statistics
    assert (counted.total, counted.added, counted.hashes_calculated, counted.errors) == (3, 3, 2, 1)


def test_a_run_goes_on_while_one_of_its_scans_is_owed(shelf: StepShelf) -> None:
    shelf.add_folder("more")
    now = shelf.clock.now()
    run_id = shelf.store.runs.start("nightly", now)
    later = NewTask(TaskKind.SCAN_FOLDER, "more", run_id=run_id, due_at=now.replace(year=now.year + 1))
    shelf.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras", run_id=run_id), later], now)
    shelf.drain()
    run = shelf.store.runs.get(run_id)
    assert run is not None
    assert run.ended_at is None
