"""The launcher: starts processes from one thread that lives as long as this process does.

The kernel ends a child that is bound to its parent (PR_SET_PDEATHSIG) when the thread ends that started it, and workers come
and go. What a child may take it sets itself before it reads anything: a `preexec_fn` can deadlock where threads are.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from modelshelf.worker.isolation import start_child

if TYPE_CHECKING:
    import subprocess


class Launcher:
    """Starts children one after another. Its thread begins with the first of them and never ends."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="launcher")

    def start(self, module: str) -> subprocess.Popen[bytes]:
        """Start a process that calls the `serve` of one of our modules; ReaderLost where that cannot be done."""
        return self._thread.submit(start_child, module).result()


LAUNCHER = Launcher()
"""One for the process: a child is bound to its parent by it, whoever of the workers it reads for."""
