"""Many files at once, twice, a month later, and with a catalog of yesterday: few questions, and the same end."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.task import Priority
from tests import builders
from tests.fakes import civitai_moods as moods
from tests.unit.steps.step_shelf import StepShelf, introduce

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import RecordedRequest

MONTH_SECONDS = timedelta(days=31).total_seconds()
COUNT = 60
MODELS = 25


def fill(shelf: StepShelf, civitai: CivitaiStandIn, count: int = COUNT) -> None:
    """Put files on the shelf, most of them known, several of each model."""
    for number in range(count):
        content = builders.lora(5000 + number)
        shelf.put(f"{number}.safetensors", content)
        if number % 10:
            introduce(civitai, content, f"Model {number % MODELS}", model_id=100 + number % MODELS, images=0)


def asked(civitai: CivitaiStandIn) -> list[RecordedRequest]:
    """Give the questions that were asked of the API, but for those by weights."""
    return [
        each for each in civitai.requests if each.route.startswith("/api") and len(each.route.rpartition("/")[2]) != 12
    ]


def test_a_first_run_needs_a_request_for_a_hundred_files_and_a_second_one_none(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    fill(shelf, civitai)
    shelf.look_through()
    known = [shelf.content(f"{number}.safetensors").version_id is not None for number in range(COUNT)]
    assert known == [number % 10 != 0 for number in range(COUNT)]
    assert len(asked(civitai)) <= 5
    before = shelf.snapshot()
    civitai.requests.clear()
    shelf.look_through()
    assert shelf.snapshot() == before
    assert not civitai.requests


def test_a_scan_that_a_person_waits_for_needs_as_few(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    fill(shelf, civitai)
    shelf.look_through(priority=Priority.PERSON)
    assert len(asked(civitai)) <= 8


def test_a_month_later_all_answer_to_the_roll_and_no_file_is_written(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    fill(shelf, civitai, 30)
    shelf.look_through()
    shelf.clock.advance(MONTH_SECONDS)
    shelf.drain()
    before = shelf.snapshot()
    civitai.requests.clear()
    shelf.clock.advance(MONTH_SECONDS)
    shelf.drain()
    after = shelf.snapshot()
    assert after.files == before.files
    assert {name for name in before.rows if before.rows[name] != after.rows[name]} <= {"contents", "civitai_models"}
    assert 0 < len(asked(civitai)) <= 4


def test_with_a_server_that_fails_every_third_time_the_end_is_the_same(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    fill(shelf, civitai)
    turns = iter(range(1000))
    civitai.mood_for = lambda request: (
        moods.overloaded if request.route[:4] == "/api" and next(turns) % 3 == 0 else None
    )
    shelf.look_through()
    for _ in range(20):
        shelf.clock.advance(60)
        shelf.drain()
    known = [shelf.content(f"{number}.safetensors").version_id is not None for number in range(COUNT)]
    assert known == [number % 10 != 0 for number in range(COUNT)]
    assert len(asked(civitai)) <= 15


def facts_of(shelf: StepShelf) -> list[tuple[object, ...]]:
    """Give what is believed of every file."""
    return [
        tuple(row) for row in shelf.store.database.rows("SELECT * FROM facts ORDER BY owner, owner_id, source, field")
    ]


def test_a_catalog_restored_from_yesterday_loses_and_invents_nothing(
    tmp_path: Path, shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    fill(shelf, civitai, 12)
    shelf.look_through()
    shelf.store.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    yesterday = shutil.copy(shelf.store.database.path, tmp_path / "yesterday.db")
    shelf.put("later.safetensors", builders.lora(4711))
    introduce(civitai, builders.lora(4711), "Later")
    shelf.clock.advance(3600)
    shelf.look_through()
    believed, names = facts_of(shelf), shelf.names()
    shelf.close()
    for each in shelf.root.glob("state/modelshelf.db*"):
        each.unlink()
    shutil.copy(yesterday, shelf.root / "state" / "modelshelf.db")
    again = StepShelf(shelf.root, civitai)
    again.clock.advance(2 * 3600)
    again.look_through()
    assert facts_of(again) == believed
    assert again.names() == names
    before = again.snapshot()
    again.look_through()
    assert again.snapshot() == before
    again.close()
