from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.civitai.matching import by_hash, has_unexplained
from modelshelf.civitai.payload import parse_version

if TYPE_CHECKING:
    from modelshelf.domain.civitai import ModelVersion

A, B, C = "A" * 64, "B" * 64, "C" * 64


def version(identifier: int, *sha256s: str, published_at: str | None = None) -> ModelVersion:
    return parse_version(
        {"id": identifier, "publishedAt": published_at, "files": [{"hashes": {"SHA256": each}} for each in sha256s]}
    )


def test_versions_are_keyed_by_the_hashes_they_list() -> None:
    found = by_hash([version(1, A, C), version(2, B)], {A, B})
    assert {sha256: each.id for sha256, each in found.items()} == {A: 1, B: 2}


def test_of_several_versions_the_oldest_published_wins_then_the_lowest_id() -> None:
    early = version(9, A, published_at="2023-01-01T00:00:00.000")
    late = version(3, A, published_at="2023-01-01T00:00:00.001Z")
    undated = [version(1, A), version(2, A, published_at="yesterday")]
    assert by_hash([*undated, late, early], {A})[A].id == 9
    assert by_hash([*undated, late], {A})[A].id == 3
    assert by_hash(list(reversed(undated)), {A})[A].id == 1


def test_zones_count_in_the_order_of_publication() -> None:
    first = version(2, A, published_at="2023-01-01T01:00:00+02:00")
    second = version(1, A, published_at="2023-01-01T00:00:00Z")
    assert by_hash([second, first], {A})[A].id == 2


def test_a_version_that_lists_none_of_ours_is_unexplained() -> None:
    assert has_unexplained([version(1, A), version(2, C)], {A, B})
    assert has_unexplained([version(1)], {A})


def test_a_version_that_comes_twice_for_two_listed_hashes_is_explained() -> None:
    twice = [version(1, A, B), version(1, A, B)]
    assert not has_unexplained(twice, {A, B, C})
    assert has_unexplained(twice, {A, C})


def test_the_same_bytes_listed_twice_explain_two_elements() -> None:
    assert not has_unexplained([version(1, A, A), version(1, A, A)], {A, B})
