"""Errands: scans that a person asks for. They are owed in the journal first; then a daemon does them, or we do."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from modelshelf.cli.copies import duplicates_json, find_duplicates, group_lines, roots_of, summary_line
from modelshelf.cli.exits import Exit
from modelshelf.cli.showing import show_json, show_line
from modelshelf.cli.status import run_json
from modelshelf.cli.wording import count_text, statistics_json
from modelshelf.domain.display import readable
from modelshelf.domain.run import RunStatistics
from modelshelf.errors import ModelshelfError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from modelshelf.cli.opening import Opening
    from modelshelf.cli.owing import Errand
    from modelshelf.domain.duplicate import DuplicateGroup
    from modelshelf.domain.run import Run
    from modelshelf.store.store import Store

GROUPS_SHOWN = 10
"""So many groups of duplicates are told after a scan; the command of that name tells all."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Which folders an errand is about, and how a person wants it done."""

    folder_ids: tuple[str, ...]
    is_waited: bool
    is_json: bool


def carry_out(opening: Opening, owe: Callable[[Store], Errand], wishes: Wishes) -> int:
    """Owe an errand and see to it that it is done; gives the exit code.

    A daemon that runs is poked and does it. Without one it waits for the next daemon, or, where the person waits, is done
    here under the state lock.
    """
    from modelshelf.cli.waiting import do_alone, wait_beside  # noqa: PLC0415 -- only where work is asked for
    from modelshelf.watching.poke import poke  # noqa: PLC0415

    if wishes.is_waited and opening.daemon_pid() is None:
        with opening.owning() as store:
            errand = owe(store)
            do_alone(opening, store, errand)
            return report(store, errand, wishes)
    with opening.writing() as store:
        if opening.daemon_pid() is not None:
            _demand_known(store, wishes.folder_ids)
        errand = owe(store)
        poke(opening.state_directory)
        if not wishes.is_waited:
            return _report_owed(opening, errand, wishes)
        wait_beside(opening, store, errand)
        return report(store, errand, wishes)


def _demand_known(store: Store, folder_ids: Iterable[str]) -> None:
    known = {state.id for state in store.folders.states() if state.is_configured}
    unknown = [folder_id for folder_id in folder_ids if folder_id not in known]
    if unknown:
        raise UsageError(
            f"the daemon that runs does not know {', '.join(unknown)} yet; let it read its configuration again "
            "(systemctl reload modelshelf, or kill -HUP)"
        )


def _report_owed(opening: Opening, errand: Errand, wishes: Wishes) -> int:
    is_running = opening.daemon_pid() is not None
    if wishes.is_json:
        show_json({"folders": [*errand.folder_ids], "is_done": False, "is_daemon_running": is_running, "runs": []})
    elif is_running:
        opening.note(f"The daemon looks through {', '.join(errand.folder_ids)}; modelshelf status tells how far it is.")
    else:
        opening.note("Noted; it is done as soon as the daemon runs. With --wait it is done now.")
    return Exit.GOOD


def report(store: Store, errand: Errand, wishes: Wishes) -> int:
    """Show what came of an errand that is done; FAILED, with the reason, where a folder is offline or its files held back."""
    runs = [run for run_id in errand.run_ids if (run := store.runs.get(run_id))]
    offline = [state for state in store.folders.states() if state.id in errand.folder_ids and state.offline_since]
    problems = [f"{state.id} is offline: {readable(state.offline_reason or 'unknown')}" for state in offline]
    problems += [
        f"{count_text(hold.file_count, 'file', 'files')} of {hold.folder_id} vanished at once and "
        f"nothing is recorded of that; if you removed them: modelshelf confirm-missing {hold.folder_id}"
        for hold in store.holds.all()
        if hold.folder_id in errand.folder_ids
    ]
    duplicates, roots = find_duplicates(store, errand.folder_ids), roots_of(store)
    if wishes.is_json:
        show_json(
            {
                "folders": [*errand.folder_ids],
                "is_done": not problems,
                "statistics": statistics_json(_sum(runs)),
                "duplicates": duplicates_json(duplicates, roots),
                "runs": [run_json(run) for run in runs],
                "problems": [*problems],
            }
        )
    else:
        for line in [*summary(_sum(runs)), *_duplicate_lines(duplicates, roots)]:
            show_line(line)
    if problems:
        raise ModelshelfError(f"not everything could be judged: {'; '.join(problems)}")
    return Exit.GOOD


def summary(statistics: RunStatistics) -> list[str]:
    """Give what a scan found, a line per kind of change."""
    found = f" Found {count_text(statistics.total, 'model file', 'model files')}" if statistics.total else ""
    lines = {
        "Added": count_text(statistics.added, "new model", "new models"),
        "Updated": count_text(statistics.updated, "changed model", "changed models"),
        "Moved": count_text(statistics.moved, "model", "models"),
        "Missing": count_text(statistics.missing, "model", "models"),
        "Hashed": count_text(statistics.hashes_calculated, "model", "models"),
        "Not hashed": count_text(statistics.hashes_skipped, "model", "models"),
        "Errors": f"{count_text(statistics.errors, 'error', 'errors')}, see modelshelf failures",
    }
    told = [f"- {name}: {text}" for name, text in lines.items() if not text.startswith("0 ")]
    return [f"Scan complete!{found}", *(told or ["- Nothing changed"])]


def _duplicate_lines(groups: Sequence[DuplicateGroup], roots: Mapping[str, Path]) -> list[str]:
    """Tell of the duplicates that free most, by their paths."""
    if not groups:
        return []
    lines = [f"- Duplicates: {summary_line(groups)}"]
    for group in groups[:GROUPS_SHOWN]:
        lines += [f"  {line}" for line in group_lines(group, roots)]
    if len(groups) > GROUPS_SHOWN:
        lines.append(f"  and {len(groups) - GROUPS_SHOWN} more: modelshelf duplicates")
    return lines


def _sum(runs: Iterable[Run]) -> RunStatistics:
    counted = [run.statistics for run in runs]
    return RunStatistics(
        **{field.name: sum(getattr(each, field.name) for each in counted) for field in fields(RunStatistics)}
    )
