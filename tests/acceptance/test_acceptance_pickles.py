"""A file that runs a program when it is loaded is found out, and runs none here."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from tests import builders
from tests.acceptance.shelf import events
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.process import DaemonProcess

pytestmark = pytest.mark.acceptance


class Trap:
    """Makes a directory wherever somebody loads it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_a_dropped_trap_is_told_everywhere_and_never_sprung(daemon: DaemonProcess, tmp_path: Path) -> None:
    mark = tmp_path / "sprung"
    (daemon.models / "trap.ckpt").write_bytes(pickle.dumps(Trap(mark)))
    (daemon.models / "good.ckpt").write_bytes(builders.torch_zip(1))
    wait_until(lambda: events(daemon, "file_hashed", "trap.ckpt") and events(daemon, "file_hashed", "good.ckpt"))
    [told] = events(daemon, "pickle_found_dangerous", "trap.ckpt")
    assert told["reason"] == "it imports posix.mkdir"
    verdicts = {each["path"]: each["pickle_verdict"] for each in daemon.ask("list")["files"]}
    assert verdicts == {"trap.ckpt": "dangerous", "good.ckpt": "clean"}
    assert "dangerous: posix.mkdir" in daemon.command("why", str(daemon.models / "trap.ckpt")).stdout
    wait_until(lambda: "Do not load this file" in page_of(daemon, "trap"))
    assert not mark.exists()


def page_of(daemon: DaemonProcess, stem: str) -> str:
    page = next(daemon.models.glob(f"{stem}*.html"), None)
    return page.read_text() if page is not None else ""
