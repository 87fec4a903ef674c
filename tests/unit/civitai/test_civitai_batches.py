"""Many hashes against the stand-in: what is asked, in how many requests, and which version each hash is given."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.civitai import batches
from modelshelf.civitai.batches import REMEMBERED_SECONDS
from modelshelf.civitai.client import CivitaiClient, ClientSettings
from modelshelf.civitai.settings import AdaptiveBatch
from modelshelf.domain.civitai import Alternate
from modelshelf.errors import CivitaiRefused, CivitaiUnavailable
from tests.fakes.civitai_moods import (
    crashed,
    malformed,
    method_not_allowed,
    overloaded,
    page,
    rate_limited,
    reset,
    timed_out_at_edge,
    truncated,
    wrong_address,
)
from tests.fakes.civitai_wire import Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelshelf.civitai.replies import Replies
    from modelshelf.domain.civitai import Found
    from modelshelf.domain.jsontypes import JsonValue
    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import RecordedRequest
    from tests.fakes.clock import FakeClock

A, B, C, D = ("A" * 64, "B" * 64, "C" * 64, "D" * 64)
IDS = "/api/v1/model-versions/by-hash/ids"
BATCH = "/api/v1/model-versions/by-hash"


def asked(stand_in: CivitaiStandIn) -> list[tuple[str, str]]:
    return [(each.method, each.path) for each in stand_in.requests]


def posted(stand_in: CivitaiStandIn) -> list[tuple[str, list[str]]]:
    """Give the questions about many: their routes and hashes."""
    return [(each.path, json.loads(each.body)) for each in stand_in.requests if each.method == "POST"]


def without(*version_ids: int) -> Mood:
    """Have a list hold null in place of these versions."""

    def mood(reply: Reply) -> Reply:
        elements = json.loads(reply.body)
        return json_reply(
            [
                None if each and {each.get("id"), each.get("modelVersionId")} & {*version_ids} else each
                for each in elements
            ]
        )

    return mood


def version_ids(replies: Replies[str, Found]) -> dict[str, int]:
    return {sha256: found.version.id for sha256, found in replies.found.items()}


def many(stand_in: CivitaiStandIn, count: int) -> list[str]:
    hashes = [f"{number:064X}" for number in range(1, count + 1)]
    for each in hashes:
        stand_in.add_file(each, 1024, images=0)
    return hashes


def spoilt(is_spoilt: Callable[[list[str]], bool]) -> Callable[[RecordedRequest], Mood | None]:
    """Refuse every POST whose hashes are so."""

    def mood_for(request: RecordedRequest) -> Mood | None:
        return malformed if request.method == "POST" and is_spoilt(json.loads(request.body)) else None

    return mood_for


def test_one_hash_is_asked_for_alone_in_upper_case_and_then_for_what_else_holds_it(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    version_id = stand_in.add_file(A, 1024, name="Fish", trained_words=["fish"])
    found = client.versions_by_hash([A.lower()]).found
    assert found[A.lower()].version.id == version_id
    assert found[A.lower()].version.model_name == "Fish"
    assert asked(stand_in) == [("GET", f"{BATCH}/{A}"), ("POST", IDS)]


def test_the_alternates_of_one_hash_are_learnt_with_it(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    later = stand_in.add_file(A, 1024, published_at="2026-01-01T00:00:00.000Z", model_id=7)
    first = stand_in.add_file(A, 1024, published_at="2025-01-01T00:00:00.000Z")
    found = client.versions_by_hash([A]).found[A]
    assert (found.version.id, found.alternates) == (first, (Alternate(later, 7, None),))
    stand_in.requests.clear()
    client.versions_by_hash([A])
    assert ("POST", IDS) in asked(stand_in)


@pytest.mark.parametrize("mood", [crashed, malformed, method_not_allowed])
def test_one_hash_is_known_though_nothing_is_learnt_of_its_alternates(
    stand_in: CivitaiStandIn, client: CivitaiClient, mood: Mood
) -> None:
    version_id = stand_in.add_file(A, 1024)
    stand_in.mood_for = lambda request: mood if request.path == IDS else None
    assert version_ids(client.versions_by_hash([A])) == {A: version_id}


@pytest.mark.parametrize("is_batch", [True, False])
def test_a_version_of_other_bytes_is_no_answer_to_a_hash(
    stand_in: CivitaiStandIn, client: CivitaiClient, *, is_batch: bool
) -> None:
    others = stand_in.add_file(B, 1024)
    stand_in.add_file(A, 1024)

    def foreign(_: Reply) -> Reply:
        return json_reply(stand_in.records.versions[others].body | {"files": [{"hashes": {"SHA256": B}}]})

    def mood_for(request: RecordedRequest) -> Mood | None:
        if request.path == BATCH:
            return without(*stand_in.records.versions)
        return foreign if request.method == "GET" else None

    stand_in.mood_for = mood_for
    if is_batch:
        replies = client.versions_by_hash([A, B])
        assert version_ids(replies) == {B: others}
        assert isinstance(replies.unanswered[A], CivitaiUnavailable)
    else:
        with pytest.raises(CivitaiUnavailable, match="other files"):
            client.versions_by_hash([A])


@pytest.mark.parametrize("details", [{"mode": "Archived"}, {"is_replaced": True}])
def test_a_version_that_is_named_for_one_hash_need_not_list_it(
    stand_in: CivitaiStandIn, client: CivitaiClient, details: dict[str, Any]
) -> None:
    version_id = stand_in.add_file(A, 1024, **details)
    assert version_ids(client.versions_by_hash([A])) == {A: version_id}
    assert asked(stand_in) == [("GET", f"{BATCH}/{A}"), ("POST", IDS)]


def test_of_several_hashes_only_the_bodies_of_known_ones_are_asked_for(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    first, second = stand_in.add_file(A, 1024), stand_in.add_file(B, 1024)
    replies = client.versions_by_hash([A, B, C, A, A.lower()])
    assert version_ids(replies) == {A: first, B: second, A.lower(): first}
    assert replies.unanswered == {}
    assert asked(stand_in) == [("POST", IDS), ("POST", BATCH)]
    assert [json.loads(each.body) for each in stand_in.requests] == [[A, B, C], [A, B]]


def test_where_nothing_is_known_no_body_is_asked_for(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    assert client.versions_by_hash([A, B]).found == {}
    assert client.versions_by_hash([]).found == {}
    assert posted(stand_in) == [(IDS, [A, B])]


def test_that_a_list_knows_nothing_is_believed_after_a_404_for_one_of_it(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    assert client.versions_by_hash([A, B, C]).found == {}
    assert asked(stand_in) == [("POST", IDS), ("GET", f"{BATCH}/{A}")]


@pytest.mark.parametrize("answer", [[], [None], ["x", 3, {"hash": 5}], [{"hash": "%s"}], [{"hash": D}], [[[]]]])
def test_a_list_that_leaves_out_all_that_is_there_is_not_believed(
    stand_in: CivitaiStandIn, client: CivitaiClient, answer: list[JsonValue]
) -> None:
    hashes = many(stand_in, 3)
    stand_in.mood_for = lambda request: (lambda _: json_reply(answer)) if request.path == IDS else None
    assert client.versions_by_hash([*hashes, C]).found.keys() == {*hashes}


def test_a_list_that_holds_junk_is_not_believed_about_what_it_leaves_out(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    first, second = stand_in.add_file(A, 1024), stand_in.add_file(B, 1024)
    stand_in.mood_for = lambda request: without(first) if request.path == IDS else None
    assert version_ids(client.versions_by_hash([A, B])) == {A: first, B: second}


@pytest.mark.parametrize("mood", [crashed, malformed, page])
def test_where_nothing_is_known_and_the_one_of_it_is_not_answered_nothing_is_unknown(
    stand_in: CivitaiStandIn, client: CivitaiClient, mood: Mood
) -> None:
    stand_in.mood_for = lambda request: mood if request.method == "GET" else None
    with pytest.raises((CivitaiUnavailable, CivitaiRefused)):
        client.versions_by_hash([A, B, C])


def test_the_broken_addresses_of_a_batch_are_mended(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    version_id = stand_in.add_file(A, 1024)
    version = client.versions_by_hash([A, B]).found[A].version
    assert "https://undefined/" in str(version.body["downloadUrl"])
    assert version.download_url == f"https://civitai.com/api/download/models/{version_id}"


def test_bodies_come_by_the_hundred(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    hashes = many(stand_in, 201)
    assert client.versions_by_hash(hashes).found.keys() == set(hashes)
    assert [len(json.loads(each.body)) for each in stand_in.requests] == [201, 100, 100, 1]


def test_ids_are_asked_for_by_the_thousand(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    version_id = stand_in.add_file(A, 1024)
    unknown = [f"{number:064x}" for number in range(4000)]
    assert version_ids(client.versions_by_hash([A, *unknown])) == {A: version_id}
    assert [len(hashes) for _, hashes in posted(stand_in)] == [1000, 1000, 1000, 1000, 1, 1]


@pytest.mark.parametrize(
    "broken",
    ["", "AB", "G" * 64, "A" * 65, "A" * 63 + "\n", "../../me", "²" * 64, "A" * 62 + "\N{LATIN SMALL LIGATURE FF}"],
)
def test_a_malformed_hash_never_reaches_the_wire(stand_in: CivitaiStandIn, client: CivitaiClient, broken: str) -> None:
    assert client.versions_by_hash([broken], ahead=[broken]).found == {}
    assert client.known_ids([broken]) == {}
    assert client.get_model_version_by_hash(broken) is None
    assert client.version_by_weights(broken) is None
    assert stand_in.requests == []
    stand_in.add_file(A, 1024)
    assert client.versions_by_hash([A, broken, B], ahead=[broken]).found.keys() == {A}
    assert json.loads(stand_in.requests[0].body) == [A, B]


def test_a_replaced_file_is_found_though_its_version_does_not_list_it(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    version_id = stand_in.add_file(A, 1024, is_replaced=True)
    stand_in.add_file(B, 1024, version_id=version_id)
    replies = client.versions_by_hash([A, B, C, D])
    assert version_ids(replies) == {A: version_id, B: version_id}
    assert [file.hashes["SHA256"] for file in replies.found[A].version.files] == [B]
    assert asked(stand_in) == [("POST", IDS), ("POST", BATCH)]


def test_an_archived_model_is_found_though_it_lists_no_files(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    version_id = stand_in.add_file(A, 1024, mode="Archived")
    version = client.versions_by_hash([A, B]).found[A].version
    assert (version.id, version.mode, version.files, version.download_url) == (version_id, "Archived", (), None)


def test_a_known_hash_that_a_batch_leaves_out_is_asked_for_alone(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    first, second = stand_in.add_file(A, 1024), stand_in.add_file(B, 1024)
    stand_in.mood_for = lambda request: without(first) if request.path == BATCH else None
    assert version_ids(client.versions_by_hash([A, B])) == {A: first, B: second}
    assert asked(stand_in) == [("POST", IDS), ("POST", BATCH), ("GET", f"{BATCH}/{A}")]


def test_the_oldest_version_is_chosen_though_a_batch_leaves_it_out(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    newer = stand_in.add_file(A, 1024, published_at="2025-02-01T00:00:00.000Z")
    older = stand_in.add_file(A, 1024, published_at="2025-01-01T00:00:00.000Z")
    stand_in.mood_for = lambda request: without(older) if request.path == BATCH else None
    replies = client.versions_by_hash([A, B])
    assert version_ids(replies) == {A: older}
    assert [each.version_id for each in replies.found[A].alternates] == [newer]
    stand_in.requests.clear()
    assert version_ids(client.versions_by_hash([A, B], {A: {newer}})) == {A: newer}
    assert len(posted(stand_in)) == len(stand_in.requests)


def test_while_the_oldest_version_may_be_there_no_other_is_chosen(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    stand_in.add_file(A, 1024, published_at="2025-02-01T00:00:00.000Z")
    older = stand_in.add_file(A, 1024, published_at="2025-01-01T00:00:00.000Z")
    stand_in.add_file(B, 1024)
    stand_in.mood_for = lambda request: (
        without(older) if request.path == BATCH else crashed if request.method == "GET" else None
    )
    replies = client.versions_by_hash([A, B])
    assert {*replies.found} == {B}
    assert {*replies.unanswered} == {A}


def test_bytes_published_twice_belong_to_the_older_version_however_they_are_asked_for(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    undated = stand_in.add_file(A, 1024, published_at=None)
    newer = stand_in.add_file(A, 1024, published_at="2025-02-01T00:00:00.000Z", model_id=7)
    older = stand_in.add_file(A, 1024, published_at="2025-01-01T00:00:00.000Z")
    assert version_ids(client.versions_by_hash([A])) == {A: older}
    replies = client.versions_by_hash([A, B])
    assert version_ids(replies) == {A: older}
    assert replies.found[A].alternates[0] == Alternate(newer, 7, "2025-02-01T00:00:00.000Z")
    assert [each.version_id for each in replies.found[A].alternates] == [newer, undated]


def test_a_preferred_version_is_chosen_if_it_holds_the_hash(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    older = stand_in.add_file(A, 1024, published_at="2025-01-01T00:00:00.000Z")
    newer = stand_in.add_file(A, 1024, published_at="2025-02-01T00:00:00.000Z")
    stranger = stand_in.add_file(B, 1024)
    assert version_ids(client.versions_by_hash([A], {A: {newer}})) == {A: newer}
    assert version_ids(client.versions_by_hash([A, B], {A.lower(): {newer}})) == {A: newer, B: stranger}
    assert version_ids(client.versions_by_hash([A], {A: {stranger}})) == {A: older}


def test_ids_learnt_ahead_spare_their_question_later(
    stand_in: CivitaiStandIn, client: CivitaiClient, clock: FakeClock
) -> None:
    hashes = many(stand_in, 4)
    client.versions_by_hash(hashes[:2], ahead=[*hashes, C, D])
    clock.advance(REMEMBERED_SECONDS - 1)
    assert client.versions_by_hash([*hashes[2:], C]).found.keys() == set(hashes[2:])
    assert client.versions_by_hash([D]).found == {}
    assert [path for _, path in asked(stand_in)] == [IDS, BATCH, BATCH]


def test_ids_learnt_ahead_serve_once_and_not_for_long(
    stand_in: CivitaiStandIn, client: CivitaiClient, clock: FakeClock
) -> None:
    client.versions_by_hash([A, B], ahead=[C, D])
    client.versions_by_hash([A, B])
    assert len(posted(stand_in)) == 2
    clock.advance(REMEMBERED_SECONDS)
    client.versions_by_hash([C, D])
    assert len(posted(stand_in)) == 3


def test_only_what_the_server_says_now_will_do_for_a_fresh_question(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    client.versions_by_hash([A, B], ahead=[C, D])
    stand_in.add_file(C, 1024)
    assert client.versions_by_hash([C, D], is_fresh=True).found.keys() == {C}


def test_no_more_than_a_thousand_are_asked_for_ahead(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    ahead = [f"{number:064x}" for number in range(5000)]
    client.versions_by_hash([A, B], ahead=ahead)
    client.versions_by_hash([C, D], ahead=ahead)
    client.versions_by_hash([A, D], ahead=ahead)
    assert [len(hashes) for _, hashes in posted(stand_in)] == [1000] * 3
    assert len(client._batches._remembered._kept) <= 2000


def test_known_ids_are_told_without_bodies(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    first = stand_in.add_file(A, 1024, model_id=5)
    second = stand_in.add_file(A, 1024, model_id=6)
    known = client.known_ids([A.lower(), B])
    assert known == {A.lower(): (Alternate(first, 5, None), Alternate(second, 6, None))}
    assert client.versions_by_hash([B]).found == {}
    assert asked(stand_in) == [("POST", IDS)]


def test_known_ids_of_a_server_that_only_speaks_get_come_from_the_versions(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    version_id = stand_in.add_file(A, 1024, model_id=5, published_at="2025-01-01T00:00:00.000Z")
    stand_in.mood_for = lambda request: method_not_allowed if request.method == "POST" else None
    assert client.known_ids([A, B]) == {A: (Alternate(version_id, 5, "2025-01-01T00:00:00.000Z"),)}
    stand_in.mood_for = lambda request: method_not_allowed if request.method == "POST" else crashed
    with pytest.raises(CivitaiUnavailable):
        client.known_ids([C, D])


@pytest.mark.parametrize("mood", [method_not_allowed, wrong_address])
def test_a_server_that_only_speaks_get_is_asked_hash_by_hash(
    stand_in: CivitaiStandIn, client: CivitaiClient, mood: Mood
) -> None:
    stand_in.add_file(A, 1024)
    stand_in.mood_for = lambda request: mood if request.method == "POST" else None
    assert client.versions_by_hash([A, B]).found.keys() == {A}
    assert [method for method, _ in asked(stand_in)] == ["POST", "GET", "GET"]


def test_a_server_that_loses_its_batches_is_ill_first_and_changed_after_that(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    hashes = many(stand_in, 2)
    client.versions_by_hash(hashes)
    stand_in.mood_for = lambda request: wrong_address if request.method == "POST" else None
    with pytest.raises(CivitaiUnavailable, match="any more"):
        client.versions_by_hash(hashes)
    assert client.versions_by_hash(hashes).found.keys() == set(hashes)


@pytest.mark.parametrize("path", [IDS, BATCH])
def test_one_hash_that_spoils_every_batch_costs_no_other_and_few_requests(
    stand_in: CivitaiStandIn, client: CivitaiClient, path: str
) -> None:
    hashes = many(stand_in, 100)
    refuse = spoilt(lambda asked_for: hashes[70] in asked_for)
    stand_in.mood_for = lambda request: refuse(request) if request.path == path else None
    assert client.versions_by_hash(hashes).found.keys() == set(hashes)
    assert len(stand_in.requests) < 18


def test_a_hash_that_is_refused_alone_too_is_not_answered_and_not_unknown(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    hashes = many(stand_in, 20)
    refuse = spoilt(lambda asked_for: hashes[3] in asked_for)
    stand_in.mood_for = lambda request: malformed if hashes[3] in request.path else refuse(request)
    replies = client.versions_by_hash(hashes)
    assert replies.found.keys() == {*hashes} - {hashes[3]}
    assert replies.unanswered.keys() == {hashes[3]}
    assert isinstance(replies.unanswered[hashes[3]], CivitaiRefused)


def test_a_server_that_refuses_every_batch_is_asked_alone(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    hashes = many(stand_in, 8)
    stand_in.mood_for = lambda request: malformed if request.method == "POST" else None
    assert client.versions_by_hash(hashes).found.keys() == set(hashes)
    assert [method for method, _ in asked(stand_in)] == ["POST"] * 3 + ["GET"] * 8


def test_a_server_that_refuses_everything_is_soon_left_alone(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    hashes = many(stand_in, 100)
    stand_in.mood_for = lambda _: malformed
    with pytest.raises(CivitaiRefused):
        client.versions_by_hash(hashes)
    assert len(stand_in.requests) == 6


@pytest.mark.parametrize("path", [IDS, BATCH])
@pytest.mark.parametrize("mood", [crashed, timed_out_at_edge, reset])
def test_one_hash_that_crashes_the_server_holds_up_no_other_for_long(
    stand_in: CivitaiStandIn, client: CivitaiClient, mood: Mood, path: str
) -> None:
    hashes = many(stand_in, 100)

    def mood_for(request: RecordedRequest) -> Mood | None:
        is_hit = hashes[70] in request.path or (request.path == path and hashes[70] in json.loads(request.body))
        return mood if is_hit else None

    stand_in.mood_for = mood_for
    with pytest.raises(CivitaiUnavailable):
        client.versions_by_hash(hashes)
    replies = client.versions_by_hash(hashes)
    assert {*replies.found} == {*hashes} - {hashes[70]}
    assert {*replies.unanswered} == {hashes[70]}
    assert len(stand_in.requests) < 24


def test_an_outage_of_batches_costs_few_requests_however_often_they_are_tried_again(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    hashes = many(stand_in, 300)
    stand_in.mood_for = lambda request: None if request.path == IDS else crashed
    for _ in range(9):
        with pytest.raises(CivitaiUnavailable):
            client.versions_by_hash(hashes)
    assert len(stand_in.requests) < 16


@pytest.mark.parametrize("mood", [rate_limited("60"), overloaded])
def test_a_server_that_asks_to_wait_is_not_asked_in_halves(
    stand_in: CivitaiStandIn, clock: FakeClock, mood: Mood
) -> None:
    hashes = many(stand_in, 100)
    settings = ClientSettings(base_url=stand_in.base_url, rate_limit_per_minute=None)
    with CivitaiClient(settings, clock, clock.sleep) as client:
        stand_in.mood_for = lambda request: mood if request.path == BATCH else None
        for _ in range(3):
            with pytest.raises(CivitaiUnavailable):
                client.versions_by_hash(hashes)
            clock.advance(100)
        assert [path for path, _ in posted(stand_in) if path == BATCH] == [BATCH] * 3
        assert len(stand_in.requests) == len(posted(stand_in))


def test_which_batches_have_failed_is_not_remembered_without_end(
    stand_in: CivitaiStandIn, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_FAILED", 4)
    settings = ClientSettings(base_url=stand_in.base_url, rate_limit_per_minute=None)
    with CivitaiClient(settings, clock, clock.sleep) as client:
        stand_in.mood_for = lambda request: crashed if request.path == IDS else None
        for number in range(0, 90, 3):
            with pytest.raises(CivitaiUnavailable):
                client.versions_by_hash([f"{each:064X}" for each in range(number, number + 3)])
            clock.advance(3600)
        assert len(client._batches._failed[IDS.removeprefix("/api/v1/")]) <= 9


@pytest.mark.parametrize("mood", [page, truncated, crashed, overloaded])
def test_a_batch_of_ids_that_is_not_answered_leaves_nothing_known(
    stand_in: CivitaiStandIn, client: CivitaiClient, mood: Mood
) -> None:
    hashes = many(stand_in, 2)
    stand_in.moods.append(mood)
    with pytest.raises(CivitaiUnavailable):
        client.versions_by_hash(hashes)
    assert len(stand_in.requests) == 1
    assert client.versions_by_hash(hashes).found.keys() == set(hashes)


def test_what_one_batch_has_given_is_kept_when_the_next_fails(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    hashes = many(stand_in, 250)
    bodies: Iterator[Mood | None] = iter([None, overloaded])
    stand_in.mood_for = lambda request: next(bodies) if request.path == BATCH else None
    replies = client.versions_by_hash([*hashes, C])
    assert replies.found.keys() == set(hashes[:100])
    assert replies.unanswered.keys() == set(hashes[100:])
    assert isinstance(replies.unanswered[hashes[-1]], CivitaiUnavailable)


def test_a_single_question_that_fails_costs_only_its_own_hash(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    hashes = many(stand_in, 4)

    def nothing(_: Reply) -> Reply:
        return json_reply([])

    def mood_for(request: RecordedRequest) -> Mood | None:
        if request.path == BATCH:
            return nothing
        return crashed if request.path.endswith(hashes[0]) else None

    stand_in.mood_for = mood_for
    replies = client.versions_by_hash(hashes)
    assert replies.found.keys() == set(hashes[1:])
    assert replies.unanswered.keys() == {hashes[0]}


def test_a_known_hash_that_has_no_record_is_a_miss(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    first, second = many(stand_in, 2)

    def nothing(_: Reply) -> Reply:
        return json_reply([])

    def gone(_: Reply) -> Reply:
        return json_reply({"error": "Missing model file"}, 404)

    stand_in.mood_for = lambda request: (
        nothing if request.path == BATCH else gone if request.path.endswith(first) else None
    )
    replies = client.versions_by_hash([first, second])
    assert replies.found.keys() == {second}
    assert replies.unanswered == {}


@pytest.mark.parametrize("size", [2500, 9000])
def test_a_batch_that_is_too_large_to_hold_is_asked_for_in_parts(stand_in: CivitaiStandIn, size: int) -> None:
    hashes = many(stand_in, 8)
    settings = ClientSettings(base_url=f"{stand_in.base_url}/", max_body_bytes=size)
    with CivitaiClient(settings) as client:
        assert client.versions_by_hash(hashes).found.keys() == set(hashes)
        assert client._batches._size.size == 25


def test_a_batch_of_more_values_than_records_have_is_asked_hash_by_hash(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    stand_in.add_file(A, 1024)
    flood = Reply(200, b"[" + b"0," * 1_000_001 + b"0]")
    stand_in.mood_for = lambda request: (lambda _: flood) if request.path == BATCH else None
    assert client.versions_by_hash([A, B]).found.keys() == {A}
    assert [method for method, _ in asked(stand_in)] == ["POST", "POST", "GET"]


@pytest.mark.parametrize("body", [{"error": "x"}, {"hashes": []}])
def test_a_batch_answer_that_is_no_list_is_no_answer(
    stand_in: CivitaiStandIn, client: CivitaiClient, body: dict[str, str]
) -> None:
    stand_in.moods.append(lambda _: json_reply({**body}))
    with pytest.raises(CivitaiUnavailable, match="not a list"):
        client.versions_by_hash([A, B])


def test_foreign_entries_in_a_batch_are_ignored(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024)

    def with_strangers(reply: Reply) -> Reply:
        return json_reply([None, 7, {"id": "x"}, {"id": 99, "files": []}, *json.loads(reply.body)])

    stand_in.moods.extend([with_strangers, with_strangers])
    assert client.versions_by_hash([A, B, C]).found.keys() == {A}


def test_batches_shrink_while_the_server_has_trouble_with_them(stand_in: CivitaiStandIn, clock: FakeClock) -> None:
    hashes = many(stand_in, 40)
    limits = AdaptiveBatch(min_size=5, max_size=40)
    settings = ClientSettings(base_url=stand_in.base_url, rate_limit_per_minute=None, adaptive_batch=limits)
    with CivitaiClient(settings, clock, clock.sleep) as client:
        client.versions_by_hash(hashes[:5])
        assert client.most_at_once == 40
        stand_in.mood_for = lambda request: None if request.path == IDS else crashed
        for _ in range(30):
            with pytest.raises(CivitaiUnavailable):
                client.versions_by_hash(hashes)
            clock.advance(3600)
        assert client.most_at_once == 5
        stand_in.mood_for = None
        stand_in.requests.clear()
        assert client.versions_by_hash(hashes).found.keys() == set(hashes)
        assert len(stand_in.requests) == 9


def test_many_are_asked_for_at_once_only_when_the_server_has_shown_that_it_answers_many(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    few = client.most_at_once
    assert few < 10
    client.versions_by_hash([A])
    assert client.most_at_once == few
    client.versions_by_hash([A, B])
    assert client.most_at_once == 100
    stand_in.mood_for = lambda request: method_not_allowed if request.method == "POST" else None
    with pytest.raises(CivitaiUnavailable):
        client.versions_by_hash([A, B])
    assert client.most_at_once == few


def test_a_redirected_batch_is_still_a_batch(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024)
    moved = replace(Reply(307, b""), headers={"Location": IDS})
    stand_in.moods.append(lambda _: moved)
    assert client.versions_by_hash([A, B]).found.keys() == {A}


def test_ids_outlive_a_question_of_bodies_that_failed(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    hashes = many(stand_in, 2)
    stand_in.mood_for = lambda request: overloaded if request.path == BATCH else None
    assert client.versions_by_hash([*hashes, C]).unanswered.keys() == set(hashes)
    stand_in.mood_for = None
    assert client.versions_by_hash(hashes).found.keys() == set(hashes)
    assert [path for _, path in asked(stand_in)] == [IDS, BATCH, BATCH]


def test_a_hash_that_is_known_no_more_is_forgotten_in_time(
    stand_in: CivitaiStandIn, client: CivitaiClient, clock: FakeClock
) -> None:
    version_id = stand_in.add_file(C, 1024)
    client.versions_by_hash([A, B], ahead=[C])
    stand_in.records.versions[version_id].body["status"] = "Unpublished"
    clock.advance(REMEMBERED_SECONDS)
    assert client.known_ids([C]) == {}
    assert client.versions_by_hash([C, D]).found == {}
