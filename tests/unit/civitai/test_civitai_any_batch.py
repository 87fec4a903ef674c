"""Whatever a batch answers: no hash is ever given a version that does not hold it, and nothing but our errors rises."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelshelf.civitai.answers import AnswerTooLarge, NotAsked, QuestionRefused
from modelshelf.civitai.asking import Listed
from modelshelf.civitai.batches import Batches
from modelshelf.civitai.matching import found_among, named_versions, parsed_versions
from modelshelf.civitai.settings import AdaptiveBatch
from modelshelf.domain.civitai import Alternate
from modelshelf.errors import CivitaiForbids, CivitaiRateLimited, CivitaiUnavailable, ModelshelfError
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from modelshelf.civitai.replies import Replies
    from modelshelf.domain.civitai import Found
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

HASHES = [letter * 64 for letter in "0123456789AB"]
STRANGERS = ["C" * 64, "D" * 64]
ERRORS: list[Callable[[str], ModelshelfError]] = [
    CivitaiUnavailable,
    CivitaiRateLimited,
    CivitaiForbids,
    NotAsked,
    QuestionRefused,
    AnswerTooLarge,
]
no_sense = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(HASHES),
    lambda each: (
        st.lists(each, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "files", "hashes", "SHA256", "hash", "modelVersionId"]), each, max_size=4
        )
    ),
    max_leaves=8,
)
dates = st.none() | st.sampled_from(
    ["2023-01-01T00:00:00Z", "2024-05-05", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "soon", ""]
)
shelves = st.dictionaries(
    st.integers(1, 9), st.tuples(st.sets(st.sampled_from([*HASHES, *STRANGERS])), dates), max_size=9
)
"""What a Civitai holds: versions by id, the hashes of their files, and when each was published."""


def body_of(version_id: int, sha256s: Sequence[str], published_at: str | None) -> JsonObject:
    files: list[JsonValue] = [{"hashes": {"SHA256": each}, "sizeKB": 1.0} for each in sha256s]
    return {"id": version_id, "modelId": 1, "publishedAt": published_at, "files": files}


class UnreliableCivitai:
    """Knows a shelf, and answers of it what `data` draws: all, some, twice, in any order, with nonsense, or not at all."""

    def __init__(self, shelf: Mapping[int, tuple[set[str], str | None]], data: st.DataObject) -> None:
        self.shelf = shelf
        self._data = data
        self.asked: list[list[JsonValue]] = []

    def ask_list(self, path: str, questions: Sequence[JsonValue]) -> Listed | None:
        self.asked.append([*questions])
        assert len(questions) <= (1000 if path.endswith("/ids") else 100)
        if self._draw(st.integers(0, 4)) == 0:
            raise self._draw(st.sampled_from(ERRORS))("not now")
        if self._draw(st.integers(0, 9)) == 0:
            return None
        genuine = self._ids(questions) if path.endswith("/ids") else self._bodies(questions)
        return Listed(self._mangled(genuine), 100)

    def ask(self, path: str, *, is_fresh: bool) -> JsonValue:
        del is_fresh
        sha256 = path.rpartition("/")[2]
        mood = self._draw(st.integers(0, 5))
        if mood == 0:
            raise self._draw(st.sampled_from(ERRORS))("not now")
        holders = sorted(version_id for version_id, (held, _) in self.shelf.items() if sha256 in held)
        return self._body(holders[0]) if holders and mood > 1 else None

    def _draw(self, strategy: st.SearchStrategy[Any]) -> Any:
        return self._data.draw(strategy)

    def _ids(self, questions: Sequence[JsonValue]) -> list[JsonValue]:
        return [
            {"hash": self._spelled(str(each)), "modelVersionId": version_id, "modelId": 1}
            for each in [*questions, *STRANGERS]
            for version_id, (held, _) in self.shelf.items()
            if each in held
        ]

    def _bodies(self, questions: Sequence[JsonValue]) -> list[JsonValue]:
        return [self._body(each) for each, (held, _) in self.shelf.items() if held & {*map(str, questions), *STRANGERS}]

    def _body(self, version_id: int) -> JsonObject:
        held, published_at = self.shelf[version_id]
        listed = [self._spelled(each) for each in sorted(held) if self._draw(st.booleans())]
        return body_of(version_id, listed, published_at)

    def _spelled(self, sha256: str) -> str:
        return sha256.lower() if self._draw(st.booleans()) else sha256

    def _mangled(self, genuine: list[JsonValue]) -> list[JsonValue]:
        kept = [each for each in genuine if self._draw(st.integers(0, 3))]
        twice = [each for each in genuine if not self._draw(st.integers(0, 3))]
        nonsense = [each for each in self._draw(st.lists(no_sense, max_size=3)) if not _tells(each)]
        mixed: list[JsonValue] = self._draw(st.permutations([*kept, *twice, *nonsense]))
        return mixed


def _tells(element: JsonValue) -> bool:
    """Tell whether nonsense has come to say something about one of our hashes after all: then it would be a lie."""
    return any(each in json.dumps(element) for each in HASHES)


def asked_of(civitai: UnreliableCivitai, batches: Batches, data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(HASHES), unique=True))
    ahead = data.draw(st.lists(st.sampled_from([*HASHES, *STRANGERS]), unique=True))
    preferred = data.draw(st.dictionaries(st.sampled_from(HASHES), st.sets(st.integers(1, 9)), max_size=3))
    try:
        replies = batches.versions(wanted, preferred, ahead, is_fresh=data.draw(st.booleans()))
    except ModelshelfError:
        return
    assert_true(replies, wanted, civitai)


def assert_true(replies: Replies[str, Found], wanted: Sequence[str], civitai: UnreliableCivitai) -> None:
    assert replies.found.keys() | replies.unanswered.keys() <= set(wanted)
    assert not replies.found.keys() & replies.unanswered.keys()
    for sha256, found in replies.found.items():
        for version_id in (found.version.id, *(each.version_id for each in found.alternates)):
            assert sha256 in civitai.shelf[version_id][0]
        assert found.version.id not in {each.version_id for each in found.alternates}


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(shelf=shelves, data=st.data())
def test_no_hash_is_ever_given_a_version_that_does_not_hold_it(
    shelf: dict[int, tuple[set[str], str | None]], data: st.DataObject
) -> None:
    civitai = UnreliableCivitai(shelf, data)
    batches = batches_of(civitai)
    for _ in range(2):
        asked_of(civitai, batches, data)
    assert all(len(each) == len(set(map(str, each))) for each in civitai.asked)


class HonestCivitai(UnreliableCivitai):
    """Says all it knows, in any order and with the usual noise, or, where it is `is_ailing`, that it cannot answer."""

    is_ailing = False

    def ask_list(self, path: str, questions: Sequence[JsonValue]) -> Listed | None:
        self._ail()
        genuine = self._ids(questions) if path.endswith("/ids") else self._bodies(questions)
        noise: list[JsonValue] = [None, 7, {"id": 99, "files": []}, *genuine[:1]]
        return Listed(self._draw(st.permutations([*genuine, *noise])), 100)

    def ask(self, path: str, *, is_fresh: bool) -> JsonValue:
        del is_fresh
        self._ail()
        sha256 = path.rpartition("/")[2]
        holders = [each for each, (held, _) in self.shelf.items() if sha256 in held]
        return self._body(min(holders, key=self.age)) if holders else None

    def _ail(self) -> None:
        if self.is_ailing and self._draw(st.booleans()):
            raise self._draw(st.sampled_from(ERRORS))("not now")

    def age(self, version_id: int) -> tuple[str, int]:
        return self.shelf[version_id][1] or "9999", version_id


dated_shelves = st.dictionaries(
    st.integers(1, 9),
    st.tuples(
        st.sets(st.sampled_from([*HASHES, *STRANGERS])), st.none() | st.sampled_from(["2023-01-01", "2024-05-05"])
    ),
    max_size=9,
)


class ForgetfulCivitai(HonestCivitai):
    """Leaves out of lists of bodies what it likes; honest about ids and about one hash."""

    def _bodies(self, questions: Sequence[JsonValue]) -> list[JsonValue]:
        return [each if self._draw(st.booleans()) else None for each in super()._bodies(questions)]


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@pytest.mark.parametrize("kind", [HonestCivitai, ForgetfulCivitai])
@given(shelf=dated_shelves, data=st.data())
def test_every_known_hash_is_found_and_the_oldest_version_chosen_however_the_answer_is_mixed(
    kind: type[HonestCivitai], shelf: dict[int, tuple[set[str], str | None]], data: st.DataObject
) -> None:
    civitai = kind(shelf, data)
    wanted = data.draw(st.lists(st.sampled_from(HASHES), unique=True))
    replies = batches_of(civitai).versions(wanted, {}, [], is_fresh=False)
    holders = {
        sha256: [each for each, (held, _) in shelf.items() if sha256 in held]
        for sha256 in wanted
        if any(sha256 in held for held, _ in shelf.values())
    }
    chosen = {sha256: found.version.id for sha256, found in replies.found.items()}
    assert chosen == {sha256: min(held, key=civitai.age) for sha256, held in holders.items()}


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(shelf=dated_shelves, data=st.data())
def test_no_outage_ever_makes_a_known_hash_unknown(
    shelf: dict[int, tuple[set[str], str | None]], data: st.DataObject
) -> None:
    civitai = HonestCivitai(shelf, data)
    civitai.is_ailing = True
    batches = batches_of(civitai)
    for _ in range(2):
        wanted = data.draw(st.lists(st.sampled_from(HASHES), unique=True))
        try:
            replies = batches.versions(wanted, {}, HASHES, is_fresh=False)
        except ModelshelfError:
            continue
        known = {each for each in wanted if any(each in held for held, _ in shelf.values())}
        assert known <= replies.found.keys() | replies.unanswered.keys()


def batches_of(civitai: UnreliableCivitai) -> Batches:
    return Batches(civitai, AdaptiveBatch(min_size=2, max_size=5), FakeClock())  # type: ignore[arg-type]


@given(st.lists(no_sense, max_size=6), st.lists(no_sense, max_size=6))
def test_any_elements_are_sorted_out_without_an_error(ids: list[JsonValue], bodies: list[JsonValue]) -> None:
    named = named_versions(ids, set(HASHES))
    found = found_among(parsed_versions(bodies), {HASHES[0]: (Alternate(1, None, None),), **named}, {})
    assert found.keys() <= set(HASHES)


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2023-W01", "20230101"])
def test_any_date_has_its_place_in_the_order(date: str) -> None:
    bodies: list[JsonValue] = [body_of(2, HASHES[:1], date), body_of(1, HASHES[:1], None), body_of(3, HASHES[:1], "x")]
    assert found_among(parsed_versions(bodies), {HASHES[0]: ()}, {})[HASHES[0]].version.id == 2
