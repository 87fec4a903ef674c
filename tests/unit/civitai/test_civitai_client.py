"""The client against the stand-in, asking for what it is made for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.client import CivitaiClient, ClientSettings
from modelshelf.errors import CivitaiUnavailable
from tests.fakes.civitai_moods import method_not_allowed, page, truncated, wrong_address
from tests.fakes.civitai_wire import Reply, json_reply

if TYPE_CHECKING:
    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import RecordedRequest

A, B, C, D = ("A" * 64, "B" * 64, "C" * 64, "D" * 64)
IDS = "/api/v1/model-versions/by-hash/ids"
BATCH = "/api/v1/model-versions/by-hash"


def asked(stand_in: CivitaiStandIn) -> list[tuple[str, str]]:
    return [(each.method, each.path) for each in stand_in.requests]


def test_one_hash_is_asked_for_in_upper_case(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    version_id = stand_in.add_file(A, 1024, name="Fish", trained_words=["fish"])
    found = client.versions_by_hash([A.lower()])
    assert found[A.lower()].id == version_id
    assert found[A.lower()].model_name == "Fish"
    assert asked(stand_in) == [("GET", f"{BATCH}/{A}")]


def test_several_hashes_travel_in_one_request(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    first, second = stand_in.add_file(A, 1024), stand_in.add_file(B, 1024)
    found = client.versions_by_hash([A, B, C, A])
    assert {sha256: version.id for sha256, version in found.items()} == {A: first, B: second}
    assert asked(stand_in) == [("POST", BATCH)]
    assert json.loads(stand_in.requests[0].body) == [A, B, C]


def test_the_broken_addresses_of_a_batch_are_mended(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    version_id = stand_in.add_file(A, 1024)
    version = client.versions_by_hash([A, B])[A]
    assert "https://undefined/" in str(version.body["downloadUrl"])
    assert version.download_url == f"https://civitai.com/api/download/models/{version_id}"


def test_more_than_a_hundred_hashes_go_in_groups(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    hashes = [f"{number:064X}" for number in range(201)]
    for each in hashes:
        stand_in.add_file(each, 1024, images=0)
    assert client.versions_by_hash(hashes).keys() == set(hashes)
    assert [method for method, _ in asked(stand_in)] == ["POST", "POST", "GET"]


def test_a_miss_is_absent(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    assert client.versions_by_hash([A]) == {}
    assert client.versions_by_hash([A, B]) == {}
    assert client.versions_by_hash([]) == {}
    assert len(stand_in.requests) == 2


@pytest.mark.parametrize("malformed", ["", "AB", "G" * 64, "A" * 65, "A" * 63 + "\n", "../../me", "²" * 64])
def test_a_malformed_hash_never_reaches_the_wire(
    stand_in: CivitaiStandIn, client: CivitaiClient, malformed: str
) -> None:
    assert client.versions_by_hash([malformed]) == {}
    assert stand_in.requests == []


def test_a_replaced_file_is_found_though_its_version_does_not_list_it(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    version_id = stand_in.add_file(A, 1024, is_replaced=True)
    stand_in.add_file(B, 1024, version_id=version_id)
    found = client.versions_by_hash([A, B, C, D])
    assert {sha256: version.id for sha256, version in found.items()} == {A: version_id, B: version_id}
    assert [file.hashes["SHA256"] for file in found[A].files] == [B]
    assert asked(stand_in) == [("POST", BATCH), ("POST", IDS), ("GET", f"{BATCH}/{A}")]


def test_an_archived_model_is_found_though_it_lists_no_files(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    version_id = stand_in.add_file(A, 1024, mode="Archived")
    version = client.versions_by_hash([A, B])[A]
    assert (version.id, version.mode, version.files, version.download_url) == (version_id, "Archived", (), None)


def test_a_single_suspect_is_asked_for_at_once(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024, is_hidden=True)
    stand_in.add_file(B, 1024)
    assert client.versions_by_hash([A, B]).keys() == {A, B}
    assert asked(stand_in) == [("POST", BATCH), ("GET", f"{BATCH}/{A}")]


def test_a_server_without_the_route_for_ids_is_asked_for_every_suspect(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    stand_in.add_file(A, 1024, is_hidden=True)
    stand_in.mood_for = lambda request: wrong_address if request.path == IDS else None
    assert client.versions_by_hash([A, B, C]).keys() == {A}
    assert [method for method, _ in asked(stand_in)] == ["POST", "POST", "GET", "GET", "GET"]


def test_bytes_published_twice_belong_to_the_older_version(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024, published_at=None)
    stand_in.add_file(A, 1024, published_at="2025-02-01T00:00:00.000Z")
    older = stand_in.add_file(A, 1024, published_at="2025-01-01T00:00:00.000Z")
    assert client.versions_by_hash([A])[A].id == older
    assert client.versions_by_hash([A, B])[A].id == older


@pytest.mark.parametrize("mood", [method_not_allowed, wrong_address, page])
def test_a_server_that_only_speaks_get_is_asked_hash_by_hash(
    stand_in: CivitaiStandIn, client: CivitaiClient, mood: Mood
) -> None:
    stand_in.add_file(A, 1024)
    stand_in.mood_for = lambda request: mood if request.method == "POST" else None
    assert client.versions_by_hash([A, B]).keys() == {A}
    assert [method for method, _ in asked(stand_in)] == ["POST", "GET", "GET"]


def refuse(hashes: set[str]) -> object:
    def mood_for(request: RecordedRequest) -> Mood | None:
        is_refused = request.method == "POST" or request.path[-64:] in hashes
        return (lambda _: json_reply({"error": "malformed"}, 400)) if is_refused else None

    return mood_for


def test_one_refused_hash_never_fails_the_others(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024)
    stand_in.mood_for = refuse({B})  # type: ignore[assignment]
    assert client.versions_by_hash([A, B, C]).keys() == {A}


def test_a_batch_that_is_too_large_to_hold_is_asked_hash_by_hash(stand_in: CivitaiStandIn) -> None:
    stand_in.add_file(A, 1024, description="x" * 100, images=0)
    stand_in.add_file(B, 1024, images=0)
    settings = ClientSettings(base_url=f"{stand_in.base_url}/", max_body_bytes=2500)
    with CivitaiClient(settings) as client:
        assert client.versions_by_hash([A, B]).keys() == {A, B}
    assert [method for method, _ in asked(stand_in)] == ["POST", "GET", "GET"]


def test_a_batch_of_more_values_than_records_have_is_asked_hash_by_hash(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    stand_in.add_file(A, 1024)
    stand_in.moods.append(lambda _: Reply(200, b"[" + b"0," * 1_000_001 + b"0]"))
    assert client.versions_by_hash([A, B]).keys() == {A}
    assert [method for method, _ in asked(stand_in)] == ["POST", "GET", "GET"]


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

    stand_in.moods.append(with_strangers)
    assert client.versions_by_hash([A, B, C]).keys() == {A}


@pytest.mark.parametrize("body", [[], {"id": "x"}, {}])
def test_an_answer_that_is_no_version_is_no_answer(
    stand_in: CivitaiStandIn, client: CivitaiClient, body: object
) -> None:
    stand_in.moods.append(lambda _: json_reply(body))  # type: ignore[arg-type]
    with pytest.raises(CivitaiUnavailable, match="not a model version"):
        client.versions_by_hash([A])


def test_a_model_is_fetched_by_its_id(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024, model_id=5, name="Fish", tags=["sea"], creator="ann")
    stand_in.add_file(B, 1024, model_id=5, version_name="v2")
    model = client.model(5)
    assert model is not None
    assert (model.id, model.name, model.tags, model.creator) == (5, "Fish", ("sea",), "ann")
    assert model.license.allow_commercial_use == ("Image", "RentCivit")
    assert [each.name for each in model.versions] == ["v1.0", "v2"]
    assert stand_in.requests[0].headers["accept"] == "application/json"


def test_a_model_that_is_not_shown_is_none(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024, model_id=5, availability="Private")
    assert client.model(5) is None
    assert client.model(6) is None
    assert client.versions_by_hash([A])[A].model_id == 5


def test_nothing_leaves_where_outgoing_requests_are_forbidden(stand_in: CivitaiStandIn) -> None:
    with CivitaiClient(ClientSettings(base_url=stand_in.base_url, is_outgoing_forbidden=True)) as client:
        for ask in (
            lambda: client.versions_by_hash([A]),
            lambda: client.model(1),
            lambda: client.picture(f"{stand_in.origin}/images/u/width=1/1.jpeg", 9),
        ):
            with pytest.raises(CivitaiUnavailable, match="forbidden") as caught:
                ask()
            assert caught.value.retry_after_seconds
    assert stand_in.requests == []


def test_the_rate_limit_counts_api_requests_and_not_pictures(stand_in: CivitaiStandIn) -> None:
    slept: list[float] = []
    settings = ClientSettings(base_url=stand_in.base_url, rate_limit_per_minute=6)
    with CivitaiClient(settings, sleep=slept.append) as client:
        client.picture(f"{stand_in.origin}/images/u/width=8/1.jpeg", 10_000)
        client.model(1)
        assert slept == []
        client.model(2)
    assert slept == [pytest.approx(10, abs=1)]


def test_a_truncated_batch_loses_nothing_but_time(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024)
    stand_in.moods.append(truncated)
    with pytest.raises(CivitaiUnavailable):
        client.versions_by_hash([A, B])
    assert client.versions_by_hash([A, B]).keys() == {A}


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
    client.versions_by_hash([A, B])
    assert client.most_at_once == few
