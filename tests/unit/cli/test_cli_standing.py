"""The sentence that `systemctl status` shows: true, short, and said only when it changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf import systemd
from modelshelf.cli import standing
from modelshelf.cli.standing import Standing, sentence
from modelshelf.config import load_config
from modelshelf.daemon import House
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.progress import Phase, Progress, Tally
from modelshelf.domain.task import ORDER, NewTask, TaskKind
from modelshelf.errors import CivitaiForbids, StoreError
from modelshelf.progress import PROGRESS_STANDING, to_json
from modelshelf.shelf.room import Room
from modelshelf.store.journal import Journal
from modelshelf.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SINCE = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    folders = ["a", "b", "c", "d", "e"]
    for name in folders:
        (tmp_path / name).mkdir()
    config = tmp_path / "modelshelf.yaml"
    config.write_text(
        f"input_paths: {{{', '.join(f'{name}: {{path: {name}}}' for name in folders)}}}\n"
        "store: {directory: state}\noffline: true\n"
    )
    loaded = load_config(config, {})
    loaded.state_directory.mkdir()
    store = Store.open(tmp_path / "modelshelf.db")
    store.folders.sync(loaded.folders())
    yield House(loaded, store)
    store.close()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give what systemd is told, which listens."""
    told: list[str] = []
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    monkeypatch.setattr(systemd, "notify", lambda **fields: told.extend(fields.values()))
    return told


def owe(house: House, kind: TaskKind, subject: str) -> None:
    house.store.journal.add([NewTask(kind, subject)], house.clock.now())


def test_bulk_work_is_told_while_it_goes_on_or_waits(house: House) -> None:
    tally = Tally(1, 1024, 2, 3072)
    told = Progress(house.clock.now(), Phase.PAUSED, tally, held={"a": "on demand only"})
    house.store.standing.put(PROGRESS_STANDING, to_json(told))
    assert sentence(house) == (
        "watching 5 folders; nothing owed; Deep scan: 1 of 3 models, 1.0 KiB of 4.0 KiB; paused: on demand only"
    )
    house.store.standing.put(PROGRESS_STANDING, to_json(Progress(house.clock.now(), Phase.WALKING, Tally())))
    assert sentence(house) == "watching 5 folders; nothing owed"


def test_a_shelf_at_rest_owes_nothing(house: House) -> None:
    assert sentence(house) == "watching 5 folders; nothing owed"


def test_what_is_owed_now_is_counted_and_lookups_are_not_while_there_is_no_network(house: House) -> None:
    owe(house, TaskKind.SCAN_FOLDER, "a")
    assert sentence(house) == "watching 5 folders; 1 task owed"
    owe(house, TaskKind.SCAN_FOLDER, "b")
    owe(house, TaskKind.ENRICH_MODEL, "7")
    later = house.clock.now() + timedelta(hours=1)
    house.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "c", due_at=later)], house.clock.now())
    assert sentence(house) == "watching 5 folders; 2 tasks owed"


def test_what_civitai_forbids_is_said(house: House) -> None:
    house.client._asker._every_endpoint.forbid(CivitaiForbids("civitai.com answered 451: it is blocked in this region"))
    house.client._asker._breaker("GET models/*")._open("524", 60, is_forbidden=False)
    assert sentence(house) == (
        "watching 5 folders; nothing owed; civitai.com answered 451: it is blocked in this region"
    )


def test_what_was_given_up_is_counted(house: House) -> None:
    owe(house, TaskKind.SCAN_FOLDER, "a")
    (task,) = house.store.journal.claim(ORDER[TaskKind.SCAN_FOLDER].lane, house.clock.now())
    house.store.journal.fail(task, "no", FailureKind.INTERNAL, house.clock.now())
    assert sentence(house) == "watching 5 folders; nothing owed; 1 task given up"


def test_what_failed_is_counted_without_being_read_and_what_is_tried_again_is_not_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    owe(house, TaskKind.SCAN_FOLDER, "a")
    now = house.clock.now()
    (task,) = house.store.journal.claim(ORDER[TaskKind.SCAN_FOLDER].lane, now)
    house.store.journal.retry_at(task, now + timedelta(hours=1), "busy", FailureKind.INTERNAL, now)
    monkeypatch.setattr(Journal, "failures", lambda _: pytest.fail("every failed task was read"))
    assert sentence(house) == "watching 5 folders; nothing owed"


def test_folders_that_are_away_are_named_with_the_time_and_the_rest_counted(house: House) -> None:
    since = f"offline since {SINCE.astimezone():%Y-%m-%d %H:%M}"
    house.store.folders.set_offline("b", "gone", SINCE)
    assert sentence(house) == f"watching 4 folders; nothing owed; b {since}"
    for name in "acde":
        house.store.folders.set_offline(name, "gone", SINCE)
    assert sentence(house) == f"watching 0 folders; nothing owed; a {since}; b {since}; c {since}; 2 more offline"


def test_files_that_vanished_at_once_are_told_of(house: House) -> None:
    house.store.holds.keep("c", 70, [], SINCE)
    assert sentence(house) == "watching 5 folders; nothing owed; 70 files vanished at once from c"


def test_a_state_without_room_is_why_work_waits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "room_at", lambda _: Room(1, 1_000_000_000, 999_999))
    assert sentence(house) == "watching 5 folders; nothing owed; the disk of the state is full, so work waits"


def test_the_same_sentence_is_said_once(house: House, said: list[str]) -> None:
    told = Standing()
    told.tell(house)
    told.tell(house)
    owe(house, TaskKind.SCAN_FOLDER, "a")
    told.tell(house)
    assert said == ["watching 5 folders; nothing owed", "watching 5 folders; 1 task owed"]
    told.forget()
    told.remark = "and it rains"
    told.tell(house)
    assert said[2:] == ["watching 5 folders; 1 task owed; and it rains"]


def test_while_the_journal_does_not_answer_nothing_is_said(
    house: House, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise StoreError("damaged")

    monkeypatch.setattr(house.store.folders, "states", refuse)
    Standing().tell(house)
    assert said == []


def test_where_nobody_listens_nothing_is_found_out(
    house: House, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET")
    house.store.close()
    Standing().tell(house)
    assert said == []
