"""The unit as systemd runs it: ready, confined, reloaded, stopped, and never left dead."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.acceptance.shelf import introduce, is_described
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.systemd.machine import Machine

pytestmark = pytest.mark.boxed

MOST_SECONDS_TO_SIDECAR = 3.0
"""On the slow shared machines that tests run on; the figure itself is printed."""


def test_systemd_finds_no_fault_with_the_units_and_an_exposure_of_1_8_at_most(machine: Machine) -> None:
    quiet = machine.run("systemd-analyze", "verify", "/usr/lib/systemd/system/modelshelf.service")
    assert quiet.stdout + quiet.stderr == ""
    person = ["env", "XDG_RUNTIME_DIR=/run", "systemd-analyze", "verify", "--user"]
    quiet = machine.run(*person, "/usr/lib/systemd/user/modelshelf.service")
    assert quiet.stdout + quiet.stderr == ""
    unit = "/usr/lib/systemd/system/modelshelf.service"
    verdict = machine.run("systemd-analyze", "security", "--offline=yes", "--threshold=18", "--no-pager", unit)
    machine.tell(verdict.stdout.splitlines()[-1])


def test_user_and_state_are_there_before_the_first_start(machine: Machine) -> None:
    assert machine.run("id", "-un", "modelshelf").stdout == "modelshelf\n"
    state = Path("/var/lib/modelshelf")
    assert (state.owner(), stat.S_IMODE(state.stat().st_mode)) == ("modelshelf", 0o700)
    key = Path("/etc/modelshelf/environment")
    key.write_text("CIVITAI_API_KEY=x\n")
    machine.run("systemd-tmpfiles", "--create", "modelshelf.conf")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_dropped_file_has_its_sidecar_in_about_a_second_inside_the_unit(machine: Machine) -> None:
    machine.prepare()
    machine.start()
    assert machine.shown("StatusText") in {"watching 1 folder; nothing owed", "watching 1 folder; 1 task owed"}
    content = builders.lora(1)
    introduce(machine.civitai, content, "Inside")
    began = time.monotonic()
    target = machine.drop("inside.safetensors", content)
    sidecar = target.with_suffix(".civitai.info")
    wait_until(sidecar.exists)
    seconds = time.monotonic() - began
    machine.tell(f"drop to sidecar inside the unit: {seconds:.2f} s")
    assert seconds < MOST_SECONDS_TO_SIDECAR
    wait_until(lambda: is_described(target))
    status = sidecar.stat()
    assert (sidecar.owner(), sidecar.group(), stat.S_IMODE(status.st_mode)) == ("modelshelf", "media", 0o664)
    entry = machine.events("file_hashed")[0]
    assert (entry["MODELSHELF_PATH"], entry["PRIORITY"]) == ("inside.safetensors", "6")
    assert (entry["SYSLOG_IDENTIFIER"], entry["_SYSTEMD_UNIT"]) == ("modelshelf", "modelshelf.service")


ALLOWED = {"nice": "done", "ionice": "done", "lease": "done", "pressure": "done", "inotify": "done", "inside": "done"}
"""Each of these needs an exception that the unit names with its reason."""

REFUSED = {
    "outside": "EROFS",
    "tunable": "EROFS",
    "home": "EACCES",
    "namespace": "EPERM",
    "packet": "EAFNOSUPPORT",
    "writable_code": "EPERM",
}


def test_the_confinement_lets_through_what_is_needed_and_nothing_else(machine: Machine) -> None:
    machine.prepare()
    target = machine.drop("others.safetensors", b"", mode=0o644)
    python = next(Path("/opt/modelshelf/python/bin").glob("python3.[0-9]*[0-9]"))
    answers = Path("/var/lib/modelshelf/answers.json")
    probe = Path(__file__).with_name("probe.py")
    shutil.copy(probe, "/opt/modelshelf/probe.py")
    machine.run("install", "-d", "-m", "777", "/srv/open")
    machine.add_drop_in("30-probe", f'ExecStartPre={python} /opt/modelshelf/probe.py {answers} "{target}"')
    machine.start()
    answer = json.loads(answers.read_text())
    if not Path("/proc/pressure").is_dir():
        answer["pressure"] = "done"
    assert {name: answer[name] for name in ALLOWED} == ALLOWED
    assert {name: answer[name] for name in REFUSED} == REFUSED


def test_a_file_of_another_owner_is_not_read_while_it_is_written(machine: Machine) -> None:
    machine.prepare()
    machine.start()
    content = builders.lora(2)
    introduce(machine.civitai, content, "Written to")
    target = machine.models / "written.safetensors"
    with target.open("wb") as writer:
        machine.drop(target.name, content)
        wait_until(lambda: "still open for writing" in machine.ask("status"))
        assert not machine.events("file_hashed")
        writer.flush()
    wait_until(lambda: is_described(target))


def test_a_reload_is_refused_aloud_where_the_configuration_is_broken(machine: Machine) -> None:
    """F62."""
    machine.prepare()
    machine.start()
    pid, good = machine.pid, machine.config.read_text()
    machine.config.write_text(good.replace("type: LORA", "tpye: LORA"))
    refused = machine.run("systemctl", "reload", "modelshelf", is_checked=False)
    assert refused.returncode != 0
    assert "tpye" in machine.log_text()
    assert (machine.pid, machine.shown("ActiveState")) == (pid, "active")
    machine.kill(signal.SIGHUP)
    wait_until(lambda: "not in force" in machine.shown("StatusText"))
    machine.config.write_text(good.replace("store:", "  more: {path: /srv/more, type: VAE}\nstore:"))
    machine.run("systemctl", "reload", "modelshelf")
    assert re.match(r"watching 1 folder; .* owed; more offline since 20", machine.shown("StatusText"))
    assert machine.pid == pid
    told = [entry["MESSAGE"] for entry in machine.events("config_questioned")]
    assert any("the service may not write to /srv/more yet: sudo modelshelf service install" in text for text in told)


def test_a_kill_is_no_end_and_a_stop_is_clean_and_soon(machine: Machine) -> None:
    machine.prepare()
    machine.start()
    assert machine.shown("StartLimitIntervalUSec") == "0"
    for restarts, number in enumerate((signal.SIGKILL, signal.SIGTERM), 1):
        machine.kill(number)
        machine.wait_for_property("NRestarts", str(restarts))
        machine.wait_for_property("ActiveState", "active")
    began = time.monotonic()
    machine.run("systemctl", "stop", "modelshelf")
    seconds = time.monotonic() - began
    machine.tell(f"stop: {seconds:.2f} s")
    assert seconds < 10
    assert (machine.shown("ActiveState"), machine.shown("Result")) == ("inactive", "success")


def test_a_daemon_that_hangs_is_replaced_and_its_work_goes_on(machine: Machine) -> None:
    """F63."""
    machine.prepare()
    machine.add_drop_in("30-impatient", "WatchdogSec=3\nTimeoutAbortSec=2")
    machine.start()
    machine.kill(signal.SIGSTOP)
    content = builders.lora(3)
    introduce(machine.civitai, content, "Meanwhile")
    target = machine.drop("meanwhile.safetensors", content)
    machine.wait_for_property("NRestarts", "1", timeout=30)
    wait_until(lambda: is_described(target), timeout=30)
    assert "watchdog" in machine.log_text().lower()
    machine.wait_for_property("ActiveState", "active")


def test_what_only_a_person_can_mend_is_not_tried_again(machine: Machine) -> None:
    """The configuration as it is shipped names no folder."""
    machine.add_drop_in("20-person", "RestartSec=100ms")
    for addition in ("", "input_paths: [nonsense"):
        with machine.config.open("a") as config:
            config.write(addition)
        assert machine.run("systemctl", "start", "modelshelf", is_checked=False).returncode != 0
        assert (machine.shown("ActiveState"), machine.shown("SubState")) == ("failed", "failed")
        assert (machine.shown("ExecMainStatus"), machine.shown("NRestarts")) == ("78", "0")
    assert "no folder to watch" in machine.log_text()


def test_a_folder_that_is_not_there_stops_nothing_and_is_written_to_when_it_is_mounted(machine: Machine) -> None:
    machine.prepare()
    nas = Path("/mnt/nas")
    machine.config.write_text(machine.config.read_text().replace("store:", f"  nas: {{path: {nas}/models}}\nstore:"))
    machine.run("modelshelf", "service", "install")
    machine.start()
    assert "; nas offline since " in machine.shown("StatusText")
    nas.mkdir(exist_ok=True)
    machine.run("mount", "-t", "tmpfs", "nas", str(nas))
    machine.models = nas / "models"
    machine.models.mkdir(mode=0o777)
    machine.models.chmod(0o777)
    content = builders.lora(4)
    introduce(machine.civitai, content, "On the server")
    target = machine.drop("server.safetensors", content)
    machine.poke()
    wait_until(lambda: is_described(target), timeout=40)
    wait_until(lambda: machine.shown("StatusText").startswith("watching 2 folders"), timeout=40)
    os.sync()


def test_without_journald_the_daemon_goes_on_and_tells_the_next_one(machine: Machine) -> None:
    """F59."""
    machine.prepare()
    machine.start()
    pid = machine.pid
    units = ["systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald.service"]
    machine.run("systemctl", "stop", *units)
    content = builders.lora(5)
    introduce(machine.civitai, content, "Unheard")
    target = machine.drop("unheard.safetensors", content)
    wait_until(lambda: is_described(target))
    machine.run("systemctl", "start", *units)
    content = builders.lora(6)
    introduce(machine.civitai, content, "Heard")
    target = machine.drop("heard.safetensors", content)
    wait_until(lambda: is_described(target))
    wait_until(lambda: any("heard.safetensors" in each["MESSAGE"] for each in machine.events("file_hashed")))
    assert machine.pid == pid
