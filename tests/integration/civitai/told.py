"""What a person is told of a shelf that asks Civitai, and what is known on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelshelf.cli.failures import gather
from modelshelf.cli.known import know
from modelshelf.cli.known_json import document
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import NewTask, Priority, TaskKind
from tests import builders
from tests.unit.steps.step_shelf import introduce

if TYPE_CHECKING:
    from datetime import timedelta

    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

ASKING = {TaskKind.IDENTIFY_CONTENT, TaskKind.ENRICH_MODEL, TaskKind.MATCH_WEIGHTS, TaskKind.FETCH_PREVIEWS}
OLD, NEW, STRANGER = "old.safetensors", "new.safetensors", "stranger.safetensors"
_SIDECARS = (".civitai.info", ".json", ".preview.png", ".html")


@dataclass(frozen=True)
class Beside:
    """Everything about one file that an outage must leave as it was."""

    version_id: int | None
    facts: list[tuple[str, str, Any]]
    files: dict[str, bytes]


def settle(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    """Have one file known in full, then let a known and an unknown one lie there, not yet looked at."""
    introduce(civitai, builders.lora(1), "Old")
    shelf.put(OLD, builders.lora(1))
    shelf.look_through()
    assert shelf.content(OLD).version_id is not None
    introduce(civitai, builders.lora(2), "New")
    shelf.put(NEW, builders.lora(2))
    shelf.put(STRANGER, builders.lora(3))
    civitai.requests.clear()


def look_up_again(shelf: StepShelf, name: str) -> None:
    """Ask about a file again, whatever is known of it, as `scan --force` and jobs do."""
    content = shelf.content(name)
    wanted = [NewTask(TaskKind.IDENTIFY_CONTENT, str(content.id), priority=Priority.PERSON, is_forced=True)]
    shelf.store.journal.add(wanted, shelf.clock.now())


def kept(shelf: StepShelf, name: str) -> Beside:
    """Give what is known of a file and what we wrote beside it."""
    file = shelf.file(name)
    facts = sorted((fact.field, fact.source, repr(fact.value)) for fact in shelf.store.facts.of_file(file.id))
    path = shelf.path(name)
    beside = {suffix: path.with_suffix(suffix) for suffix in _SIDECARS}
    files = {suffix: each.read_bytes() for suffix, each in beside.items() if each.exists()}
    files.pop(".html", None)  # a page says when it is asked again
    return Beside(shelf.content(name).version_id, [*facts], files)


def reasons(shelf: StepShelf) -> list[str]:
    """Give the words of `modelshelf failures` on what Civitai did not answer."""
    found = [each for each in gather(shelf.store, shelf.clock.now()) if each.kind is FailureKind.API]
    return [str(each.document["reason"]) for each in found]


def why(shelf: StepShelf, name: str) -> dict[str, Any]:
    """Give what `modelshelf why --json` says of a file."""
    return dict(document(shelf.store, know(shelf.store, shelf.file(name))))


def next_tries(shelf: StepShelf) -> list[timedelta]:
    """Give in how long each question that failed is asked again."""
    return [task.due_at - shelf.clock.now() for task in shelf.tasks() if task.kind in ASKING and task.attempts]
