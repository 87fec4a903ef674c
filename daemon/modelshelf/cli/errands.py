"""Errands: scans that a person asks for. They are owed in the journal first; then a daemon does them, or we do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.cli.copies import duplicates_json, find_duplicates, group_lines, roots_of, summary_line
from modelshelf.cli.exits import Exit
from modelshelf.cli.owing import Depth
from modelshelf.cli.rotten import damage_text, evidence_json, standing_evidence
from modelshelf.cli.run_report import change_lines, damage_lines, headlines, sum_of
from modelshelf.cli.showing import show_json, show_line
from modelshelf.cli.status import run_json
from modelshelf.cli.wording import count_text, size_text, statistics_json
from modelshelf.clock import SystemClock
from modelshelf.domain.display import readable
from modelshelf.errors import ModelshelfError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from modelshelf.cli.opening import Opening
    from modelshelf.cli.owing import Errand
    from modelshelf.domain.duplicate import DuplicateGroup
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
    found = sum_of(run.statistics for run in runs)
    damaged = [
        each for each in standing_evidence(store) if each.rot.is_told and each.file.folder_id in errand.folder_ids
    ]
    duplicates = find_duplicates(store, errand.folder_ids) if errand.depth is not Depth.QUICK else []
    roots, (owed_files, owed_bytes) = roots_of(store), _still_owed(store, errand)
    if wishes.is_json:
        show_json(
            {
                "folders": [*errand.folder_ids],
                "is_done": not problems,
                "statistics": statistics_json(found),
                "owed_files": owed_files,
                "owed_bytes": owed_bytes,
                "duplicates": duplicates_json(duplicates, roots),
                "damaged": [evidence_json(each) for each in damaged],
                "runs": [run_json(run) for run in runs],
                "problems": [*problems],
            }
        )
    else:
        owed = f"- Still to be read: {count_text(owed_files, 'model', 'models')}, {size_text(owed_bytes)}"
        changes = [*change_lines(found), *([owed] if owed_files else [])]
        damage = damage_lines(damage_text(each) for each in damaged)
        for line in [*headlines(found, errand.kinds), *changes, *damage, *_duplicate_lines(duplicates, roots)]:
            show_line(line)
    if problems:
        raise ModelshelfError(f"not everything could be judged: {'; '.join(problems)}")
    return Exit.GOOD


def _still_owed(store: Store, errand: Errand) -> tuple[int, int]:
    """Give how many files of an errand wait for their time, and their bytes; what failed is told elsewhere."""
    now, spots = SystemClock().now(), errand.spots or [(folder_id, b"") for folder_id in errand.folder_ids]
    counts = [store.reading.count(folder_id, path, now) for folder_id, path in spots]
    return sum(files for files, _ in counts), sum(size_bytes for _, size_bytes in counts)


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
