"""What faults need to stand on: memory for many small files, limits that may be lowered, file systems that may be mounted."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = Path("/proc/sys/fs/inotify")
MEMORY = Path("/dev/shm")
"""A tmpfs, for tens of thousands of files."""


def cannot(reason: str) -> None:
    """Skip, in one line; on CI every skip is a failure."""
    pytest.skip(reason)


@contextmanager
def memory(otherwise: Path) -> Iterator[Path]:
    """Give a directory on a tmpfs, or below `otherwise` where there is none."""
    directory = Path(tempfile.mkdtemp(dir=MEMORY if os.access(MEMORY, os.W_OK) else otherwise))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def limit(name: str, value: int) -> Iterator[None]:
    """Change a limit of inotify for the whole machine, for as short as possible."""
    file = LIMITS / name
    before = file.read_text()
    try:
        file.write_text(str(value))
    except OSError as error:
        cannot(f"{file} cannot be written: {error}")
    try:
        yield
    finally:
        file.write_text(before)


@contextmanager
def mounted(command: list[str], point: Path) -> Iterator[Path]:
    """Run a command that mounts something at `point`, and unmount it at the end, whatever holds it."""
    if shutil.which(command[0]) is None:
        cannot(f"no {command[0]}: apt-get install {command[0]}")
    point.mkdir(exist_ok=True)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        cannot(f"cannot mount: {' '.join(command)}: {done.stderr.strip()}")
    try:
        yield point
    finally:
        unmount = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount", "-uz"]
        subprocess.run([*unmount, point], check=True)
