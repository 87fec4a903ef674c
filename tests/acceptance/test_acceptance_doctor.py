"""`modelshelf doctor` beside a real daemon, on shelves that are well and that are not; and the log that it looks through."""

from __future__ import annotations

import json
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests import builders
from tests.acceptance.process import DaemonProcess
from tests.acceptance.shelf import introduce, is_described
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.civitai_server import CivitaiStandIn

pytestmark = pytest.mark.acceptance


def examined(daemon: DaemonProcess, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """Give the exit status and the findings."""
    answer = daemon.command("doctor", "--json", *words)
    return answer.returncode, json.loads(answer.stdout)["findings"]


def of_level(findings: list[dict[str, Any]], level: str) -> list[tuple[str, str]]:
    return [(each["check"], each["text"]) for each in findings if each["level"] == level]


def log_events(daemon: DaemonProcess) -> list[str]:
    lines = (daemon.state / "logs" / "modelshelf.log").read_text().splitlines()
    return [str(json.loads(line)["event"]) for line in lines]


def contents(root: Path) -> dict[str, bytes]:
    """Give what lies below a directory, but for the index in which every reader of the store leaves its mark."""
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file() and path.suffix != ".db-shm"}


def test_a_healthy_shelf_is_found_well_and_left_as_it_is(daemon: DaemonProcess, civitai: CivitaiStandIn) -> None:
    content = builders.lora(1)
    introduce(civitai, content, "Watercolour")
    (daemon.models / "a.safetensors").write_bytes(content)
    wait_until(lambda: is_described(daemon.models / "a.safetensors"), timeout=60)
    wait_until(lambda: not daemon.ask("status")["owed"], timeout=60)
    before = contents(daemon.models)
    code, found = examined(daemon)
    assert (code, of_level(found, "wrong")) == (0, [])
    texts = [each["text"] for each in found]
    assert f"pid {daemon.pid} answers" in texts
    assert "1 model on disk, 1 recorded" in texts
    assert "every page is sound" in texts
    assert contents(daemon.models) == before


def test_what_is_broken_is_wrong_with_and_without_the_daemon(
    daemon: DaemonProcess, tmp_path: Path, civitai: CivitaiStandIn
) -> None:
    (daemon.models / "a.safetensors").write_bytes(builders.lora(1))
    wait_until(lambda: "file_hashed" in log_events(daemon), timeout=60)
    civitai.stop()
    daemon.models.rename(tmp_path / "unmounted")
    code, found = examined(daemon)
    assert (code, {check for check, _ in of_level(found, "wrong")}) == (1, {"folders", "civitai"})
    daemon.stop(signal.SIGKILL)
    before = contents(daemon.state)
    code, found = examined(daemon, "--state", str(daemon.state))
    assert (code, {check for check, _ in of_level(found, "wrong")}) == (1, {"folders", "civitai"})
    warned = {check for check, _ in of_level(found, "warning")}
    assert {"daemon", "database"} <= warned
    assert contents(daemon.state) == before


def test_the_log_outlives_kills_and_restarts_and_is_switched_off_by_a_word(
    tmp_path: Path, civitai: CivitaiStandIn, quick_config: str
) -> None:
    daemon = DaemonProcess(tmp_path, civitai.base_url, config=quick_config)
    for starts, number in enumerate((signal.SIGKILL, signal.SIGTERM), start=1):
        daemon.start()
        wait_until(lambda count=starts: log_events(daemon).count("daemon_started") == count)  # type: ignore[misc]
        daemon.stop(number)
    told = log_events(daemon)
    assert (told.count("daemon_started"), told.count("house_closed"), told[-1]) == (2, 1, "house_closed")
    assert (daemon.state / "logs").stat().st_mode & 0o777 == 0o700
    shutil.rmtree(daemon.state / "logs")
    (tmp_path / "modelshelf.yaml").write_text(quick_config + "logging: {file: off}\n")
    with daemon:
        wait_until(lambda: daemon.command("status", "--alive").returncode == 0)
    assert not (daemon.state / "logs").exists()
