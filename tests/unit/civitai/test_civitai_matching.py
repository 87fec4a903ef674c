from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.matching import (
    contradicting_autov1,
    contradicting_size,
    found_among,
    lists_hash,
    named_versions,
    parsed_versions,
)
from modelshelf.civitai.payload import parse_version
from modelshelf.domain.civitai import Alternate, Found

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from modelshelf.domain.jsontypes import JsonObject, JsonValue

A, B, C = "A" * 64, "B" * 64, "C" * 64


def version(identifier: int, *sha256s: str, published_at: str | None = None) -> JsonObject:
    return {"id": identifier, "publishedAt": published_at, "files": [{"hashes": {"SHA256": each}} for each in sha256s]}


def found(
    bodies: list[JsonObject],
    named: Mapping[str, tuple[int, ...]],
    preferred: Mapping[str, Collection[int]] | None = None,
) -> dict[str, Found]:
    alternates = {sha256: tuple(Alternate(each, 1, None) for each in ids) for sha256, ids in named.items()}
    return found_among(parsed_versions([*bodies]), alternates, preferred or {})


def chosen(
    bodies: list[JsonObject],
    named: Mapping[str, tuple[int, ...]],
    preferred: Mapping[str, Collection[int]] | None = None,
) -> dict[str, int]:
    return {sha256: each.version.id for sha256, each in found(bodies, named, preferred).items()}


def test_versions_are_keyed_by_the_hashes_they_list() -> None:
    assert chosen([version(1, A, C), version(2, B)], {A: (), B: ()}) == {A: 1, B: 2}


def test_a_version_that_is_named_for_a_hash_need_not_list_it() -> None:
    assert chosen([version(1), version(2, C)], {A: (1,), B: (2,)}) == {A: 1, B: 2}


def test_a_hash_whose_version_did_not_come_stays_open() -> None:
    assert chosen([version(1, B)], {A: (7,)}) == {}


def test_of_several_versions_the_oldest_published_wins_then_the_lowest_id() -> None:
    early = version(9, A, published_at="2023-01-01T00:00:00.000")
    late = version(3, A, published_at="2023-01-01T00:00:00.001Z")
    undated = [version(1, A), version(2, A, published_at="yesterday")]
    assert chosen([*undated, late, early], {A: ()}) == {A: 9}
    assert chosen([*undated, late], {A: ()}) == {A: 3}
    assert chosen(list(reversed(undated)), {A: ()}) == {A: 1}


def test_zones_count_in_the_order_of_publication() -> None:
    first = version(2, A, published_at="2023-01-01T01:00:00+02:00")
    second = version(1, A, published_at="2023-01-01T00:00:00Z")
    assert chosen([second, first], {A: ()}) == {A: 2}


def test_a_preferred_version_wins_over_older_ones_but_only_if_it_holds_the_hash() -> None:
    older, newer = version(1, A, published_at="2023-01-01"), version(2, A, published_at="2024-01-01")
    stranger = version(3, B)
    assert chosen([older, newer, stranger], {A: ()}, {A: {2}}) == {A: 2}
    assert chosen([older, newer, stranger], {A: ()}, {A: {3}}) == {A: 1}
    assert chosen([older, newer, stranger], {A: ()}, {B: {2}}) == {A: 1}


def test_what_was_not_chosen_is_given_back_oldest_first_and_what_did_not_come_last() -> None:
    bodies = [version(1, A), version(2, A, published_at="2023-01-01"), version(3, A, published_at="2024-01-01")]
    assert found(bodies, {A: (1, 8, 9)})[A].alternates == (
        Alternate(3, None, "2024-01-01"),
        Alternate(1, None, None),
        Alternate(8, 1, None),
        Alternate(9, 1, None),
    )


def test_the_same_version_twice_is_one() -> None:
    assert found([version(1, A), version(1, A)], {A: (1,)})[A].alternates == ()


def test_only_what_has_a_number_is_a_version() -> None:
    elements: list[JsonValue] = [None, 7, [], {}, {"id": "1"}, {"id": True}, {"id": 2, "files": None}]
    assert [*parsed_versions(elements)] == [2]


def test_an_answer_of_ids_names_versions_for_the_hashes_that_were_asked_for() -> None:
    elements: list[JsonValue] = [
        None,
        {"hash": 7},
        {"hash": C, "modelVersionId": 9, "modelId": 9},
        {"hash": A.lower(), "modelVersionId": 2, "modelId": 20},
        {"hash": A, "modelVersionId": 1},
        {"hash": A, "modelVersionId": 1},
        {"hash": B, "modelVersionId": "x"},
    ]
    assert named_versions(elements, {A, B}) == {A: (Alternate(1, None, None), Alternate(2, 20, None)), B: ()}


def sized(*sizes: tuple[str, float | None]) -> JsonObject:
    return {"id": 1, "files": [{"hashes": {"SHA256": sha256}, "sizeKB": size_kb} for sha256, size_kb in sizes]}


@pytest.mark.parametrize(
    ("body", "contradiction"),
    [
        (sized((A, 2.0)), None),
        (sized((A, 2.0009765625)), 2049),
        (sized((A, 3.0)), 3072),
        (sized((A, 0)), None),
        (sized((A, None)), None),
        (sized((B, 3.0)), None),
        (sized((A, 3.0), (A, 2.0)), None),
        (sized((A, 3.0), (A, None)), 3072),
        (sized(), None),
    ],
)
def test_a_size_that_is_listed_for_these_very_bytes_and_is_not_theirs_contradicts(
    body: JsonObject, contradiction: int | None
) -> None:
    assert contradicting_size(parse_version(body), A.lower(), 2048) == contradiction


@pytest.mark.parametrize(
    ("listed", "autov1", "contradiction"),
    [
        ("AAAA1111", "AAAA1111", None),
        ("AAAA1111", "BBBB2222", "AAAA1111"),
        ("AAAA1111", None, None),
        (None, "BBBB2222", None),
    ],
)
def test_an_autov1_beside_a_hash_contradicts_only_where_both_are_known(
    listed: str | None, autov1: str | None, contradiction: str | None
) -> None:
    body: JsonObject = {"id": 1, "files": [{"hashes": {"SHA256": A, "AutoV1": listed}}, {"hashes": {"SHA256": B}}]}
    assert contradicting_autov1(parse_version(body), A.lower(), autov1) == contradiction
    assert contradicting_autov1(parse_version(body), B, autov1) is None


def test_a_version_lists_a_hash_under_its_own_name_only() -> None:
    body: JsonObject = {"id": 1, "files": [{"hashes": {"AutoV3": "ABCDEF012345"}}]}
    assert lists_hash(parse_version(body), "AutoV3", "ABCDEF012345")
    assert not lists_hash(parse_version(body), "SHA256", "ABCDEF012345")
