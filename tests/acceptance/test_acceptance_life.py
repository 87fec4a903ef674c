"""Start, stop, reload, no network: the daemon's own life."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.acceptance.conftest import QUICK
from tests.acceptance.process import COMMAND, DaemonProcess
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


HUNG_READ = """
import time
from modelshelf.formats import regular_file

genuine, reads = regular_file.RegularFile.fill, []


def fill(self, room):
    reads.append(None)
    if len(reads) > 3:
        print("hangs now", flush=True)
        time.sleep(100_000)
    return genuine(self, room)


regular_file.RegularFile.fill = fill
"""


@pytest.fixture
def hung(tmp_path: Path, civitai: CivitaiStandIn, quick_config: str, monkeypatch: pytest.MonkeyPatch) -> DaemonProcess:
    """Give a daemon that is in the middle of a hash when the disk stops answering."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(HUNG_READ)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "python"))
    daemon = DaemonProcess(tmp_path, civitai.base_url, config=quick_config)
    (tmp_path / "large").write_bytes(builders.lora(28, padding_bytes=200_000_000))
    daemon.start()
    wait_until(lambda: "folder_scanned" in daemon.log.read_text())
    (tmp_path / "large").rename(daemon.models / "large.safetensors")  # a drop: it is read by the daemon itself
    wait_until(lambda: "hangs now" in daemon.log.read_text())
    return daemon


def crashes(daemon: DaemonProcess) -> set[int]:
    """Give how often the tasks that are left were in hand when the daemon died, as the next start will count it."""
    with closing(sqlite3.connect(daemon.state / "modelshelf.db")) as connection:
        return {row[0] for row in connection.execute("SELECT crashes + (state = 'running') FROM tasks")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_read_that_hangs_for_ever_delays_a_stop_but_prevents_none(
    number: signal.Signals, hung: DaemonProcess
) -> None:
    started = time.monotonic()
    assert hung.stop(number) == 0
    assert time.monotonic() - started < 10
    assert crashes(hung) == {0}


def test_a_second_ctrl_c_waits_for_nothing(hung: DaemonProcess) -> None:
    started = time.monotonic()
    os.kill(hung.pid, signal.SIGINT)
    while hung.is_running:  # two that come in one moment are one to the process
        os.kill(hung.pid, signal.SIGINT)
        time.sleep(0.01)
    assert hung.stop(signal.SIGINT) == 130
    assert time.monotonic() - started < 3


def test_a_reload_leaves_a_hung_read_behind_and_the_rest_goes_on(hung: DaemonProcess, civitai: CivitaiStandIn) -> None:
    os.kill(hung.pid, signal.SIGHUP)
    wait_until(lambda: len(events(hung, "daemon_started")) == 2)
    assert hung.stop() == 0
    assert crashes(hung) == {0}


MOUNTED_LATER = """
set -e
models=$1 state=$2 log=$3; shift 3
"$@" run >> "$log" 2>&1 &
daemon=$!
trap 'kill $daemon; wait $daemon' EXIT
said() {
  for _ in $(seq 400); do if [ "$(grep -c "$1" "$log")" -ge "$2" ]; then return; fi; sleep 0.05; done
  echo "never: $1"; exit 1
}
look() {
  "$PYTHON" -c "import pathlib, sys; from modelshelf.watching.poke import poke; poke(pathlib.Path(sys.argv[1]))" "$state"
}
said '"daemon_started"' 1
mkdir "$models.disk"
mount -t tmpfs later "$models.disk"
for round in 1 2; do
  mount --bind "$models.disk" "$models"
  cp "$models.new" "$models/there$round.safetensors"
  look
  said "\\"file_hashed\\".*there$round" 1
  cp "$models.new" "$models/heard$round.safetensors"
  said "\\"file_hashed\\".*heard$round" 1
  umount -l "$models"
  look
  said '"folder_went_offline"' $round
done
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_folder_that_is_mounted_later_is_heard(tmp_path: Path) -> None:
    models, log = tmp_path / "models", tmp_path / "daemon.log"
    models.mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "models.new").write_bytes(builders.lora(29))
    script = ["unshare", "-m", "bash", "-c", MOUNTED_LATER, "mounted-later"]
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives nobody a mount namespace of their own")
    config = tmp_path / "modelshelf.yaml"
    config.write_text(
        QUICK.format(models=models, state=tmp_path / "state", api_url="http://127.0.0.1:9") + "offline: true\n"
    )
    environment = os.environ | {"HOME": str(tmp_path), "PYTHON": sys.executable}
    found = subprocess.run(
        [*script, str(models), str(tmp_path / "state"), str(log), *COMMAND, "--config", str(config)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr + log.read_text()


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
