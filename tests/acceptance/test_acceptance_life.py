"""Start, stop, reload, no network: the daemon's own life."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.acceptance.process import DaemonProcess
from tests.acceptance.shelf import events, introduce, is_described
from tests.fakes.civitai_server import CivitaiStandIn
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_a_hash_ends_it_cleanly_and_soon(
    number: signal.Signals, daemon: DaemonProcess, civitai: CivitaiStandIn
) -> None:
    content = builders.lora(20, padding_bytes=200_000_000)
    introduce(civitai, content, "Large")
    target = daemon.models / "large.safetensors"
    target.write_bytes(content)
    wait_until(lambda: events(daemon, "file_inspected", target.name))
    started = time.monotonic()
    assert daemon.stop(number) == 0
    assert time.monotonic() - started < 10
    daemon.start()
    wait_until(lambda: is_described(target), timeout=60)
    assert not daemon.ask("failures")["failures"]


def test_files_that_came_while_it_was_away_are_found_at_start(daemon: DaemonProcess, civitai: CivitaiStandIn) -> None:
    daemon.stop()
    content = builders.lora(21)
    introduce(civitai, content, "Meanwhile")
    target = daemon.models / "meanwhile.safetensors"
    target.write_bytes(content)
    daemon.start()
    wait_until(lambda: is_described(target))


def test_a_second_daemon_leaves_and_says_why(daemon: DaemonProcess) -> None:
    second = daemon.command("run")
    assert second.returncode == 1
    assert str(daemon.pid) in second.stderr


def test_a_broken_configuration_leaves_the_old_in_force(
    daemon: DaemonProcess, quick_config: str, civitai: CivitaiStandIn
) -> None:
    path = daemon.models.parent / "modelshelf.yaml"
    path.write_text(quick_config.replace("type: LORA", "tpye: LORA"))
    os.kill(daemon.pid, signal.SIGHUP)
    wait_until(lambda: events(daemon, "config_not_reloaded"))
    assert "tpye" in str(events(daemon, "config_not_reloaded")[0]["reason"])
    content = builders.lora(22)
    introduce(civitai, content, "Still served")
    target = daemon.models / "still.safetensors"
    target.write_bytes(content)
    wait_until(lambda: is_described(target))


def test_a_reload_watches_a_new_folder(daemon: DaemonProcess, quick_config: str, civitai: CivitaiStandIn) -> None:
    more = daemon.models.parent / "more"
    more.mkdir()
    path = daemon.models.parent / "modelshelf.yaml"
    path.write_text(quick_config.replace("store:", f"  more: {{path: {more}, type: VAE}}\nstore:"))
    os.kill(daemon.pid, signal.SIGHUP)
    wait_until(lambda: events(daemon, "config_reloaded"))
    content = builders.vae(23)
    introduce(civitai, content, "In the new folder")
    target = more / "new.safetensors"
    target.write_bytes(content)
    wait_until(lambda: is_described(target))


def test_without_a_server_everything_else_is_done_and_the_lookup_remembered(tmp_path: Path) -> None:
    with CivitaiStandIn() as civitai:
        port = int(civitai.base_url.split(":")[2].split("/")[0])
        api_url = civitai.base_url
    with DaemonProcess(tmp_path, api_url) as daemon:
        content = builders.lora(24, metadata={"modelspec.title": "Says itself", "modelspec.trigger_phrase": "say it"})
        target = daemon.models / "alone.safetensors"
        target.write_bytes(content)
        wait_until(lambda: target.with_suffix(".html").exists())
        wait_until(lambda: daemon.ask("failures")["failures"])
        assert "Says itself" in target.with_suffix(".html").read_text()
        assert "say it" in target.with_suffix(".json").read_text()
        assert not target.with_name("alone.civitai.info").exists()
        with CivitaiStandIn(port) as civitai:
            introduce(civitai, content, "Known after all")
            wait_until(lambda: is_described(target), timeout=60)


def test_a_file_unknown_to_civitai_gets_a_page_but_no_empty_sidecar(daemon: DaemonProcess) -> None:
    target = daemon.models / "unknown.safetensors"
    target.write_bytes(builders.lora(25))
    wait_until(lambda: events(daemon, "content_not_found"))
    wait_until(lambda: target.with_suffix(".html").exists())
    assert not target.with_name("unknown.civitai.info").exists()


def test_environment_variables_alone_are_enough(tmp_path: Path, civitai: CivitaiStandIn) -> None:
    content = builders.lora(26)
    introduce(civitai, content, "By environment")
    with DaemonProcess(tmp_path, civitai.base_url) as daemon:
        target = daemon.models / "env.safetensors"
        target.write_bytes(content)
        wait_until(lambda: is_described(target))
        wait_until((daemon.models / "gallery.html").exists)


def test_nothing_is_done_twice_by_a_second_scan(daemon: DaemonProcess, civitai: CivitaiStandIn) -> None:
    content = builders.lora(27)
    introduce(civitai, content, "Once")
    target = daemon.models / "once.safetensors"
    target.write_bytes(content)
    wait_until(lambda: is_described(target))
    wait_until((daemon.models / "gallery.html").exists)
    wait_until(lambda: not daemon.ask("status")["owed"])
    before = {path: path.stat().st_mtime_ns for path in daemon.models.iterdir()}
    requests = len(civitai.requests)
    assert daemon.command("scan", "--wait").returncode == 0
    assert {path: path.stat().st_mtime_ns for path in daemon.models.iterdir()} == before
    assert len(civitai.requests) == requests
