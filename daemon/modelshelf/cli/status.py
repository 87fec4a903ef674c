"""`modelshelf status`: the whole shelf at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf import __version__
from modelshelf.cli.opening import Opening, global_options
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

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.run import Run

STATES = ("known", "pending", "waiting", "broken", "missing", "unidentified")
WORDS_OF_STATES = {
    "known": "known",
    "pending": "metadata pending",
    "waiting": "not whole yet",
    "broken": "broken",
    "missing": "missing",
    "unidentified": "unidentified",
}
RUNNING_SHOWN = 10
NOTHING: JsonObject = {"owed": {}, "running": [], "waiting": [], "runs": [], "failure_count": 0, "sizes": None}
"""What stands in the document before anything is recorded."""


@click.command()
@json_option
@global_options
@click.pass_obj
def status(opening: Opening, *, is_json: bool) -> None:
    """Show folders, files by state, what is owed and what runs."""
    report = gather(opening)
    if is_json:
        show_json(_document(opening, report))
        return
    _show_head(opening, report)
    _show_folders(report)
    if report.recorded is None:
        show_line()
        show_line(
            "Nothing is recorded yet: start the daemon (modelshelf run), or do one scan (modelshelf scan --wait)."
        )
        return
    _show_files(report)
    _show_work(report.recorded)
    _show_waiting(report.recorded, report.now)
    _show_runs(report.recorded, report.now)


def _show_head(opening: Opening, report: ShelfReport) -> None:
    daemon = "not running" if report.pid is None else f"running (pid {report.pid or 'unknown'})"
    path = opening.config.path
    pairs = [
        ("daemon", daemon),
        ("configuration", readable(path) if path else "the environment"),
        ("state", readable(opening.state_directory)),
    ]
    if report.is_offline:
        pairs.append(("network", "offline by configuration: nothing is asked of Civitai"))
    if report.recorded is not None:
        pairs.append(("database", _sizes_text(report.recorded)))
    show_pairs(pairs)


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


def _folder_row(each: FolderReport, now: datetime) -> tuple[str, ...]:
    path = each.folder.path if each.folder else each.state.path if each.state else ""
    file_count = sum(count for state, count in each.counts.items() if state.value != "missing")
    last_scan = when_text(each.state.last_scan_at if each.state else None, now)
    return each.id, f"{file_count:,}", each.watch, last_scan, readable(path), standing_text(each, now)


def standing_text(each: FolderReport, now: datetime) -> str:
    """Give how a folder stands: there, offline with since when and why, not met yet, no longer configured."""
    if each.folder is None:
        return "no longer configured"
    if each.state is None:
        return "not looked at yet"
    if each.state.offline_since is not None:
        return f"OFFLINE since {when_text(each.state.offline_since, now)}: {readable(each.state.offline_reason or 'unknown')}"
    return "there"


def _show_files(report: ShelfReport) -> None:
    show_heading("Files")
    totals = dict.fromkeys(STATES, 0)
    for folder in report.folders:
        for state, count in folder.counts.items():
            totals[state.value] += count
    show_pairs([(WORDS_OF_STATES[name], f"{count:,}") for name, count in totals.items()])


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
        "daemon": {"is_running": report.pid is not None, "pid": report.pid or None},
        "configuration": path_json(path) if path else None,
        **path_json(opening.state_directory, "state_directory"),
        "is_offline": report.is_offline,
        "folders": [_folder_json(each) for each in report.folders],
        "is_recorded": report.recorded is not None,
        **(_recorded_json(report.recorded) if report.recorded else NOTHING),
    }


def _folder_json(each: FolderReport) -> JsonObject:
    folder, state = each.folder, each.state
    path = folder.path if folder else state.path if state else ""
    counts = {known.value: count for known, count in each.counts.items()}
    return {
        "folder": each.id,
        **path_json(path),
        "type": folder.model_type if folder else None,
        "is_configured": folder is not None,
        "watch": each.watch,
        "last_scan_at": moment_json(state.last_scan_at) if state else None,
        "offline_since": moment_json(state.offline_since) if state else None,
        "offline_reason": state.offline_reason if state else None,
        "files": {name: counts.get(name, 0) for name in STATES},
    }


def _recorded_json(recorded: Recorded) -> JsonObject:
    sizes = recorded.sizes
    return {
        "owed": {kind.value: count for kind, count in recorded.owed.items()},
        "running": [each.document for each in recorded.running],
        "waiting": [
            {"folder": each.folder_id, **path_json(each.path), "reason": each.reason, "since": moment_json(each.since)}
            for each in recorded.waiting
        ],
        "runs": [run_json(run) for run in recorded.runs],
        "failure_count": recorded.failure_count,
        "sizes": {
            "database_bytes": recorded.database_bytes,
            **{name: getattr(sizes, name) for name in sizes.__slots__},
        },
    }


def run_json(run: Run) -> JsonObject:
    """Give a run with its statistics."""
    return {
        "run_id": run.id,
        "job": run.job_name,
        "started_at": moment_json(run.started_at),
        "ended_at": moment_json(run.ended_at),
        "statistics": statistics_json(run.statistics),
    }
