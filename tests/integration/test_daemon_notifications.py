"""The house tells a person what happens in it, by real messengers and to a real server."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from modelshelf.config import load_config
from modelshelf.daemon import Doors, House
from modelshelf.domain.task import Priority
from modelshelf.settings import appointment
from modelshelf.steps.beginning import begin_run
from modelshelf.store.store import Store
from tests import builders
from tests.fakes.civitai_server import CivitaiStandIn
from tests.fakes.inbox import Inbox
from tests.unit.steps.step_shelf import introduce
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
input_paths: {{shelf: {{path: {root}/models, type: LORA}}}}
store: {{directory: {root}/state}}
api: {{base_url: "{civitai}"}}
watch: {{stability_delay: 0.1}}
jobs: {{nightly: {{paths: [all]}}}}
notifications: {{targets: ["{target}"], digest: 0, tell: [identified, corrupt, offline, report]}}
"""


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as made:
        yield made


@pytest.fixture
def civitai() -> Iterator[CivitaiStandIn]:
    with CivitaiStandIn() as made:
        yield made


@pytest.fixture
def config_path(tmp_path: Path, inbox: Inbox, civitai: CivitaiStandIn) -> Path:
    (tmp_path / "models").mkdir()
    path = tmp_path / "modelshelf.yaml"
    path.write_text(CONFIG.format(root=tmp_path, civitai=civitai.base_url, target=inbox.target))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open(tmp_path / "state" / "modelshelf.db")
    yield made
    made.close()


@contextmanager
def opened(config_path: Path, store: Store, doors: Doors | None = None) -> Iterator[House]:
    """Open a house over the same store, as each start does."""
    house = House(load_config(config_path, {"HOME": "/nowhere"}), store)
    try:
        house.open(doors)
        yield house
    finally:
        house.close()


def lines(inbox: Inbox) -> list[str]:
    return [line for _, body in [*inbox.messages] for line in body.splitlines()]


def wait_for(line: str, house: House, inbox: Inbox) -> None:
    """Go the half-minute's rounds until this is told, and told once."""

    def is_told() -> bool:
        house.mend()
        return line in lines(inbox)

    wait_until(is_told)
    assert lines(inbox).count(line) == 1


def test_a_person_is_told_of_what_happens_to_files_jobs_and_folders_and_never_twice(
    config_path: Path, store: Store, inbox: Inbox, civitai: CivitaiStandIn, tmp_path: Path
) -> None:
    content, models = builders.lora(1), tmp_path / "models"
    introduce(civitai, content, "Rosy")
    with opened(config_path, store) as house:
        (models / "rosy.safetensors").write_bytes(content)
        wait_for("1 file identified: rosy.safetensors", house, inbox)
        (models / "cut.safetensors").write_bytes(builders.lora(2)[:-10])
        wait_until(
            lambda: (
                store.events.last_id() and any(each.name == "file_found_incomplete" for each in store.events.latest(50))
            )
        )
    with opened(config_path, store) as house:
        wait_until(lambda: _has_told(house, inbox, "1 incomplete file: cut.safetensors ("))
        begin_run(store, appointment(house.config, house.config.jobs[0]), house.clock, Priority.PERSON)
        house.bell.ring()
        wait_for("1 job done: nightly (2 files)", house, inbox)
        shutil.move(models, tmp_path / "away")
        begin_run(store, appointment(house.config, house.config.jobs[0]), house.clock, Priority.PERSON)
        house.bell.ring()
        wait_until(lambda: _has_told(house, inbox, "1 folder offline: shelf ("))
        shutil.move(tmp_path / "away", models)
        wait_for("1 folder back: shelf", house, inbox)
    assert lines(inbox).count("1 file identified: rosy.safetensors") == 1


def _has_told(house: House, inbox: Inbox, beginning: str) -> bool:
    house.mend()
    return any(line.startswith(beginning) for line in lines(inbox))


def test_a_house_without_a_calendar_tells_nobody_and_leaves_it_to_the_daemon(
    config_path: Path, store: Store, inbox: Inbox, tmp_path: Path
) -> None:
    with opened(config_path, store):
        pass
    (tmp_path / "models" / "cut.safetensors").write_bytes(builders.lora(2)[:-10])
    with opened(config_path, store, Doors(has_watch=True, has_calendar=False)) as house:
        wait_until(lambda: any(each.name == "file_found_incomplete" for each in store.events.latest(50)))
        house.mend()
        assert house.notifications._thread is None
    with opened(config_path, store) as house:
        wait_until(lambda: _has_told(house, inbox, "1 incomplete file: cut.safetensors ("))


def test_the_daemon_itself_never_loads_apprise(config_path: Path, store: Store, inbox: Inbox) -> None:
    before = "apprise" in sys.modules
    with opened(config_path, store) as house:
        store.events.add("folder_went_offline", house.clock.now(), folder_id="nas")
        wait_for("1 folder offline: nas", house, inbox)
    assert ("apprise" in sys.modules) == before


def test_a_stop_does_not_wait_for_a_target_that_does_not_answer(config_path: Path, store: Store, inbox: Inbox) -> None:
    inbox.is_silent = True
    with opened(config_path, store) as house:
        store.events.add("folder_went_offline", house.clock.now(), folder_id="nas")
        house.mend()
        wait_until(lambda: inbox.visits)
        thread = house.notifications._thread
        assert thread is not None
    assert not thread.is_alive()
    inbox.is_silent = False
    with opened(config_path, store) as house:
        wait_for("1 folder offline: nas", house, inbox)
