from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.domain.model_file import Fingerprint, ModelFile, ScanPhase
from modelshelf.domain.task import Lane, Priority, TaskKind
from modelshelf.errors import StoreError
from modelshelf.store import files
from modelshelf.store.files import NewFile
from modelshelf.store.former_files import FormerFile
from tests.unit.store.store_builders import (
    DAY,
    NOW,
    SECOND,
    add_file,
    add_read_file,
    fingerprint,
    hashes,
    new_task,
)

if TYPE_CHECKING:
    from modelshelf.store.store import Store

HEADER = Header(
    Format.SAFETENSORS,
    Verdict.BROKEN,
    "too \ud800 short",
    declared_size_bytes=2**64 - 1,
    tensor_count=3,
    dtypes={"F16": 2**65, "BF16": 1},
    metadata={"ss_tag": "\udfff", "b": [1, {"a": None}]},
    kind="LoRA",
    architecture="sdxl",
)
BEYOND_64_BITS = Fingerprint(10, 10**24, -(10**24), 2**64 - 1)


def get(store: Store, file_id: int) -> ModelFile:
    file = store.files.get(file_id)
    assert file is not None
    return file


def paths(files: list[ModelFile]) -> list[bytes]:
    return [file.path for file in files]


def change(store: Store, file_id: int, print_of: Fingerprint, *, waiting_reason: str | None = None) -> None:
    store.files.change(file_id, print_of, NOW + DAY, priority=30, waiting_reason=waiting_reason, run_id=4)


def test_a_file_comes_back_as_it_was_added(store: Store) -> None:
    new = NewFile("a", b"x/y.safetensors", fingerprint(1), NOW, Priority.DROP, "growing", 7)
    file = get(store, store.files.add(new))
    assert file == ModelFile(
        id=file.id,
        folder_id="a",
        path=b"x/y.safetensors",
        fingerprint=fingerprint(1),
        scan_phase=ScanPhase.INDEXED,
        is_inspected=False,
        content_id=None,
        first_seen_at=NOW,
        waiting_reason="growing",
    )
    assert store.files.at("a", b"x/y.safetensors") == file
    assert store.files.at("b", b"x/y.safetensors") is None
    assert store.files.at("a", b"y.safetensors") is None
    assert store.files.get(999) is None


@pytest.mark.parametrize(
    "path", [b"\xff\xfe.safetensors", b"a\nb/c\rd", b"d/ \x01", "\u00e9/\U0001f600".encode(), b"%_'\""]
)
def test_any_path_that_a_disk_may_hold_can_be_kept(store: Store, path: bytes) -> None:
    file_id = add_file(store, path)
    file = store.files.at("a", path)
    assert file is not None
    assert (file.id, file.path) == (file_id, path)
    store.files.set_waiting(file_id, "told by \ud800")
    assert get(store, file_id).waiting_reason == "told by \\ud800"


def test_numbers_beyond_64_bits_are_kept_exactly(store: Store) -> None:
    file_id = store.files.add(NewFile("a", b"x", BEYOND_64_BITS, NOW, 0))
    assert get(store, file_id).fingerprint == BEYOND_64_BITS
    assert [file.id for file in store.files.twins(BEYOND_64_BITS)] == [file_id]


def test_a_file_of_an_unknown_folder_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        add_file(store, b"x", folder_id="nowhere")


def test_a_file_added_at_a_known_path_takes_its_place_with_the_new_bytes(store: Store) -> None:
    file_id, _ = add_read_file(store, b"x", 1)
    store.files.mark_missing([file_id], NOW)
    again = store.files.add(NewFile("a", b"x", fingerprint(9), NOW + DAY, Priority.DROP, None, None))
    file = get(store, file_id)
    assert again == file_id
    assert (file.scan_phase, file.content_id, file.fingerprint) == (ScanPhase.INDEXED, None, fingerprint(9))
    assert (file.missing_since, file.first_seen_at) == (None, NOW)


def test_a_directory_lists_its_own_files_alone_and_missing_ones_too(store: Store) -> None:
    ids = {path: add_file(store, path) for path in (b"x", b"d/x", b"d/y", b"d/e/x", b"dd/x")}
    add_file(store, b"d/z", folder_id="b")
    store.files.mark_missing([ids[b"d/y"]], NOW)
    found = store.files.in_directory("a", b"d")
    assert {path: file.id for path, file in found.items()} == {path: ids[path] for path in (b"d/x", b"d/y")}
    assert list(store.files.in_directory("a", b"")) == [b"x"]
    assert store.files.in_directory("a", b"nowhere") == {}


def test_of_a_directory_those_with_some_names_are_given_missing_ones_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_NAMES_AT_ONCE", 2)
    ids = {path: add_file(store, path) for path in (b"d/x", b"d/y", b"d/z", b"d/other", b"d/e/x", b"x")}
    add_file(store, b"d/x", folder_id="b")
    store.files.mark_missing([ids[b"d/y"]], NOW)
    found = store.files.named("a", b"d", [b"z", b"x", b"unknown", b"y"])
    assert {path: file.id for path, file in found.items()} == {path: ids[path] for path in (b"d/x", b"d/y", b"d/z")}
    assert store.files.named("a", b"d", []) == {}


def test_directories_below_are_those_with_a_file_that_is_there(store: Store) -> None:
    ids = {
        path: add_file(store, path)
        for path in (b"x", b"d/x", b"d/y", b"d/e/f/x", b"d/gone/x", b"d-/x", b"d0/x", b"dd/x", b"d/\xff/x")
    }
    store.files.mark_missing([ids[b"d/gone/x"], ids[b"d/y"]], NOW)
    assert store.files.directories_below("a", b"d") == [b"d", b"d/e/f", b"d/\xff"]
    assert store.files.directories_below("a", b"") == [b"", b"d", b"d-", b"d/e/f", b"d/\xff", b"d0", b"dd"]
    assert store.files.directories_below("a", b"d/e") == [b"d/e/f"]
    assert store.files.directories_below("b", b"") == []


def test_files_of_a_stem_share_all_but_the_last_extension(store: Store) -> None:
    names = [b"m.safetensors", b"m.ckpt", b"m", b"m.v2.safetensors", b"mm.ckpt", b"M.pt", b"m-.pt", b"m0.pt", b"m.gone"]
    ids = {name: add_file(store, b"d/" + name) for name in names}
    add_file(store, b"m.pt")
    store.files.mark_missing([ids[b"m.gone"]], NOW)
    assert paths(store.files.with_stem("a", b"d", b"m")) == [b"d/m", b"d/m.ckpt", b"d/m.safetensors"]
    assert paths(store.files.with_stem("a", b"d", b"m.v2")) == [b"d/m.v2.safetensors"]
    assert paths(store.files.with_stem("a", b"", b"m")) == [b"m.pt"]
    assert paths(store.files.with_stem("a", b"", b"none")) == []


def test_the_files_of_a_content_are_those_that_are_there(store: Store) -> None:
    first, content_id = add_read_file(store, b"x", 1)
    second, same_id = add_read_file(store, b"y", 1, folder_id="b")
    gone, _ = add_read_file(store, b"z", 1)
    add_read_file(store, b"other", 2)
    store.files.mark_missing([gone], NOW)
    assert same_id == content_id
    assert [file.id for file in store.files.of_content(content_id)] == [first, second]
    assert [file.id for file in store.files.missing_with_content(content_id)] == [gone]


def test_the_files_of_a_model_are_those_of_all_its_versions(store: Store) -> None:
    ids = []
    for number, (version_id, model_id) in enumerate([(11, 1), (12, 1), (13, 2), (14, None)]):
        file_id, content_id = add_read_file(store, b"%d" % number, number)
        store.contents.record_hit(content_id, version_id, NOW)
        store.remote.keep_version(version_id, model_id, {}, NOW)
        ids.append(file_id)
    gone, content_id = add_read_file(store, b"gone", 9)
    store.contents.record_hit(content_id, 11, NOW)
    store.files.mark_missing([gone], NOW)
    assert [file.id for file in store.files.of_model(1)] == ids[:2]
    assert [file.id for file in store.files.of_model(2)] == ids[2:3]
    assert store.files.of_model(3) == []


def test_twins_share_inode_size_and_mtime_whether_there_or_not(store: Store) -> None:
    def add(path: bytes, print_of: Fingerprint) -> int:
        return store.files.add(NewFile("a", path, print_of, NOW, 0))

    first, second = add(b"x", Fingerprint(1, 2, 3, 4)), add(b"y", Fingerprint(1, 2, 99, 4))
    add(b"other size", Fingerprint(9, 2, 3, 4))
    add(b"other time", Fingerprint(1, 9, 3, 4))
    add(b"other inode", Fingerprint(1, 2, 3, 9))
    store.files.mark_missing([second], NOW)
    assert [file.id for file in store.files.twins(Fingerprint(1, 2, 5, 4))] == [first, second]


def test_other_bytes_drop_what_the_old_ones_told_and_keep_what_sidecars_told(store: Store) -> None:
    file_id, _ = add_read_file(store, b"x", 1)
    store.files.record_header(file_id, HEADER)
    store.files.record_unhashed(file_id, "too big")
    for source in (Source.EMBEDDED, Source.FORGE, Source.CIVITAI_JSON):
        store.facts.replace_of_file(file_id, source, [Fact(Field.NAME, source, source.value)])
    store.files.mark_missing([file_id], NOW)
    change(store, file_id, BEYOND_64_BITS, waiting_reason="growing")
    file = get(store, file_id)
    assert (file.scan_phase, file.is_inspected, file.content_id) == (ScanPhase.INDEXED, False, None)
    assert (file.missing_since, file.waiting_reason, file.hash_skipped_reason) == (None, "growing", None)
    assert (file.fingerprint, file.first_seen_at) == (BEYOND_64_BITS, NOW)
    assert store.files.header(file_id) is None
    assert [fact.source for fact in store.facts.of_file(file_id)] == [Source.CIVITAI_JSON, Source.FORGE]


def test_other_bytes_are_read_with_their_own_priority_and_run(store: Store) -> None:
    file_id, _ = add_read_file(store, b"x", 1)
    change(store, file_id, fingerprint(2))
    (task,) = store.journal.claim(Lane.DESK, NOW + DAY)
    assert (task.kind, task.priority, task.run_id) == (TaskKind.INSPECT_FILE, 30, 4)
    assert task.due_at == NOW + DAY


def test_a_hash_of_the_old_bytes_that_failed_does_not_hold_up_the_new_ones(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.files.record_header(file_id, HEADER)
    (task,) = store.journal.claim(Lane.DISK, NOW)
    store.journal.fail(task, "no", FailureKind.HASH, NOW)
    change(store, file_id, fingerprint(2))
    store.files.record_header(file_id, HEADER)
    assert [each.kind for each in store.journal.claim(Lane.DISK, NOW + DAY)] == [TaskKind.HASH_FILE]


def test_the_same_bytes_keep_all_that_is_known(store: Store) -> None:
    file_id, content_id = add_read_file(store, b"x", 1)
    store.files.mark_missing([file_id], NOW)
    store.files.settle_fingerprint(file_id, fingerprint(5))
    file = get(store, file_id)
    assert (file.fingerprint, file.missing_since) == (fingerprint(5), None)
    assert (file.scan_phase, file.content_id) == (ScanPhase.DEEP, content_id)


def test_since_when_the_bytes_are_the_same_is_remembered(store: Store) -> None:
    file_id = add_file(store, b"x")
    assert store.files.unchanged_since(file_id) == NOW
    store.files.change(file_id, fingerprint(2), NOW + DAY, priority=30, waiting_reason=None, run_id=None)
    assert store.files.unchanged_since(file_id) == NOW + DAY


def test_a_file_waits_and_waits_no_more(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.files.set_waiting(file_id, "growing")
    assert get(store, file_id).waiting_reason == "growing"
    store.files.set_waiting(file_id, None)
    assert get(store, file_id).waiting_reason is None


def test_a_moved_file_takes_along_all_that_is_known(store: Store) -> None:
    file_id, content_id = add_read_file(store, b"x/y", 1)
    store.files.record_header(file_id, HEADER)
    store.files.mark_missing([file_id], NOW)
    store.files.move(file_id, "b", b"z/\xff", BEYOND_64_BITS)
    file = get(store, file_id)
    assert (file.folder_id, file.path, file.fingerprint) == ("b", b"z/\xff", BEYOND_64_BITS)
    assert (file.missing_since, file.content_id) == (None, content_id)
    assert store.files.header(file_id) is not None
    assert store.files.at("a", b"x/y") is None


def test_a_file_moved_onto_a_missing_one_merges_it_away_with_its_tasks(store: Store) -> None:
    moved, target = add_file(store, b"x"), add_file(store, b"y")
    store.files.record_header(target, HEADER)
    store.facts.replace_of_file(target, Source.FORGE, [Fact(Field.NAME, Source.FORGE, "old")])
    store.entries.refresh([target])
    store.files.mark_missing([target], NOW)
    store.journal.add([new_task(target), new_task(moved), new_task(target, TaskKind.ENRICH_MODEL)], NOW)
    store.files.move(moved, "a", b"y", fingerprint(3))
    assert store.files.get(target) is None
    assert get(store, moved).path == b"y"
    for table in ("headers", "entries", "facts"):
        assert store.database.rows(f"SELECT count(*) FROM {table}")[0][0] == 0
    assert store.journal.owed(until=NOW)[TaskKind.WRITE_SIDECARS] == 1
    assert store.journal.owed()[TaskKind.ENRICH_MODEL] == 1


def test_the_record_of_a_file_merged_away_is_kept_for_its_path(store: Store) -> None:
    moved, (target, _) = add_file(store, b"x"), add_read_file(store, b"d/y\xff", 7)
    store.facts.replace_of_file(target, Source.FORGE, [Fact(Field.NAME, Source.FORGE, "Old name")])
    store.entries.refresh([target])
    store.files.mark_missing([target], NOW)
    store.files.move(moved, "a", b"d/y\xff", fingerprint(3), NOW + DAY)
    assert store.files.former("a", b"d/y\xff") == [
        FormerFile(1000, hashes(7).sha256, {Field.NAME: "Old name"}, NOW, NOW + DAY)
    ]


def test_the_records_of_one_path_are_kept_one_after_the_other(store: Store) -> None:
    first, second, _ = add_file(store, b"x"), add_file(store, b"w"), add_file(store, b"y", size_bytes=7)
    store.files.move(first, "a", b"y", fingerprint(3), NOW)
    store.files.move(second, "a", b"y", fingerprint(4), NOW + DAY)
    assert [(each.size_bytes, each.sha256, each.values) for each in store.files.former("a", b"y")] == [
        (fingerprint(3).size_bytes, None, {}),
        (7, None, {}),
    ]
    store.files.move(second, "a", b"z", fingerprint(4), NOW + DAY)
    assert store.files.former("a", b"z") == []


def test_a_task_in_hand_of_a_file_merged_away_belongs_to_no_folder(store: Store) -> None:
    moved, target = add_file(store, b"x"), add_file(store, b"y")
    store.journal.add([new_task(target, due_at=NOW - DAY)], NOW)
    tasks = store.journal.claim(Lane.DESK, NOW)
    store.files.move(moved, "a", b"y", fingerprint(3))
    store.journal.release(tasks)
    assert [task.subject for task in store.journal.claim(Lane.DESK, NOW, ["b"])] == [str(target)]


def test_a_dropped_file_that_was_noted_at_rest_is_read_as_a_drop(store: Store) -> None:
    first, second, third = (add_file(store, name) for name in (b"x", b"y", b"z"))
    (in_line,) = [task for task in store.journal.claim(Lane.DESK, NOW) if task.subject == str(third)]
    store.journal.release([in_line])
    store.reading.raise_to("a", b"y", Priority.DROP)
    store.reading.raise_to("a", b"z", Priority.PERSON)
    store.reading.raise_to("a", b"z", Priority.REST)
    store.database.execute("DELETE FROM tasks WHERE subject <> ?", (str(third),))
    found = [(task.subject, task.priority) for task in store.journal.claim(Lane.DESK, NOW)]
    assert found == [(str(third), Priority.PERSON), (str(second), Priority.DROP), (str(first), Priority.REST)]


def test_a_task_in_hand_of_a_file_merged_away_can_be_settled(store: Store) -> None:
    moved, target = add_file(store, b"x"), add_file(store, b"y")
    tasks = store.journal.claim(Lane.DESK, NOW)
    store.files.move(moved, "a", b"y", fingerprint(3))
    store.files.record_header(target, HEADER)
    assert not store.facts.replace_of_file(target, Source.EMBEDDED, [Fact(Field.NAME, Source.EMBEDDED, "late")])
    assert store.entries.refresh([target]) == []
    store.journal.settle(tasks)
    assert store.database.rows("SELECT count(*) FROM facts")[0][0] == 0


def test_a_file_moved_to_where_it_is_stays(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.files.move(file_id, "a", b"x", fingerprint(3))
    assert get(store, file_id).fingerprint == fingerprint(3)


def test_the_id_of_a_file_merged_away_is_never_given_again(store: Store) -> None:
    moved, target = add_file(store, b"x"), add_file(store, b"y")
    store.files.move(moved, "a", b"y", fingerprint(3))
    assert add_file(store, b"new") > target


def test_missing_files_keep_the_time_since_when(store: Store) -> None:
    first, second = add_file(store, b"x"), add_file(store, b"y")
    store.files.mark_missing([first], NOW)
    store.files.mark_missing(iter([first, second]), NOW + SECOND)
    assert get(store, first).missing_since == NOW
    assert get(store, second).missing_since == NOW + SECOND
    assert store.files.at("a", b"x") == get(store, first)


def test_a_header_comes_back_with_the_lies_it_told(store: Store) -> None:
    file_id = add_file(store, b"x")
    assert store.files.header(file_id) is None
    store.files.record_header(file_id, HEADER)
    header = store.files.header(file_id)
    assert header is not None
    assert header.reason == "too \\ud800 short"
    assert (header.declared_size_bytes, header.dtypes) == (2**64 - 1, {"F16": 2**65, "BF16": 1})
    assert (header.metadata, header.tensor_count) == (HEADER.metadata, 3)
    assert (header.kind, header.architecture, header.format, header.verdict) == (
        "LoRA",
        "sdxl",
        Format.SAFETENSORS,
        Verdict.BROKEN,
    )
    assert get(store, file_id).is_inspected


def test_a_second_header_takes_the_place_of_the_first(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.files.record_header(file_id, HEADER)
    sound = Header(Format.GGUF, Verdict.SOUND)
    store.files.record_header(file_id, sound)
    assert store.files.header(file_id) == sound


def test_a_hashed_file_is_read_in_full(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.files.record_unhashed(file_id, "too big \ud800")
    file = get(store, file_id)
    assert (file.scan_phase, file.content_id, file.hash_skipped_reason) == (ScanPhase.DEEP, None, "too big \\ud800")
    content = store.contents.upsert(1, hashes(1), NOW)
    store.files.record_content(file_id, content.id)
    file = get(store, file_id)
    assert (file.scan_phase, file.content_id, file.hash_skipped_reason) == (ScanPhase.DEEP, content.id, None)


def test_companions_are_remembered(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.files.set_companions(file_id, "x.json:1:2")
    assert get(store, file_id).companions == "x.json:1:2"


def test_a_forced_reading_begins_with_the_header_and_keeps_what_is_known_until_then(store: Store) -> None:
    file_id, content_id = add_read_file(store, b"x", 1)
    store.files.record_header(file_id, HEADER)
    store.files.reset_deep(iter([file_id]), Priority.PERSON)
    file = get(store, file_id)
    assert (file.scan_phase, file.is_inspected, file.content_id) == (ScanPhase.INDEXED, False, content_id)
    assert store.files.header(file_id) is not None
    (task,) = store.journal.claim(Lane.DESK, NOW)
    assert (task.kind, task.priority) == (TaskKind.INSPECT_FILE, Priority.PERSON)


def test_a_forced_reading_is_tried_again_where_it_had_failed(store: Store) -> None:
    file_id = add_file(store, b"x")
    (task,) = store.journal.claim(Lane.DESK, NOW)
    store.journal.fail(task, "no", FailureKind.ACCESS, NOW)
    store.files.reset_deep([file_id], Priority.PERSON)
    (again,) = store.journal.claim(Lane.DESK, NOW)
    assert again.attempts == 0


def test_paths_are_listed_by_index_and_nothing_is_sorted(store: Store) -> None:
    said: list[str] = []
    store.database._connection.set_trace_callback(said.append)
    store.files.in_directory("a", b"x")
    store.files.twins(fingerprint(1))
    store.files.directories_below("a", b"x")
    store.database._connection.set_trace_callback(None)
    indexes = ["sqlite_autoindex_files", "files_by_inode", "files_present"]
    for sql, index in zip(said, indexes, strict=True):
        plan = str([row["detail"] for row in store.database.rows(f"EXPLAIN QUERY PLAN {sql}")])
        assert index in plan
        assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(("limit_bytes", "count"), [(999, 0), (1000, 1), (2**80, 1), (None, 1)])
def test_a_file_skipped_for_its_size_is_owed_once_the_limit_lets_it_through(
    store: Store, limit_bytes: int | None, count: int
) -> None:
    store.files.record_unhashed(add_file(store, b"x"), "1 kB is above the limit")
    store.files.record_unhashed(add_file(store, b"y"), "no model")
    store.files.reset_too_large(limit_bytes, "above the limit", Priority.REST)
    assert len(store.journal.claim(Lane.DESK, NOW)) == count
