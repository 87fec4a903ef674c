"""The courier and real postmen, who are processes."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.notifying import courier as room
from modelshelf.notifying.courier import Courier, Receipt
from modelshelf.notifying.message import Message
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.fakes.inbox import Inbox

MESSAGE = Message("modelshelf: 1 file", "gr\u00fcn.ckpt")


def test_a_postman_brings_the_message_and_the_receipt_names_scheme_and_server_only(inbox: Inbox) -> None:
    assert Courier().carry(inbox.target, MESSAGE) == Receipt("json://127.0.0.1", is_sent=True)
    assert inbox.messages == [(MESSAGE.subject, MESSAGE.body)]


def test_nothing_in_the_current_directory_is_taken_for_a_module(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("apprise.py", "json.py", "modelshelf.py"):
        (tmp_path / name).write_text("import os; os._exit(3)\n")
    monkeypatch.chdir(tmp_path)
    assert Courier().carry(inbox.target, MESSAGE).is_sent


def test_a_service_that_hangs_is_ended_and_its_address_is_in_no_command_line(inbox: Inbox) -> None:
    inbox.is_silent = True
    courier = Courier(patience_seconds=2)
    receipts: list[Receipt] = []
    thread = threading.Thread(target=lambda: receipts.append(courier.carry(inbox.target, MESSAGE)))
    thread.start()
    wait_until(lambda: courier._postman is not None)
    assert courier._postman is not None
    command = Path(f"/proc/{courier._postman.pid}/cmdline").read_bytes()
    assert b"passw0rd" not in command
    assert b"127.0.0.1" not in command
    thread.join(20)
    assert receipts == [Receipt("json://", is_sent=False, reason="no answer within 2 seconds")]
    assert courier._postman.poll() is not None


def test_a_child_that_the_postman_leaves_behind_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import subprocess, time; subprocess.Popen(['sleep', '8']); time.sleep(8)"
    monkeypatch.setattr(room, "_POSTMAN", (sys.executable, "-c", script))
    receipts: list[Receipt] = []
    thread = threading.Thread(target=lambda: receipts.append(Courier(patience_seconds=1).carry("json://h", MESSAGE)))
    thread.start()
    thread.join(5)
    assert receipts == [Receipt("json://", is_sent=False, reason="no answer within 1 seconds")]
    thread.join()


def test_a_stop_calls_the_postman_back_at_once(inbox: Inbox) -> None:
    inbox.is_silent = True
    courier = Courier()
    receipts: list[Receipt] = []
    thread = threading.Thread(target=lambda: receipts.append(courier.carry(inbox.target, MESSAGE)))
    thread.start()
    wait_until(lambda: inbox.visits)
    courier.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert not receipts[0].is_sent


def test_after_a_stop_nobody_is_sent_any_more(inbox: Inbox) -> None:
    courier = Courier()
    courier.stop()
    assert not courier.carry(inbox.target, MESSAGE).is_sent
    assert inbox.messages == []


def test_a_machine_that_starts_no_process_is_a_failure_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_POSTMAN", ("/nowhere/python",))
    receipt = Courier().carry("Json://me:passw0rd@127.0.0.1", MESSAGE)
    assert receipt.label == "json://"
    assert receipt.reason == "no process can be started: No such file or directory"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise SystemExit(7)", "sending ended with status 7"),
        ("print('no JSON')", "sending ended without an answer"),
        ("print('[]')", "sending ended without an answer"),
        ("import sys; sys.stdin.close()", "sending ended without an answer"),
    ],
)
def test_a_postman_that_does_not_answer_is_a_failure_like_any_other(
    script: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_POSTMAN", (sys.executable, "-c", script))
    assert Courier().carry("json://h", MESSAGE) == Receipt("json://", is_sent=False, reason=reason)
