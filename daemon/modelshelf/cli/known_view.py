"""How `why` shows what is known of a file."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from modelshelf.cli.hash import NAMES
from modelshelf.cli.known_lookups import lookup_pairs
from modelshelf.cli.rotten import show_all_damage
from modelshelf.cli.showing import show_heading, show_line, show_pairs, show_table
from modelshelf.cli.status import WORDS_OF_STATES
from modelshelf.cli.wording import count_text, size_text, value_text, when_text
from modelshelf.clock import SystemClock
from modelshelf.domain.display import readable
from modelshelf.domain.fact import Field
from modelshelf.domain.task import Task, TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from modelshelf.cli.known import Beside, Known
    from modelshelf.cli.opening import Opening
    from modelshelf.domain.decision import Decision
    from modelshelf.domain.fact import Fact
    from modelshelf.store.former_files import FormerFile


def show_known(opening: Opening, known: Known) -> None:
    """Show a file: state, header, hashes, values with their sources, what stands beside it, what is owed, what happened."""
    now = SystemClock().now()
    show_heading(readable(known.absolute))
    show_pairs(_head(known, now))
    show_all_damage(known.rot, now)
    if known.content is not None:
        show_heading("Hashes")
        hashes = asdict(known.content.hashes)
        show_pairs([(shown, hashes[name] or "-") for name, shown in NAMES.items()])
    if known.facts:
        show_heading("Values")
        show_table(("field", "value", "source", "others said"), [_fact_row(facts) for facts in known.facts.values()])
    if known.decisions:
        show_heading("Decided")
        show_table(("what", "value", "by", "when"), [_decision_row(each, now) for each in known.decisions])
    if known.beside:
        show_heading("Beside it")
        show_table(("file", "whose", "what", "keys of ours", "of others"), [_beside_row(each) for each in known.beside])
    _show_owed(opening, known, now)
    if known.duplicates:
        show_heading(f"The same bytes in {count_text(len(known.duplicates), 'other file', 'other files')}")
        for each in known.duplicates:
            show_line(f"{each.folder_id}: {readable(each.path)}")
    if known.former:
        show_heading("What lay here before")
        columns = ("until", "name", "size", "sha256")
        show_table(columns, [_former_row(each, now) for each in known.former])
    if known.events:
        show_heading("What happened")
        rows = [(when_text(each.happened_at, now), each.name, value_text(each.details)) for each in known.events]
        show_table(("when", "what", "details"), rows)


def _head(known: Known, now: datetime) -> list[tuple[str, str]]:
    file, header = known.file, known.header
    pairs = [
        ("state", WORDS_OF_STATES[known.state.value]),
        ("folder", known.folder.id),
        ("size", f"{size_text(file.fingerprint.size_bytes)} ({file.fingerprint.size_bytes} bytes)"),
        ("first seen", when_text(file.first_seen_at, now)),
    ]
    if known.last_used_at is not None:
        pairs.append(("last used", when_text(known.last_used_at, now)))
    if known.verified_at is not None:
        pairs.append(("last read whole", when_text(known.verified_at, now)))
    if file.missing_since is not None:
        pairs.append(("missing since", when_text(file.missing_since, now)))
    if file.waiting_reason is not None:
        pairs.append(("not whole yet", readable(file.waiting_reason)))
    if header is not None:
        reason = f": {readable(header.reason)}" if header.reason else ""
        pairs.append(("format", f"{header.format}, {header.verdict}{reason}"))
    if header is not None and (header.kind or header.architecture):
        pairs.append(("inside", readable(" for ".join(each for each in (header.kind, header.architecture) if each))))
    if header is not None and header.pickle_verdict is not None:
        findings = f": {readable(', '.join(header.pickle_findings))}" if header.pickle_findings else ""
        pairs.append(("pickles", f"{header.pickle_verdict.replace('_', ' ')}{findings}"))
    if file.hash_skipped_reason is not None:
        pairs.append(("not hashed", readable(file.hash_skipped_reason)))
    if file.vouched_by is not None:
        pairs.append(("hashes", f"as {file.vouched_by} told them; the file was not read here"))
    return pairs + lookup_pairs(known, now)


def _decision_row(decision: Decision, now: datetime) -> tuple[str, ...]:
    return (
        decision.matter,
        value_text(decision.value),
        readable(decision.decided_by),
        when_text(decision.decided_at, now),
    )


def _beside_row(beside: Beside) -> tuple[str, ...]:
    keys = (
        ", ".join(readable(key.encode("utf-8", "backslashreplace")) for key in each)
        for each in (beside.ours, beside.others)
    )
    what = beside.dialect or "-"
    if beside.problem is not None:
        what = readable(beside.problem)
    return (readable(os.path.basename(beside.path)), beside.owner, what, *(each or "-" for each in keys))


def _fact_row(facts: Sequence[Fact]) -> tuple[str, ...]:
    chosen, *lost = facts
    others = "; ".join(f"{fact.source}: {value_text(fact.value)}" for fact in lost)
    return chosen.field.value, value_text(chosen.value), chosen.source.value, others or "-"


def _former_row(former: FormerFile, now: datetime) -> tuple[str, ...]:
    name = value_text(former.values.get(Field.NAME, "-"))
    return when_text(former.superseded_at, now), name, size_text(former.size_bytes), former.sha256 or "-"


def _show_owed(opening: Opening, known: Known, now: datetime) -> None:
    show_heading("Owed")
    rows = [_task_row(task, now) for task in known.tasks]
    if known.derived is not None:
        rows.append((known.derived.value, "queued", "0", "now", "-"))
    if rows:
        show_table(("step", "state", "tries", "next try", "last error"), rows)
    else:
        show_line("nothing")
    for obstacle in _obstacles(opening, known, now):
        show_line(obstacle)


def _task_row(task: Task, now: datetime) -> tuple[str, ...]:
    next_try = {TaskState.QUEUED: when_text(task.due_at, now), TaskState.RUNNING: "now", TaskState.FAILED: "given up"}
    return task.kind.value, task.state.value, str(task.attempts), next_try[task.state], readable(task.last_error or "-")


def _obstacles(opening: Opening, known: Known, now: datetime) -> list[str]:
    """Give what keeps owed work from being done."""
    obstacles = []
    if known.folder.offline_since is not None:
        reason = readable(known.folder.offline_reason or "unknown")
        obstacles.append(
            f"Folder {known.folder.id} is offline since {when_text(known.folder.offline_since, now)}: {reason}"
        )
    if not known.folder.is_configured:
        obstacles.append(f"Folder {known.folder.id} is not configured any more.")
    if opening.config.is_offline:
        obstacles.append("Civitai is not asked: the configuration says offline.")
    if opening.daemon_pid() is None:
        obstacles.append("The daemon does not run.")
    return obstacles
