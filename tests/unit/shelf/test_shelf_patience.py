"""A file system that does not answer is away, and costs one thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import FileGone, FolderOffline
from modelshelf.shelf.patience import Patience
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def dead_mount() -> Iterator[threading.Event]:
    """Give a mount that answers when it is set."""
    answers = threading.Event()
    yield answers
    answers.set()


def test_an_answer_is_given_and_an_error_raised() -> None:
    patience = Patience()
    assert patience.ask("loras", lambda: 7) == 7

    def look() -> None:
        raise FileGone("no such directory")

    with pytest.raises(FileGone):
        patience.ask("loras", look)


def test_what_does_not_answer_is_offline_and_asked_again_only_when_it_let_go(dead_mount: threading.Event) -> None:
    patience = Patience(0.01)
    asked: list[None] = []

    def look() -> bool:
        asked.append(None)
        return dead_mount.wait(10)

    for _ in range(5):
        with pytest.raises(FolderOffline, match="answer"):
            patience.ask("loras", look)
    assert len(asked) == 1
    assert patience.ask("vae", lambda: 7) == 7
    dead_mount.set()
    wait_until(lambda: not any(thread.name == "look" for thread in threading.enumerate()))
    assert patience.ask("loras", look)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_look_that_breaks_is_no_answer() -> None:
    def look() -> None:
        raise KeyError("a bug")

    with pytest.raises(FolderOffline, match="no end"):
        Patience().ask("loras", look)
