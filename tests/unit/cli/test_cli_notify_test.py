"""`modelshelf notify-test`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.inbox import Inbox
from tests.unit.cli.cli_shelf import CONFIGURATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.cli.cli_shelf import CliShelf


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as made:
        yield made


def configure(shelf: CliShelf, *targets: str, more: str = "") -> None:
    shelf.config.write_text(f"{CONFIGURATION}notifications: {{targets: {[*targets]}{more}}}\n")


def test_every_target_gets_a_sample_quiet_hours_or_not(shelf: CliShelf, inbox: Inbox) -> None:
    configure(shelf, inbox.target, inbox.target, more=", quiet_hours: '00:00-23:59', tell: []")
    answer = shelf.run("notify-test")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "1  json://127.0.0.1  sent\n2  json://127.0.0.1  sent\n"
    assert [subject for subject, _ in inbox.messages] == ["modelshelf: a test"] * 2


def test_one_that_fails_is_told_of_without_its_secrets_and_the_others_are_tried(shelf: CliShelf, inbox: Inbox) -> None:
    configure(shelf, "json://someone:passw0rd@127.0.0.1:9/a-secret-path", "foo://a-secret-token", inbox.target)
    answer = shelf.run("notify-test")
    assert answer.code == 1
    first, second, third = answer.out.splitlines()
    assert first.startswith("1  json://127.0.0.1  FAILED: ")
    assert second == "2  foo://  FAILED: apprise cannot make anything of this target"
    assert third == "3  json://127.0.0.1  sent"
    assert "secret" not in answer.out + answer.err
    assert "passw0rd" not in answer.out + answer.err


def test_the_document_tells_the_same(shelf: CliShelf, inbox: Inbox) -> None:
    configure(shelf, "foo://a-secret-token", inbox.target)
    answer = shelf.run("notify-test", "--json")
    assert answer.code == 1
    assert answer.document == {
        "targets": [
            {"target": "foo://", "is_sent": False, "reason": "apprise cannot make anything of this target"},
            {"target": "json://127.0.0.1", "is_sent": True, "reason": None},
        ]
    }


def test_where_nobody_can_be_told_it_says_why(shelf: CliShelf, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = shelf.run("notify-test")
    assert answer.code == 2
    assert "notifications.targets names nobody to tell" in answer.err
    configure(shelf, inbox.target)
    monkeypatch.setattr("modelshelf.config.sections.notifications.find_spec", lambda _: None)
    answer = shelf.run("notify-test")
    assert answer.code == 2
    assert "pip install 'modelshelf[notify]'" in answer.err
    assert inbox.messages == []
