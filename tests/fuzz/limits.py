"""What one input may cost: 2 s of processor time, no waiting, and nothing but a value or one of our own errors."""

from __future__ import annotations

import signal
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.errors import ModelshelfError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

    from tests.fuzz.targets import Target

CPU_SECONDS = 2.0
_HUNG_AFTER_SECONDS = 20.0
_BLOCKED_AFTER_SECONDS = 60.0
"""By the clock on the wall: who waits for something takes no processor time. Generous, for a machine with much else to do."""
_SIGNALS = {signal.ITIMER_VIRTUAL: signal.SIGVTALRM, signal.ITIMER_REAL: signal.SIGALRM}


class Hung(Exception):
    """An input held its reader far beyond what it may cost."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one input; `fault` is None where the rule was kept."""

    seconds: float
    fault: str | None


def judge(target: Target, content: bytes, desk: Path) -> Verdict:
    """Give `content` to a target, with `desk` as an empty directory to work in."""
    began = time.process_time()
    try:
        with (
            warnings.catch_warnings(),
            _alarm(signal.ITIMER_VIRTUAL, _HUNG_AFTER_SECONDS),
            _alarm(signal.ITIMER_REAL, _BLOCKED_AFTER_SECONDS),
        ):
            warnings.simplefilter("ignore")
            target(content, desk)
        fault = None
    except ModelshelfError as error:
        fault = "out of memory" if isinstance(error.__cause__, MemoryError) else None
    except Exception as error:  # noqa: BLE001 - whatever else comes is what is looked for
        fault = f"{type(error).__name__}: {error}"[:300]
    seconds = time.process_time() - began
    if fault is None and seconds > CPU_SECONDS:
        fault = f"took {seconds:.1f} s"
    return Verdict(seconds, fault)


@contextmanager
def _alarm(timer: int, seconds: float) -> Iterator[None]:
    def raise_hung(_number: int, _frame: FrameType | None) -> None:
        raise Hung(f"still at it after {seconds:.0f} s")

    number = _SIGNALS[timer]
    before = signal.signal(number, raise_hung)
    signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)
        signal.signal(number, before)
