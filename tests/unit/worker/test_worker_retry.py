from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from modelshelf.errors import (
    BrokenModelFile,
    CivitaiForbids,
    CivitaiRateLimited,
    CivitaiRefused,
    CivitaiUnavailable,
    DiskFull,
    FileChanged,
    FileGone,
    FileUnreadable,
    FolderOffline,
    ModelshelfError,
    UsageError,
    WorkStopped,
)
from modelshelf.worker.retry import LONGEST_DELAY_SECONDS, MAX_ATTEMPTS, Forget, GiveUp, RetryAt, decide, delay_seconds

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("error", [FileGone("x"), WorkStopped("x")])
def test_what_is_gone_or_stopped_is_forgotten(error: ModelshelfError) -> None:
    assert decide(error, 0, NOW, 0.5) == Forget()


@pytest.mark.parametrize("error", [CivitaiRefused("no"), BrokenModelFile("no"), UsageError("no")])
def test_a_permanent_error_is_given_up_at_once_with_its_reason(error: ModelshelfError) -> None:
    assert decide(error, 0, NOW, 0.5) == GiveUp("no")


def test_what_a_person_may_mend_at_civitai_is_asked_again_in_an_hour() -> None:
    assert decide(CivitaiForbids("451"), 50, NOW, 0.5) == RetryAt(NOW + timedelta(hours=1))


def test_what_is_forbidden_until_later_is_asked_again_then() -> None:
    forbidden = CivitaiForbids("451", retry_after_seconds=86_400)
    assert decide(forbidden, 0, NOW, 0.5) == RetryAt(NOW + timedelta(days=1))
    assert decide(CivitaiForbids("451", retry_after_seconds=5), 0, NOW, 0.5) == RetryAt(NOW + timedelta(hours=1))


def test_a_server_may_have_a_first_delay_of_its_own() -> None:
    error = CivitaiUnavailable("x")
    error.first_delay_seconds = 0.5
    assert [delay_seconds(error, attempts, 0.5) for attempts in range(3)] == [0.5, 1, 2]
    error.first_delay_seconds = 0
    assert delay_seconds(error, 0, 0.5) == 5


@pytest.mark.parametrize("error", [CivitaiUnavailable("x"), FolderOffline("x"), DiskFull("x"), FileChanged("x")])
def test_an_outage_is_never_given_up(error: ModelshelfError) -> None:
    assert isinstance(decide(error, 10_000, NOW, 0.99), RetryAt)


def test_an_unreadable_file_is_given_up_after_the_last_attempt() -> None:
    assert isinstance(decide(FileUnreadable("x"), MAX_ATTEMPTS - 2, NOW, 0), RetryAt)
    assert decide(FileUnreadable("x"), MAX_ATTEMPTS - 1, NOW, 0) == GiveUp(f"x (tried {MAX_ATTEMPTS} times)")


def test_the_delay_doubles_up_to_an_hour() -> None:
    delays = [delay_seconds(FileUnreadable("x"), attempts, 0.5) for attempts in range(12)]
    assert delays[:4] == [5, 10, 20, 40]
    assert delays[-1] == LONGEST_DELAY_SECONDS


def test_chance_spreads_the_delay_by_a_fifth() -> None:
    assert delay_seconds(FileUnreadable("x"), 0, 0.0) == pytest.approx(4)
    assert delay_seconds(FileUnreadable("x"), 0, 1.0) == pytest.approx(6)


def test_the_server_s_own_wish_is_respected() -> None:
    error = CivitaiRateLimited("slow down", retry_after_seconds=90)
    assert decide(error, 0, NOW, 0.5) == RetryAt(NOW + timedelta(seconds=90))
