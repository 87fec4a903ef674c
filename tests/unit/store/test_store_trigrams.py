"""Finding by three letters: it finds what going through all entries would find, and never anything else."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.store import entries as room
from modelshelf.store import reports, trigrams
from modelshelf.store.entry import EntryQuery
from tests.unit.store.store_builders import add_file

if TYPE_CHECKING:
    from modelshelf.store.store import Store

PIECES = ("ab", "c", "é", "\uff26\uff35", '"', "*", "-", "%", "\0", "\n", " ", "日本", "OR", "NEAR(")


def name(store: Store, file_id: int, value: str) -> None:
    store.facts.replace_of_file(file_id, Source.FORGE, [Fact(Field.NAME, Source.FORGE, value)])
    store.entries.refresh([file_id])


def found(store: Store, text: str, **asked: object) -> list[int]:
    query = EntryQuery(text=text, **asked)  # type: ignore[arg-type]
    return [entry.file_id for entry in store.entries.search(query)]


def those(store: Store, words: list[str]) -> list[int] | None:
    """Give the files that are looked at for these words, None for all."""
    found = trigrams.those_with(store.database, words)
    if found is None:
        return None
    ids: list[int] = json.loads(found.ids)
    assert len(ids) == found.number
    return ids


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_what_going_through_all_finds(store: Store, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(seed)
    ids = [add_file(store, b"%03d" % number) for number in range(60)]
    for file_id in ids:
        name(store, file_id, "".join(chance.choices(PIECES, k=6)))
    texts = ["".join(chance.choices(PIECES, k=chance.randint(1, 5))) for _ in range(120)]
    by_pieces = [found(store, text) for text in texts]
    monkeypatch.setattr(room, "those_with", lambda *_: None)
    assert by_pieces == [found(store, text) for text in texts]
    assert any(by_pieces)


def test_a_part_of_a_word_narrows_the_search_to_few(store: Store) -> None:
    ids = [add_file(store, path) for path in (b"watercolor", b"oil")]
    store.entries.refresh(ids)
    assert those(store, ["erco"]) == [ids[0]]
    assert those(store, ["erco", "oil"]) == []
    assert those(store, ["er"]) is None
    assert those(store, []) is None


def test_where_many_may_match_all_are_gone_through(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [add_file(store, b"water%d" % number) for number in range(3)]
    store.entries.refresh(ids)
    monkeypatch.setattr(trigrams, "MANY", 2)
    assert those(store, ["water"]) is None
    assert found(store, "water") == ids


def test_however_many_may_match_the_answer_is_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [add_file(store, b"water%d" % number, folder_id=folder) for number, folder in enumerate("aabaab")]
    for file_id, value in zip(ids, "FEDCBA", strict=True):
        name(store, file_id, value)
    pages = [found(store, "water", folder_id="a", limit=2, offset=offset) for offset in (0, 2, 4)]
    monkeypatch.setattr(room, "FEW", 2)
    assert pages == [found(store, "water", folder_id="a", limit=2, offset=offset) for offset in (0, 2, 4)]
    assert pages == [[ids[4], ids[3]], [ids[1], ids[0]], []]


def test_few_are_filtered_ordered_and_paged_as_all_are(store: Store) -> None:
    ids = [add_file(store, b"water%d" % number, folder_id=folder) for number, folder in enumerate("aba")]
    for file_id, value in zip(ids, ("C", "b", "A"), strict=True):
        name(store, file_id, value)
    assert found(store, "water") == [ids[2], ids[1], ids[0]]
    assert found(store, "water", folder_id="a", limit=1, offset=1) == [ids[0]]


def test_what_changed_or_went_is_found_as_it_is_now(store: Store) -> None:
    first, second = (add_file(store, path) for path in (b"one", b"two"))
    name(store, first, "granite")
    name(store, second, "granite")
    name(store, first, "marble")
    store.database.execute("DELETE FROM files WHERE id = ?", (second,))
    assert those(store, ["granite"]) == []
    assert those(store, ["marble"]) == [first]
    store.database.execute("INSERT INTO entry_trigrams (entry_trigrams) VALUES ('integrity-check')")


def test_a_file_that_nobody_has_read_yet_is_found_by_its_path(store: Store) -> None:
    ids = [add_file(store, path) for path in (b"Water/Color", b"oil")]
    store.entries.refresh(ids)
    store.database.execute("UPDATE entries SET search_text = ''")
    assert those(store, ["water/col"]) == [ids[0]]
    assert found(store, "WATER/col") == [ids[0]]


def test_a_word_of_any_length_can_be_searched(store: Store) -> None:
    word = "".join(map(chr, range(0x4E00, 0x4E00 + 400)))
    file_id = add_file(store, b"one")
    name(store, file_id, word)
    assert found(store, word) == [file_id]
    assert found(store, word[:-1] + "x") == []


def test_pages_of_names_and_what_waits_are_read_by_indexes_alone(store: Store) -> None:
    asked = {"folder": None, "model_type": None, "base_model": None, "state": None, "words": "[]", "among": "[]"}

    def plan(sql: str, parameters: object) -> str:
        rows = store.database.rows(f"EXPLAIN QUERY PLAN {sql}", parameters)  # type: ignore[arg-type]
        return "\n".join(row["detail"] for row in rows)

    for sql, how in (
        (room._SEARCH, "SCAN e USING INDEX entries_by_name"),
        (room._SEARCH_BY_NAME_AMONG, "SCAN n USING COVERING INDEX entries_by_name"),
    ):
        found = plan(sql, {**asked, "limit": 1, "offset": 0})
        assert how in found
        assert "TEMP B-TREE" not in found
    found = plan(reports._WAITING, (1,))
    assert "USING INDEX files_waiting" in found
    assert "INDEX headers_broken" in found
