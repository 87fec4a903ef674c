from __future__ import annotations

import os
import select
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.errors import FileGone, FileUnreadable
from modelshelf.watching.poke import ASK, ASKERS_KEPT, SOCKET_NAME, STOP_SCANS, WAKE, PokeSocket, is_answered, poke
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[PokeSocket]:
    made = PokeSocket(tmp_path)
    yield made
    made.close()


def test_a_poke_is_heard(tmp_path: Path, ear: PokeSocket) -> None:
    assert ear.messages() == []
    assert poke(tmp_path)
    assert poke(tmp_path, STOP_SCANS)
    assert select.select([ear.fileno()], [], [], 0)[0]
    assert ear.messages() == [WAKE, STOP_SCANS]
    assert ear.messages() == []


def test_a_socket_that_somebody_removed_is_made_again(tmp_path: Path, ear: PokeSocket) -> None:
    ear.mend()
    assert poke(tmp_path)
    (tmp_path / SOCKET_NAME).unlink()
    assert not poke(tmp_path)
    ear.mend()
    assert poke(tmp_path)
    assert ear.messages() == [WAKE]


def test_a_socket_that_cannot_be_made_again_is_tried_again(tmp_path: Path) -> None:
    state, away = tmp_path / "state", tmp_path / "away"
    state.mkdir()
    ear = PokeSocket(state)
    state.rename(away)
    ear.mend()
    assert ear.messages() == []
    away.rename(state)
    (state / SOCKET_NAME).unlink()
    ear.mend()
    assert poke(state)
    ear.close()


def test_where_no_daemon_lives_nobody_is_at_home(tmp_path: Path) -> None:
    assert not poke(tmp_path)
    assert not poke(tmp_path / "gone")
    PokeSocket(tmp_path).close()
    assert not (tmp_path / SOCKET_NAME).exists()
    assert not poke(tmp_path)


def test_the_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    dead = PokeSocket(tmp_path)
    dead._socket.close()
    assert not poke(tmp_path)
    living = PokeSocket(tmp_path)
    assert poke(tmp_path)
    assert living.messages() == [WAKE]
    living.close()


def test_only_the_owner_may_poke(tmp_path: Path, ear: PokeSocket) -> None:
    assert (tmp_path / SOCKET_NAME).stat().st_mode & 0o777 == 0o600


def test_a_state_directory_may_have_a_long_path(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 30) / ("longer" * 30)
    deep.mkdir(parents=True)
    ear = PokeSocket(deep)
    assert poke(deep)
    assert ear.messages() == [WAKE]
    ear.close()


def test_who_is_poked_too_often_is_not_waited_for(tmp_path: Path, ear: PokeSocket) -> None:
    assert all(poke(tmp_path) for _ in range(2000))
    assert set(ear.messages()) == {WAKE}


def test_a_daemon_that_may_not_be_poked_is_an_error_with_a_name(
    tmp_path: Path, ear: PokeSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(FileUnreadable, match="cannot poke"):
        poke(tmp_path)


def test_a_socket_that_cannot_be_made_is_an_error_with_a_name(tmp_path: Path) -> None:
    with pytest.raises(FileGone, match="cannot listen at"):
        PokeSocket(tmp_path / "gone")
    (tmp_path / SOCKET_NAME).mkdir()
    with pytest.raises(FileUnreadable, match="cannot listen at"):
        PokeSocket(tmp_path)


def test_a_socket_that_cannot_be_taken_away_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    made = PokeSocket(tmp_path)
    monkeypatch.setattr(type(tmp_path), "unlink", refuse)
    made.close()
    monkeypatch.undo()
    PokeSocket(tmp_path).close()


class Asker:
    """Asks in a thread of its own, as another process does."""

    def __init__(self, directory: Path, seconds: float) -> None:
        self.heard: list[bool] = []
        self._thread = threading.Thread(target=lambda: self.heard.append(is_answered(directory, seconds)))
        self._thread.start()

    def join(self) -> bool:
        self._thread.join()
        return self.heard[0]


def test_who_asks_is_answered_and_asking_is_no_other_message(tmp_path: Path, ear: PokeSocket) -> None:
    askers = [Asker(tmp_path, 20), Asker(tmp_path, 20)]
    wait_until(lambda: ear.messages() == [] and len(ear._askers) == 2)
    ear.answer()
    assert [asker.join() for asker in askers] == [True, True]


def test_a_daemon_that_is_silent_or_not_there_gives_no_answer(tmp_path: Path, ear: PokeSocket) -> None:
    assert not is_answered(tmp_path, 0.05)
    ear.close()
    assert not is_answered(tmp_path, 20)
    assert not is_answered(tmp_path / "nowhere", 20)


def test_who_waits_no_longer_holds_nobody_up(tmp_path: Path, ear: PokeSocket) -> None:
    assert not is_answered(tmp_path, 0.01)
    asker = Asker(tmp_path, 20)
    wait_until(lambda: ear.messages() == [] and len(ear._askers) == 2)
    ear.answer()
    assert asker.join()


def test_only_so_many_askers_are_kept_and_those_without_a_name_not_at_all(tmp_path: Path, ear: PokeSocket) -> None:
    assert poke(tmp_path, ASK)
    assert ear.messages() == []
    assert not ear._askers
    for _ in range(ASKERS_KEPT + 4):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
            asker.bind("")
            asker.sendto(ASK, str(tmp_path / SOCKET_NAME))
        assert ear.messages() == []
    assert len(ear._askers) == ASKERS_KEPT


def test_who_may_not_ask_is_told_why(tmp_path: Path, ear: PokeSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ear.messages() == []

    def refuse(self: socket.socket, *_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "sendto", refuse)
    with pytest.raises(FileUnreadable, match="cannot ask at"):
        is_answered(tmp_path, 1)
