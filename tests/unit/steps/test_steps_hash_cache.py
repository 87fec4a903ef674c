"""What a read leaves in the page cache: a file that was just dropped, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.task import Priority, TaskKind
from tests import builders

if TYPE_CHECKING:
    from tests.unit.steps.step_shelf import StepShelf


@pytest.mark.parametrize(
    ("priority", "is_dropped_behind"),
    [(Priority.REST, True), (Priority.CHANGED, True), (Priority.DROP, False), (Priority.PERSON, True)],
)
def test_only_a_fresh_drop_stays_in_the_page_cache(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch, priority: Priority, *, is_dropped_behind: bool
) -> None:
    shelf.put("ink.safetensors", builders.lora(1))
    shelf.scan()
    shelf.do(TaskKind.INSPECT_FILE, "ink.safetensors")
    asked: list[dict[str, Any]] = []

    def reading(function: Any, *args: Any, **options: Any) -> Any:
        asked.append(options)
        return function(*args, **options)

    monkeypatch.setattr(shelf.reins, "read", reading)
    shelf.do(TaskKind.HASH_FILE, "ink.safetensors", priority=priority)
    assert [options["is_dropped_behind"] for options in asked] == [is_dropped_behind]
