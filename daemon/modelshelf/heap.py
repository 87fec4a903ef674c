"""The C library's heap: what a burst of work leaves behind goes back to the system, for the daemon idles on a small box.

glibc keeps what is freed: an arena per thread, and a threshold for blocks of their own that grows with every large block
freed. Measured after a first run of 10,000 files this was a third of the daemon's memory. Other C libraries have no such
functions, and need none.
"""

from __future__ import annotations

import ctypes
import gc
from functools import cache

_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_ARENA_MAX = -8
"""Parameters of mallopt(3), by their numbers in glibc's malloc.h."""

_LARGE_BYTES = 128 * 1024
_ARENAS = 2


def restrain() -> None:
    """Let threads share two arenas, and large blocks go back as they are freed; call it before threads are started."""
    mallopt = getattr(_library(), "mallopt", None)
    if mallopt is not None:
        for parameter, value in (
            (_ARENA_MAX, _ARENAS),
            (_MMAP_THRESHOLD, _LARGE_BYTES),
            (_TRIM_THRESHOLD, _LARGE_BYTES),
        ):
            mallopt(parameter, value)


def give_back() -> None:
    """Give every free page to the system; takes some hundredths of a second."""
    gc.collect()
    malloc_trim = getattr(_library(), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)
