from __future__ import annotations

import pytest

from modelshelf.civitai.answers import AnswerTooLarge, NotAsked, QuestionRefused
from modelshelf.civitai.batch_size import LARGEST_COMFORTABLE_BYTES, WINDOW, BatchSize
from modelshelf.civitai.settings import AdaptiveBatch
from modelshelf.errors import CivitaiRateLimited, CivitaiUnavailable

ILL = CivitaiUnavailable("ill")


def after(answered: int, failed: int, of: BatchSize | None = None) -> BatchSize:
    size = of or BatchSize(AdaptiveBatch(min_size=10, max_size=100))
    for _ in range(answered):
        size.count_answer(1000)
    for _ in range(failed):
        size.count_failure(ILL)
    return size


def test_it_begins_at_the_most() -> None:
    assert BatchSize(AdaptiveBatch()).size == 100


@pytest.mark.parametrize(("failed", "size"), [(0, 100), (1, 50), (5, 50), (6, 25), (10, 25)])
def test_a_window_between_the_rates_halves_it_and_one_below_quarters_it(failed: int, size: int) -> None:
    assert after(WINDOW - failed, failed).size == size


def test_nothing_changes_before_the_window_is_full() -> None:
    assert after(0, WINDOW - 1).size == 100


def test_it_grows_again_when_nearly_all_is_answered() -> None:
    size = after(0, 2 * WINDOW)
    assert size.size == 10
    assert [after(WINDOW, 0, size).size for _ in range(5)] == [20, 40, 80, 100, 100]


def test_rates_are_met_exactly_only_in_between() -> None:
    size = BatchSize(AdaptiveBatch(min_size=10, scale_up_rate=0.9, scale_down_rate=0.5))
    assert after(9, 1, size).size == 50
    assert after(5, 5, size).size == 25


def test_a_body_that_is_uncomfortably_large_shrinks_it_at_once() -> None:
    size = after(WINDOW - 1, 0)
    size.count_answer(LARGEST_COMFORTABLE_BYTES)
    assert size.size == 100
    size.count_answer(LARGEST_COMFORTABLE_BYTES + 1)
    assert size.size == 50


def test_a_body_that_cannot_be_held_quarters_it_at_once() -> None:
    size = after(0, 0)
    size.count_failure(AnswerTooLarge("large"))
    assert size.size == 25


def test_pauses_say_nothing_about_the_size() -> None:
    size = after(0, 0)
    for _ in range(2 * WINDOW):
        size.count_failure(NotAsked("paused"))
        size.count_failure(CivitaiRateLimited("slow down"))
    assert size.size == 100
    for _ in range(WINDOW):
        size.count_failure(QuestionRefused("malformed"))
    assert size.size == 25


def test_it_stays_within_bounds_that_leave_no_room() -> None:
    size = BatchSize(AdaptiveBatch(min_size=50, max_size=50))
    assert after(0, 3 * WINDOW, size).size == 50
    assert after(3 * WINDOW, 0, size).size == 50
