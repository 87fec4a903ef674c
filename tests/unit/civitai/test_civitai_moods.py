"""The client against every mood of the real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.client import CivitaiClient, ClientSettings
from modelshelf.errors import CivitaiRateLimited, CivitaiRefused, CivitaiUnavailable
from tests.fakes import civitai_moods as moods

if TYPE_CHECKING:
    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.clock import FakeClock

A, B = "A" * 64, "B" * 64

UNAVAILABLE = [
    moods.overloaded,
    moods.timed_out_at_edge,
    moods.challenged,
    moods.page,
    moods.truncated,
    moods.crashed,
    moods.reset,
    moods.hung_up,
    moods.redirect_loop,
    moods.wrong_address,
]
REFUSED = [
    moods.region_blocked,
    moods.unauthorized,
    moods.forbidden,
    moods.malformed,
    moods.method_not_allowed,
    moods.paging_cap,
]


@pytest.mark.parametrize("mood", UNAVAILABLE)
@pytest.mark.parametrize("hashes", [[A], [A, B]])
def test_a_mood_that_passes_is_unavailable_and_never_a_miss(
    stand_in: CivitaiStandIn, client: CivitaiClient, mood: Mood, hashes: list[str]
) -> None:
    stand_in.add_file(A, 1024)
    stand_in.mood_for = lambda _: mood
    with pytest.raises(CivitaiUnavailable, match=r"127\.0\.0\.1"):
        client.versions_by_hash(hashes)
    with pytest.raises(CivitaiUnavailable):
        client.get_model(1)
    stand_in.mood_for = None
    assert A in client.versions_by_hash(hashes).found


@pytest.mark.parametrize("mood", REFUSED)
@pytest.mark.parametrize("hashes", [[A], [A, B]])
def test_a_refusal_is_final_and_says_who_and_what(
    stand_in: CivitaiStandIn, client: CivitaiClient, mood: Mood, hashes: list[str]
) -> None:
    stand_in.mood_for = lambda _: mood
    with pytest.raises(CivitaiRefused, match=r"127\.0\.0\.1 answered 4\d\d: "):
        client.versions_by_hash(hashes)
    with pytest.raises(CivitaiRefused):
        client.get_model(1)


def test_an_overloaded_server_says_when_to_come_back(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.moods.append(moods.overloaded)
    with pytest.raises(CivitaiUnavailable) as caught:
        client.get_model(1)
    assert caught.value.retry_after_seconds == 2


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [(None, 30), ("7", 7), ("Sat, 08 Aug 2026 12:01:30 GMT", 90), ("soon", 30)]
)
def test_a_429_pauses_every_question_for_as_long_as_it_asks(
    stand_in: CivitaiStandIn, client: CivitaiClient, clock: FakeClock, retry_after: str | None, seconds: float
) -> None:
    stand_in.add_file(A, 1024)
    stand_in.moods.append(moods.rate_limited(retry_after))
    with pytest.raises(CivitaiRateLimited) as caught:
        client.versions_by_hash([A, B])
    assert caught.value.retry_after_seconds == seconds
    with pytest.raises(CivitaiRateLimited, match="paused"):
        client.versions_by_hash([A])
    assert len(stand_in.requests) == 1
    clock.advance(seconds)
    assert A in client.versions_by_hash([A]).found


def test_raw_control_characters_do_not_spoil_a_body(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024)
    stand_in.moods.append(moods.raw_control_character)
    assert "\x01\n" in (client.versions_by_hash([A]).found[A].version.name or "")


def test_a_username_may_be_a_number(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024, model_id=5)
    stand_in.moods.append(moods.numeric_username)
    model = client.get_model(5)
    assert model is not None
    assert model.creator == "12345"


def test_files_before_their_scan_have_no_hashes(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024)
    stand_in.mood_for = lambda _: moods.without_hashes
    assert client.versions_by_hash([A]).found[A].version.files[0].hashes == {}
    assert client.versions_by_hash([A, B]).found[A].version.files[0].hashes == {}


def test_the_case_of_hashes_does_not_matter(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024)
    stand_in.mood_for = lambda _: moods.lower_case_hashes
    assert client.versions_by_hash([A, B]).found[A].version.files[0].hashes["SHA256"] == A
    assert len(stand_in.requests) == 2


def test_a_server_that_is_not_there_is_unavailable(stand_in: CivitaiStandIn) -> None:
    stand_in.stop()
    with (
        CivitaiClient(ClientSettings(base_url=stand_in.base_url)) as client,
        pytest.raises(CivitaiUnavailable, match="cannot be reached"),
    ):
        client.get_model(1)


def test_a_server_that_thinks_too_long_is_unavailable(stand_in: CivitaiStandIn) -> None:
    stand_in.latency_seconds = 30
    settings = ClientSettings(base_url=stand_in.base_url, timeout_seconds=0.05)
    with CivitaiClient(settings) as client, pytest.raises(CivitaiUnavailable, match="did not answer within"):
        client.get_model(1)
