"""`modelshelf service install`: what is granted is what may be written to, and `uninstall` takes all of it away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.systemd.machine import Machine

pytestmark = pytest.mark.boxed

UNIT = Path("/usr/lib/systemd/system/modelshelf.service")
ODD_NAMES = (
    "per%cent %h",
    'quo"te',
    "back\\slash\\x41",
    "it's",
    "$x ${y}",
    "semi;#",
    "\xfcml\xe4ut \u3000",
    "tab\tin",
    "-dash",
    "{brace}",
)


def test_every_folder_is_granted_however_it_is_called_and_wherever_it_lies(machine: Machine) -> None:
    machine.run("useradd", "--create-home", "alice")
    home = Path("/home/alice/models")
    folders = [*(Path("/srv") / name for name in ODD_NAMES), home, Path("/var/tmp/models")]
    for folder in folders:
        folder.mkdir(parents=True)
        folder.chmod(0o777)
    home.parent.chmod(0o755)
    listed = "".join(f"  f{number}: {{path: {json.dumps(str(path))}}}\n" for number, path in enumerate(folders))
    machine.config.write_text(f"input_paths:\n{listed}store: {{directory: /var/lib/modelshelf}}\noffline: true\n")
    machine.run("modelshelf", "--config", str(machine.config), "service", "install", "--now")
    wait_until(lambda: machine.shown("StatusText").startswith("watching 12 folders; "), timeout=70)
    for folder in folders:
        (folder / "odd.safetensors").write_bytes(builders.lora(1))
    wait_until(lambda: all((folder / "odd.html").exists() for folder in folders))


def test_uninstalling_a_packaged_service_takes_its_grants_and_nothing_else(machine: Machine) -> None:
    machine.prepare()
    machine.start()
    machine.run("modelshelf", "service", "uninstall")
    places = Path("/etc/systemd/system/modelshelf.service.d")
    assert [each.name for each in places.iterdir()] == ["20-person.conf"]
    assert (UNIT.is_file(), machine.shown("ActiveState")) == (True, "active")
    again = machine.run("modelshelf", "service", "uninstall")
    assert (again.stdout, again.stderr) == ("", "nothing here was written by modelshelf service install\n")


def test_without_a_package_the_unit_is_written_and_goes_again(machine: Machine) -> None:
    machine.prepare()
    machine.run("modelshelf", "service", "uninstall")
    UNIT.unlink()
    Path("/usr/lib/sysusers.d/modelshelf.conf").unlink()
    shutil.rmtree("/etc/systemd/system/modelshelf.service.d")
    machine.models.chmod(0o777)
    machine.run("userdel", "modelshelf")
    shutil.rmtree("/var/lib/modelshelf")
    before = {*Path("/etc/systemd/system").rglob("*"), *Path("/etc/sysusers.d").rglob("*")}
    elsewhere = Path("/etc/my models.yaml")
    machine.config.rename(elsewhere)
    program = machine.make_environment()
    installed = machine.run(program, "--config", str(elsewhere), "service", "install", "--now")
    assert installed.stdout.count("written: ") == 3
    assert machine.shown("ActiveState") == "active"
    target = machine.models / "pip.safetensors"
    target.write_bytes(builders.lora(2))
    wait_until(target.with_suffix(".html").exists)
    machine.run(program, "service", "uninstall")
    assert machine.shown("LoadState") == "not-found"
    assert {*Path("/etc/systemd/system").rglob("*"), *Path("/etc/sysusers.d").rglob("*")} == before


def test_a_person_can_have_a_service_of_their_own(machine: Machine) -> None:
    machine.run("useradd", "--create-home", "alice")
    uid = machine.run("id", "-u", "alice").stdout.strip()
    models = Path("/home/alice/models")
    machine.run("mkdir", "-p", str(models), "/home/alice/.config/modelshelf")
    Path("/home/alice/.config/modelshelf/config.yaml").write_text(
        f"input_paths: {{mine: {{path: {models}}}}}\noffline: true\n"
    )
    machine.run("chown", "-R", "alice:", "/home/alice")
    machine.run("systemctl", "start", f"user@{uid}")
    person = ["runuser", "-u", "alice", "--", "env", f"XDG_RUNTIME_DIR=/run/user/{uid}", "HOME=/home/alice"]
    program = machine.make_environment()
    machine.run(*person, program, "service", "install", "--user", "--now")
    shown = machine.run(*person, "systemctl", "--user", "show", "modelshelf", "-p", "StatusText,ActiveState")
    assert "ActiveState=active" in shown.stdout
    assert "StatusText=watching 1 folder" in shown.stdout
    target = models / "mine.safetensors"
    target.write_bytes(builders.lora(3))
    shutil.chown(target, "alice")
    wait_until(target.with_suffix(".html").exists)
    assert target.with_suffix(".html").owner() == "alice"
    machine.run(*person, program, "service", "uninstall", "--user")
    assert not Path("/home/alice/.config/systemd/user/modelshelf.service").exists()
