"""What systemd is asked to do for an installation, and what it knows of the unit."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import ModelshelfError

if TYPE_CHECKING:
    from collections.abc import Iterable

_RUNNING = Path("/run/systemd/system")
_NAME = "modelshelf"
_LOOK_SECONDS = 5.0
_MAY_WRITE = '[ ! -d "$1" ] || [ -w "$1" ]'


class Systemctl:
    """The systemd of the machine, or of one person; where none runs every wish is passed over."""

    def __init__(self, *, is_user: bool) -> None:
        self._scope = ["--user"] if is_user else []

    @property
    def is_running(self) -> bool:
        """Whether there is a systemd to talk to."""
        return _RUNNING.is_dir()

    def reload_units(self) -> None:
        """Let it read the unit files again."""
        self._demand("daemon-reload")

    def make_users(self, path: Path) -> None:
        """Make the users that a file of sysusers.d names."""
        self._run(["systemd-sysusers", str(path)])

    def start_anew(self) -> None:
        """Start it now and with the machine; a running one is started again, since grants are given only at a start."""
        self._demand("enable", _NAME)
        self._demand("restart", _NAME)

    def end(self) -> None:
        """Stop it, now and for good."""
        self._demand("disable", "--now", _NAME)

    @property
    def is_active(self) -> bool:
        """Whether the service runs."""
        return self._ask("is-active", _NAME) == "active"

    def kept_out(self, directories: Iterable[Path]) -> list[Path]:
        """Give the directories that are there and that the service's user may not write to; only root can tell."""
        if not self.is_running or self._scope or os.geteuid() != 0:
            return []
        user = self._ask("show", "--property=User", "--value", _NAME) or "root"
        groups = self._ask("show", "--property=SupplementaryGroups", "--value", _NAME).split()
        return [path for path in directories if not _may_write(path, user, groups)]

    def _demand(self, *words: str) -> None:
        self._run(["systemctl", *self._scope, *words])

    def _run(self, command: list[str]) -> None:
        if not self.is_running:
            return
        done = _done(command)
        if done.returncode:
            raise ModelshelfError(f"{' '.join(command)} failed: {done.stderr.strip() or done.returncode}")

    def _ask(self, *words: str) -> str:
        return _done(["systemctl", *self._scope, *words]).stdout.strip() if self.is_running else ""


def _done(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="backslashreplace", check=False)  # noqa: S603 -- fixed words
    except OSError as error:
        raise ModelshelfError(f"cannot run {command[0]}: {error.strerror}") from error


def _may_write(path: Path, user: str, groups: list[str]) -> bool:
    """Ask as that user, so that access lists count too. A directory that does not answer is not judged."""
    try:
        entry = pwd.getpwnam(user)
        command = ["/bin/sh", "-c", _MAY_WRITE, "sh", str(path)]
        extra: list[str | int] = [*os.getgrouplist(user, entry.pw_gid), *groups]
        done = subprocess.run(  # noqa: S603 -- fixed words
            command, user=entry.pw_uid, group=entry.pw_gid, extra_groups=extra, timeout=_LOOK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    except (KeyError, OSError) as error:
        raise ModelshelfError(f"cannot tell whether {user} may write to {readable(path)}: {error}") from error
    return done.returncode == 0
