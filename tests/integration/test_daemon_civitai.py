"""What the house does about Civitai's moods beyond asking: it tells of them, and tries again at a start."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.vitals import CIVITAI_STANDING, from_json
from modelshelf.clock import SystemClock
from modelshelf.config import load_config
from modelshelf.daemon import Doors, House
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import Lane, NewTask, TaskKind, TaskState
from modelshelf.errors import CivitaiForbids
from modelshelf.gallery.content import Sites
from modelshelf.steps.render_page import RenderPage
from modelshelf.steps.step import Done
from modelshelf.store.store import Store
from modelshelf.watching.poke import ASK_CIVITAI, WAKE
from tests.fakes import civitai_moods as moods
from tests.fakes.civitai_server import CivitaiStandIn
from tests.unit.steps.step_shelf import FreeReins
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
input_paths: {{shelf: {{path: {0}/models, type: LORA}}}}
store: {{directory: {0}/state}}
api: {{base_url: "{1}", domains: {{nsfw: red.example}}}}
"""


@pytest.fixture
def stand_in() -> Iterator[CivitaiStandIn]:
    with CivitaiStandIn() as running:
        yield running


@pytest.fixture
def house(tmp_path: Path, stand_in: CivitaiStandIn) -> Iterator[House]:
    (tmp_path / "models").mkdir()
    store = Store.open(tmp_path / "state" / "modelshelf.db")
    (tmp_path / "modelshelf.yaml").write_text(CONFIG.format(tmp_path, stand_in.base_url))
    made = House(load_config(tmp_path / "modelshelf.yaml", {"HOME": str(tmp_path)}), store)
    yield made
    made.close()
    store.close()


def test_how_asking_goes_is_told_when_it_changed_and_only_then(house: House, stand_in: CivitaiStandIn) -> None:
    house.open(Doors(has_watch=False, has_calendar=False))
    told = from_json(house.store.standing.get(CIVITAI_STANDING))
    assert told is not None
    assert told.troubles == ()
    house.store.standing.put(CIVITAI_STANDING, "unchanged")
    house.mend()
    assert house.store.standing.get(CIVITAI_STANDING) == "unchanged"
    stand_in.moods.append(moods.region_blocked)
    with pytest.raises(CivitaiForbids):
        house.client.get_model(1)
    house.mend()
    told = from_json(house.store.standing.get(CIVITAI_STANDING))
    assert told is not None
    assert [trouble.is_forbidden for trouble in told.troubles] == [True]


def test_a_start_tries_again_what_was_forbidden_and_leaves_the_rest_to_its_time(house: House) -> None:
    journal, now = house.store.journal, SystemClock().now()
    journal.add([NewTask(TaskKind.ENRICH_MODEL, "1"), NewTask(TaskKind.ENRICH_MODEL, "2")], now)
    for task in journal.claim(Lane.NETWORK, now):
        hours = 24 if task.subject == "1" else 1
        journal.retry_at(task, now + timedelta(hours=hours), "451", FailureKind.API, now)
    house.hall.stopping.set()
    house.open(Doors(has_watch=False, has_calendar=False))
    later = {task.subject: task for task in journal.failures() if task.state is TaskState.QUEUED}
    assert [*later] == ["2"]


@pytest.mark.parametrize(("hours", "is_tried"), [(3, False), (30, True)])
def test_a_start_leaves_what_a_disk_refused_to_its_time_unless_the_clock_was_wrong(
    house: House, *, hours: int, is_tried: bool
) -> None:
    journal, now = house.store.journal, SystemClock().now()
    journal.add([NewTask(TaskKind.RENDER_PAGE, "1")], now)
    (task,) = journal.claim(Lane.DESK, now)
    journal.retry_at(task, now + timedelta(hours=hours), "read-only", FailureKind.ACCESS, now)
    house.hall.stopping.set()
    house.open(Doors(has_watch=False, has_calendar=False))
    assert (journal.failures() == []) is is_tried


def test_when_civitai_is_back_what_was_put_off_need_not_wait_for_its_time(
    house: House, stand_in: CivitaiStandIn
) -> None:
    journal, now = house.store.journal, SystemClock().now()
    house.open(Doors(has_watch=False, has_calendar=False))
    stand_in.moods.append(moods.region_blocked)
    with pytest.raises(CivitaiForbids):
        house.client.get_model(1)
    house.mend()
    house.hall.stopping.set()
    journal.add([NewTask(TaskKind.ENRICH_MODEL, "1")], now)
    for task in journal.claim(Lane.NETWORK, now):
        journal.retry_at(task, now + timedelta(hours=1), "524", FailureKind.API, now)
    house._tell_of_civitai()
    assert len(journal.failures()) == 1
    house.client._asker._every_endpoint.close()
    house._tell_of_civitai()
    assert journal.failures() == []


def test_retry_lifts_a_ban_that_is_over(house: House, stand_in: CivitaiStandIn) -> None:
    stand_in.add_file("A" * 64, 1024, model_id=5)
    stand_in.moods.append(moods.region_blocked)
    journal = house.store.journal
    house.open(Doors(has_watch=False, has_calendar=False))
    journal.add([NewTask(TaskKind.ENRICH_MODEL, "5")], SystemClock().now())
    house.heed(WAKE)
    wait_until(lambda: [task.attempts for task in journal.failures()] == [1])

    def retry(message: bytes) -> None:
        journal.bring_back([task.id for task in journal.failures()], SystemClock().now())
        house.heed(message)

    retry(WAKE)
    wait_until(lambda: [task.attempts for task in journal.failures()] == [1])
    assert len(stand_in.requests) == 1
    retry(ASK_CIVITAI)
    wait_until(lambda: house.client.vitals().troubles == ())
    wait_until(lambda: not journal.is_owed(TaskKind.ENRICH_MODEL, "5"))
    assert (journal.failures(), len(stand_in.requests)) == ([], 2)


def test_pages_are_drawn_with_the_sites_of_the_configuration(house: House) -> None:
    step = house.hall.steps[TaskKind.RENDER_PAGE]
    assert isinstance(step, RenderPage)
    assert step.sites == Sites("civitai.com", "red.example")


def test_what_was_forced_is_asked_for_whatever_is_kept(house: House, stand_in: CivitaiStandIn) -> None:
    stand_in.add_file("A" * 64, 1024, model_id=5)
    house.hall.stopping.set()
    house.client.get_models([5])
    house.client.get_models([5])
    assert len(stand_in.requests) == 1
    step, now = house.hall.steps[TaskKind.ENRICH_MODEL], SystemClock().now()
    for is_forced, requests in ((False, 1), (True, 2)):
        house.store.journal.add([NewTask(TaskKind.ENRICH_MODEL, "5", is_forced=is_forced)], now)
        tasks = house.store.journal.claim(Lane.NETWORK, now)
        (outcome,) = step.perform(tasks, FreeReins())
        assert isinstance(outcome, Done)
        assert len(stand_in.requests) == requests
        house.store.journal.settle(tasks)
