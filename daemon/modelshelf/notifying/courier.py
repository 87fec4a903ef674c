"""The courier sends a postman, a process of its own, with one message to one target, and does not wait for it for ever."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelshelf.notifying.message import Message

PATIENCE_SECONDS = 60.0
_POSTMAN = (sys.executable, "-P", "-m", "modelshelf.notifying.postman")
"""-P: nothing that lies in the current directory is taken for a module."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How it went. `label` names the target by scheme and server only: the rest of its address is a secret."""

    label: str
    is_sent: bool
    reason: str | None = None


class Courier:
    """Carries messages one at a time, until `stop`."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._postman: subprocess.Popen[str] | None = None
        self.is_stopped = False

    def carry(self, target: str, message: Message) -> Receipt:
        """Send a message to a target, and wait for the answer."""
        label = target.partition("://")[0].lower() + "://"
        order = json.dumps({"target": target, "subject": message.subject, "body": message.body})
        try:
            postman = self._send_out()
        except OSError as error:
            return Receipt(label, is_sent=False, reason=f"no process can be started: {error.strerror}")
        try:
            answer, _ = postman.communicate(order, timeout=self._patience_seconds)
        except subprocess.TimeoutExpired:
            with postman:  # whose pipes are closed, and not read to their end: a child of it may hold them open
                postman.kill()
            return Receipt(label, is_sent=False, reason=f"no answer within {self._patience_seconds:g} seconds")
        return _receipt(label, answer, postman.returncode)

    def stop(self) -> None:
        """Call the postman back, and send none any more."""
        with self._lock:
            self.is_stopped = True
            if self._postman is not None:
                self._postman.kill()

    def _send_out(self) -> subprocess.Popen[str]:
        with self._lock:
            self._postman = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
                _POSTMAN, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            if self.is_stopped:
                self._postman.kill()
            return self._postman


def _receipt(label: str, answer: str, status: int) -> Receipt:
    if status:
        return Receipt(label, is_sent=False, reason=f"sending ended with status {status}")
    try:
        told = json.loads(answer)
        return Receipt(f"{label}{told['host'] or ''}", is_sent=told["is_sent"], reason=told["reason"] or None)
    except (ValueError, LookupError, TypeError):
        return Receipt(label, is_sent=False, reason="sending ended without an answer")
