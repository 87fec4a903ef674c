"""`modelshelf import stablequeue`, and what the shelf does with it."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.cli import import_plan, import_stablequeue
from modelshelf.clock import SystemClock
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.model_file import Fingerprint, ScanPhase
from modelshelf.domain.task import Priority, TaskKind
from modelshelf.errors import FolderOffline
from modelshelf.store.files import NewFile
from modelshelf.watching.poke import WAKE, PokeSocket
from tests.builders import noise, safetensors
from tests.unit.cli.cli_shelf import THEN, hashes, tasks
from tests.unit.importing.stable_queue import make_database, row_of
from tests.unit.steps.step_shelf import StepShelf

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.run import RunStatistics
    from tests.unit.cli.cli_shelf import CliShelf

LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
SAID = "2025-06-20 10:00:00"
BEFORE = "2023-06-01 09:00:00"


def weights(size_bytes: int, seed: int) -> bytes:
    """Give a sound file of about this size."""
    return safetensors({"w": ("U8", [size_bytes])}, fill=noise(seed))


def model(shelf: CliShelf, name: str = "ink.safetensors", size_bytes: int = 3_000_000, seed: int = 1) -> Path:
    """Put a model there that nobody touched since long ago."""
    path = shelf.put(name, weights(size_bytes, seed))
    age(path)
    return path


def age(path: Path, moment: datetime = LONG_AGO) -> None:
    os.utime(path, (moment.timestamp(), moment.timestamp()))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def told(path: Path, **columns: object) -> dict[str, object]:
    """Give a row that is believed: its size is Civitai's, for the file was put there just now."""
    row = row_of(path, hash_sha256=sha256(path), last_used=SAID, created_at=BEFORE)
    return {**row, "civitai_file_size_kb": path.stat().st_size / 1024, "metadata_source": "civitai", **columns}


def taken(shelf: CliShelf, *rows: dict[str, object], options: tuple[str, ...] = ()) -> Any:
    database = make_database(shelf.root / "sq.sqlite", *rows)
    answer = shelf.run("import", "stablequeue", str(database), "--json", *options)
    assert answer.code == 0, answer.err
    return answer.document


def fates(document: Any) -> list[tuple[str, str | None]]:
    return [(row["fate"], row["reason"]) for row in document["rows"]]


def scan(shelf: CliShelf) -> RunStatistics:
    """Have every file seen and, where nobody vouches for it, read; gives what that came to."""
    hand = StepShelf(shelf.root)
    try:
        run_id = hand.store.runs.start(None, hand.clock.now())
        hand.scan(run_id=run_id)
        unread = hand.store.database.rows("SELECT id FROM files WHERE scan_phase = 0 ORDER BY name")
        for kind in (TaskKind.INSPECT_FILE, TaskKind.HASH_FILE):
            for row in unread:
                hand.do(kind, row["id"], run_id=run_id)
        run = hand.store.runs.get(run_id)
    finally:
        hand.close()
    assert run is not None
    return run.statistics


@pytest.fixture(autouse=True)
def _offline(shelf: CliShelf) -> None:
    shelf.config.write_text(shelf.config.read_text() + "offline: true\n")


def content_of(shelf: CliShelf, name: bytes = b"ink.safetensors") -> tuple[Any, Any]:
    with shelf.store() as store:
        file = store.files.at("loras", name)
        assert file is not None
        assert file.content_id is not None
        return file, store.contents.get(file.content_id)


def facts_of(shelf: CliShelf, file_id: int) -> dict[Field, object]:
    with shelf.store() as store:
        return {fact.field: fact.value for fact in store.facts.of_file(file_id) if fact.source is Source.STABLEQUEUE}


def snapshot(shelf: CliShelf) -> list[str]:
    with closing(sqlite3.connect(shelf.state / "modelshelf.db")) as connection:
        return list(connection.iterdump())


def test_an_unchanged_file_is_not_hashed_again(shelf: CliShelf) -> None:
    path = model(shelf)
    document = taken(shelf, told(path, civitai_model_name="Ink", civitai_trained_words="a, b", civitai_version_id="7"))
    assert fates(document) == [("noted", None)]
    assert document["not_hashed_again"] == 1
    answer = shelf.run("scan", "--wait", "--json", "--quiet")
    assert answer.code == 0, answer.err
    statistics = answer.document["statistics"]
    assert (statistics["added"], statistics["hashes_calculated"]) == (1, 0)
    file, content = content_of(shelf)
    assert content.hashes.sha256 == sha256(path).upper()
    assert (content.hashes.blake3, content.hashes.crc32, content.hashes.autov3) == (None, None, None)
    assert content.hashes.autov1 is not None
    assert content.next_lookup_at is not None, "Civitai is asked at once, by the SHA256"
    assert (file.vouched_by, file.scan_phase) == ("stablequeue", ScanPhase.DEEP)
    assert facts_of(shelf, file.id) == {Field.NAME: "Ink", Field.TRAINED_WORDS: ["a", "b"], Field.VERSION_ID: 7}
    with closing(sqlite3.connect(shelf.state / "modelshelf.db")) as connection:
        (row,) = connection.execute(
            "SELECT hash_sha256, civitai_model_name, last_used, created_at FROM models"
        ).fetchall()
    assert row == (sha256(path).upper(), "Ink", SAID, BEFORE)
    with shelf.store() as store:
        assert store.claims.at("loras", b"ink.safetensors") is None
    why = shelf.run("why", str(path))
    assert "as stablequeue told them; the file was not read here" in why.out
    assert "last used" in why.out
    (known,) = shelf.run("why", str(path), "--json").document["files"]
    assert (known["hashes_vouched_by"], known["last_used_at"]) == ("stablequeue", "2025-06-20T10:00:00.000Z")


def test_a_second_import_changes_nothing(shelf: CliShelf) -> None:
    row = told(model(shelf), civitai_model_name="Ink")
    taken(shelf, row)
    before = snapshot(shelf)
    assert fates(taken(shelf, row)) == [("unchanged", None)]
    assert snapshot(shelf) == before
    scan(shelf)
    before = snapshot(shelf)
    assert fates(taken(shelf, row)) == [("unchanged", None)]
    assert snapshot(shelf) == before


def test_a_file_that_is_known_takes_over_what_is_told(shelf: CliShelf) -> None:
    path = model(shelf)
    scan(shelf)
    before, content = content_of(shelf)
    with shelf.store() as store:
        for task in tasks(store):
            store.database.execute("DELETE FROM tasks WHERE id = ?", (task.id,))
    assert fates(taken(shelf, told(path, civitai_model_name="Ink"))) == [("taken", None)]
    file, same = content_of(shelf)
    assert (file.vouched_by, same) == (None, content)
    assert file.first_seen_at == datetime(2023, 6, 1, 9, tzinfo=UTC) < before.first_seen_at
    with shelf.store() as store:
        entry = store.entries.get(file.id)
        assert entry is not None
        assert (entry.values[Field.NAME], entry.sources[Field.NAME]) == ("Ink", Source.STABLEQUEUE)
        assert [(task.kind, task.subject) for task in tasks(store)] == [(TaskKind.WRITE_SIDECARS, str(file.id))]


def test_nothing_that_is_known_is_overwritten(shelf: CliShelf) -> None:
    path = model(shelf)
    scan(shelf)
    file, _ = content_of(shelf)
    with shelf.store() as store:
        store.database.execute("INSERT INTO usage VALUES (?, ?)", (file.id, datetime.now(UTC).timestamp()))
        store.database.execute("UPDATE files SET first_seen_at = 5")
        for source in set(Source) - {Source.STABLEQUEUE}:
            store.facts.replace_of_file(file.id, source, [Fact(Field.NAME, source, source.value)])
        before = store.database.rows("SELECT * FROM usage")[0]["last_used_at"]
    taken(shelf, told(path, civitai_model_name="Theirs"))
    with shelf.store() as store:
        assert {fact.value for fact in store.facts.of_file(file.id) if fact.field is Field.NAME} == {
            "Theirs",
            *(source.value for source in set(Source) - {Source.STABLEQUEUE}),
        }
        assert store.entries.get(file.id).values[Field.NAME] == "user"  # type: ignore[union-attr]
        assert store.database.rows("SELECT * FROM usage")[0]["last_used_at"] == before
        assert store.files.get(file.id).first_seen_at.timestamp() == 5  # type: ignore[union-attr]


def test_what_is_known_of_a_file_decides_whether_its_row_is_of_these_bytes(shelf: CliShelf) -> None:
    path = model(shelf)
    scan(shelf)
    other = "its bytes are not those that StableQueue hashed"
    assert fates(taken(shelf, told(path, hash_sha256="0" * 64))) == [("skipped", other)]
    assert fates(taken(shelf, told(path, hash_sha256=None, hash_autov2="0" * 10))) == [("skipped", other)]
    assert fates(taken(shelf, told(path, hash_sha256=None, hash_autov2=sha256(path)[:10]))) == [("taken", None)]
    head = hashlib.sha256(path.read_bytes()[: 1024 * 1024]).hexdigest()
    assert fates(taken(shelf, told(path, hash_sha256=None, hash_autov2=head[:10], civitai_id="1"))) == [("taken", None)]


def test_a_file_that_changed_since_is_read(shelf: CliShelf) -> None:
    path = model(shelf)
    row = told(path, hash_sha256="0" * 64)
    age(path, datetime(2025, 7, 1, tzinfo=UTC))
    document = taken(shelf, row)
    assert fates(document) == [("skipped", "it changed since StableQueue looked at it")]
    assert scan(shelf).hashes_calculated == 1
    file, content = content_of(shelf)
    assert (content.hashes.sha256, file.vouched_by) == (sha256(path).upper(), None)
    assert facts_of(shelf, file.id) == {}


def test_a_file_that_changes_between_the_import_and_its_turn_is_read(shelf: CliShelf) -> None:
    path = model(shelf)
    taken(shelf, told(path, civitai_model_name="Ink"))
    path.write_bytes(weights(3_000_000, 2))
    assert scan(shelf).hashes_calculated == 1
    file, content = content_of(shelf)
    assert content.hashes.sha256 == sha256(path).upper()
    assert facts_of(shelf, file.id) == {}
    with shelf.store() as store:
        assert store.claims.at("loras", b"ink.safetensors") is None


def test_facts_go_when_the_bytes_do(shelf: CliShelf) -> None:
    path = model(shelf)
    scan(shelf)
    taken(shelf, told(path, civitai_model_name="Ink"))
    path.write_bytes(weights(2_000_000, 2))
    scan(shelf)
    file, _ = content_of(shelf)
    assert facts_of(shelf, file.id) == {}


def test_a_lie_about_a_small_file_is_seen_through(shelf: CliShelf) -> None:
    path = model(shelf, size_bytes=100)
    assert fates(taken(shelf, told(path, hash_sha256="0" * 64)))[0][0] == "skipped"
    assert fates(taken(shelf, told(path, last_used=None, created_at=None))) == [("noted", None)]
    assert scan(shelf).hashes_calculated == 0


def test_a_hash_of_bytes_that_were_read_elsewhere_has_to_fit_them(shelf: CliShelf) -> None:
    read = model(shelf, "read.safetensors")
    scan(shelf)
    lie = model(shelf, "lie.safetensors", seed=2)
    taken(shelf, told(lie, hash_sha256=sha256(read)))
    assert scan(shelf).hashes_calculated == 1
    file, content = content_of(shelf, b"lie.safetensors")
    assert (content.hashes.sha256, file.vouched_by) == (sha256(lie).upper(), None)


def test_a_copy_of_bytes_that_were_read_keeps_all_their_hashes(shelf: CliShelf) -> None:
    read = model(shelf, "read.safetensors")
    scan(shelf)
    copy = shelf.put("copy.safetensors", read.read_bytes())
    age(copy)
    taken(shelf, told(copy))
    assert scan(shelf).hashes_calculated == 0
    file, content = content_of(shelf, b"copy.safetensors")
    assert file.vouched_by == "stablequeue"
    assert content.hashes.blake3 is not None


def test_hashes_are_completed_when_the_file_is_read_after_all(shelf: CliShelf) -> None:
    taken(shelf, told(model(shelf)))
    scan(shelf)
    file, content = content_of(shelf)
    with shelf.store() as store:
        store.files.reset_deep([file.id], Priority.REST)
    scan(shelf)
    again, same = content_of(shelf)
    assert (again.vouched_by, same.id) == (None, content.id)
    assert None not in {same.hashes.blake3, same.hashes.crc32, same.hashes.autov3}


def test_a_hard_link_of_a_file_that_was_never_read_is_read(shelf: CliShelf) -> None:
    path = model(shelf)
    taken(shelf, told(path))
    (path.parent / "link.safetensors").hardlink_to(path)
    assert scan(shelf).hashes_calculated == 1
    link, content = content_of(shelf, b"link.safetensors")
    assert (link.vouched_by, content.hashes.blake3 is None) == (None, False)


def test_an_answer_of_civitai_that_contradicts_has_the_file_read(shelf: CliShelf) -> None:
    taken(shelf, told(model(shelf)))
    scan(shelf)
    file, content = content_of(shelf)
    with shelf.store() as store:
        store.database.execute("UPDATE contents SET questioned_version_id = 7 WHERE id = ?", (content.id,))
        assert store.files.get(file.id).scan_phase is ScanPhase.INDEXED  # type: ignore[union-attr]
    scan(shelf)
    assert content_of(shelf)[0].vouched_by is None


def test_beside_a_daemon_it_is_written_and_the_daemon_is_poked(shelf: CliShelf) -> None:
    row = told(model(shelf))
    with shelf.store():
        pass
    with shelf.daemon(), closing(PokeSocket(shelf.state)) as door:
        assert fates(taken(shelf, row)) == [("noted", None)]
        assert door.messages() == [WAKE]
        assert fates(taken(shelf, row)) == [("unchanged", None)]
        assert door.messages() == []


def test_a_dry_run_writes_nothing(shelf: CliShelf) -> None:
    row = told(model(shelf))
    assert fates(taken(shelf, row, options=("--dry-run",))) == [("noted", None)]
    assert not shelf.state.exists()
    scan(shelf)
    before = snapshot(shelf)
    document = taken(shelf, row, options=("--dry-run",))
    assert (fates(document), document["is_dry_run"]) == ([("taken", None)], True)
    assert snapshot(shelf) == before


def test_a_broken_database_changes_nothing(shelf: CliShelf) -> None:
    broken = shelf.root / "sq.sqlite"
    broken.write_bytes(b"no database" * 100)
    answer = shelf.run("import", "stablequeue", str(broken))
    assert answer.code == 2
    assert "cannot be read: file is not a database" in answer.err
    assert not shelf.state.exists()


def test_where_the_container_had_other_paths_they_are_told(shelf: CliShelf) -> None:
    path = model(shelf, "sub/ink.safetensors")
    row = told(path, local_path="/app/models/sub")
    assert fates(taken(shelf, row)) == [("skipped", "it is in none of the folders")]
    moved = ("--moved", "/elsewhere", "/x", "--moved", "/app/models", str(shelf.root / "loras"))
    assert fates(taken(shelf, row, options=moved)) == [("noted", None)]


def test_a_relative_path_is_looked_for_in_the_folders(shelf: CliShelf) -> None:
    path = model(shelf, "sub/ink.safetensors")
    assert fates(taken(shelf, told(path, local_path="sub"))) == [("noted", None)]
    assert fates(taken(shelf, told(path, local_path="elsewhere"))) == [("skipped", "it is in none of the folders")]


def test_rows_about_nothing_on_the_shelf_are_skipped_and_it_is_said_why(shelf: CliShelf) -> None:
    path = model(shelf)
    note = shelf.put("note.txt")
    gone = {**told(path), "filename": "gone.safetensors"}
    document = taken(
        shelf,
        {**told(path), "filename": ".."},
        gone,
        told(note),
        told(path),
        told(path, local_path=str(shelf.root)),
        told(path),
    )
    assert fates(document) == [
        ("skipped", "the row names no file"),
        ("skipped", "there is no such file"),
        ("skipped", "the patterns of loras leave it out"),
        ("skipped", "a later row tells of the same file"),
        ("skipped", "it is in none of the folders"),
        ("noted", None),
    ]
    assert document["counts"] == {"taken": 0, "noted": 1, "unchanged": 0, "skipped": 5}


def test_a_folder_that_is_away_is_no_lost_file(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    row = told(model(shelf))
    monkeypatch.setattr(import_plan, "check_presence", _away)
    assert fates(taken(shelf, row)) == [("skipped", "loras is offline: not mounted")]


def _away(*_: object) -> None:
    raise FolderOffline("not mounted")


def test_what_cannot_be_read_is_skipped(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    row = told(model(shelf))
    monkeypatch.setattr(import_plan, "glimpse", _away)
    assert fates(taken(shelf, row)) == [("skipped", "not mounted")]


def test_a_file_that_is_not_to_be_hashed_takes_over_facts_alone(shelf: CliShelf) -> None:
    path = model(shelf)
    with shelf.store() as store:
        fingerprint = Fingerprint.of(path.lstat())
        file_id = store.files.add(NewFile("loras", b"ink.safetensors", fingerprint, THEN, Priority.REST))
        store.files.record_unhashed(file_id, "above hashing.max_size")
    assert fates(taken(shelf, told(path, civitai_model_name="Ink"))) == [("taken", None)]
    assert facts_of(shelf, file_id) == {Field.NAME: "Ink"}


def test_a_missing_file_that_is_there_is_noted_until_it_is_seen(shelf: CliShelf) -> None:
    path = model(shelf)
    with shelf.store() as store:
        fingerprint = Fingerprint.of(path.lstat())
        file_id = store.files.add(NewFile("loras", b"ink.safetensors", fingerprint, THEN, Priority.REST))
        store.files.record_content(file_id, store.contents.upsert(fingerprint.size_bytes, hashes(1), THEN).id)
        store.files.mark_missing([file_id], THEN + timedelta(days=1))
    assert fates(taken(shelf, told(path))) == [("noted", None)]


def test_what_is_taken_is_told_for_eyes(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_stablequeue, "EXAMPLES_SHOWN", 1)
    path = model(shelf)
    rows = [{**told(path), "filename": f"gone{number}.safetensors"} for number in range(2)]
    database = make_database(shelf.root / "sq.sqlite", told(path), {**told(path), "filename": ".."}, *rows)
    answer = shelf.run("import", "stablequeue", str(database))
    assert answer.out.splitlines() == [
        "StableQueue tells of 4 models.",
        "- Noted: 1 for files that are not read yet; 1 of them need no hashing",
        "- Skipped: 3 for these reasons:",
        "  2 x there is no such file",
        f"    {path.parent}/gone0.safetensors",
        "    and 1 more; --json tells all",
        "  1 x the row names no file",
        "    ?",
    ]
    assert shelf.run("import", "stablequeue", str(database), "--dry-run").out.endswith("Nothing was written.\n")


def test_many_rows_are_written_piece_by_piece(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_stablequeue, "PLANS_AT_ONCE", 2)
    rows = [told(model(shelf, f"{number}.safetensors", size_bytes=10, seed=number)) for number in range(5)]
    assert {fate for fate, _ in fates(taken(shelf, *rows))} == {"noted"}
    assert {fate for fate, _ in fates(taken(shelf, *rows))} == {"unchanged"}


def test_a_match_by_a_hash_that_was_told_is_not_called_one_of_the_bytes(shelf: CliShelf) -> None:
    path = model(shelf)
    taken(shelf, told(path))
    scan(shelf)
    _, content = content_of(shelf)
    with shelf.store() as store:
        store.contents.record_hit(content.id, 7, SystemClock().now())
    assert "it lists the hash that another program told" in shelf.run("why", str(path)).out
    with shelf.store() as store:
        store.database.execute("UPDATE contents SET blake3 = 'AB' WHERE id = ?", (content.id,))
    assert "it lists these very bytes" in shelf.run("why", str(path)).out
