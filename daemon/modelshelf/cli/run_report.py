"""A run's report for eyes and for scripts."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from modelshelf.cli.wording import count_text, moment_json, size_text, span_text, when_text
from modelshelf.domain.job import JobKind
from modelshelf.domain.run import RunStatistics

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.run_report import Damage, RunReport

ALIKE_SHOWN = 10


SCANS = frozenset({JobKind.SCAN_PATHS, JobKind.DEEP_SCAN})
DEEDS = {
    JobKind.VERIFY: "files verified",
    JobKind.BUILD_GALLERY: "galleries to be drawn",
    JobKind.CHECK_UPDATES: "newer versions asked for, see modelshelf status",
}
"""What a job did that is no scan, which StableQueue has no words for."""


def headlines(statistics: RunStatistics, kinds: Collection[JobKind] = ()) -> list[str]:
    """Give StableQueue's message, or what jobs of these kinds did instead where they scanned nothing."""
    others = [words for kind, words in DEEDS.items() if kind in kinds]
    is_scan = statistics.total > 0 or not (statistics.verified or others) or not SCANS.isdisjoint(kinds)
    if is_scan:
        return statistics.message_lines()
    return [f"Done, without a scan: {', '.join(others)}"] if others else []


def change_lines(statistics: RunStatistics) -> list[str]:
    """Give what else a run did, a line per kind, without what it did not."""
    verified = f"{count_text(statistics.verified, 'model', 'models')}, {size_text(statistics.verified_bytes)}"
    lines = {
        "Changed": count_text(statistics.updated, "model", "models"),
        "Moved": count_text(statistics.moved, "model", "models"),
        "Missing": count_text(statistics.missing, "model", "models"),
        "Not hashed": count_text(statistics.hashes_skipped, "model", "models"),
        "Verified": verified,
        "DAMAGED": f"{count_text(statistics.rotten, 'model', 'models')}, see modelshelf verify --list",
        "Errors": f"{count_text(statistics.errors, 'error', 'errors')}, see modelshelf failures",
    }
    return [f"- {name}: {text}" for name, text in lines.items() if not text.startswith("0 ")]


def report_lines(report: RunReport, now: datetime, kinds: Collection[JobKind] = ()) -> list[str]:
    """Give a whole report, of a run that did things of these `kinds`."""
    run, statistics = report.run, report.run.statistics
    return [
        f"{run.job_name or 'scan'}, run {run.id}, begun {when_text(run.started_at, now)}{_took(report)}",
        *headlines(statistics, kinds),
        *change_lines(statistics),
        f"- On the shelf: {count_text(report.files, 'model', 'models')}, {size_text(report.size_bytes)}",
        *_owed_lines(report),
        *damage_lines(report.damage),
        *_duplicate_lines(report),
        *[f"- Not to be read: {each.path}: {each.reason}" for each in report.troubles],
        *_rest(report.trouble_count - len(report.troubles), "modelshelf failures"),
    ]


def _took(report: RunReport) -> str:
    run = report.run
    return f", took {span_text(run.ended_at - run.started_at)}" if run.ended_at else ", goes on"


def _owed_lines(report: RunReport) -> list[str]:
    if not report.owed_files:
        return []
    return [f"- Still to be read: {count_text(report.owed_files, 'model', 'models')}, {size_text(report.owed_bytes)}"]


def damage_lines(damage: Iterable[Damage]) -> list[str]:
    """Give what rotted, both hashes, and where a good copy is."""
    lines: list[str] = []
    for each in damage:
        lines += [
            f"- DAMAGED: {each.path}",
            f"    should be {each.expected}, last read so {each.sound_at}",
            f"    now is    {each.found}, first seen {each.found_at}",
            f"    {each.rescue}",
        ]
    return lines


def _duplicate_lines(report: RunReport) -> list[str]:
    lines: list[str] = []
    for each in report.duplicates[:ALIKE_SHOWN]:
        freed = size_text(each.freed_bytes)
        lines.append(f"- Duplicates: the same {each.likeness} ({each.hash[:10]}), {freed} could be freed")
        lines += [f"    {path}" for path in each.paths]
    return lines + _rest(report.duplicate_count - len(report.duplicates[:ALIKE_SHOWN]), "modelshelf duplicates")


def _rest(count: int, command: str) -> list[str]:
    return [f"  and {count:,} more: {command}"] if count > 0 else []


def report_json(report: RunReport) -> JsonObject:
    """Give a whole report in StableQueue's manner: its names, camelCase, and its message."""
    run = report.run
    told = asdict(report)
    return {
        "success": True,
        "message": "\n".join(run.statistics.message_lines()),
        "stats": {**run.statistics.counts()},
        "run": run.id,
        "job": run.job_name,
        "startedAt": moment_json(run.started_at),
        "endedAt": moment_json(run.ended_at),
        "seconds": (run.ended_at - run.started_at).total_seconds() if run.ended_at else None,
        "changed": run.statistics.updated,
        "moved": run.statistics.moved,
        "missing": run.statistics.missing,
        "verified": run.statistics.verified,
        "verifiedBytes": run.statistics.verified_bytes,
        "rotten": run.statistics.rotten,
        **{_camel(name): told[name] for name in told if name not in {"run", "duplicates", "damage", "troubles"}},
        **{name: [_camelled(each) for each in told[name]] for name in ("duplicates", "damage", "troubles")},
    }


def _camelled(document: JsonObject) -> JsonObject:
    return {_camel(name): [*value] if isinstance(value, tuple) else value for name, value in document.items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


def sum_of(counted: Iterable[RunStatistics]) -> RunStatistics:
    """Give the counts of several runs together."""
    known = list(counted)
    return RunStatistics(
        **{field.name: sum(getattr(each, field.name) for each in known) for field in fields(RunStatistics)}
    )
