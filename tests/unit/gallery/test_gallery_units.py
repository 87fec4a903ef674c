from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from modelshelf.gallery.units import count_text, date_text, shortened, size_text, time_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (6_938_040_682, "6.5 GiB"),
        (2**70, "1048576.0 PiB"),
    ],
)
def test_sizes_have_one_digit_after_the_point(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


def test_times_are_in_utc_wherever_they_come_from() -> None:
    moment = datetime(2026, 11, 2, 1, 30, tzinfo=timezone(timedelta(hours=5)))

    assert date_text(moment) == "2026-11-01"
    assert time_text(moment) == time_text(moment.astimezone(UTC)) == "2026-11-01 20:30 UTC"


def test_a_number_takes_its_word() -> None:
    assert [count_text(count, "model", "models") for count in (0, 1, 1204)] == ["0 models", "1 model", "1,204 models"]


def test_long_text_ends_in_an_ellipsis() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"
