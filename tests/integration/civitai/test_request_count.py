"""A large library costs few requests, and a server that fails now and then costs not many more: the small bench, in bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.collection import Library
from bench.request_count import MOST_REQUESTS, MOST_TIMES_AS_MANY, compare_within

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY = Library(files=1_000, models=300)


def test_a_first_run_over_a_library_needs_few_requests(tmp_path: Path) -> None:
    well, failing = compare_within(tmp_path, LIBRARY)
    identified = [row["version_id"] is not None for row in well.known["contents"]]
    assert len(identified) == LIBRARY.files
    assert all(identified)
    assert len(well.known["civitai_models"]) >= LIBRARY.models
    assert well.requests <= MOST_REQUESTS * LIBRARY.files // 10_000, well.routes
    assert failing.requests <= MOST_TIMES_AS_MANY * well.requests, failing.routes
    assert failing.known == well.known
