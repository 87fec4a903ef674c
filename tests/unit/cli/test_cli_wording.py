"""Values as a person reads them and as JSON carries them."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.cli.wording import moment_json, path_json, span_text, statistics_text, value_text, when_text
from modelshelf.domain.run import RunStatistics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.domain.jsontypes import JsonValue

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_berlin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (86_400, "1 day"), (-172_800, "2 days"), (9e7, "2 years")],
)
def test_a_span_is_told_by_its_largest_unit(seconds: float, text: str) -> None:
    assert span_text(timedelta(seconds=seconds)) == text


def test_a_time_is_told_where_the_reader_is_and_how_far_away_it_is() -> None:
    assert when_text(NOW, NOW + timedelta(minutes=3)) == "2026-03-04 06:06:07 (3 min ago)"
    assert when_text(NOW, NOW - timedelta(days=2)) == "2026-03-04 06:06:07 (in 2 days)"
    assert when_text(None, NOW) == "never"


def test_json_carries_times_in_utc() -> None:
    assert moment_json(NOW.astimezone()) == "2026-03-04T05:06:07.000Z"
    assert moment_json(None) is None


def test_a_path_is_text_and_one_that_is_not_comes_whole_beside_it() -> None:
    assert path_json(b"a/\xc3\xbc\n.pt") == {"path": "a/ü\n.pt"}
    assert path_json(b"\xff", "before") == {
        "before": r"\xff",
        "before_bytes": base64.b64encode(b"\xff").decode(),
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("two\nlines\x1b[31m", r"two lines\x1b[31m"),
        (["a", 1], "a, 1"),
        ({"a": [1, 2], "b": True}, "a: 1, 2, b: yes"),
        (False, "no"),
        (0, "0"),
        ("\ud800", r"\ud800"),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
def test_a_value_is_one_line_fit_for_a_terminal(value: JsonValue, text: str) -> None:
    assert value_text(value) == text


def test_statistics_leave_out_what_did_not_happen() -> None:
    assert statistics_text(RunStatistics(total=1, errors=2, hashes_skipped=10)) == "1 file, 2 errors, 10 not hashed"
    assert statistics_text(RunStatistics()) == "nothing new"
