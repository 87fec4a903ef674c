"""The machine inside a box: models, a stand-in for Civitai, a configuration, and the service as a person meets it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.fakes.civitai_server import CivitaiStandIn
from tests.waiting import wait_until

CONFIG = """
input_paths:
  shelf: {{path: {models}, type: LORA}}
store: {{directory: /var/lib/modelshelf}}
api: {{base_url: "{api_url}", batch: {{rate_limit: 100000}}}}
"""


class Machine:
    """Everything that a test needs to do on it. `models` belongs to a person who shares it with a group."""

    def __init__(self) -> None:
        self.models = Path("/srv/my models")
        self.config = Path("/etc/modelshelf/config.yaml")
        self.civitai = CivitaiStandIn()

    def __enter__(self) -> Self:
        self.civitai.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.civitai.stop()

    def prepare(self) -> None:
        """Make the folder of models and name it to the service, the way README says."""
        self.run("groupadd", "media")
        self.run("useradd", "--create-home", "--groups", "media", "alice")
        self.models.mkdir(parents=True)
        shutil.chown(self.models, "alice", "media")
        self.models.chmod(0o2775)
        self.config.write_text(CONFIG.format(models=json.dumps(str(self.models)), api_url=self.civitai.base_url))
        self.add_drop_in("20-person", "SupplementaryGroups=media\nRestartSec=100ms")
        self.run("modelshelf", "service", "install")

    def add_drop_in(self, name: str, text: str) -> None:
        """Write a drop-in as `systemctl edit` would, and have it read."""
        path = Path(f"/etc/systemd/system/modelshelf.service.d/{name}.conf")
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"[Service]\n{text}\n")
        self.run("systemctl", "daemon-reload")

    def run(self, *words: str, is_checked: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
        if is_checked and done.returncode:
            raise AssertionError(
                f"{' '.join(words)} gave {done.returncode}: {done.stdout}{done.stderr}\n{self.log_text()}"
            )
        return done

    def tell(self, figure: str) -> None:
        """Print a figure; pytest shows it with -s."""
        sys.stdout.write(f"{figure}\n")

    def start(self) -> None:
        """Start the service; systemctl returns when it is ready."""
        self.run("systemctl", "start", "modelshelf")

    def shown(self, name: str) -> str:
        """Give a property of the unit."""
        return self.run("systemctl", "show", "modelshelf", "--value", "-p", name).stdout.strip()

    @property
    def pid(self) -> int:
        """The main process; 0 while there is none."""
        return int(self.shown("MainPID"))

    def wait_for_property(self, name: str, value: str, timeout: float = 20) -> None:
        """Wait until a property of the unit has this value."""
        try:
            wait_until(lambda: self.shown(name) == value, timeout)
        except AssertionError:
            raise AssertionError(f"{name} is {self.shown(name)}, not {value}\n{self.log_text()}") from None

    def drop(self, name: str, content: bytes, *, mode: int = 0o664) -> Path:
        """Copy a model into the folder, as its owner does."""
        path = self.models / name
        path.write_bytes(content)
        shutil.chown(path, "alice", "media")
        path.chmod(mode)
        return path

    def events(self, name: str) -> list[dict[str, Any]]:
        """Give the entries of the journal whose event is this one."""
        lines = self.run("journalctl", "--output=json", f"MODELSHELF_EVENT={name}").stdout.splitlines()
        return [json.loads(line) for line in lines]

    def ask(self, *words: str) -> str:
        """Run a modelshelf command as the service's user, and give what it prints."""
        return self.run("runuser", "-u", "modelshelf", "--", "modelshelf", "--config", str(self.config), *words).stdout

    def poke(self) -> None:
        """Have the daemon look around now, and not at its next half-minute."""
        self.ask("scan")

    def log_text(self) -> str:
        """Give the journal of the unit, for messages."""
        done = subprocess.run(
            ["journalctl", "--no-pager", "-u", "modelshelf"], capture_output=True, text=True, check=False
        )
        return done.stdout

    def kill(self, number: int) -> None:
        """Send a signal to the main process."""
        os.kill(self.pid, number)

    def make_environment(self) -> str:
        """Install the program as a person does without a package, in an environment of its own; gives its command."""
        self.run("/opt/modelshelf/python/bin/python3", "-m", "venv", "--without-pip", "/opt/environment")
        (site,) = Path("/opt/environment/lib").glob("python3*/site-packages")
        (site / "modelshelf.pth").write_text("/opt/modelshelf/daemon\n/opt/modelshelf/site\n")
        command = Path("/opt/environment/bin/modelshelf")
        command.write_text(
            "#!/opt/environment/bin/python\nimport sys\nfrom modelshelf.cli.main import main\nsys.exit(main())\n"
        )
        command.chmod(0o755)
        return str(command)
