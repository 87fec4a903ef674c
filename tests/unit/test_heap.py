"""The heap: large blocks go back as they are freed, and `give_back` returns the rest."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from modelshelf import heap

SCATTER = """
import ctypes
from modelshelf import heap
heap.restrain()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
blocks = [library.malloc(100_000) for _ in range(500)]
for block in blocks:
    ctypes.memset(block, 1, 100_000)
for block in blocks[:-1]:
    library.free(block)
"""
REPORT = """
import re
print(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""

glibc_only = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")


def resident_kib(code: str) -> int:
    return int(subprocess.run([sys.executable, "-c", code + REPORT], capture_output=True, check=True).stdout)


@glibc_only
def test_what_lies_free_below_a_block_in_use_goes_back() -> None:
    assert resident_kib(SCATTER + "heap.give_back()\n") < resident_kib(SCATTER) - 40_000


@glibc_only
def test_threads_share_two_arenas() -> None:
    code = """
import ctypes, threading
from modelshelf import heap
heap.restrain()
library = ctypes.CDLL(None)
everyone = threading.Barrier(8)
def work():
    everyone.wait()
    library.malloc(1000)
threads = [threading.Thread(target=work) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
library.malloc_stats()
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stderr
    assert len(re.findall(r"^Arena \d+", said, re.MULTILINE)) <= 2


def test_a_c_library_without_such_functions_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_library", SimpleNamespace)
    heap.restrain()
    heap.give_back()
