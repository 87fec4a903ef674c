"""Crafted files on a shelf: every step takes them, nothing breaks, and each ends described or with a reason."""

from __future__ import annotations

import re
from itertools import cycle
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.failure import FailureKind
from tests import builders
from tests.fakes.civitai_server import CivitaiStandIn
from tests.fakes.civitai_wire import Reply
from tests.fuzz.corpus import cases
from tests.unit.steps.step_shelf import StepShelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fuzz.mutations import Case

EVERY = 4
CHANCE = re.compile("/(cut|lie|flip|shuffle)-")
ASKING = 15
ROUNDS = 12
DAY = 86_400.0
LARGEST_BYTES = 300_000
SMALL_BYTES = 20_000
SUFFIXES = {"safetensors": ".safetensors", "gguf": ".gguf", "pickle": ".ckpt", "other": ".bin"}
PATTERNS = ("*.safetensors", "*.gguf", "*.ckpt", "*.bin")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StepShelf]:
    """A shelf for every format whose store does not wait for the disk: there are hundreds of files."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    with CivitaiStandIn() as civitai:
        made = StepShelf(tmp_path, civitai)
        made.add_folder("loras", patterns=PATTERNS)
        yield made
        made.close()


def chosen(target: str) -> list[Case]:
    """Give what was made by hand, and one in so many of what was spoilt by chance."""
    small = [each for each in cases(target) if len(each.content) <= LARGEST_BYTES]
    return [each for number, each in enumerate(small) if not CHANCE.search(each.id) or not number % EVERY]


@pytest.mark.parametrize("target", SUFFIXES)
def test_whatever_lies_on_the_shelf_every_step_takes_it(shelf: StepShelf, target: str) -> None:
    names = {f"{number:04}{SUFFIXES[target]}": each for number, each in enumerate(chosen(target))}
    for name, case in names.items():
        shelf.put(name, case.content)
    drain(shelf)
    for name, case in names.items():
        header = shelf.store.files.header(shelf.file(name).id)
        assert header is not None, case.id
    assert shelf.path("gallery.html").exists()


def test_whatever_lies_beside_a_model_every_step_takes_it(shelf: StepShelf) -> None:
    inner = cycle(chosen("civitai-info"))
    for number, case in enumerate(chosen("sidecar")):
        shelf.put(f"{number:04}.safetensors", builders.lora(number))
        shelf.put(f"{number:04}.json", case.content)
        shelf.put(f"{number:04}.civitai.info", next(inner).content)
    drain(shelf)
    assert shelf.path("0000.html").exists()
    assert shelf.path("gallery.html").exists()


def test_whatever_civitai_answers_every_step_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    answers = cycle([each.content for each in chosen("answer") if len(each.content) < SMALL_BYTES])
    with CivitaiStandIn() as civitai:
        civitai.mood_for = lambda _: lambda _: Reply(200, next(answers))
        shelf = StepShelf(tmp_path, civitai)
        for number in range(ASKING):
            shelf.put(f"{number:04}.safetensors", builders.lora(number))
        for _ in range(ROUNDS):
            shelf.look_through(is_forced=True)
            shelf.clock.advance(DAY)
        assert len(civitai.requests) > ASKING
        assert of_nobodys_making(shelf) == []
        shelf.close()


def drain(shelf: StepShelf) -> None:
    """Do all work, and fail with every task that broke or did not come to its end."""
    shelf.look_through()
    assert of_nobodys_making(shelf) == []
    assert [(task.kind, task.subject, task.last_error) for task in shelf.tasks() if task.attempts] == []


def of_nobodys_making(shelf: StepShelf) -> list[tuple[str, str | None]]:
    """Give the tasks that failed by an error that nobody foresaw."""
    assert shelf.fatal == []
    failed = [task for task in shelf.tasks() if task.failure_kind == FailureKind.INTERNAL]
    return [(task.kind, task.last_error) for task in failed]
