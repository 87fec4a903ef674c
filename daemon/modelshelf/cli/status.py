"""`modelshelf status`: the whole shelf at a glance."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from modelshelf import __version__
from modelshelf.civitai.vitals import EVERY_ENDPOINT
from modelshelf.cli.exits import Exit
from modelshelf.cli.health import work_json, work_text
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.progress_text import device_text, progress_json, reading_text, tally_json
from modelshelf.cli.rotten import evidence_json, show_damage
from modelshelf.cli.shelf_report import FolderReport, Recorded, ShelfReport, gather
from modelshelf.cli.showing import json_option, show_heading, show_json, show_line, show_pairs, show_table
from modelshelf.cli.wording import (
    count_text,
    moment_json,
    path_json,
    size_text,
    span_text,
    statistics_json,
    statistics_text,
    when_text,
)
from modelshelf.domain.display import readable
from modelshelf.domain.folder import WatchMode
from modelshelf.domain.task import ORDER, READING, Lane
from modelshelf.watching.poke import is_answered

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.civitai.vitals import ApiVitals, Trouble
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.domain.run import Run
    from modelshelf.shelf.room import Room
    from modelshelf.store.holds import Hold

WORDS_OF_STATES = {
    "known": "known",
    "pending": "metadata pending",
    "waiting": "not whole yet",
    "broken": "broken",
    "missing": "missing",
    "unidentified": "unidentified",
    "ignored": "ignored",
}
RUNNING_SHOWN = 10
LIFE_SECONDS = 10.0
"""How long an answer is waited for: the daemon mends what it can before it says that it is alive."""

NOTHING: JsonObject = {
    "owed": {},
    "owed_by_lane": {},
    "running": [],
    "waiting": [],
    "runs": [],
    "failures": {},
    "failure_count": 0,
    "sizes": None,
    "last_work": None,
    "reading": None,
    "damaged": [],
}
"""What stands in the document before anything is recorded."""


@click.command()
@click.option("--alive", "is_about_life", is_flag=True, help="Only ask the daemon whether it is alive; exit 1 if not.")
@json_option
@global_options
@click.pass_obj
def status(opening: Opening, *, is_json: bool, is_about_life: bool) -> int:
    """Show folders, files by state, what is owed and what runs."""
    if is_about_life:
        return _show_life(opening, is_json=is_json)
    report = gather(opening)
    if is_json:
        show_json(_document(opening, report))
    else:
        _show(opening, report)
    return Exit.GOOD


def _show_life(opening: Opening, *, is_json: bool) -> int:
    is_alive = is_answered(opening.state_directory, LIFE_SECONDS)
    if is_json:
        show_json({"is_alive": is_alive})
    else:
        show_line("alive" if is_alive else "no daemon answers")
    return Exit.GOOD if is_alive else Exit.FAILED


def _show(opening: Opening, report: ShelfReport) -> None:
    _show_head(opening, report)
    _show_folders(report)
    if report.recorded is None:
        show_line()
        show_line(
            "Nothing is recorded yet: start the daemon (modelshelf run), or do one scan (modelshelf scan --wait)."
        )
        return
    show_damage(report.recorded.damaged, report.now)
    _show_files(report)
    _show_progress(report)
    _show_work(report.recorded)
    _show_waiting(report.recorded, report.now)
    _show_runs(report.recorded, report.now)


def _show_head(opening: Opening, report: ShelfReport) -> None:
    daemon = "not running" if report.pid is None else f"running (pid {report.pid or 'unknown'})"
    if report.vitals is not None:
        uptime = span_text(timedelta(seconds=report.vitals.uptime_seconds))
        daemon += f" for {uptime}, with {size_text(report.vitals.memory_bytes)} of memory"
    path = opening.config.path
    is_full = report.state_room is not None and report.state_room.is_full
    pairs = [
        ("daemon", daemon),
        ("configuration", readable(path) if path else "the environment"),
        ("state", readable(opening.state_directory) + (": the disk is FULL, so work waits" if is_full else "")),
    ]
    if report.is_offline:
        pairs.append(("network", "offline by configuration: nothing is asked of Civitai"))
    pairs += [("civitai", text) for text in civitai_texts(report.civitai, report.now)]
    if report.recorded is not None:
        pairs.append(("database", _sizes_text(report.recorded)))
        pairs += [("last work", work_text(report.recorded.work, report.now))] if report.recorded.work else []
    show_pairs(pairs)


def civitai_texts(vitals: ApiVitals | None, now: datetime) -> list[str]:
    """Say what keeps Civitai from being asked, a line each; none where nothing does."""
    if vitals is None:
        return []
    texts = [_trouble_text(each, now) for each in vitals.troubles]
    if vitals.paused_until is not None and vitals.paused_until > now:
        texts.append(f"it asked to slow down: nothing is asked until {when_text(vitals.paused_until, now)}")
    return texts


def _trouble_text(trouble: Trouble, now: datetime) -> str:
    what = "everything" if trouble.endpoint == EVERY_ENDPOINT else trouble.endpoint
    word = "FORBIDDEN" if trouble.is_forbidden else "not answered"
    tried = when_text(trouble.asked_again_at, now) + (
        ", or after modelshelf retry --kind api" if trouble.is_forbidden else ""
    )
    return f"{readable(what)} {word} since {when_text(trouble.since, now)}: {readable(trouble.reason)}; asked again {tried}"


def _sizes_text(recorded: Recorded) -> str:
    sizes = recorded.sizes
    return (
        f"{size_text(recorded.database_bytes)}: {count_text(sizes.files, 'file', 'files')}, "
        f"{count_text(sizes.contents, 'content', 'contents')}, {count_text(sizes.runs, 'run', 'runs')}, "
        f"{count_text(sizes.events, 'event', 'events')}, {size_text(sizes.answer_bytes)} of answers"
    )


def _show_folders(report: ShelfReport) -> None:
    show_heading("Folders")
    columns = ("folder", "files", "watch", "last scan", "path", "standing")
    show_table(columns, [_folder_row(each, report.now) for each in report.folders])
    _show_unheard(report)


def _folder_row(each: FolderReport, now: datetime) -> tuple[str, ...]:
    path = each.folder.path if each.folder else each.state.path if each.state else ""
    file_count = sum(count for state, count in each.counts.items() if state.value != "missing")
    last_scan = when_text(each.state.last_scan_at if each.state else None, now)
    return each.id, f"{file_count:,}", watch_text(each), last_scan, readable(path), standing_text(each, now)


def watch_text(each: FolderReport) -> str:
    """Give how changes in a folder are noticed, and where not everywhere by events, in how many of its directories."""
    if each.watch != WatchMode.EVENTS.value or each.coverage is None or each.coverage.problem is None:
        return each.watch
    watched, unwatched = each.coverage.watched_count, each.coverage.unwatched_count
    if not watched:
        return WatchMode.POLL.value
    return f"{each.watch} in {watched:,} of {count_text(watched + unwatched, 'directory', 'directories')}"


def _show_unheard(report: ShelfReport) -> None:
    for each in report.folders:
        if each.coverage is not None and each.coverage.problem is not None:
            show_line(f"{each.id}: {each.coverage.problem}")


def standing_text(each: FolderReport, now: datetime) -> str:
    """Give how a folder stands: there, offline or with doubts, since when and why, not met yet, no longer configured."""
    if each.folder is None:
        return "no longer configured"
    if each.state is None:
        return "not looked at yet"
    if each.state.offline_since is not None:
        return f"OFFLINE since {when_text(each.state.offline_since, now)}: {readable(each.state.offline_reason or 'unknown')}"
    doubts = [_hold_text(each.hold, now)] if each.hold else []
    doubts += [f"{readable(point.path)} NOT MOUNTED since {when_text(point.lost_since, now)}" for point in each.lost]
    if doubts:
        doubts.append(f"nothing of that is judged until it is back, or: modelshelf confirm-missing {each.id}")
    return "; ".join(doubts) or "there"


def _hold_text(hold: Hold, now: datetime) -> str:
    return f"{count_text(hold.file_count, 'file', 'files')} VANISHED at once {when_text(hold.held_since, now)}"


def _show_files(report: ShelfReport) -> None:
    show_heading("Files")
    totals = dict.fromkeys(WORDS_OF_STATES, 0)
    for folder in report.folders:
        for state, count in folder.counts.items():
            totals[state.value] += count
    show_pairs([(WORDS_OF_STATES[name], f"{count:,}") for name, count in totals.items()])


def _show_progress(report: ShelfReport) -> None:
    progress = report.progress
    if report.recorded is None:
        return
    waits = "waits for its next try: see modelshelf failures" if not READING & report.recorded.owed.keys() else None
    waits = "waits for the daemon" if report.pid is None else waits
    if (text := reading_text(report.recorded.tally, progress, report.now, waits)) is None:
        return
    show_heading("Reading")
    show_line(text)
    if progress is not None:
        show_pairs([(each.device, device_text(each, report.now)) for each in progress.devices if each.files])


def _show_work(recorded: Recorded) -> None:
    show_heading("Owed")
    pairs = [(kind.value, f"{count:,}") for kind, count in recorded.owed.items()]
    show_pairs(pairs or [("nothing", "")])
    if recorded.failure_count:
        show_line(f"{count_text(recorded.failure_count, 'failure', 'failures')}: see modelshelf failures")
    if recorded.running:
        show_heading("Running now")
        show_pairs([(each.step, each.text) for each in recorded.running[:RUNNING_SHOWN]])
        if len(recorded.running) > RUNNING_SHOWN:
            show_line(f"and {len(recorded.running) - RUNNING_SHOWN} more")


def _show_waiting(recorded: Recorded, now: datetime) -> None:
    if recorded.waiting:
        show_heading("Not whole yet")
        rows = [
            (f"{each.folder_id}: {readable(each.path)}", when_text(each.since, now), readable(each.reason))
            for each in recorded.waiting
        ]
        show_table(("file", "last change", "reason"), rows)


def _show_runs(recorded: Recorded, now: datetime) -> None:
    if recorded.runs:
        show_heading("Last runs")
        rows = [
            (run.job_name or "scan", when_text(run.started_at, now), _length_text(run), statistics_text(run.statistics))
            for run in recorded.runs
        ]
        show_table(("run", "started", "took", "did"), rows)


def _length_text(run: Run) -> str:
    return span_text(run.ended_at - run.started_at) if run.ended_at else "goes on"


def _document(opening: Opening, report: ShelfReport) -> JsonObject:
    path = opening.config.path
    return {
        "version": __version__,
        "daemon": _daemon_json(report),
        "configuration": path_json(path) if path else None,
        **path_json(opening.state_directory, "state_directory"),
        "state_disk": _room_json(report.state_room),
        "is_offline": report.is_offline,
        "civitai": _civitai_json(report.civitai),
        "progress": progress_json(report.progress, report.now),
        "folders": [_folder_json(each) for each in report.folders],
        "is_recorded": report.recorded is not None,
        **(_recorded_json(report.recorded) if report.recorded else NOTHING),
    }


def _daemon_json(report: ShelfReport) -> JsonObject:
    vitals = report.vitals
    return {
        "is_running": report.pid is not None,
        "pid": report.pid or None,
        "uptime_seconds": vitals.uptime_seconds if vitals else None,
        "memory_bytes": vitals.memory_bytes if vitals else None,
        "threads": vitals.threads if vitals else None,
        "open_files": vitals.open_files if vitals else None,
        "cpu_seconds": vitals.cpu_seconds if vitals else None,
        "read_bytes": vitals.read_bytes if vitals else None,
        "written_bytes": vitals.written_bytes if vitals else None,
    }


def _civitai_json(vitals: ApiVitals | None) -> JsonObject | None:
    if vitals is None:
        return None
    troubles: list[JsonValue] = [
        {
            "endpoint": each.endpoint,
            "reason": each.reason,
            "since": moment_json(each.since),
            "asked_again_at": moment_json(each.asked_again_at),
            "is_forbidden": each.is_forbidden,
        }
        for each in vitals.troubles
    ]
    counts = vitals.counts
    return {
        "paused_until": moment_json(vitals.paused_until),
        "troubles": troubles,
        "requests": {name: getattr(counts, name) for name in counts.__slots__},
    }


def _room_json(room: Room | None) -> JsonObject | None:
    return {"size_bytes": room.size_bytes, "free_bytes": room.free_bytes} if room else None


def _folder_json(each: FolderReport) -> JsonObject:
    folder, state = each.folder, each.state
    path = folder.path if folder else state.path if state else ""
    counts = {known.value: count for known, count in each.counts.items()}
    return {
        "folder": each.id,
        **path_json(path),
        "disk": _room_json(each.room),
        "type": folder.model_type if folder else None,
        "is_configured": folder is not None,
        "watch": each.watch,
        "watched_directories": each.coverage.watched_count if each.coverage else None,
        "unwatched_directories": each.coverage.unwatched_count if each.coverage else None,
        "watch_problem": each.coverage.problem if each.coverage else None,
        "last_scan_at": moment_json(state.last_scan_at) if state else None,
        "offline_since": moment_json(state.offline_since) if state else None,
        "offline_reason": state.offline_reason if state else None,
        "held_since": moment_json(each.hold.held_since) if each.hold else None,
        "held_files": each.hold.file_count if each.hold else 0,
        "unmounted": [{**path_json(point.path), "since": moment_json(point.lost_since)} for point in each.lost],
        "files": {name: counts.get(name, 0) for name in WORDS_OF_STATES},
    }


def _recorded_json(recorded: Recorded) -> JsonObject:
    sizes = recorded.sizes
    return {
        "owed": {kind.value: count for kind, count in recorded.owed.items()},
        "owed_by_lane": {lane.value: _owed_in(lane, recorded) for lane in Lane},
        "running": [each.document for each in recorded.running],
        "waiting": [
            {"folder": each.folder_id, **path_json(each.path), "reason": each.reason, "since": moment_json(each.since)}
            for each in recorded.waiting
        ],
        "runs": [run_json(run) for run in recorded.runs],
        "failures": {kind.value: count for kind, count in recorded.failures.items()},
        "failure_count": recorded.failure_count,
        "sizes": {
            "database_bytes": recorded.database_bytes,
            "wal_bytes": recorded.wal_bytes,
            **{name: getattr(sizes, name) for name in sizes.__slots__},
        },
        "last_work": work_json(recorded.work) if recorded.work else None,
        "reading": tally_json(recorded.tally),
        "damaged": [evidence_json(each) for each in recorded.damaged],
    }


def _owed_in(lane: Lane, recorded: Recorded) -> int:
    return sum(count for kind, count in recorded.owed.items() if ORDER[kind].lane is lane)


def run_json(run: Run) -> JsonObject:
    """Give a run with its statistics."""
    return {
        "run_id": run.id,
        "job": run.job_name,
        "started_at": moment_json(run.started_at),
        "ended_at": moment_json(run.ended_at),
        "statistics": statistics_json(run.statistics),
    }
