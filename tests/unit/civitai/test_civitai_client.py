"""The facade's single questions against the stand-in: models, versions, weights, searches, images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.client import CivitaiClient, ClientSettings
from modelshelf.civitai.pages import MOST_PAGES
from modelshelf.civitai.settings import BreakerSettings, CacheSettings
from modelshelf.errors import CivitaiForbids, CivitaiRefused, CivitaiUnavailable
from tests.fakes.civitai_moods import (
    crashed,
    forbidden,
    malformed,
    overloaded,
    page,
    rate_limited,
    region_blocked,
    reset,
)
from tests.fakes.civitai_wire import Reply, json_reply
from tests.unit.civitai.fetching import fetched

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonValue
    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import RecordedRequest

A, B, C = ("A" * 64, "B" * 64, "C" * 64)
WEIGHTS, OTHER_WEIGHTS, EMPTY = "0123456789AB", "BA9876543210", "E3B0C44298FC"
BY_HASH = "/api/v1/model-versions/by-hash"


def asked(stand_in: CivitaiStandIn) -> list[str]:
    return [each.path for each in stand_in.requests]


def with_models(stand_in: CivitaiStandIn, *model_ids: int) -> None:
    for each in model_ids:
        stand_in.add_file(f"{each:064X}", 1024, model_id=each, name=f"Model {each}", images=0)


def test_a_model_is_fetched_by_its_id(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024, model_id=5, name="Fish", tags=["sea"], creator="ann")
    stand_in.add_file(B, 1024, model_id=5, version_name="v2")
    model = client.get_model(5)
    assert model is not None
    assert (model.id, model.name, model.tags, model.creator) == (5, "Fish", ("sea",), "ann")
    assert model.license.allow_commercial_use == ("Image", "RentCivit")
    assert [each.name for each in model.versions] == ["v1.0", "v2"]
    assert stand_in.requests[0].headers["accept"] == "application/json"
    assert client.get_parent_model_with_versions(5) == model


def test_a_model_that_is_not_shown_is_none(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024, model_id=5, availability="Private")
    assert client.get_model(5) is None
    assert client.get_model(6) is None
    assert client.get_model_by_hash(A) is None
    assert client.versions_by_hash([A]).found[A].version.model_id == 5


def test_a_model_is_found_by_the_hash_of_one_of_its_files(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024, model_id=5, name="Fish")
    found = client.get_model_by_hash(A[:10])
    assert found is not None
    assert found.name == "Fish"
    assert client.get_model_by_hash(B) is None


def test_a_version_is_fetched_by_its_id(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    version_id = stand_in.add_file(A, 1024, name="Fish")
    found = client.get_model_version(version_id)
    assert found is not None
    assert (found.id, found.model_name) == (version_id, "Fish")
    assert client.get_model_version(version_id + 1) is None


@pytest.mark.parametrize("odd", [{"id": 77}, {"id": "5"}, {}, []])
def test_a_record_of_another_id_is_no_answer_and_is_not_kept_as_one(
    stand_in: CivitaiStandIn, tmp_path: Path, odd: JsonValue
) -> None:
    stand_in.add_file(A, 1024, model_id=5, version_id=6)
    settings = ClientSettings(
        base_url=stand_in.base_url, rate_limit_per_minute=None, cache=CacheSettings(tmp_path, memory_count=9)
    )
    with CivitaiClient(settings) as client:
        for ask, own_id in ((client.get_model, 5), (client.get_model_version, 6)):
            stand_in.mood_for = lambda _: lambda _: json_reply(odd)
            for is_fresh in (True, False):
                with pytest.raises(CivitaiUnavailable, match="something else"):
                    ask(own_id, is_fresh=is_fresh)
            stand_in.mood_for = None
            found = ask(own_id)
            assert found is not None
            assert found.id == own_id
        assert client.get_models([5, 6]).unanswered == {}


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**70])
def test_a_number_that_is_no_id_is_never_asked(stand_in: CivitaiStandIn, client: CivitaiClient, number: int) -> None:
    assert client.get_model(number) is None
    assert client.get_model_version(number) is None
    assert client.get_images(number) == []
    assert client.get_models([number]).found == {}
    assert stand_in.requests == []


def test_a_version_is_found_by_every_hash_that_tells_files_apart(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    version_id = stand_in.add_file({"SHA256": A, "BLAKE3": B, "AutoV3": WEIGHTS}, 1024)
    for each in (A, A.lower(), B, WEIGHTS.lower(), A[:10]):
        found = client.get_model_version_by_hash(each)
        assert found is not None
        assert found.id == version_id
    assert all(path == path.upper() for path in (each.removeprefix(BY_HASH) for each in asked(stand_in)))


def test_hashes_that_many_files_share_are_never_asked(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file({"SHA256": A, "AutoV1": "DE2F2560", "CRC32": "B6D1BAE9", "AutoV3": EMPTY}, 1024)
    for each in ("DE2F2560", "B6D1BAE9", EMPTY, EMPTY.lower()):
        assert client.get_model_version_by_hash(each) is None
        assert client.version_by_weights(each) is None
    assert stand_in.requests == []


def test_the_same_weights_under_another_header_are_found(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    version_id = stand_in.add_file({"SHA256": A, "AutoV3": WEIGHTS}, 1024)
    found = client.version_by_weights(WEIGHTS.lower())
    assert found is not None
    assert found.id == version_id
    assert client.version_by_weights(OTHER_WEIGHTS) is None
    assert asked(stand_in) == [f"{BY_HASH}/{WEIGHTS}", f"{BY_HASH}/{OTHER_WEIGHTS}"]


@pytest.mark.parametrize("hashes", [{}, {"AutoV3": OTHER_WEIGHTS}, {"SHA256": WEIGHTS}, {"AutoV2": WEIGHTS}])
def test_weights_are_not_believed_of_a_version_that_does_not_list_them(
    stand_in: CivitaiStandIn, client: CivitaiClient, hashes: dict[str, JsonValue]
) -> None:
    stand_in.moods.append(lambda _: json_reply({"id": 1, "files": [{"hashes": hashes}]}))
    assert client.version_by_weights(WEIGHTS) is None


@pytest.mark.parametrize("listed", [WEIGHTS + "0" * 52, WEIGHTS.lower()])
def test_weights_are_believed_however_they_are_written(
    stand_in: CivitaiStandIn, client: CivitaiClient, listed: str
) -> None:
    stand_in.moods.append(lambda _: json_reply({"id": 1, "files": [None, {"hashes": {"AutoV3": listed}}]}))
    assert client.version_by_weights(WEIGHTS) is not None


@pytest.mark.parametrize("hash_of_weights", [WEIGHTS * 2, WEIGHTS[:8], WEIGHTS[:10], A, ""])
def test_weights_have_twelve_digits(stand_in: CivitaiStandIn, client: CivitaiClient, hash_of_weights: str) -> None:
    assert client.version_by_weights(hash_of_weights) is None
    assert stand_in.requests == []


@pytest.mark.parametrize("body", [[], {"id": "x"}, {}])
def test_an_answer_that_is_no_version_is_no_answer(
    stand_in: CivitaiStandIn, client: CivitaiClient, body: object
) -> None:
    stand_in.moods.append(lambda _: json_reply(body))  # type: ignore[arg-type]
    with pytest.raises(CivitaiUnavailable, match="not a model version"):
        client.versions_by_hash([A])


def test_models_come_by_the_hundred_and_those_left_out_alone(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    with_models(stand_in, *range(1, 151))
    stand_in.add_file(A, 1024, model_id=200, mode="Archived")
    stand_in.add_file(B, 1024, model_id=201, minor=True)
    stand_in.add_file(C, 1024, model_id=202, nsfw=True, nsfw_level=8)
    stand_in.requests.clear()
    wanted = [*range(151, 0, -1), 200, 201, 202, 5]
    replies = client.get_models(wanted)
    assert replies.found.keys() == {*range(1, 151), 200, 201, 202}
    assert replies.unanswered == {}
    assert all(each == model.id for each, model in replies.found.items())
    assert [each.query.get("ids", "").count(",") + 1 for each in stand_in.requests if each.query] == [100, 54]
    assert [each.path for each in stand_in.requests if not each.query] == [
        f"/api/v1/models/{each}" for each in (151, 200, 201)
    ]
    assert all(each.query["nsfw"] == "true" for each in stand_in.requests if each.query)


def test_one_model_is_asked_for_alone(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    with_models(stand_in, 5)
    assert client.get_models([5, 5]).found[5].name == "Model 5"
    assert client.get_models([]).found == {}
    assert asked(stand_in) == ["/api/v1/models/5"]


def test_a_list_that_comes_in_pages_is_read_to_its_end(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    with_models(stand_in, 1, 2, 3)

    def first(reply: Reply) -> Reply:
        body = json.loads(reply.body)
        return json_reply({"items": [None, 7, *body["items"][:1]], "metadata": {"nextCursor": 1}})

    stand_in.moods.append(first)
    assert client.get_models([1, 2, 3]).found.keys() == {1, 2, 3}
    assert [each.query.get("cursor") for each in stand_in.requests] == [None, "1"]


@pytest.mark.parametrize("cursor", ["after-7", 7])
def test_a_list_without_end_is_left(stand_in: CivitaiStandIn, client: CivitaiClient, cursor: str | int) -> None:
    with_models(stand_in, 1)
    stand_in.mood_for = lambda request: (
        (lambda _: json_reply({"items": [], "metadata": {"nextCursor": cursor}})) if request.query else None
    )
    assert client.get_models([1, 2]).found.keys() == {1}
    assert [each for each in asked(stand_in) if "?" not in each] == ["/api/v1/models/1", "/api/v1/models/2"]
    assert len(stand_in.requests) == 3


@pytest.mark.parametrize(("published", "lists"), [({1, 2, 3}, 1), ({1, 2}, 2)])
def test_a_list_of_models_is_left_when_all_have_come_or_none_comes_any_more(
    stand_in: CivitaiStandIn, client: CivitaiClient, published: set[int], lists: int
) -> None:
    with_models(stand_in, *published)

    def endless(reply: Reply) -> Reply:
        return json_reply({**json.loads(reply.body), "metadata": {"nextCursor": len(stand_in.requests)}})

    stand_in.mood_for = lambda request: endless if request.query else None
    assert client.get_models([1, 2, 3]).found.keys() == published
    assert len([each for each in stand_in.requests if each.query]) == lists


def test_a_search_whose_cursors_never_repeat_is_left(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.mood_for = lambda _: (
        lambda _: json_reply({"items": [], "metadata": {"nextCursor": len(stand_in.requests)}})
    )
    assert client.search_models("fish") == []
    assert len(stand_in.requests) == MOST_PAGES


def test_models_that_nobody_asked_for_are_passed_over(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    with_models(stand_in, 1, 2)

    def with_strangers(reply: Reply) -> Reply:
        items = json.loads(reply.body)["items"]
        return json_reply({"items": [{"id": 99}, {"id": "1"}, {}, *items, *items], "metadata": None})

    stand_in.moods.append(with_strangers)
    assert client.get_models([1, 2]).found.keys() == {1, 2}
    assert len(stand_in.requests) == 1


@pytest.mark.parametrize("mood", [overloaded, rate_limited("7"), region_blocked, forbidden])
def test_a_list_that_is_not_answered_makes_no_model_unknown(
    stand_in: CivitaiStandIn, client: CivitaiClient, mood: Mood
) -> None:
    with_models(stand_in, 1, 2)
    stand_in.moods.append(mood)
    with pytest.raises((CivitaiUnavailable, CivitaiForbids)):
        client.get_models([1, 2])
    assert len(stand_in.requests) == 1


@pytest.mark.parametrize("mood", [crashed, page, reset])
def test_models_that_a_server_fails_over_cost_the_others_of_their_list_nothing(
    stand_in: CivitaiStandIn, client: CivitaiClient, mood: Mood
) -> None:
    with_models(stand_in, *range(1, 65))
    ill = {7, 50}

    def of_ill_ones(request: RecordedRequest) -> Mood | None:
        ids = request.query.get("ids", request.path.rpartition("/")[2]).split(",")
        return mood if ill & set(map(int, ids)) else None

    stand_in.mood_for = of_ill_ones
    replies = client.get_models(range(1, 65))
    assert replies.found.keys() == {*range(1, 65)} - ill
    assert replies.unanswered.keys() == ill
    assert len(stand_in.requests) < 30


def test_a_server_that_answers_no_list_at_all_is_soon_left_alone(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    stand_in.mood_for = lambda _: crashed
    with pytest.raises(CivitaiUnavailable):
        client.get_models(range(1, 101))
    assert len(stand_in.requests) == BreakerSettings().failure_threshold


def test_a_list_that_is_refused_is_asked_for_one_by_one(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    with_models(stand_in, 1, 2)
    stand_in.mood_for = lambda request: malformed if request.query else None
    assert client.get_models([1, 2]).found.keys() == {1, 2}


def test_a_list_without_items_is_no_answer(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.moods.append(lambda _: json_reply({"metadata": {}}))
    with pytest.raises(CivitaiUnavailable, match="not a list"):
        client.search_models("fish")


def test_what_a_list_has_given_is_kept_when_a_model_alone_is_not_answered(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    with_models(stand_in, 1, 2)
    stand_in.add_file(A, 1024, model_id=3, mode="Archived")
    stand_in.mood_for = lambda request: crashed if request.path.endswith("/3") else None
    replies = client.get_models([1, 2, 3])
    assert replies.found.keys() == {1, 2}
    assert replies.unanswered.keys() == {3}


def test_after_three_failures_in_a_row_the_rest_is_left_for_later(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    for each in range(1, 9):
        stand_in.add_file(f"{each:064X}", 1024, model_id=each, mode="Archived")
    with_models(stand_in, 9)
    stand_in.mood_for = lambda request: None if request.query or request.path.endswith("/2") else crashed
    replies = client.get_models(range(1, 10))
    assert replies.found.keys() == {2, 9}
    assert replies.unanswered.keys() == {1, 3, 4, 5, 6, 7, 8}
    assert len(stand_in.requests) == 6


def test_after_one_answer_that_is_meant_for_all_the_rest_is_left(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    stand_in.mood_for = lambda request: None if request.query else region_blocked
    with pytest.raises(CivitaiForbids):
        client.get_models([1, 2, 3])
    assert len(stand_in.requests) == 2


def test_models_are_searched_for_by_words(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024, name="Red Fish", model_type="LORA")
    stand_in.add_file(B, 1024, name="Blue Fish", model_type="Checkpoint")
    stand_in.add_file(C, 1024, name="Bird")
    assert [each.name for each in client.search_models("fish")] == ["Red Fish", "Blue Fish"]
    assert [each.name for each in client.search_models("fish", model_type="LORA")] == ["Red Fish"]
    assert [each.name for each in client.search_models("fish", limit=1)] == ["Red Fish"]
    assert client.search_models("horse & cart") == []


def test_images_of_a_version_come_page_by_page_with_their_levels(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    version_id = stand_in.add_file(A, 1024, images=120, videos=3)
    stand_in.records.versions[version_id].body["images"][0]["nsfwLevel"] = 16  # type: ignore[index,call-overload]
    images = client.get_images(version_id, limit=123)
    assert len(images) == 123
    assert images[0].nsfw_level == 16
    assert {each.nsfw_level for each in images[1:]} == {1}
    assert [each.type for each in images[-3:]] == ["video"] * 3
    assert images[1].prompt
    assert len(stand_in.requests) == 2
    assert len(client.get_images(version_id)) == 20
    assert len(client.get_images(version_id, browsing_level="None", limit=200)) == 122


def test_images_of_a_version_that_nobody_knows_are_none(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    assert client.get_images(7) == []
    assert len(stand_in.requests) == 1


def test_a_fresh_answer_passes_over_what_was_answered_before(stand_in: CivitaiStandIn, tmp_path: Path) -> None:
    with_models(stand_in, 1, 2)
    settings = ClientSettings(
        base_url=stand_in.base_url, rate_limit_per_minute=None, cache=CacheSettings(tmp_path, memory_count=9)
    )
    with CivitaiClient(settings) as client:
        for is_fresh in (False, False, True):
            client.get_model(1, is_fresh=is_fresh)
            client.get_model_version(1001, is_fresh=is_fresh)
            client.get_models([1, 2], is_fresh=is_fresh)
            client.versions_by_hash([f"{1:064X}"], is_fresh=is_fresh)
    assert len([each for each in stand_in.requests if each.method == "GET"]) == 8


def test_nothing_leaves_where_outgoing_requests_are_forbidden(stand_in: CivitaiStandIn, tmp_path: Path) -> None:
    picture = f"{stand_in.origin}/images/u/width=1/1.jpeg"
    with CivitaiClient(ClientSettings(base_url=stand_in.base_url, is_outgoing_forbidden=True)) as client:
        for ask in (
            lambda: client.versions_by_hash([A]),
            lambda: client.versions_by_hash([A, B]),
            lambda: client.known_ids([A]),
            lambda: client.get_models([1, 2]),
            lambda: client.get_model(1),
            lambda: client.get_images(1),
            lambda: fetched(client, picture, 9),
            lambda: client.download_image(picture, tmp_path / "x", 9),
        ):
            with pytest.raises(CivitaiUnavailable, match="forbidden") as caught:
                ask()
            assert caught.value.retry_after_seconds
    assert stand_in.requests == []


def test_the_rate_limit_counts_api_requests_and_not_pictures(stand_in: CivitaiStandIn) -> None:
    slept: list[float] = []
    settings = ClientSettings(base_url=stand_in.base_url, rate_limit_per_minute=6)
    with CivitaiClient(settings, sleep=slept.append) as client:
        fetched(client, f"{stand_in.origin}/images/u/width=8/1.jpeg", 10_000)
        client.get_model(1)
        assert slept == []
        client.get_model(2)
    assert slept == [pytest.approx(10, abs=1)]


def test_a_refusal_of_a_list_of_models_by_the_key_is_final(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.mood_for = lambda _: malformed
    with pytest.raises(CivitaiRefused):
        client.get_models([1, 2, 3, 4])
    assert len(stand_in.requests) == 4
