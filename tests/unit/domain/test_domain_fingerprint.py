"""When two looks at a file show the same file."""

from __future__ import annotations

import pytest

from modelshelf.domain.model_file import Fingerprint

MOMENT = 1_700_000_001 * 10**9
SEEN = Fingerprint(10, MOMENT, 5, 7)


@pytest.mark.parametrize(
    "other", [SEEN._replace(ctime_ns=6), SEEN._replace(inode=8), SEEN._replace(mtime_ns=MOMENT + 1)]
)
def test_on_an_honest_file_system_all_four_count_to_the_nanosecond(other: Fingerprint) -> None:
    assert SEEN.is_same(SEEN, is_honest=True)
    assert not SEEN.is_same(other, is_honest=True)


@pytest.mark.parametrize(
    ("first_ns", "second_ns", "is_one"),
    [
        (MOMENT + 1_999_999_999, MOMENT, True),  # FAT gives even seconds back
        (MOMENT, MOMENT + 1_999_999_999, True),
        (MOMENT + 2_000_000_000, MOMENT, False),
        (MOMENT + 500_000_000, MOMENT - 1_400_000_000, False),  # both fine: a server's own times
        (MOMENT + 123_456_789, MOMENT + 123_456_700, True),  # SMB and NTFS count in 100 ns
        (MOMENT + 123_456_789, MOMENT + 123_456_689, False),
    ],
)
def test_where_times_come_back_coarser_inode_and_ctime_mean_nothing(
    first_ns: int, second_ns: int, *, is_one: bool
) -> None:
    first, second = SEEN._replace(mtime_ns=first_ns), Fingerprint(10, second_ns, 99, 99)
    assert first.is_same(second, is_honest=False) is is_one
    assert second.is_same(first, is_honest=False) is is_one


def test_another_size_is_another_file_anywhere() -> None:
    assert not SEEN.is_same(SEEN._replace(size_bytes=11), is_honest=False)
