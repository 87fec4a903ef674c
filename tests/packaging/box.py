"""A shell in a machine of its own: a real systemd over a throw-away copy of this one, its files copied as they are written."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
SYSTEMD_BOX = REPOSITORY / "tests" / "systemd" / "systemd-box"
LONGEST_LIFE_SECONDS = 280
_END = "--end-of-answer--"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command left: its exit status and what it printed on stdout and stderr."""

    code: int
    text: str


def lack_of_box(packages: Sequence[str]) -> str:
    """Tell why no box with these Debian packages can run here; empty where it can."""
    if os.geteuid() != 0:
        return "a systemd of its own needs root"
    if shutil.which("dpkg-query") is None:
        return "no dpkg: the .deb is tried on Debian and Ubuntu"
    if not SYSTEMD_BOX.exists():
        return "no tests/systemd/systemd-box"
    away = [name for name in packages if not _is_installed(name)]
    if away:
        return f"to be installed: apt-get install {' '.join(away)}"
    check = subprocess.run([SYSTEMD_BOX, "--check"], capture_output=True, text=True, check=False)
    return "" if check.returncode == 0 else " ".join(check.stdout.split())


def _is_installed(package: str) -> bool:
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"


class Box:
    """One machine; `folder` of this one is seen in it, whatever is mounted where."""

    def __init__(self, folder: Path) -> None:
        # What docker forbids in its images, and packages that are installed by hand there.
        allow_services = "rm -f /usr/sbin/policy-rc.d"
        self._process = subprocess.Popen(
            [SYSTEMD_BOX, "--pre", allow_services, "--", "/bin/sh"],
            cwd=folder,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._limit = threading.Timer(LONGEST_LIFE_SECONDS, self._process.kill)
        self._limit.daemon = True
        self._limit.start()

    def run(self, command: str) -> Answer:
        """Do one command, however it ends."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"( {command}\n) </dev/null 2>&1; code=$?; echo; echo {_END} $code\n")
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            if line.startswith(_END):
                return Answer(int(line.split()[1]), "".join(lines).strip())
            lines.append(line)
        raise AssertionError(f"the box went down at {command!r}: {''.join(lines)}")

    def do(self, command: str) -> str:
        """Do one command that must succeed; gives what it printed."""
        answer = self.run(command)
        assert answer.code == 0, f"{command}: {answer.code}: {answer.text}"
        return answer.text

    def __enter__(self) -> Self:
        """Wait until it has booted."""
        self.do("true")
        return self

    def __exit__(self, *_: object) -> None:
        """Throw it away."""
        self._limit.cancel()
        self._process.terminate()
        self._process.communicate()
