"""Chunks in the store: what is planned, who takes what, and what a kill leaves."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelshelf.domain.chunk import ChunkLimits, ChunkState
from modelshelf.domain.task import Priority
from modelshelf.store import chunk_planning
from modelshelf.store.chunks import KEPT, Chunks
from tests.unit.store.store_builders import DAY, NOW, SECOND, add_file, add_read_file, folder, hashes

if TYPE_CHECKING:
    import pytest

    from modelshelf.domain.chunk import Chunk
    from modelshelf.store.store import Store

DEVICE = "8:1"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIMITS = ChunkLimits(size_bytes=1_000, files=5, share=1.0, least_bytes=0)


def plan(store: Store, *folder_ids: str, limits: ChunkLimits = LIMITS) -> int:
    return store.chunks.plan(DEVICE, folder_ids or ("a", "b"), limits, NOW)


def take(store: Store, *folder_ids: str) -> Chunk:
    """Take the next chunk, which there has to be."""
    chunk = store.chunks.next(DEVICE, folder_ids or ("a", "b"), NOW)
    assert chunk is not None
    return chunk


def planned_ids(store: Store) -> list[int]:
    return sorted(file_id for chunk in store.chunks.planned(1_000) for file_id in chunk.file_ids)


def read(store: Store, file_id: int) -> None:
    """Record a file as hashed."""
    store.files.record_content(file_id, store.contents.upsert(1_000, hashes(file_id), NOW).id)


def test_what_is_owed_is_planned_once(store: Store) -> None:
    ids = [add_file(store, b"d/%d" % number, size_bytes=400) for number in range(5)]
    assert plan(store) == 3
    assert planned_ids(store) == ids
    assert plan(store) == 0


def test_what_was_planned_and_read_otherwise_is_done_where_nothing_is_owed_any_more(store: Store) -> None:
    ids = [add_file(store, b"d/%d" % number, size_bytes=400) for number in range(3)]
    add_file(store, b"other", folder_id="b")
    plan(store)
    for file_id in ids[1:]:
        read(store, file_id)
    assert store.chunks.end_read(NOW) == 0
    read(store, ids[0])
    assert store.chunks.end_read(NOW + SECOND) == 2
    assert {(each.folder_id, each.state) for each in store.chunks.planned(9)} == {("b", ChunkState.PLANNED)}
    for chunk in store.chunks.latest(9):
        assert (chunk.state, chunk.ended_at, chunk.file_ids) == (ChunkState.DONE, NOW + SECOND, ())
        assert (chunk.done_files, chunk.done_bytes) == (chunk.file_count, chunk.size_bytes)


def test_only_the_bulk_that_can_be_read_is_planned(store: Store) -> None:
    owed = add_file(store, b"owed")
    add_read_file(store, b"read", 1)
    add_file(store, b"dropped", priority=Priority.DROP)
    store.files.mark_missing([add_file(store, b"missing")], NOW)
    store.files.set_waiting(add_file(store, b"waiting"), "still written")
    add_file(store, b"claimed", priority=Priority.CHANGED)
    store.database.execute("UPDATE files SET has_task = 1 WHERE name = ?", (b"claimed",))
    add_file(store, b"elsewhere", folder_id="b")
    assert plan(store, "a") == 1
    assert planned_ids(store) == [owed]


def test_hostile_names_and_sizes_are_planned(store: Store) -> None:
    ids = [add_file(store, path, size_bytes=2**70) for path in (b"\xff\xfe/\x1b[2J\n.safetensors", b"a/\n/b", b"plain")]
    assert plan(store) == 3
    assert planned_ids(store) == ids
    assert take(store).size_bytes == 2**62


def test_newcomers_go_into_later_chunks(store: Store) -> None:
    add_file(store, b"d/1")
    plan(store)
    late = add_file(store, b"d/2")
    assert plan(store) == 1
    assert store.chunks.planned(9)[1].file_ids == (late,)


def test_what_becomes_worth_more_is_planned_before_the_rest_is_read(store: Store) -> None:
    first = add_file(store, b"d/1", size_bytes=10)
    changed = add_file(store, b"d/2", size_bytes=10)
    plan(store)
    store.database.execute("UPDATE files SET priority = ? WHERE id = ?", (Priority.CHANGED, changed))
    assert plan(store) == 1
    assert take(store).file_ids == (changed,)
    assert take(store).file_ids == (first, changed)


def test_what_runs_is_not_planned_again(store: Store) -> None:
    add_file(store, b"d/1")
    plan(store)
    take(store)
    assert plan(store) == 0


def test_what_an_ended_chunk_left_owed_is_planned_anew(store: Store) -> None:
    left = add_file(store, b"d/1")
    plan(store)
    store.chunks.end(take(store).id, ChunkState.FAILED, NOW, "the disk does not answer")
    assert plan(store) == 1
    assert planned_ids(store) == [left]


def test_two_who_plan_at_once_plan_nothing_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_planning, "PAGE", 15)
    ids = [add_file(store, b"d/%d" % number) for number in range(30)]
    other = threading.Thread(target=lambda: plan(store, limits=limits))
    asked: list[None] = []

    def ask_the_time() -> float:
        """Let the other one plan when the first has read half of it: it has to wait until that is done."""
        if threading.current_thread() is threading.main_thread():
            asked.append(None)
            if len(asked) == 2:
                other.start()
                other.join(0.2)
        return 0.0

    store = replace(store, chunks=Chunks(store.database, ask_the_time))
    limits = replace(LIMITS, analysis_seconds=9.0)
    plan(store, limits=limits)
    other.join()
    assert planned_ids(store) == ids


def test_a_chunk_that_is_taken_while_others_are_planned_is_not_planned_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_file(store, b"d/1")
    plan(store)
    running = store.chunks.running
    taken: list[Chunk] = []
    other = threading.Thread(target=lambda: taken.append(take(store)))

    def running_while_it_is_taken() -> list[Chunk]:
        found = running()
        other.start()
        other.join(0.2)
        return found

    monkeypatch.setattr(store.chunks, "running", running_while_it_is_taken)
    assert plan(store) == 0
    other.join()
    assert len(taken) == 1
    assert planned_ids(store) == []


def test_worth_goes_before_size_and_the_largest_first_among_equals(store: Store) -> None:
    small = add_file(store, b"small/1", size_bytes=100, priority=Priority.CHANGED)
    large = add_file(store, b"large/1", size_bytes=900)
    larger = add_file(store, b"larger/1", size_bytes=950)
    plan(store)
    assert [take(store).file_ids for _ in range(3)] == [(small,), (larger,), (large,)]
    assert store.chunks.next(DEVICE, ["a", "b"], NOW) is None


def test_only_chunks_of_the_folders_that_may_be_read_are_taken(store: Store) -> None:
    add_file(store, b"1", size_bytes=900)
    add_file(store, b"2", folder_id="b", size_bytes=100)
    plan(store)
    assert take(store, "b").folder_id == "b"
    assert store.chunks.next(DEVICE, ["b"], NOW) is None
    assert store.chunks.next(DEVICE, [], NOW) is None


def test_a_chunk_is_read_small_files_first_and_only_what_is_owed_of_it(store: Store) -> None:
    ids = [add_file(store, b"d/%d" % size, size_bytes=size) for size in (300, 100, 200)]
    plan(store)
    read(store, ids[1])
    chunk = take(store)
    assert store.chunks.unread(chunk) == [ids[2], ids[0]]
    assert (chunk.done_files, chunk.done_bytes, chunk.earlier_bytes) == (1, 100, 100)


def test_a_chunk_whose_files_are_all_read_or_gone_is_done_at_once(store: Store) -> None:
    first, second = add_file(store, b"d/1"), add_file(store, b"d/2")
    other = add_file(store, b"other/1")
    plan(store, limits=replace(LIMITS, size_bytes=2_000, files=2))
    read(store, first)
    store.files.mark_missing([second], NOW)
    assert take(store).file_ids == (other,)
    (done,) = store.chunks.latest(9)
    assert (done.state, done.file_ids, done.file_count, done.done_files) == (ChunkState.DONE, (), 2, 2)


def test_a_chunk_that_another_worker_took_is_passed_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add_file(store, b"d/1")
    plan(store)
    unread = Chunks._unread

    def overtaken(chunks: Chunks, chunk: Chunk) -> list[tuple[int, int]]:
        store.database.execute("UPDATE chunks SET state = 'running'")
        return unread(chunks, chunk)

    monkeypatch.setattr(Chunks, "_unread", overtaken)
    assert store.chunks.next(DEVICE, ["a"], NOW) is None


def test_what_is_noted_is_seen_and_says_that_it_lives(store: Store) -> None:
    add_file(store, b"d/1")
    plan(store)
    chunk_id = take(store).id
    store.chunks.note(chunk_id, NOW + 10 * SECOND, done_files=0, done_bytes=500, failed_files=0)
    (chunk,) = store.chunks.running()
    assert (chunk.done_bytes, chunk.busy_seconds, chunk.bytes_per_second) == (500, 10.0, 50.0)
    assert not chunk.is_stalled(NOW + 69 * SECOND)
    assert chunk.is_stalled(NOW + 70 * SECOND)


def test_a_chunk_that_is_held_neither_stalls_nor_counts_its_time(store: Store) -> None:
    add_file(store, b"d/1")
    plan(store)
    chunk_id = take(store).id
    store.chunks.note(chunk_id, NOW + 10 * SECOND, done_files=0, done_bytes=500, held_reason="until 01:00")
    (held,) = store.chunks.running()
    assert (held.reason, held.is_stalled(NOW + DAY)) == ("until 01:00", False)
    store.chunks.note(chunk_id, NOW + DAY, done_files=0, done_bytes=500)
    store.chunks.note(chunk_id, NOW + DAY + 5 * SECOND, done_files=1, done_bytes=1_000)
    (chunk,) = store.chunks.running()
    assert (chunk.reason, chunk.busy_seconds) == (None, 15.0)


def test_a_clock_that_jumps_counts_a_minute_at_most_and_never_less_than_nothing(store: Store) -> None:
    add_file(store, b"d/1")
    plan(store)
    chunk_id = take(store).id
    store.chunks.note(chunk_id, NOW + DAY, done_files=0, done_bytes=0)
    store.chunks.note(chunk_id, NOW, done_files=0, done_bytes=0)
    assert store.chunks.running()[0].busy_seconds == 60.0


def test_nothing_is_noted_of_a_chunk_that_does_not_run(store: Store) -> None:
    add_file(store, b"d/1")
    plan(store)
    chunk_id = take(store).id
    store.chunks.end(chunk_id, ChunkState.DONE, NOW + SECOND)
    store.chunks.note(chunk_id, NOW + DAY, done_files=9, done_bytes=9)
    store.chunks.end(chunk_id, ChunkState.FAILED, NOW + DAY, "too late")
    (chunk,) = store.chunks.latest(9)
    assert (chunk.state, chunk.done_files, chunk.ended_at, chunk.reason) == (ChunkState.DONE, 0, NOW + SECOND, None)


def test_a_chunk_given_back_is_taken_again_with_what_was_done(store: Store) -> None:
    ids = [add_file(store, b"d/%d" % number, size_bytes=400) for number in range(2)]
    plan(store)
    read(store, ids[0])
    store.chunks.end(take(store).id, ChunkState.PLANNED, NOW, "the daemon stops")
    again = take(store)
    assert (again.file_ids, again.done_files, again.attempts, again.reason) == ((ids[0], ids[1]), 1, 0, None)


def test_what_ran_when_the_daemon_died_is_planned_again_and_counted(store: Store) -> None:
    add_file(store, b"d/1")
    plan(store)
    take(store)
    assert store.chunks.recover() == 1
    assert store.chunks.running() == []
    assert take(store).attempts == 1
    store.chunks.end(store.chunks.running()[0].id, ChunkState.DONE, NOW)
    assert store.chunks.recover() == 0


def test_the_speed_of_a_device_is_that_of_its_last_chunks(store: Store) -> None:
    assert store.chunks.bytes_per_second(DEVICE) is None
    for number, speed in enumerate((100, 300)):
        add_file(store, b"d/%d" % number)
        plan(store)
        chunk_id = take(store).id
        store.chunks.note(chunk_id, NOW + 10 * SECOND, done_files=0, done_bytes=10 * speed)
        store.chunks.end(chunk_id, ChunkState.DONE, NOW + 10 * SECOND)
        read(store, number + 1)
    assert store.chunks.bytes_per_second(DEVICE) == 200.0
    assert store.chunks.bytes_per_second("9:9") is None


def test_a_slow_device_has_smaller_chunks(store: Store) -> None:
    add_file(store, b"before")
    plan(store)
    chunk_id = take(store).id
    store.chunks.note(chunk_id, NOW + 10 * SECOND, done_files=0, done_bytes=100)
    store.chunks.end(chunk_id, ChunkState.DONE, NOW + 10 * SECOND)
    read(store, 1)
    for number in range(10):
        add_file(store, b"d/%d" % number, size_bytes=100)
    assert plan(store, limits=replace(LIMITS, seconds=20.0)) == 5


def test_files_are_planned_page_by_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_planning, "PAGE", 3)
    ids = [add_file(store, b"d/%d" % number, size_bytes=1) for number in range(10)]
    plan(store)
    assert planned_ids(store) == ids


def test_after_the_time_for_analysis_the_rest_is_planned_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_planning, "PAGE", 4)
    ids = [add_file(store, b"d/%d" % number, size_bytes=1) for number in range(10)]
    clock = iter(range(100))
    chunks = Chunks(store.database, lambda: next(clock))
    limits = replace(LIMITS, analysis_seconds=2.0)
    chunks.plan(DEVICE, ["a"], limits, NOW)
    assert planned_ids(store) == ids[:8]
    chunks.plan(DEVICE, ["a"], limits, NOW)
    assert planned_ids(store) == ids


def test_a_fast_start_cuts_by_count_in_the_order_of_paths_one_chunk_at_a_time(store: Store) -> None:
    ids = {path: add_file(store, path, size_bytes=1) for path in (b"c/1", b"a/2", b"a/1", b"b/1")}
    limits = replace(LIMITS, is_fast_start=True, files=3)
    assert plan(store, limits=limits) == 1
    assert plan(store, limits=limits) == 0
    chunk = take(store)
    assert (chunk.file_ids, chunk.directory, chunk.size_bytes) == ((ids[b"a/1"], ids[b"a/2"], ids[b"b/1"]), b"", 3)
    assert plan(store, limits=limits) == 1
    assert take(store).file_ids == (ids[b"c/1"],)
    assert plan(store, limits=limits) == 0


def test_a_fast_start_keeps_to_the_bytes_too(store: Store) -> None:
    ids = [add_file(store, b"d/%d" % number, size_bytes=size) for number, size in enumerate((5_000, 600, 300, 200))]
    limits = replace(LIMITS, is_fast_start=True)
    found = []
    while plan(store, limits=limits):
        found.append(take(store))
    assert [chunk.file_ids for chunk in found] == [(ids[0],), (ids[1], ids[2]), (ids[3],)]
    assert found[1].size_bytes == 900


def test_old_chunks_and_plans_for_folders_that_went_are_forgotten(store: Store) -> None:
    for number in range(2):
        add_file(store, b"d/%d" % number)
        plan(store)
        store.chunks.end(take(store).id, ChunkState.DONE, NOW + number * DAY)
        read(store, number + 1)
    add_file(store, b"x", folder_id="b")
    add_file(store, b"y")
    plan(store)
    store.folders.sync([folder("a")])
    assert store.chunks.prune(NOW + DAY / 2) == 2
    assert [chunk.ended_at for chunk in store.chunks.latest(9)] == [NOW + DAY]
    assert [chunk.folder_id for chunk in store.chunks.planned(9)] == ["a"]


def test_the_last_thousand_are_kept(store: Store) -> None:
    row = "('a', '8:1', x'', 1, 1, 1, 1, 'done', 0, {0}, x'')"
    values = ", ".join(row.format(number) for number in range(KEPT + 5))
    columns = "folder_id, device, directory, file_count, size_bytes, worth, newest_file_id, state, planned_at, ended_at, file_ids"
    store.database.execute(f"INSERT INTO chunks ({columns}) VALUES {values}")
    assert store.chunks.prune(EPOCH) == 5
    found = store.chunks.latest(KEPT + 5)
    assert len(found) == KEPT
    assert found[0].ended_at is not None
    assert found[0].ended_at.timestamp() == KEPT + 4


def test_it_is_known_when_any_chunk_was_last_heard_of(store: Store) -> None:
    assert store.chunks.last_heard_at() is None
    add_file(store, b"d/1")
    plan(store)
    assert store.chunks.last_heard_at() is None
    store.chunks.note(take(store).id, NOW + SECOND, done_files=0, done_bytes=0)
    store.chunks.recover()
    assert store.chunks.last_heard_at() == NOW + SECOND
