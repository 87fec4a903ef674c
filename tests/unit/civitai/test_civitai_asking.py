"""One question from start to end, against the stand-in."""

from __future__ import annotations

import zlib
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai import answer_cache
from modelshelf.civitai.answers import NotAsked
from modelshelf.civitai.asking import MOST_ENDPOINTS, PICTURES_PER_REQUEST, Asker
from modelshelf.civitai.pacing import BURST_SECONDS
from modelshelf.civitai.settings import BreakerSettings, CacheSettings, ClientSettings
from modelshelf.civitai.vitals import Counts
from modelshelf.errors import CivitaiForbids, CivitaiRateLimited, CivitaiUnavailable
from tests.fakes import civitai_moods as moods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.clock import FakeClock

A = "A" * 64
BY_HASH = f"model-versions/by-hash/{A}"
DAY = 86_400.0


@pytest.fixture(autouse=True)
def _room_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_cache, "LEAST_FREE_BYTES", 0)


@pytest.fixture
def settings(stand_in: CivitaiStandIn, tmp_path: Path) -> ClientSettings:
    stand_in.add_file(A, 1024, model_id=5)
    return ClientSettings(
        base_url=stand_in.base_url,
        key="0123456789abcdef-secret",
        timeout_seconds=5,
        rate_limit_per_minute=None,
        breaker=BreakerSettings(failure_threshold=3, reset_seconds=60),
        cache=CacheSettings(tmp_path, 10, validity_seconds=DAY, model_validity_seconds=7 * DAY),
    )


@pytest.fixture
def build(clock: FakeClock) -> Iterator[Callable[[ClientSettings], Asker]]:
    built: list[Asker] = []

    def make(settings: ClientSettings) -> Asker:
        built.append(Asker(settings, clock, clock.sleep))
        return built[-1]

    yield make
    for each in built:
        each.close()


@pytest.fixture
def asker(build: Callable[[ClientSettings], Asker], settings: ClientSettings) -> Asker:
    return build(settings)


def picture(asker: Asker, url: str) -> bytes:
    with asker.picture_stream(url) as stream:
        return stream.read(100)


def named_otherwise(stand_in: CivitaiStandIn) -> str:
    """Give the stand-in's origin under a name that is not the one configured."""
    return stand_in.origin.replace("127.0.0.1", "localhost")


def fail(asker: Asker, times: int, path: str = "models/5") -> None:
    for _ in range(times):
        with pytest.raises(CivitaiUnavailable):
            asker.ask(path, is_fresh=True)


def test_an_answer_holds_for_its_time_and_a_start(
    asker: Asker,
    stand_in: CivitaiStandIn,
    clock: FakeClock,
    settings: ClientSettings,
    build: Callable[[ClientSettings], Asker],
) -> None:
    first = asker.ask(BY_HASH)
    clock.advance(DAY - 1)
    assert asker.ask(BY_HASH) == first
    later = build(settings)
    assert [later.ask(BY_HASH), later.ask(BY_HASH)] == [first, first]
    assert len(stand_in.requests) == 1
    assert asker.vitals().counts == Counts(sent=1, from_memory=1)
    assert later.vitals().counts == Counts(from_memory=1, from_disk=1)


def test_an_old_answer_is_asked_for_by_its_etag_and_renewed(
    asker: Asker, stand_in: CivitaiStandIn, clock: FakeClock
) -> None:
    first = asker.ask(BY_HASH)
    clock.advance(DAY)
    assert asker.ask(BY_HASH) == first
    assert "if-none-match" in stand_in.requests[-1].headers
    clock.advance(DAY - 1)
    assert asker.ask(BY_HASH) == first
    assert len(stand_in.requests) == 2
    assert asker.vitals().counts == Counts(sent=2, renewed=1, from_memory=1)


def test_an_old_answer_that_holds_no_more_is_replaced(asker: Asker, stand_in: CivitaiStandIn, clock: FakeClock) -> None:
    asker.ask(BY_HASH)
    clock.advance(DAY)
    stand_in.moods.append(moods.numeric_username)
    stand_in.add_file(A, 1024, model_id=6, published_at="2020-01-01T00:00:00.000Z")
    changed = asker.ask(BY_HASH)
    assert isinstance(changed, dict)
    assert changed["modelId"] == 6
    assert asker.ask(BY_HASH) == changed
    assert len(stand_in.requests) == 2


def test_models_have_a_time_of_their_own(asker: Asker, stand_in: CivitaiStandIn, clock: FakeClock) -> None:
    for path in (BY_HASH, "models/5"):
        asker.ask(path)
    clock.advance(2 * DAY)
    for path in (BY_HASH, "models/5"):
        asker.ask(path)
    assert [request.path.rpartition("/")[2] for request in stand_in.requests] == [A, "5", A]


def test_what_must_be_fresh_is_asked_in_full_and_kept_for_the_next(asker: Asker, stand_in: CivitaiStandIn) -> None:
    asker.ask(BY_HASH)
    asker.ask(BY_HASH, is_fresh=True)
    asker.ask(BY_HASH)
    assert len(stand_in.requests) == 2
    assert "if-none-match" not in stand_in.requests[-1].headers


def test_questions_with_other_parameters_are_other_questions(asker: Asker, stand_in: CivitaiStandIn) -> None:
    asker.ask("models", parameters={"ids": "5", "nsfw": "true"})
    asker.ask("models", parameters={"ids": "5,6", "nsfw": "true"})
    asker.ask("models", parameters={"ids": "5", "nsfw": "true"})
    assert [request.path for request in stand_in.requests] == [
        "/api/v1/models?ids=5&nsfw=true",
        "/api/v1/models?ids=5%2C6&nsfw=true",
    ]


def test_a_miss_is_never_kept_and_ends_what_was(asker: Asker, stand_in: CivitaiStandIn) -> None:
    assert asker.ask("models/77") is None
    assert asker.ask("models/77") is None
    asker.ask("models/5")
    stand_in.moods.append(moods.unknown)
    assert asker.ask("models/5", is_fresh=True) is None
    assert asker.ask("models/5") is not None
    assert len(stand_in.requests) == 5


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"error": "overloaded"}'])
def test_what_is_no_record_is_given_and_takes_the_place_of_none(
    asker: Asker, stand_in: CivitaiStandIn, body: bytes
) -> None:
    stand_in.moods.append(lambda reply: replace(reply, body=body))
    assert asker.ask("models/5") in ({}, [], {"error": "overloaded"})
    record = asker.ask("models/5")
    assert record not in ({}, [], {"error": "overloaded"})
    stand_in.moods.append(lambda reply: replace(reply, body=body))
    assert asker.ask("models/5", is_fresh=True) != record
    assert asker.ask("models/5") == record
    assert len(stand_in.requests) == 3


def test_an_outage_leaves_what_is_kept_as_it_was(asker: Asker, stand_in: CivitaiStandIn, clock: FakeClock) -> None:
    first = asker.ask("models/5")
    stand_in.mood_for = lambda _: moods.truncated
    fail(asker, 2)
    assert asker.ask("models/5") == first
    clock.advance(30 * DAY)
    fail(asker, 1)
    stand_in.mood_for = None
    clock.advance(60)
    assert asker.ask("models/5") == first
    assert asker.vitals().counts.renewed == 1


def test_a_304_that_nobody_asked_for_is_no_answer(asker: Asker, stand_in: CivitaiStandIn, clock: FakeClock) -> None:
    stand_in.mood_for = lambda _: lambda reply: replace(reply, status=304, body=b"")
    fail(asker, 1)
    asker._cache.keep(asker._name(f"{stand_in.base_url}/{BY_HASH}"), b'{"id": 1}', None)
    clock.advance(DAY)
    with pytest.raises(CivitaiUnavailable, match="304"):
        asker.ask(BY_HASH)


def test_a_date_that_is_still_to_come_does_not_hold(
    asker: Asker,
    stand_in: CivitaiStandIn,
    clock: FakeClock,
    settings: ClientSettings,
    build: Callable[[ClientSettings], Asker],
) -> None:
    clock.advance(3600)
    asker.ask(BY_HASH)
    clock.advance(-3600)
    build(settings).ask(BY_HASH)
    assert len(stand_in.requests) == 2


def test_a_kept_answer_that_is_no_json_is_forgotten(asker: Asker, stand_in: CivitaiStandIn) -> None:
    asker._cache.keep(asker._name(f"{stand_in.base_url}/{BY_HASH}"), b"<html>", None)
    assert isinstance(asker.ask(BY_HASH), dict)
    assert len(stand_in.requests) == 1


def test_an_answer_without_a_key_is_another_one_and_the_key_lies_nowhere(
    asker: Asker,
    settings: ClientSettings,
    stand_in: CivitaiStandIn,
    tmp_path: Path,
    build: Callable[[ClientSettings], Asker],
) -> None:
    asker.ask(BY_HASH)
    build(replace(settings, key=None)).ask(BY_HASH)
    assert len(stand_in.requests) == 2
    kept = [zlib.decompress(path.read_bytes()) for path in (tmp_path / "civitai-answers").iterdir()]
    assert len(kept) == 2
    assert b"secret" not in b"".join(kept)


def test_what_is_posted_is_asked_each_time(asker: Asker, stand_in: CivitaiStandIn) -> None:
    for _ in range(2):
        listed = asker.ask_list("model-versions/by-hash", [A])
        assert listed is not None
        assert listed.size_bytes > 1000 > len(listed.items)
        assert isinstance(asker.ask("model-versions/by-hash/ids", [A]), list)
    assert len(stand_in.requests) == 4


def test_a_posted_question_that_is_answered_with_no_list_is_not_answered(
    asker: Asker, stand_in: CivitaiStandIn
) -> None:
    stand_in.moods.append(lambda reply: replace(reply, body=b"{}"))
    with pytest.raises(CivitaiUnavailable, match="not a list"):
        asker.ask_list("model-versions/by-hash", [A])
    stand_in.moods.append(moods.method_not_allowed)
    assert asker.ask_list("model-versions/by-hash", [A]) is None


def test_where_nothing_may_leave_not_even_a_kept_answer_is_given(
    asker: Asker, settings: ClientSettings, stand_in: CivitaiStandIn, build: Callable[[ClientSettings], Asker]
) -> None:
    asker.ask(BY_HASH)
    forbidden = build(replace(settings, is_outgoing_forbidden=True))
    for ask in (
        lambda: forbidden.ask(BY_HASH),
        lambda: forbidden.ask_list("model-versions/by-hash", [A]),
        lambda: picture(forbidden, f"{stand_in.origin}/x"),
    ):
        with pytest.raises(NotAsked, match="forbidden here"):
            ask()
    assert len(stand_in.requests) == 1


def test_an_endpoint_that_fails_rests_and_others_are_asked(
    asker: Asker, stand_in: CivitaiStandIn, clock: FakeClock
) -> None:
    stand_in.mood_for = lambda request: moods.crashed if "/models/" in request.path else None
    fail(asker, 3)
    with pytest.raises(NotAsked) as caught:
        asker.ask("models/6")
    assert caught.value.retry_after_seconds == 60
    assert caught.value.first_delay_seconds == 1
    assert asker.ask(BY_HASH) is not None
    assert len(stand_in.requests) == 4
    (trouble,) = asker.vitals().troubles
    assert (trouble.endpoint, trouble.is_forbidden) == ("GET models/*", False)
    assert "500" in trouble.reason
    stand_in.mood_for = None
    clock.advance(60)
    assert asker.ask("models/5") is not None
    assert asker.vitals().troubles == ()


def test_misses_and_refusals_open_nothing(asker: Asker, stand_in: CivitaiStandIn) -> None:
    for _ in range(5):
        assert asker.ask("models/77") is None
    stand_in.mood_for = lambda _: moods.malformed
    for _ in range(5):
        with pytest.raises(Exception, match="answered 400"):
            asker.ask("models/77")
    stand_in.mood_for = None
    assert asker.ask("models/5") is not None


def test_what_failed_begins_its_waits_with_the_configured_one(
    settings: ClientSettings, stand_in: CivitaiStandIn, build: Callable[[ClientSettings], Asker]
) -> None:
    asker = build(replace(settings, retry_delay_seconds=2.5))
    stand_in.mood_for = lambda _: moods.overloaded
    with pytest.raises(CivitaiUnavailable) as caught:
        asker.ask("models/5")
    assert (caught.value.retry_after_seconds, caught.value.first_delay_seconds) == (2, 2.5)


def test_a_429_pauses_every_endpoint_and_pictures_of_that_host_only(
    asker: Asker, stand_in: CivitaiStandIn, clock: FakeClock
) -> None:
    stand_in.moods.append(moods.rate_limited("7"))
    with pytest.raises(CivitaiRateLimited):
        asker.ask("models/5")
    with pytest.raises(CivitaiRateLimited, match="paused for 7 more seconds"):
        asker.ask(BY_HASH)
    until = asker.vitals().paused_until
    assert until is not None
    assert (until - clock.now()).total_seconds() == 7
    with pytest.raises(CivitaiRateLimited, match="paused for 7 more seconds"):
        picture(asker, f"{stand_in.origin}/no-picture")
    with pytest.raises(Exception, match="404"):
        picture(asker, f"{named_otherwise(stand_in)}/no-picture")
    clock.advance(7)
    with pytest.raises(Exception, match="404"):
        picture(asker, f"{stand_in.origin}/no-picture")
    assert asker.ask(BY_HASH) is not None
    assert asker.vitals().paused_until is None


def test_a_429_of_unsaid_length_pauses_twice_as_long_each_time_until_something_is_answered(
    asker: Asker, stand_in: CivitaiStandIn, clock: FakeClock
) -> None:
    pauses: list[float | None] = []
    for mood in [moods.rate_limited()] * 3 + [moods.content] + [moods.rate_limited()]:
        stand_in.moods.append(mood)
        try:
            asker.ask("models/5", is_fresh=True)
        except CivitaiRateLimited as error:
            pauses.append(error.retry_after_seconds)
            clock.advance(error.retry_after_seconds or 0)
    assert pauses == [30, 60, 120, 30]


def test_a_blocked_region_is_asked_once_a_day_and_by_a_new_asker(
    asker: Asker,
    stand_in: CivitaiStandIn,
    clock: FakeClock,
    settings: ClientSettings,
    build: Callable[[ClientSettings], Asker],
) -> None:
    stand_in.mood_for = lambda _: moods.region_blocked
    for path in ("models/5", BY_HASH, "models/6"):
        with pytest.raises(CivitaiForbids, match="451"):
            asker.ask(path)
    assert len(stand_in.requests) == 1
    (trouble,) = asker.vitals().troubles
    assert (trouble.endpoint, trouble.is_forbidden) == ("*", True)
    clock.advance(DAY)
    for path in ("models/5", BY_HASH):
        with pytest.raises(CivitaiForbids) as caught:
            asker.ask(path)
        assert caught.value.retry_after_seconds == pytest.approx(DAY)
    assert len(stand_in.requests) == 2
    stand_in.mood_for = None
    assert build(settings).ask("models/5") is not None
    clock.advance(DAY)
    assert asker.ask(BY_HASH) is not None
    assert asker.vitals().troubles == ()


def test_where_a_person_says_so_a_ban_is_tried_at_once(asker: Asker, stand_in: CivitaiStandIn) -> None:
    stand_in.moods.extend([moods.unauthorized, moods.region_blocked, moods.region_blocked])
    for path in ("models/5", BY_HASH, "models/5"):
        with pytest.raises(CivitaiForbids):
            asker.ask(path)
    assert {each.endpoint for each in asker.vitals().troubles} == {"*", "GET models/*"}
    for requests in (2, 3):
        asker.ask_again()
        with pytest.raises(CivitaiForbids) if requests == 2 else nullcontext():
            asker.ask(BY_HASH)
        assert len(stand_in.requests) == requests + 1
    asker.ask_again()
    assert asker.ask("models/5") is not None
    assert asker.vitals().troubles == ()


def test_a_key_that_is_not_accepted_closes_that_endpoint_only(asker: Asker, stand_in: CivitaiStandIn) -> None:
    stand_in.moods.append(moods.unauthorized)
    for _ in range(3):
        with pytest.raises(CivitaiForbids, match="key"):
            asker.ask("models/5")
    assert asker.ask(BY_HASH) is not None
    assert len(stand_in.requests) == 2


def test_a_403_is_about_one_thing_and_stands_in_nothings_way(asker: Asker, stand_in: CivitaiStandIn) -> None:
    stand_in.moods.append(moods.forbidden)
    with pytest.raises(CivitaiForbids) as caught:
        asker.ask("models/5")
    assert caught.value.retry_after_seconds is None
    assert asker.ask("models/5") is not None


@pytest.mark.parametrize("mood", [moods.rate_limited("30"), moods.rate_limited()])
def test_a_picture_host_is_paused_for_itself(
    asker: Asker, stand_in: CivitaiStandIn, clock: FakeClock, mood: Mood
) -> None:
    stand_in.moods.append(mood)
    with pytest.raises(CivitaiRateLimited) as caught:
        picture(asker, f"{stand_in.origin}/x")
    assert caught.value.retry_after_seconds == 30
    with pytest.raises(CivitaiRateLimited, match="paused"):
        picture(asker, f"{stand_in.origin}/x")
    assert asker.ask("models/5") is not None
    with pytest.raises(Exception, match="404"):
        picture(asker, f"{named_otherwise(stand_in)}/x")
    clock.advance(30)
    with pytest.raises(Exception, match="404"):
        picture(asker, f"{stand_in.origin}/x")


@pytest.mark.parametrize(
    ("host", "is_of_home"), [("image.civitai.com", True), ("civitai.com", True), ("notcivitai.com", False)]
)
def test_hosts_below_the_api_s_are_paused_with_it(
    build: Callable[[ClientSettings], Asker], host: str, *, is_of_home: bool
) -> None:
    assert build(ClientSettings())._is_of_home(host) is is_of_home


def test_each_picture_host_has_a_rate_of_its_own_that_is_generous(
    settings: ClientSettings, stand_in: CivitaiStandIn, clock: FakeClock, build: Callable[[ClientSettings], Asker]
) -> None:
    asker = build(replace(settings, rate_limit_per_minute=1))
    burst = PICTURES_PER_REQUEST * BURST_SECONDS // 60
    for url in [f"{stand_in.origin}/x"] * burst + [f"{named_otherwise(stand_in)}/x", f"{stand_in.origin}/x"]:
        with pytest.raises(Exception, match="404"):
            picture(asker, url)
    assert clock.slept == [pytest.approx(60 / PICTURES_PER_REQUEST)]


@pytest.mark.parametrize("mood", [moods.region_blocked, moods.unauthorized])
def test_a_picture_host_that_wants_nobody_like_us_is_asked_once_a_day(
    asker: Asker, stand_in: CivitaiStandIn, clock: FakeClock, mood: Mood
) -> None:
    stand_in.mood_for = lambda request: mood if request.headers["host"].startswith("127") else None
    for name in "xyz":
        with pytest.raises(CivitaiForbids) as caught:
            picture(asker, f"{stand_in.origin}/{name}")
        assert caught.value.retry_after_seconds == pytest.approx(DAY)
    assert len(stand_in.requests) == 1
    (trouble,) = asker.vitals().troubles
    assert (trouble.endpoint, trouble.is_forbidden) == ("127.0.0.1", True)
    with pytest.raises(Exception, match="404"):
        picture(asker, f"{named_otherwise(stand_in)}/x")
    stand_in.mood_for = None
    clock.advance(DAY)
    with asker.picture_stream(f"{stand_in.origin}/images/u/width=8/1.jpeg") as stream:
        assert stream.status == 200
    assert asker.vitals().troubles == ()


@pytest.mark.parametrize("is_elsewhere", [True, False])
def test_what_is_said_of_one_picture_forbids_no_host(
    asker: Asker, stand_in: CivitaiStandIn, *, is_elsewhere: bool
) -> None:
    elsewhere = moods.redirected(f"{named_otherwise(stand_in)}/x")
    stand_in.moods.extend([elsewhere, moods.unauthorized] if is_elsewhere else [moods.forbidden])
    with pytest.raises(CivitaiForbids):
        picture(asker, f"{stand_in.origin}/x")
    assert asker.vitals().troubles == ()


def test_a_picture_host_that_fails_rests_too(asker: Asker, stand_in: CivitaiStandIn) -> None:
    stand_in.mood_for = lambda _: moods.crashed
    for _ in range(3):
        with pytest.raises(CivitaiUnavailable):
            picture(asker, f"{stand_in.origin}/x")
    with pytest.raises(NotAsked):
        picture(asker, f"{stand_in.origin}/y")
    assert len(stand_in.requests) == 3
    assert asker.vitals().troubles[0].endpoint == "127.0.0.1"


def test_hosts_without_number_take_no_memory_without_bound(asker: Asker) -> None:
    for number in range(MOST_ENDPOINTS + 50):
        asker._breaker(f"host-{number}")
        asker._picture_pace(f"host-{number}")
    assert len(asker._breakers) == len(asker._picture_paces) == MOST_ENDPOINTS


def test_endpoints_have_a_bucket_each(
    settings: ClientSettings, clock: FakeClock, build: Callable[[ClientSettings], Asker]
) -> None:
    asker = build(replace(settings, rate_limit_per_minute=6, cache=CacheSettings()))
    asker.ask("models/5")
    asker.ask(BY_HASH)
    assert clock.slept == []
    asker.ask("models/5")
    assert clock.slept == [pytest.approx(10)]


def test_once_closed_nothing_is_asked_and_nothing_is_held_against_the_server(
    asker: Asker, stand_in: CivitaiStandIn
) -> None:
    asker.close()
    for _ in range(5):
        with pytest.raises(NotAsked, match="about to stop"):
            asker.ask("models/5")
        with pytest.raises(NotAsked, match="about to stop"):
            picture(asker, f"{named_otherwise(stand_in)}/x")
    assert stand_in.requests == []
    assert asker.vitals().troubles == ()


@pytest.mark.parametrize("mood", [moods.unknown, moods.region_blocked, moods.unauthorized, moods.malformed])
@pytest.mark.parametrize("status", [302, 307])
def test_what_a_stranger_refuses_to_whom_we_are_sent_means_nothing(
    asker: Asker, stand_in: CivitaiStandIn, clock: FakeClock, mood: Mood, status: int
) -> None:
    known = asker.ask("models/5")
    sent_away = moods.redirected(f"{named_otherwise(stand_in)}/elsewhere", status)
    for ask in (
        lambda: asker.ask("models/5", is_fresh=True),
        lambda: asker.ask_list("model-versions/by-hash", [A]),
    ):
        stand_in.moods.extend([sent_away, mood])
        with pytest.raises(CivitaiUnavailable, match="sends us to localhost"):
            ask()
    assert asker.vitals().troubles == ()
    assert asker.ask("models/5") == known
    clock.advance(30 * DAY)
    assert asker.ask("models/5") == known


def test_a_stranger_who_asks_to_slow_down_pauses_nothing(asker: Asker, stand_in: CivitaiStandIn) -> None:
    stand_in.moods.extend([moods.redirected(f"{named_otherwise(stand_in)}/x"), moods.rate_limited("9")])
    with pytest.raises(CivitaiUnavailable, match="sends us to"):
        asker.ask("models/5")
    assert asker.ask("models/5") is not None
