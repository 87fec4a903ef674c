"""What a person may be told of is kept as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.task import NewTask, TaskKind
from tests import builders
from tests.unit.steps.step_shelf import introduce

if TYPE_CHECKING:
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf


def test_each_file_that_is_identified_is_kept_once(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    content = builders.lora(1)
    introduce(civitai, content, "Rosy")
    shelf.put("rosy.safetensors", content)
    shelf.put("copy.safetensors", content)
    shelf.put("unknown.safetensors", builders.lora(2))
    shelf.look_through()
    told = {event.file_id for event in shelf.store.events.latest(100) if event.name == "content_identified"}
    assert told == {shelf.file("rosy.safetensors").id, shelf.file("copy.safetensors").id}
    asked = len(civitai.requests)
    forced = NewTask(TaskKind.IDENTIFY_CONTENT, str(shelf.content("rosy.safetensors").id), is_forced=True)
    shelf.store.journal.add([forced], shelf.clock.now())
    shelf.drain()
    assert len(civitai.requests) > asked
    assert len(shelf.events("content_identified")) == 2


def test_a_job_whose_scans_are_done_is_kept_and_a_scan_that_was_asked_for_is_not(shelf: StepShelf) -> None:
    now = shelf.clock.now()
    for job_name in ("nightly", None):
        run_id = shelf.store.runs.start(job_name, now)
        shelf.look_through(run_id=run_id)
    (ended,) = shelf.events("job_ended")
    assert (ended["job"], ended["run"], ended["stats"]["total"]) == ("nightly", 1, 0)
    shelf.look_through()
    assert len(shelf.events("job_ended")) == 1


def test_a_download_that_paused_is_kept_as_incomplete_and_another_file_as_broken(shelf: StepShelf) -> None:
    shelf.put("cut.safetensors", builders.lora(1)[:-10])
    shelf.put("page.safetensors", b"<!DOCTYPE html><html>log in</html>")
    shelf.look_through()
    assert [event["verdict"] for event in shelf.events("file_found_incomplete")] == ["incomplete"]
    assert [event["verdict"] for event in shelf.events("file_found_broken")] == ["broken"]
