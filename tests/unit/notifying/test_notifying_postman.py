"""The process that carries one message: run here within our own, against a real server."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import apprise
import pytest

from modelshelf.notifying import postman

if TYPE_CHECKING:
    from tests.fakes.inbox import Inbox

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
"""apprise asks for it where Python still has it."""

SECRETS = ("someone", "passw0rd", "a-secret-path")


def test_a_message_arrives_as_it_was_written(inbox: Inbox) -> None:
    told = postman.deliver(inbox.target, "modelshelf: 2 files", "a_b*c*.ckpt <b>, :smile: \\n\nand more")
    assert told == {"is_sent": True, "host": "127.0.0.1", "reason": ""}
    assert inbox.messages == [("modelshelf: 2 files", "a_b*c*.ckpt <b>, :smile: \\n\nand more")]


@pytest.mark.parametrize(
    ("form", "shown"),
    [("text", "a_b <i>"), ("markdown", r"a\_b <i\>"), ("html", "a_b&nbsp;&lt;i&gt;")],
)
def test_markup_in_a_name_is_escaped_in_whatever_form_a_service_wants(form: str, shown: str, inbox: Inbox) -> None:
    postman.deliver(f"{inbox.target}?format={form}", "subject", "a_b <i>")
    assert inbox.messages[0][1].rstrip() == shown


def test_a_server_that_refuses_is_told_of_without_any_part_of_the_address(inbox: Inbox) -> None:
    inbox.status = 403
    told = postman.deliver(inbox.target, "subject", "body")
    assert told["is_sent"] is False
    assert told["host"] == "127.0.0.1"
    assert "403" in str(told["reason"])
    assert not [secret for secret in SECRETS if secret in json.dumps(told)]


@pytest.mark.parametrize("target", ["nothing://of-the-kind", "tgram://no-token", "json://"])
def test_an_address_that_apprise_cannot_read_is_told_of_without_it(target: str) -> None:
    told = postman.deliver(target, "subject", "body")
    assert told == {"is_sent": False, "host": None, "reason": "apprise cannot make anything of this target"}


def test_the_order_comes_on_standard_input_and_the_answer_on_standard_output(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order = {"target": inbox.target, "subject": "s", "body": "b"}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(order)))
    postman.main()
    assert json.loads(capsys.readouterr().out)["is_sent"] is True


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("json://user:word@127.0.0.1:80/path", "127.0.0.1"),
        ("ntfys://ntfy.example.org/topic", "ntfy.example.org"),
        ("gotify://localhost/token1234567890", "localhost"),
        ("mailto://me:word@example.org", "example.org"),
        ("ntfy://a-topic-that-nobody-guesses", None),
        ("tgram://123456789:abcdefghijklmnopqrstuvwxyz/12345", None),
        ("discord://1234567890/abcdefghijk", None),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", None),
        ("sendgrid://SG.aaa.bbb:me@example.com", None),
    ],
)
def test_a_server_is_named_only_where_the_address_has_one(target: str, shown: str | None) -> None:
    plugin = apprise.Apprise.instantiate(target)
    assert plugin is not None
    assert postman.server_name(plugin) == shown


@pytest.mark.parametrize(
    ("target", "host", "text", "masked"),
    [
        ("json://me:passw0rd@nas.local/x", "nas.local", "passw0rd refused by nas.local", "*** refused by nas.local"),
        ("tgram://123:AbCd/55", None, "bot 123:AbCd", "bot 123:***"),
        ("json://h.local/?key=pa%20ss", "h.local", "pa ss, pa%20ss", "***, pa%20ss"),
        ("json://h.local/abc/defgh", "h.local", "abc defgh json", "abc *** json"),
        ("x://token-token", None, "x://token-token", "x://***"),
    ],
)
def test_whatever_a_service_says_every_long_part_of_the_address_is_masked(
    target: str, host: str | None, text: str, masked: str
) -> None:
    assert postman.mask(text, target, host) == masked
