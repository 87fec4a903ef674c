"""Disks that come and go: file systems of several kinds, mounted and unmounted while somebody watches."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

IMAGE_BYTES = 16 * 1024 * 1024


class Disk(Protocol):
    """Something with files on it that can be mounted at a point, again and again."""

    def mount(self, point: Path) -> None:
        """Mount it; the test is skipped where this machine does not let us."""

    def unmount(self) -> None:
        """Take it away, whoever uses it; nothing happens where it is not mounted."""


class Bound:
    """A tmpfs that lives on elsewhere, out of sight: what is unmounted is only its place in the folder."""

    def __init__(self, store: Path) -> None:
        """`store` is where the tmpfs itself stays mounted until `close`."""
        self._store = store
        self._point: Path | None = None
        store.mkdir()
        _run("mount", "-t", "tmpfs", "-o", "size=32m", "modelshelf-test", store)

    def mount(self, point: Path) -> None:
        """Bind it to `point`."""
        _run("mount", "--bind", self._store, point)
        self._point = point

    def unmount(self) -> None:
        """Take it from its point."""
        if self._point is not None:
            subprocess.run(["umount", "-l", self._point], check=True)
            self._point = None

    def close(self) -> None:
        """Give the memory back."""
        self.unmount()
        subprocess.run(["umount", "-l", self._store], check=True)


class Image:
    """An ext4 file system in a file, as a disk that is plugged in: it gets any number the kernel has free."""

    def __init__(self, file: Path) -> None:
        """Make it, empty."""
        self._point: Path | None = None
        self._file = file
        with file.open("wb") as image:
            image.truncate(IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-O", "^has_journal", file)

    def mount(self, point: Path) -> None:
        """Mount it by a loop device."""
        _run("mount", "-o", "loop", self._file, point)
        self._point = point

    def unmount(self) -> None:
        """Take it away."""
        if self._point is not None:
            subprocess.run(["umount", "-l", self._point], check=True)
            self._point = None

    def close(self) -> None:
        """Take it away for good."""
        self.unmount()


class Pool:
    """Branches under one roof, as mergerfs does it on many a home server."""

    def __init__(self, branches: Sequence[Path]) -> None:
        """`branches` are directories that lie elsewhere."""
        self._branches = branches
        self._point: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def mount(self, point: Path) -> None:
        """Start the FUSE daemon and wait until it serves."""
        if shutil.which("mergerfs") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
            pytest.skip("needs mergerfs (apt-get install mergerfs), /dev/fuse and root: no pool to take apart")
        pool = ":".join(map(str, self._branches))
        self._process = subprocess.Popen(["mergerfs", "-f", "-o", "allow_other", pool, point])
        wait_until(lambda: os.path.ismount(point) or self._has_ended())
        if self._has_ended():
            pytest.skip("mergerfs cannot mount here")
        self._point = point

    def _has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def kill(self) -> None:
        """End its daemon by force; the mount stays and answers ENOTCONN."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(20)

    def unmount(self) -> None:
        """Take it away."""
        if self._point is not None:
            subprocess.run(["umount", "-l", self._point], check=True)
            self._point = None
        self.kill()

    def close(self) -> None:
        """Take it away for good."""
        self.unmount()


def _run(*command: object) -> None:
    words = [str(word) for word in command]
    if os.geteuid() != 0 or shutil.which(words[0]) is None:
        pytest.skip(f"needs root and {words[0]}: nothing to mount")
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot {' '.join(words)}: {done.stderr.strip()}")
