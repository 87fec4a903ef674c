"""What people decided: it is kept, it takes effect, and only a person takes it back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.decision import IGNORE, PIN, Decision
from modelshelf.domain.fact import Fact, Field, Source, choose
from modelshelf.domain.hashes import EMPTY_AUTOV3
from modelshelf.domain.task import Lane, NewTask, TaskKind
from modelshelf.errors import ModelshelfError
from modelshelf.store.same_weights import believe_same_weights
from modelshelf.store.schedule import Schedule, schedule_of
from tests.unit.store.store_builders import DAY, NOW, SECOND, add_read_file, hashes

if TYPE_CHECKING:
    from modelshelf.domain.content import Content
    from modelshelf.domain.jsontypes import JsonValue
    from modelshelf.store.store import Store


def decided(matter: str, value: JsonValue = True) -> Decision:  # noqa: FBT002 -- the value of `IGNORE`
    return Decision(matter, value, "anna", NOW)


def content_of(store: Store, content_id: int) -> Content:
    found = store.contents.get(content_id)
    assert found is not None
    return found


def pinned(store: Store, content_id: int) -> int | None:
    row = store.database.row("SELECT pinned_version_id FROM contents WHERE id = ?", (content_id,))
    return None if row is None else row["pinned_version_id"]


def test_a_value_that_a_person_gave_is_a_fact_of_every_copy_and_stronger_than_all_others(store: Store) -> None:
    file_id, content_id = add_read_file(store, b"x", 1)
    twin_id, _ = add_read_file(store, b"y", 1)
    for source in (Source.FORGE, Source.EMBEDDED):
        store.facts.replace_of_file(file_id, source, [Fact(Field.NAME, source, "theirs")])
    store.decisions.keep(content_id, decided(Field.NAME, "mine"))
    store.decisions.keep(content_id, decided(Field.TRAINED_WORDS, ["a, b", "c"]))
    chosen = choose(store.facts.of_file(file_id))
    assert chosen[Field.NAME] == Fact(Field.NAME, Source.USER, "mine")
    assert choose(store.facts.of_file(twin_id))[Field.TRAINED_WORDS].value == ["a, b", "c"]


def test_a_value_taken_back_leaves_the_others_and_what_sources_said(store: Store) -> None:
    file_id, content_id = add_read_file(store, b"x", 1)
    store.facts.replace_of_content(content_id, Source.CIVITAI_API, [Fact(Field.NAME, Source.CIVITAI_API, "theirs")])
    store.decisions.keep(content_id, decided(Field.NAME, "mine"))
    store.decisions.keep(content_id, decided(Field.NOTES, "notes"))
    assert store.decisions.take_back(content_id, Field.NAME)
    assert not store.decisions.take_back(content_id, Field.NAME)
    values = {field: fact.value for field, fact in choose(store.facts.of_file(file_id)).items()}
    assert values == {Field.NAME: "theirs", Field.NOTES: "notes"}


def test_who_decided_what_and_when_is_kept_and_the_last_word_counts(store: Store) -> None:
    _, content_id = add_read_file(store, b"x", 1)
    store.decisions.keep(content_id, decided(Field.NAME, "first"))
    last = Decision(Field.NAME, "last", "ben \ud800", NOW + SECOND)
    store.decisions.keep(content_id, last)
    store.decisions.keep(content_id, decided(IGNORE))
    found = store.decisions.of_content(content_id)
    assert found[1] == Decision("name", "last", "ben \\ud800", NOW + SECOND)
    assert found[0] == decided(IGNORE)


def test_what_is_ignored_is_never_owed_a_look_up_whoever_owes_it(store: Store) -> None:
    _, content_id = add_read_file(store, b"x", 1)
    _, other_id = add_read_file(store, b"y", 2)
    store.contents.owe_lookup(content_id, NOW)
    store.decisions.keep(content_id, decided(IGNORE))
    assert content_of(store, content_id).next_lookup_at is None
    for each in (content_id, other_id):
        store.contents.owe_lookup(each, NOW)
    store.contents.record_miss(content_id, NOW, NOW + DAY)
    assert content_of(store, content_id).next_lookup_at is None
    assert [task.subject for task in store.journal.claim(Lane.NETWORK, NOW)] == [str(other_id)]


def test_look_ups_that_wait_or_failed_are_dropped_with_the_word(store: Store) -> None:
    _, content_id = add_read_file(store, b"x", 1)
    store.journal.add([NewTask(TaskKind.IDENTIFY_CONTENT, str(content_id))], NOW)
    store.decisions.keep(content_id, decided(IGNORE))
    assert store.journal.claim(Lane.NETWORK, NOW) == []


def test_ignoring_is_told_and_ends_when_it_is_taken_back(store: Store) -> None:
    _, content_id = add_read_file(store, b"x", 1)
    assert not store.decisions.is_ignored(content_id)
    assert not store.decisions.is_ignored(None)
    store.decisions.keep(content_id, decided(IGNORE))
    assert store.decisions.is_ignored(content_id)
    assert store.decisions.take_back(content_id, IGNORE)
    assert not store.decisions.is_ignored(content_id)
    store.contents.owe_lookup(content_id, NOW)
    assert content_of(store, content_id).next_lookup_at == NOW


def test_a_pin_outlasts_misses_and_another_read(store: Store) -> None:
    _, content_id = add_read_file(store, b"x", 1)
    store.decisions.keep(content_id, decided(PIN, 55))
    store.contents.record_miss(content_id, NOW, NOW + DAY)
    add_read_file(store, b"again", 1)
    assert pinned(store, content_id) == 55


@pytest.mark.parametrize("before", [None, 7])
def test_a_pin_taken_back_gives_back_the_version_it_was_before(store: Store, before: int | None) -> None:
    _, content_id = add_read_file(store, b"x", 1)
    if before is not None:
        store.database.execute(
            "UPDATE contents SET version_id = ?, matched_by = 'file' WHERE id = ?", (before, content_id)
        )
    for version_id in (55, 56):
        store.decisions.keep(content_id, decided(PIN, version_id))
        store.database.execute("UPDATE contents SET version_id = ? WHERE id = ?", (version_id, content_id))
    assert store.decisions.take_back(content_id, PIN)
    assert pinned(store, content_id) is None
    assert content_of(store, content_id).version_id == before
    assert not store.decisions.take_back(content_id, PIN)
    assert content_of(store, content_id).version_id == before


def test_decisions_are_on_the_platter_when_they_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _, content_id = add_read_file(store, b"x", 1)
    seen: list[int] = []
    execute = store.database._run

    def watch(sql: str, *rest: object) -> object:
        if "decisions" in sql and not sql.startswith("SELECT"):
            seen.append(store.database._connection.execute("PRAGMA synchronous").fetchone()[0])
        return execute(sql, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(store.database, "_run", watch)
    store.decisions.keep(content_id, decided(Field.NAME, "mine"))
    store.decisions.take_back(content_id, Field.NAME)
    full = 2
    assert seen == [full, full]


def test_decisions_of_what_is_not_there_are_refused(store: Store) -> None:
    with pytest.raises(ModelshelfError):
        store.decisions.keep(999, decided(Field.NAME, "mine"))


def test_nothing_is_scheduled_for_what_is_not_there(store: Store) -> None:
    assert schedule_of(store.database, 999) == Schedule()


def rewritten(store: Store, file_id: int, number: int, autov3: str | None) -> int:
    """Let a file hold other bytes with this AutoV3; gives their content."""
    file = store.files.get(file_id)
    assert file is not None
    store.files.change(file_id, file.fingerprint, NOW, priority=10, waiting_reason=None, run_id=None)
    content = store.contents.upsert(1000, replace(hashes(number), autov3=autov3), NOW)
    store.files.record_content(file_id, content.id)
    return content.id


def test_the_same_weights_take_over_what_was_decided_but_no_older_word(store: Store) -> None:
    file_id, _ = add_read_file(store, b"x", 1)
    add_read_file(store, b"copy", 1)
    before = rewritten(store, file_id, 1, "AAAABBBBCCCC")
    store.decisions.keep(before, decided(Field.NAME, "mine"))
    store.decisions.keep(before, decided(Field.NOTES, "old"))
    after = rewritten(store, file_id, 2, "AAAABBBBCCCC")
    store.decisions.keep(after, replace(decided(Field.NOTES, "new"), decided_at=NOW + SECOND))
    assert store.decisions.is_left_behind(file_id)
    assert store.decisions.inherit(file_id, after) == [Field.NAME]
    assert store.decisions.inherit(file_id, after) == []
    assert {each.matter: each.value for each in store.decisions.of_content(after)} == {"name": "mine", "notes": "new"}
    assert store.decisions.of_content(before) != []


@pytest.mark.parametrize(
    ("former", "latter"), [(None, None), (EMPTY_AUTOV3, EMPTY_AUTOV3), ("AAAABBBBCCCC", "DDDDEEEEFFFF")]
)
def test_other_weights_take_nothing_over(store: Store, former: str | None, latter: str | None) -> None:
    file_id, _ = add_read_file(store, b"x", 1)
    before = rewritten(store, file_id, 2, former)
    store.decisions.keep(before, decided(Field.NAME, "mine"))
    after = rewritten(store, file_id, 3, latter)
    assert store.decisions.inherit(file_id, after) == []
    assert store.decisions.is_left_behind(file_id)
    assert believe_same_weights(store.database, after) is None


def test_a_value_that_holds_again_is_not_left_behind(store: Store) -> None:
    file_id, _ = add_read_file(store, b"x", 1)
    before = rewritten(store, file_id, 2, "AAAABBBBCCCC")
    assert not store.decisions.is_left_behind(file_id)
    store.decisions.keep(before, decided(Field.NAME, "mine"))
    after = rewritten(store, file_id, 3, "AAAABBBBCCCC")
    store.decisions.inherit(file_id, after)
    assert not store.decisions.is_left_behind(file_id)
