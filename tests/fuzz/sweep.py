"""The whole corpus in one process that may not grow by more than 256 MB: `python -m tests.fuzz.sweep`, a JSON line per input.

An input's line is written before it is tried and again with what came of it, so that one that kills the process is known.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.fuzz.corpus import cases
from tests.fuzz.limits import judge
from tests.fuzz.targets import TARGETS

GROWTH_BYTES = 256 * 1024 * 1024


def main() -> None:
    """Try everything."""
    every = cases()
    Image.init()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    limit = pages * resource.getpagesize() + GROWTH_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for case in every:
        _tell(case.id, None)
        with tempfile.TemporaryDirectory() as desk:
            _tell(case.id, judge(TARGETS[case.target], case.content, Path(desk)).fault or "")


def _tell(identifier: str, fault: str | None) -> None:
    sys.stdout.write(json.dumps([identifier, fault]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
