"""A batch's sidecars are put in place together, and one that is not costs no task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.errors import TransientError
from modelshelf.files import drafts
from modelshelf.store.ledger import Ledger
from tests import builders

if TYPE_CHECKING:
    import pytest

    from modelshelf.store.ledger import Writing
    from tests.unit.steps.step_shelf import StepShelf


def test_a_journal_that_is_locked_for_a_moment_loses_no_sidecar(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"model {number}" for number in range(6)]
    for number, name in enumerate(names):
        shelf.put(f"{name}.safetensors", builders.lora(number))
    shelf.scan()
    for name in names:
        shelf.do(TaskKind.INSPECT_FILE, f"{name}.safetensors")
        shelf.do(TaskKind.HASH_FILE, f"{name}.safetensors")
    intend, calls = Ledger.intend, iter(range(100))

    def locked_once(self: Ledger, writing: Writing) -> None:
        if next(calls) == 0:
            raise TransientError("another process holds the store")
        intend(self, writing)

    monkeypatch.setattr(drafts, "MOST_DRAFTS", 4)
    monkeypatch.setattr(Ledger, "intend", locked_once)
    wanted = [shelf.file(f"{name}.safetensors").id for name in names]
    owed = [NewTask(TaskKind.WRITE_SIDECARS, str(each), priority=Priority.DROP) for each in wanted]
    shelf.store.journal.add(owed, shelf.clock.now())
    shelf.drain(linger_seconds=120)
    assert [name for name in names if f"{name}.json" not in shelf.names()] == []
