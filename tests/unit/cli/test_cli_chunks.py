"""`modelshelf chunks`: what is read deep, what stalls, and what a crash left."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.clock import SystemClock
from modelshelf.domain.chunk import OUTPUTS, ChunkLimits, ChunkState
from modelshelf.domain.progress import Phase, Progress, Tally
from modelshelf.progress import PROGRESS_STANDING, to_json
from tests.unit.cli.cli_shelf import DAY, add

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from modelshelf.domain.chunk import Chunk
    from modelshelf.store.store import Store
    from tests.unit.cli.cli_shelf import CliShelf

DEVICE = "8:1"
SINGLE = ChunkLimits(files=1)


@pytest.fixture
def now() -> datetime:
    """Give the machine's time: commands tell how long ago something was."""
    return SystemClock().now()


def plan(store: Store, *paths: bytes, at: datetime, limits: ChunkLimits = SINGLE) -> None:
    for path in paths:
        add(store, path)
    store.chunks.plan(DEVICE, ["loras", "checkpoints"], limits, at)


def take(store: Store, at: datetime) -> Chunk:
    chunk = store.chunks.next(DEVICE, ["loras", "checkpoints"], at)
    assert chunk is not None
    return chunk


def test_there_is_nothing_to_tell_of_an_empty_store(shelf: CliShelf) -> None:
    with shelf.store():
        pass
    assert shelf.run("chunks").out == "No chunks: nothing is to be read deep in bulk.\n"
    document = {"is_daemon_running": False, "planned_count": 0, "running": [], "planned": [], "ended": []}
    assert shelf.run("chunks", "--json").document == document
    assert shelf.run("chunks", "--stats").code == 0
    assert shelf.run("chunks", "--clean").code == 0


def test_what_is_owed_and_in_no_chunk_is_told_with_why(shelf: CliShelf, now: datetime) -> None:
    with shelf.store() as store:
        add(store, b"a.safetensors")
        add(store, b"b.safetensors", "checkpoints")
        owed = "2 files are owed, 2.0 KiB, in no chunk yet: "
        assert shelf.run("chunks").out == f"{owed}no daemon runs\n"
        with shelf.daemon():
            assert "tried again" in shelf.run("chunks").out
            progress = Progress(now, Phase.PAUSED, Tally(), held={"loras": "on demand only"})
            store.standing.put(PROGRESS_STANDING, to_json(progress))
            store.folders.set_offline("checkpoints", "away", now)
            reasons = "loras is held: on demand only; checkpoints is held: offline"
            assert shelf.run("chunks").out == f"{owed}{reasons}\n"


@pytest.mark.parametrize("option", [(), ("--stats",), ("--clean",)])
def test_where_nothing_is_recorded_that_is_said(shelf: CliShelf, option: tuple[str, ...]) -> None:
    answer = shelf.run("chunks", *option)
    assert (answer.code, "nothing is recorded yet" in answer.err) == (1, True)
    assert not shelf.state.exists()


def test_stats_and_clean_stand_alone(shelf: CliShelf) -> None:
    assert shelf.run("chunks", "--stats", "--clean").code == 2


def test_what_is_in_hand_stands_first_with_how_far_it_is(shelf: CliShelf, now: datetime) -> None:
    with shelf.store() as store:
        plan(store, b"sub/one", b"sub/longer", at=now)
        chunk_id = take(store, now).id
        store.chunks.note(chunk_id, now + timedelta(seconds=1), done_files=0, done_bytes=505)
    with shelf.daemon():
        answer = shelf.run("chunks")
        document = shelf.run("chunks", "--json").document
    lines = [line.split("  ") for line in answer.out.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells[0] == ["STATE", "FOLDER", "DIRECTORY", "FILES", "BYTES", "RATE", "DEVICE", "SINCE"]
    assert cells[1][:-1] == ["running", "loras", "sub", "0 of 1", "505 B of 1010 B", "505 B/s", "8:1"]
    assert cells[2][:-1] == ["planned", "loras", "sub", "0 of 1", "0 B of 1007 B", "-", "8:1"]
    assert document["is_daemon_running"] is True
    (running,) = document["running"]
    told = ("state", "directory", "files", "done_bytes", "bytes_per_second", "is_stalled", "is_left_behind")
    assert [running[name] for name in told] == ["running", "sub", 1, 505, 505.0, False, False]
    assert [each["size_bytes"] for each in document["planned"]] == [1007]


def test_a_chunk_that_was_not_heard_for_a_minute_is_stalled(shelf: CliShelf, now: datetime) -> None:
    with shelf.store() as store:
        plan(store, b"one", at=now)
        take(store, now - timedelta(seconds=61))
    with shelf.daemon():
        assert shelf.run("chunks").out.splitlines()[1].startswith("STALLED")
        assert shelf.run("chunks", "--json").document["running"][0]["is_stalled"] is True


def test_a_chunk_that_is_held_says_why(shelf: CliShelf, now: datetime) -> None:
    with shelf.store() as store:
        plan(store, b"one", at=now)
        chunk_id = take(store, now - timedelta(seconds=99)).id
        store.chunks.note(chunk_id, now - DAY, done_files=0, done_bytes=0, held_reason="until 01:00")
    with shelf.daemon():
        assert shelf.run("chunks").out.splitlines()[1].startswith("held: until 01:00  ")


def test_without_a_daemon_what_ran_was_left_behind(shelf: CliShelf, now: datetime) -> None:
    with shelf.store() as store:
        plan(store, b"one", at=now)
        take(store, now - DAY)
    answer = shelf.run("chunks")
    assert answer.out.splitlines()[1].startswith("left behind  ")
    assert "modelshelf chunks --clean" in answer.err
    (chunk,) = shelf.run("chunks", "--json").document["running"]
    assert (chunk["is_left_behind"], chunk["is_stalled"]) == (True, False)


def test_more_planned_chunks_than_fit_are_counted(shelf: CliShelf, now: datetime) -> None:
    with shelf.store() as store:
        plan(store, *(b"%03d" % number for number in range(12)), at=now)
    lines = shelf.run("chunks").out.splitlines()
    assert (len(lines), lines[-1]) == (12, "and 2 more are planned")
    assert shelf.run("chunks", "--json").document["planned_count"] == 12


def test_failed_files_and_the_reason_of_a_failed_chunk_are_told(shelf: CliShelf, now: datetime) -> None:
    with shelf.store() as store:
        plan(store, b"one", at=now)
        chunk_id = take(store, now).id
        store.chunks.note(chunk_id, now, done_files=1, done_bytes=9, failed_files=1)
        store.chunks.end(chunk_id, ChunkState.FAILED, now, "the disk is gone\x1b[2J")
    line = shelf.run("chunks").out.splitlines()[1]
    assert line.startswith("failed: the disk is gone\\x1b[2J  ")
    assert "1 of 1, 1 failed" in line


def test_hostile_names_cannot_reach_the_terminal(shelf: CliShelf, now: datetime) -> None:
    with shelf.store() as store:
        plan(store, b"new\nline\x1b[2J\xff/one", at=now)
    line = shelf.run("chunks").out.splitlines()[1]
    assert "new\\nline\\x1b[2J\\xff" in line
    (chunk,) = shelf.run("chunks", "--json").document["planned"]
    assert (chunk["directory"], chunk["directory_bytes"]) == ("new\\nline\\x1b[2J\\xff", "bmV3CmxpbmUbWzJK/w==")


def test_statistics_add_up_what_is_remembered(shelf: CliShelf, now: datetime) -> None:
    with shelf.store() as store:
        plan(store, b"1", b"22", b"333", at=now)
        for seconds, state, reason in ((10, ChunkState.DONE, None), (30, ChunkState.FAILED, "no answer")):
            chunk = take(store, now)
            then = now + timedelta(seconds=seconds)
            store.chunks.note(chunk.id, then, done_files=1, done_bytes=chunk.size_bytes, failed_files=seconds // 30)
            store.chunks.end(chunk.id, state, then, reason)
    document = shelf.run("chunks", "--stats", "--json").document
    assert {name: document["states"][name]["chunks"] for name in document["states"]} == {
        "planned": 1,
        "running": 0,
        "done": 1,
        "failed": 1,
    }
    assert document["states"]["failed"] == {
        "chunks": 1,
        "files": 1,
        "done_files": 1,
        "failed_files": 1,
        "size_bytes": 1002,
        "done_bytes": 1002,
    }
    assert (document["mean_seconds"], document["longest_seconds"]) == (20.0, 30.0)
    assert document["devices"] == [{"device": DEVICE, "chunks": 2, "bytes_per_second": (1003 + 1002) / 40}]
    assert document["failures"] == [{"reason": "no answer", "chunks": 1, "files": 1}]
    lines = [" ".join(line.split()) for line in shelf.run("chunks", "--stats").out.splitlines()]
    assert lines == [
        "STATE CHUNKS FILES BYTES",
        "planned 1 0 of 1 0 B of 1001 B",
        "running 0 0 of 0 0 B of 0 B",
        "done 1 1 of 1 1003 B of 1003 B",
        "failed 1 1 of 1 1002 B of 1002 B",
        "",
        "Times and speeds",
        "mean time 20.0 s",
        "longest 30.0 s",
        "8:1 50 B/s in 2 chunks",
        "",
        "Failures",
        "1 chunk no answer (1 file)",
    ]


def test_statistics_of_nothing_are_told(shelf: CliShelf) -> None:
    with shelf.store():
        pass
    assert shelf.run("chunks", "--stats", "--json").document["mean_seconds"] is None
    assert "mean time  -" in shelf.run("chunks", "--stats").out


def output(shelf: CliShelf, name: str, age_days: int) -> Path:
    """Leave what a reader said before it died."""
    path = shelf.state / OUTPUTS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("Killed")
    moment = SystemClock().now().timestamp() - age_days * 86_400
    os.utime(path, (moment, moment))
    return path


def test_clean_plans_again_what_was_left_and_forgets_what_is_old(shelf: CliShelf, now: datetime) -> None:
    with shelf.store() as store:
        plan(store, b"one", b"two", at=now)
        store.chunks.end(take(store, now).id, ChunkState.DONE, now - 91 * DAY)
        take(store, now)
    old, young = output(shelf, "old.txt", 91), output(shelf, "young.txt", 89)
    answer = shelf.run("chunks", "--clean")
    assert answer.code == 0
    assert answer.out.splitlines() == [
        "1 chunk left behind, planned again.",
        "1 old chunk forgotten.",
        "1 old output of readers removed.",
    ]
    assert (old.exists(), young.exists()) == (False, True)
    with shelf.store() as store:
        assert (store.chunks.running(), store.chunks.latest(9)) == ([], [])
        assert [each.attempts for each in store.chunks.planned(9)] == [1]


def test_clean_leaves_alone_what_a_daemon_has_in_hand_and_says_so(shelf: CliShelf, now: datetime) -> None:
    with shelf.store() as store:
        plan(store, b"one", b"two", at=now)
        store.chunks.end(take(store, now).id, ChunkState.DONE, now - 91 * DAY)
        take(store, now)
    with shelf.daemon():
        document = shelf.run("chunks", "--clean", "--json").document
        lines = shelf.run("chunks", "--clean").out.splitlines()
    assert document == {"planned_again": 0, "forgotten": 1, "outputs_removed": 0, "in_hand": 1, "not_removed": []}
    assert lines[-1] == "1 chunk left alone: the daemon reads them."
    with shelf.store() as store:
        assert len(store.chunks.running()) == 1


def test_an_output_that_cannot_be_removed_is_told_and_the_rest_goes(shelf: CliShelf) -> None:
    with shelf.store():
        pass
    old = output(shelf, "old.txt", 91)
    stubborn = shelf.state / OUTPUTS / "a-directory"
    stubborn.mkdir()
    os.utime(stubborn, (0, 0))
    answer = shelf.run("chunks", "--clean")
    assert (answer.code, old.exists()) == (1, False)
    assert f"Not removed: cannot remove {stubborn}" in answer.out


def test_outputs_that_cannot_be_listed_are_told(shelf: CliShelf) -> None:
    with shelf.store():
        pass
    (shelf.state / OUTPUTS).write_text("no directory")
    answer = shelf.run("chunks", "--clean")
    assert answer.code == 1
    assert "Not removed: cannot list" in answer.out
