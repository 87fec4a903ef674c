"""What a measured daemon needs around it: a directory that goes away again, and a Civitai on a port of its own."""

from __future__ import annotations

import compileall
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import modelshelf
from tests.acceptance.process import DaemonProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fakes.civitai_server import CivitaiStandIn


class BenchStopped(Exception):
    """The bench cannot go on; says why in one line."""


def be_as_installed() -> None:
    """See to it that our modules have bytecode, as pip and deb leave them; some test machines forbid to write it."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not compileall.compile_dir(Path(modelshelf.__file__).parent, quiet=1):
        raise BenchStopped("the sources cannot be compiled, or their bytecode not be written beside them")


@contextmanager
def daemon_in(directory: Path, civitai: CivitaiStandIn, config: str | None = None) -> Iterator[DaemonProcess]:
    """Run `python -m modelshelf run` over `directory`/models until the block ends; `config` None: the defaults."""
    daemon = DaemonProcess(directory, civitai.base_url, config=config)
    daemon.start()
    try:
        if not (daemon.state / "poke.sock").exists():
            raise BenchStopped(f"the daemon did not start: {daemon.log.read_text(errors='replace')[-500:]}")
        yield daemon
    finally:
        daemon.stop()


@contextmanager
def scratch(parent: Path | None, needed_bytes: int) -> Iterator[Path]:
    """Give an empty directory on local disk that is gone afterwards; BenchStopped where there is no room for the work."""
    with tempfile.TemporaryDirectory(prefix="modelshelf-bench-", dir=parent) as name:
        free_bytes = shutil.disk_usage(name).free
        if free_bytes < needed_bytes:
            raise BenchStopped(f"{name} has {free_bytes:,} bytes left, {needed_bytes:,} are needed: use --directory")
        yield Path(name)


def require(*tools: str) -> None:
    """Raise BenchStopped if a public tool to compare with is not installed."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise BenchStopped(f"cannot compare: {' and '.join(missing)} not installed")


def wait_for(condition: Callable[[], object], timeout_seconds: float, pause_seconds: float = 0.002) -> float:
    """Give the seconds until `condition()` was true; BenchStopped after `timeout_seconds`."""
    started = time.perf_counter()
    while not condition():
        if time.perf_counter() - started > timeout_seconds:
            raise BenchStopped(f"waited {timeout_seconds:g} s in vain")
        time.sleep(pause_seconds)
    return time.perf_counter() - started


def settle_disk() -> None:
    """Let nothing that was written before be written back while something is measured."""
    os.sync()
