"""How the store is held by the one process that works on it, and how it is left."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from modelshelf import systemd
from modelshelf.cli import aside
from modelshelf.cli import run as room
from modelshelf.cli.aside import more_time
from modelshelf.cli.opening import NotYours, Opening
from modelshelf.errors import DiskFull, StoreDamaged, StoreError
from modelshelf.store.lock import holder
from modelshelf.store.store import Store
from tests.waiting import wait_until

if TYPE_CHECKING:
    from modelshelf.errors import TransientError
    from tests.unit.cli.cli_shelf import CliShelf


@pytest.fixture
def opening(shelf: CliShelf) -> Opening:
    return Opening(shelf.config)


def is_in_use(shelf: CliShelf) -> bool:
    with shelf.store() as store:
        return bool(store.database.rows("SELECT value FROM standing WHERE name = 'is_in_use'")[0]["value"])


def test_a_block_that_ends_well_is_a_good_end(shelf: CliShelf, opening: Opening) -> None:
    with opening.tenure():
        assert is_in_use(shelf)
        assert holder(shelf.state) is not None
    assert not is_in_use(shelf)
    assert holder(shelf.state) is None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreError("lost"), ValueError("a bug")])
def test_a_block_that_ends_by_an_error_is_like_a_crash(shelf: CliShelf, opening: Opening, error: BaseException) -> None:
    with suppress(BaseException), opening.tenure():
        raise error
    assert is_in_use(shelf)
    assert holder(shelf.state) is None
    assert not (shelf.state / "modelshelf.db.condemned").exists()


@pytest.mark.parametrize("is_there", [True, False])
def test_nobody_makes_a_store_in_the_directory_of_another_or_writes_into_his(
    shelf: CliShelf, opening: Opening, monkeypatch: pytest.MonkeyPatch, *, is_there: bool
) -> None:
    path = shelf.state / "modelshelf.db"
    shelf.state.mkdir()
    if is_there:
        path.touch()
    monkeypatch.setattr(os, "geteuid", lambda: path.parent.stat().st_uid + 1)
    for access in (opening.owning, opening.writing):
        with pytest.raises(NotYours, match=f"{path if is_there else shelf.state} belongs to"), access():
            pytest.fail("what belongs to another is not opened")
    assert path.exists() is is_there


def test_damage_that_is_met_condemns_the_store(shelf: CliShelf, opening: Opening) -> None:
    with pytest.raises(StoreDamaged), opening.tenure():
        raise StoreDamaged("a value is damaged")
    assert (shelf.state / "modelshelf.db.condemned").exists()
    with opening.tenure() as store:
        assert store.events.latest(1)[0].name == "store_begun_anew"
    assert not (shelf.state / "modelshelf.db.condemned").exists()


def test_the_daemon_waits_for_a_store_that_cannot_be_opened_for_now(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, told = Store.begin_tenure, list[str]()

    def refuse_at_first(*given: object) -> Store:
        if len(told) < 2:
            raise DiskFull("no space left")
        return genuine(*given)  # type: ignore[arg-type]

    def note(error: TransientError) -> None:
        told.append(str(error))

    monkeypatch.setattr(Store, "begin_tenure", refuse_at_first)
    monkeypatch.setattr(room, "put_off", note)
    monkeypatch.setattr(room, "ROUND_SECONDS", 0.0)
    with room.tenure(opening) as store:
        assert store.database.is_alive()
    assert told == ["no space left"] * 2


def test_an_error_that_waiting_does_not_mend_ends_the_daemon(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Store:
        raise StoreError("another program")

    monkeypatch.setattr(Store, "begin_tenure", refuse)
    with pytest.raises(StoreError, match="another program"), room.tenure(opening):
        pytest.fail("nothing was opened")


def test_a_slow_start_asks_for_time_until_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr(systemd, "extend_timeout", asked.append)
    monkeypatch.setattr(aside, "ASK_AGAIN_SECONDS", 0.01)
    with more_time():
        wait_until(lambda: len(asked) >= 2)
    count = len(asked)
    assert asked[0] == pytest.approx(0.03)
    monkeypatch.setattr(aside, "ASK_AGAIN_SECONDS", 1000)
    with more_time():
        pass
    assert len(asked) == count
