"""`modelshelf chunks`: how deep reading is cut, what is read just now, and what a crash left of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf.cli.chunk_clearing import Cleared, clear
from modelshelf.cli.exits import Exit
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_heading, show_json, show_line, show_pairs, show_table
from modelshelf.cli.wording import count_text, moment_json, path_json, size_text, when_text
from modelshelf.clock import SystemClock
from modelshelf.domain.chunk import ChunkState
from modelshelf.domain.display import readable
from modelshelf.domain.progress import Tally
from modelshelf.progress import PROGRESS_STANDING, from_json

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from modelshelf.domain.chunk import Chunk
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.store.chunk_statistics import ChunkStatistics
    from modelshelf.store.store import Store

COLUMNS = ("state", "folder", "directory", "files", "bytes", "rate", "device", "since")
PLANNED_SHOWN = 10
ENDED_SHOWN = 5


@click.command()
@click.option("--stats", "is_about_sums", is_flag=True, help="Tell how many, how long they take, and how fast.")
@click.option("--clean", "is_clearing", is_flag=True, help="Clear away what a daemon that is gone left behind.")
@json_option
@global_options
@click.pass_obj
def chunks(opening: Opening, /, *, is_about_sums: bool, is_clearing: bool, is_json: bool) -> int:
    """Show the chunks in which files are read deep: those in hand, those that come next, and the last that ended.

    A chunk is stalled where nothing was heard of it for a minute. With --clean chunks that a crash left in hand are planned
    again, and old chunks and readers' kept outputs are forgotten after `store.keep_days`.
    """
    if is_about_sums and is_clearing:
        raise click.UsageError("--stats and --clean stand alone.")
    if is_clearing:
        return _clear(opening, is_json=is_json)
    if is_about_sums:
        _show_statistics(opening, is_json=is_json)
    else:
        _show_chunks(opening, is_json=is_json)
    return Exit.GOOD


def _show_chunks(opening: Opening, *, is_json: bool) -> None:
    now, is_alive = SystemClock().now(), opening.daemon_pid() is not None
    with opening.reading() as store:
        running, planned = store.chunks.running(), store.chunks.planned(PLANNED_SHOWN)
        ended, planned_count = store.chunks.latest(ENDED_SHOWN), store.chunks.count(ChunkState.PLANNED)
        unplanned = None if running or planned else _unplanned(store, is_alive=is_alive)
    if is_json:
        lists = {"running": running, "planned": planned, "ended": ended}
        documents: dict[str, JsonValue] = {
            name: [_document(each, now, is_alive=is_alive) for each in found] for name, found in lists.items()
        }
        show_json({"is_daemon_running": is_alive, "planned_count": planned_count, **documents})
        return
    found = [*running, *planned, *ended]
    if found:
        show_table(COLUMNS, [_row(each, now, is_alive=is_alive) for each in found])
    elif unplanned is None:
        show_line("No chunks: nothing is to be read deep in bulk.")
    if unplanned is not None:
        show_line(unplanned)
    if planned_count > len(planned):
        show_line(f"and {count_text(planned_count - len(planned), 'more is', 'more are')} planned")
    if running and not is_alive:
        opening.note("What is left behind is planned again when the daemon starts, or by: modelshelf chunks --clean")


def _unplanned(store: Store, *, is_alive: bool) -> str | None:
    """Say how much is owed though nothing is planned, and why; None where nothing is owed."""
    tallies = {folder_id: tally for folder_id, tally in store.reading.tallies().items() if tally.owed_files}
    if not tallies:
        return None
    owed = sum(tallies.values(), Tally())
    text = f"{count_text(owed.owed_files, 'file is', 'files are')} owed, {size_text(owed.owed_bytes)}, in no chunk yet"
    return f"{text}: {'; '.join(_reasons(store, tallies)) if is_alive else 'no daemon runs'}"


def _reasons(store: Store, folder_ids: Collection[str]) -> list[str]:
    progress = from_json(store.standing.get(PROGRESS_STANDING))
    held = dict(progress.held) if progress is not None else {}
    held |= {state.id: "offline" for state in store.folders.states() if state.offline_since is not None}
    reasons = [f"{readable(each)} is held: {readable(held[each])}" for each in folder_ids if each in held]
    return reasons or ["they are read at once, or failed and are tried again (modelshelf failures)"]


def _standing(chunk: Chunk, now: datetime, *, is_alive: bool) -> str:
    if chunk.state is ChunkState.RUNNING and not is_alive:
        return "left behind"
    if chunk.is_stalled(now):
        return "STALLED"
    if chunk.reason is not None:
        word = "held" if chunk.state is ChunkState.RUNNING else chunk.state.value
        return f"{word}: {readable(chunk.reason)}"
    return chunk.state.value


def _row(chunk: Chunk, now: datetime, *, is_alive: bool) -> tuple[str, ...]:
    failed = f", {chunk.failed_files:,} failed" if chunk.failed_files else ""
    speed = chunk.bytes_per_second
    since = chunk.ended_at or (chunk.started_at if chunk.state is ChunkState.RUNNING else chunk.planned_at)
    return (
        _standing(chunk, now, is_alive=is_alive),
        readable(chunk.folder_id),
        readable(chunk.directory) or ".",
        f"{chunk.done_files:,} of {chunk.file_count:,}{failed}",
        f"{size_text(chunk.done_bytes)} of {size_text(chunk.size_bytes)}",
        f"{size_text(int(speed))}/s" if speed is not None else "-",
        readable(chunk.device),
        when_text(since, now),
    )


def _document(chunk: Chunk, now: datetime, *, is_alive: bool) -> JsonObject:
    return {
        "chunk_id": chunk.id,
        "state": chunk.state.value,
        "folder": chunk.folder_id,
        **path_json(chunk.directory, "directory"),
        "device": chunk.device,
        "files": chunk.file_count,
        "done_files": chunk.done_files,
        "failed_files": chunk.failed_files,
        "size_bytes": chunk.size_bytes,
        "done_bytes": chunk.done_bytes,
        "bytes_per_second": chunk.bytes_per_second,
        "busy_seconds": chunk.busy_seconds,
        "attempts": chunk.attempts,
        "planned_at": moment_json(chunk.planned_at),
        "started_at": moment_json(chunk.started_at),
        "heard_at": moment_json(chunk.heard_at),
        "ended_at": moment_json(chunk.ended_at),
        "reason": chunk.reason,
        "is_stalled": is_alive and chunk.is_stalled(now),
        "is_left_behind": chunk.state is ChunkState.RUNNING and not is_alive,
    }


def _show_statistics(opening: Opening, *, is_json: bool) -> None:
    from modelshelf.store.chunk_statistics import chunk_statistics  # noqa: PLC0415 -- sqlite_utils comes with its package

    with opening.reading() as store:
        statistics = chunk_statistics(store.database)
    if is_json:
        show_json(_statistics_document(statistics))
    else:
        _show_sums(statistics)


def _show_sums(statistics: ChunkStatistics) -> None:
    rows = [
        (state.value, f"{each.chunks:,}", f"{each.done_files:,} of {each.files:,}", _bytes_of(state, statistics))
        for state, each in statistics.sums.items()
    ]
    show_table(("state", "chunks", "files", "bytes"), rows)
    pairs = [("mean time", _span(statistics.mean_seconds)), ("longest", _span(statistics.longest_seconds))]
    pairs += [
        (
            readable(each.device),
            f"{size_text(int(each.bytes_per_second))}/s in {count_text(each.chunks, 'chunk', 'chunks')}",
        )
        for each in statistics.speeds
    ]
    show_heading("Times and speeds")
    show_pairs(pairs)
    if statistics.failures:
        show_heading("Failures")
        show_pairs(
            [
                (
                    count_text(each.chunks, "chunk", "chunks"),
                    f"{readable(each.reason)} ({count_text(each.files, 'file', 'files')})",
                )
                for each in statistics.failures
            ]
        )


def _bytes_of(state: ChunkState, statistics: ChunkStatistics) -> str:
    sums = statistics.sums[state]
    return f"{size_text(sums.done_bytes)} of {size_text(sums.size_bytes)}"


def _span(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:,.1f} s"


def _statistics_document(statistics: ChunkStatistics) -> JsonObject:
    return {
        "states": {
            state.value: {name: getattr(sums, name) for name in sums.__slots__}
            for state, sums in statistics.sums.items()
        },
        "mean_seconds": statistics.mean_seconds,
        "longest_seconds": statistics.longest_seconds,
        "devices": [
            {"device": each.device, "chunks": each.chunks, "bytes_per_second": each.bytes_per_second}
            for each in statistics.speeds
        ],
        "failures": [
            {"reason": each.reason, "chunks": each.chunks, "files": each.files} for each in statistics.failures
        ],
    }


def _clear(opening: Opening, *, is_json: bool) -> int:
    cleared = clear(opening, SystemClock().now())
    if is_json:
        show_json(_cleared_document(cleared))
    else:
        for line in _cleared_lines(cleared):
            show_line(line)
    return Exit.FAILED if cleared.not_removed else Exit.GOOD


def _cleared_lines(cleared: Cleared) -> list[str]:
    lines = [
        f"{count_text(cleared.planned_again, 'chunk', 'chunks')} left behind, planned again.",
        f"{count_text(cleared.forgotten, 'old chunk', 'old chunks')} forgotten.",
        f"{count_text(cleared.outputs, 'old output', 'old outputs')} of readers removed.",
    ]
    if cleared.in_hand:
        lines.append(f"{count_text(cleared.in_hand, 'chunk', 'chunks')} left alone: the daemon reads them.")
    return [*lines, *(f"Not removed: {reason}" for reason in cleared.not_removed)]


def _cleared_document(cleared: Cleared) -> JsonObject:
    return {
        "planned_again": cleared.planned_again,
        "forgotten": cleared.forgotten,
        "outputs_removed": cleared.outputs,
        "in_hand": cleared.in_hand,
        "not_removed": list(cleared.not_removed),
    }
