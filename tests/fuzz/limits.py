"""What one input may cost: 2 s of processor time, and nothing but a value or one of our own errors."""

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
        with warnings.catch_warnings(), _alarm():
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
def _alarm() -> Iterator[None]:
    def raise_hung(_number: int, _frame: FrameType | None) -> None:
        raise Hung(f"still busy after {_HUNG_AFTER_SECONDS:.0f} s")

    before = signal.signal(signal.SIGVTALRM, raise_hung)
    signal.setitimer(signal.ITIMER_VIRTUAL, _HUNG_AFTER_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
