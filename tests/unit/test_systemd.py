"""What systemd is told, seen from the other end of the socket."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from modelshelf import systemd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Stand where systemd stands."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def heard(supervisor: socket.socket) -> list[str]:
    return supervisor.recv(65536).decode().split("\n")


def test_ready_is_one_datagram(supervisor: socket.socket) -> None:
    systemd.ready()
    assert heard(supervisor) == ["READY=1"]


def test_stopping_and_heartbeat_have_their_words(supervisor: socket.socket) -> None:
    systemd.stopping()
    systemd.heartbeat()
    assert heard(supervisor) == ["STOPPING=1"]
    assert heard(supervisor) == ["WATCHDOG=1"]


def test_reloading_says_when(supervisor: socket.socket) -> None:
    systemd.reloading()
    reloading, when = heard(supervisor)
    assert reloading == "RELOADING=1"
    assert when.startswith("MONOTONIC_USEC=")
    assert int(when.split("=")[1]) > 0


def test_a_timeout_is_extended_in_microseconds(supervisor: socket.socket) -> None:
    systemd.extend_timeout(1.5)
    assert heard(supervisor) == ["EXTEND_TIMEOUT_USEC=1500000"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("scan 2/6", "STATUS=scan 2/6"),
        ("caf\xe9", "STATUS=caf\xe9"),
        ("evil\nREADY=1", "STATUS=evil\\nREADY=1"),
        ("caf\udce9", "STATUS=caf\\udce9"),
        ("\ud800", "STATUS=\\ud800"),
    ],
)
def test_a_status_is_one_line_whatever_it_holds(supervisor: socket.socket, text: str, shown: str) -> None:
    systemd.status(text)
    assert heard(supervisor) == [shown]


def test_an_abstract_socket_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"modelshelf-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        systemd.ready()
        assert heard(listener) == ["READY=1"]


def test_without_a_socket_nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setattr(socket, "socket", None)
    systemd.ready()


@pytest.mark.parametrize("address", ["/nowhere/at/all", "vsock:2:1234", "", "/" + "x" * 500, "@"])
def test_a_socket_that_nobody_hears_is_no_error(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    systemd.ready()


def test_the_heartbeat_is_due_twice_as_often_as_it_must_be() -> None:
    assert systemd.watchdog_interval_seconds({"WATCHDOG_USEC": "30000000"}) == 15
    own = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    assert systemd.watchdog_interval_seconds(own) == 15


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "-1"},
        {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_watchdog_no_heartbeat_is_due(environment: dict[str, str]) -> None:
    assert systemd.watchdog_interval_seconds(environment) is None
