"""What every test shares: no network but loopback, no home directory, and the recordings where they are."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

RECORDINGS_VARIABLE = "MODELSHELF_RECORDINGS"
_DEFAULT_RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "data"
_LOOPBACK = ("127.", "::1", "localhost")
_connect = socket.socket.connect


def _connect_on_loopback_only(self: socket.socket, address: Any) -> None:
    if self.family in {socket.AF_INET, socket.AF_INET6} and not str(address[0]).startswith(_LOOPBACK):
        raise OSError(f"tests may not reach {address}")
    _connect(self, address)


@pytest.fixture(autouse=True)
def _fenced(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Bar the network and the home directory for every test."""
    monkeypatch.setattr(socket.socket, "connect", _connect_on_loopback_only)
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    for name in (
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "XDG_CACHE_HOME",
        "CIVITAI_API_KEY",
        "CIVITAI_API_URL",
        "MODEL_PATH",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Give the folder of real recordings, or skip: they are not part of the project."""
    folder = Path(os.environ.get(RECORDINGS_VARIABLE) or _DEFAULT_RECORDINGS)
    if not (folder / "civitai").is_dir():
        pytest.skip(f"no recordings: set {RECORDINGS_VARIABLE}")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On CI a skip is a failure: there everything is installed, and only the recordings may be away."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and RECORDINGS_VARIABLE not in str(report.longrepr):
        report.outcome = "failed"
    return report
