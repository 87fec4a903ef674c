"""A shelf whose events are told, an inbox that really takes them, and a courier that only says so."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from modelshelf import logs
from tests.fakes.inbox import Inbox
from tests.unit.steps.step_shelf import StepShelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[StepShelf]:
    made = StepShelf(tmp_path)
    yield made
    made.close()


Logged: TypeAlias = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def logged() -> Iterator[Logged]:
    """Give a function that gives every event logged so far."""
    stream = io.StringIO()
    logs._install((logs.StreamOutlet(stream, logs.as_json, 10),))
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logs._install(())


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as made:
        yield made
