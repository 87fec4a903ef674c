"""The counts that triggers keep: whatever happened, they are what counting every file anew would give."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.decision import IGNORE, Decision
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.domain.model_file import NOT_A_MODEL
from modelshelf.domain.task import Priority
from modelshelf.store.columns import pack
from modelshelf.store.database import Database
from modelshelf.store.files import NewFile
from modelshelf.store.migrations import MIGRATIONS
from modelshelf.store.reports import FileState, Reports
from modelshelf.store.store import Store
from tests.unit.store.store_builders import DAY, NOW, add_file, fingerprint, hashes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonObject

FOLDERS = ("a", "b")


def counted_anew(store: Store) -> dict[str, dict[FileState, int]]:
    """Count by looking at every file."""
    rows = store.database.rows("SELECT id, folder_id FROM files WHERE hash_skipped_reason IS NOT ?", (NOT_A_MODEL,))
    states = Reports(store.database).states(row["id"] for row in rows)
    return {
        folder_id: dict(Counter(states[row["id"]] for row in rows if row["folder_id"] == folder_id))
        for folder_id in sorted({row["folder_id"] for row in rows})
    }


class Chance:
    """Does anything that may happen to a file, a content, or what is told of them."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.chance = random.Random(seed)
        self.deeds: list[Callable[[int], object]] = [
            lambda _: self.add(),
            self.move,
            lambda file_id: store.files.mark_missing([file_id], NOW),
            lambda file_id: store.files.settle_fingerprint(file_id, fingerprint(file_id)),
            lambda file_id: store.files.set_waiting(file_id, self.chance.choice([None, "still written"])),
            lambda file_id: store.files.record_header(
                file_id, Header(Format.SAFETENSORS, self.chance.choice([*Verdict]))
            ),
            self.change,
            self.read,
            self.read,
            lambda file_id: store.files.record_unhashed(file_id, self.chance.choice(["too large", NOT_A_MODEL])),
            lambda file_id: store.files.reset_deep([file_id], Priority.REST),
            self.tell,
            lambda file_id: store.database.execute("DELETE FROM files WHERE id = ?", (file_id,)),
        ]
        self.words: list[Callable[[int], object]] = [
            lambda content_id: store.contents.owe_lookup(content_id, self.chance.choice([None, NOW])),
            lambda content_id: store.contents.record_hit(content_id, 77, NOW),
            lambda content_id: store.contents.record_miss(content_id, NOW, NOW + DAY),
            lambda content_id: store.decisions.keep(
                content_id, Decision(self.chance.choice([IGNORE, "name", "creator"]), "x", "me", NOW)
            ),
            lambda content_id: store.decisions.take_back(content_id, self.chance.choice([IGNORE, "name"])),
        ]

    def act(self) -> None:
        contents = [row["id"] for row in self.store.database.rows("SELECT id FROM contents")]
        files = [row["id"] for row in self.store.database.rows("SELECT id FROM files")]
        if contents and self.chance.random() < 0.4:
            self.chance.choice(self.words)(self.chance.choice(contents))
        elif files:
            self.chance.choice(self.deeds)(self.chance.choice(files))
        else:
            self.add()

    def add(self) -> None:
        add_file(self.store, b"%d" % self.chance.randrange(9), folder_id=self.chance.choice(FOLDERS))

    def move(self, file_id: int) -> None:
        target = b"%d" % self.chance.randrange(9)
        self.store.files.move(file_id, self.chance.choice(FOLDERS), target, fingerprint(file_id), NOW)

    def change(self, file_id: int) -> None:
        reason = self.chance.choice([None, "still written"])
        self.store.files.change(file_id, fingerprint(file_id), NOW, priority=10, waiting_reason=reason, run_id=None)

    def read(self, file_id: int) -> None:
        content = self.store.contents.upsert(1_000, hashes(self.chance.randrange(4)), NOW)
        self.store.files.record_content(file_id, content.id)

    def tell(self, file_id: int) -> None:
        fields = self.chance.sample([Field.NAME, Field.CREATOR, Field.MODEL_ID], self.chance.randrange(3))
        source = self.chance.choice([Source.FORGE, Source.EMBEDDED])
        self.store.facts.replace_of_file(file_id, source, [Fact(field, source, 5) for field in fields])


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_right_after_whatever_happens(store: Store, seed: int) -> None:
    chance = Chance(store, seed)
    seen: set[FileState] = set()
    for _ in range(250):
        chance.act()
        counts = Reports(store.database).counts()
        assert counts == counted_anew(store)
        seen |= {state for folder in counts.values() for state in folder}
    assert len(seen) >= 5


def test_everything_that_a_state_hangs_on_is_counted_at_once(store: Store) -> None:
    file_id = store.files.add(NewFile("a", b"ink", fingerprint(), NOW, Priority.REST, "still written"))
    header = Header(Format.SAFETENSORS, Verdict.BROKEN)
    content_id = store.contents.upsert(1_000, hashes(1), NOW).id
    facts = [Fact(Field.NAME, Source.FORGE, "Ink")]
    steps: list[tuple[FileState | None, Callable[[], object]]] = [
        (FileState.WAITING, lambda: None),
        (FileState.PENDING, lambda: store.files.set_waiting(file_id, None)),
        (FileState.BROKEN, lambda: store.files.record_header(file_id, header)),
        (FileState.PENDING, lambda: store.files.record_header(file_id, replace(header, verdict=Verdict.SOUND))),
        (FileState.UNIDENTIFIED, lambda: store.files.record_content(file_id, content_id)),
        (FileState.KNOWN, lambda: store.facts.replace_of_file(file_id, Source.FORGE, facts)),
        (FileState.UNIDENTIFIED, lambda: store.facts.replace_of_file(file_id, Source.FORGE, [])),
        (FileState.IGNORED, lambda: store.decisions.keep(content_id, Decision(IGNORE, True, "me", NOW))),
        (FileState.UNIDENTIFIED, lambda: store.decisions.take_back(content_id, IGNORE)),
        (FileState.KNOWN, lambda: store.decisions.keep(content_id, Decision("name", "Ink", "me", NOW))),
        (FileState.UNIDENTIFIED, lambda: store.decisions.take_back(content_id, "name")),
        (FileState.PENDING, lambda: store.contents.owe_lookup(content_id, NOW)),
        (FileState.UNIDENTIFIED, lambda: store.contents.record_miss(content_id, NOW, NOW + DAY)),
        (FileState.KNOWN, lambda: store.contents.record_hit(content_id, 77, NOW)),
        (FileState.MISSING, lambda: store.files.mark_missing([file_id], NOW)),
        (FileState.KNOWN, lambda: store.files.settle_fingerprint(file_id, fingerprint())),
        (None, lambda: store.files.record_unhashed(file_id, NOT_A_MODEL)),
        (None, lambda: store.database.execute("DELETE FROM files WHERE id = ?", (file_id,))),
    ]
    for expected, step in steps:
        step()
        assert Reports(store.database).counts() == ({"a": {expected: 1}} if expected else {})


def test_an_older_store_is_counted_when_it_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "modelshelf.db"
    old = Database.open(path, MIGRATIONS[:4])
    old.execute("INSERT INTO folders (id, path) VALUES ('a', '/models')")
    old.execute(
        """INSERT INTO contents (id, size_bytes, sha256, blake3, autov2, crc32, hashed_at, version_id)
            VALUES (1, 1, 'A', '', '', '', 1.0, 77), (2, 1, 'B', '', '', '', 1.0, NULL)"""
    )
    rows = [
        (1, None, 1, 1, None),
        (2, None, 1, 2, None),
        (3, None, 0, None, None),
        (4, 1.0, 1, 1, None),
        (5, None, 1, None, NOT_A_MODEL),
        (6, 1.0, 1, None, NOT_A_MODEL),
    ]
    for file_id, missing_since, phase, content_id, reason in rows:
        old.execute(
            """INSERT INTO files (id, folder_id, directory, name, size_bytes, mtime_ns, ctime_ns, inode, priority,
                first_seen_at, last_changed_at, missing_since, scan_phase, content_id, hash_skipped_reason)
                VALUES (?, 'a', x'', ?, 1, 1, 1, 1, 10, 0, 0, ?, ?, ?, ?)""",
            (file_id, b"%d" % file_id, missing_since, phase, content_id, reason),
        )
    body = pack({})
    old.execute("INSERT INTO versions (id, body, received_at) VALUES (77, ?, 1.0)", (body,))
    old.execute(
        """INSERT INTO entries (file_id, name, search_text, effective, digest) VALUES (1, 'Ink', 'inkwell', '{}', x'')"""
    )
    old.close()
    store = Store.open(path)
    assert Reports(store.database).counts() == counted_anew(store)
    assert Reports(store.database).counts()["a"] == {
        FileState.KNOWN: 1,
        FileState.UNIDENTIFIED: 1,
        FileState.PENDING: 1,
        FileState.MISSING: 1,
    }
    assert Reports(store.database).sizes().answer_bytes == len(body)
    assert store.database.rows("SELECT rowid FROM entry_trigrams WHERE entry_trigrams MATCH '\"kwe\"'")[0]["rowid"] == 1
    store.close()


def test_the_bytes_of_answers_are_added_up_as_they_change(store: Store) -> None:
    def answers() -> int:
        tables = ("versions", "civitai_models")
        sums = [store.database.rows(f"SELECT coalesce(sum(length(body)), 0) FROM {table}")[0][0] for table in tables]
        assert Reports(store.database).sizes().answer_bytes == sum(sums)
        return sum(sums)

    body: JsonObject = {"id": 7, "name": "short"}
    sizes = [answers()]
    statements: list[tuple[str, tuple[object, ...]]] = [
        ("INSERT INTO versions (id, body, received_at) VALUES (1, ?, 1.0)", (pack(body),)),
        ("INSERT INTO civitai_models (id, absent_since) VALUES (2, 1.0)", ()),
        ("INSERT INTO civitai_models (id, body) VALUES (3, ?)", (pack(body),)),
        ("DELETE FROM civitai_models WHERE id = 3", ()),
        ("UPDATE civitai_models SET body = ? WHERE id = 2", (pack(body),)),
        ("UPDATE versions SET body = ? WHERE id = 1", (b"longer" * 90,)),
        ("UPDATE civitai_models SET body = NULL WHERE id = 2", ()),
        ("DELETE FROM versions WHERE id = 1", ()),
    ]
    for sql, parameters in statements:
        store.database.execute(sql, parameters)
        sizes.append(answers())
    length = len(pack(body))
    assert sizes == [0, length, length, 2 * length, length, 2 * length, length + 540, 540, 0]
