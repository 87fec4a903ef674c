"""Rot, as its person meets it: found by the night or by a scan, told until it is decided, never taken for the truth."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from tests import builders
from tests.acceptance.shelf import events, introduce, is_described
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.process import DaemonProcess
    from tests.fakes.civitai_server import CivitaiStandIn

CONTENT = builders.lora(41)


def rot(path: Path) -> bytes:
    """Flip a byte and put the mtime back: size and mtime are what they were, as after rot; gives the new bytes."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-100] ^= 0x40
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return bytes(content)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest().upper()


def damage(daemon: DaemonProcess, *words: str) -> Any:
    return daemon.ask("verify", *words)["damaged"]


def stored_sha256(daemon: DaemonProcess, path: Path) -> str:
    (file,) = daemon.ask("why", str(path))["files"]
    return str(file["hashes"]["sha256"])


def test_rot_is_found_told_twice_and_accepted(daemon: DaemonProcess, civitai: CivitaiStandIn) -> None:
    introduce(civitai, CONTENT, "Ink")
    model, copy = daemon.models / "ink.safetensors", daemon.models / "copy" / "same.safetensors"
    copy.parent.mkdir()
    model.write_bytes(CONTENT)
    copy.write_bytes(CONTENT)
    wait_until(lambda: is_described(model) and is_described(copy))
    assert daemon.command("verify", "--all", "--wait").returncode == 0
    found = rot(model)
    # Whoever writes is noticed: the scan that follows reads the file again, and must not take these bytes for its own.
    wait_until(lambda: events(daemon, "file_found_rotten", model.name))
    (evidence,) = damage(daemon, "--list")
    assert (evidence["expected"]["sha256"], evidence["found"]["sha256"]) == (digest(CONTENT), digest(found))
    assert [each["path"] for each in evidence["good_copies"]] == [str(copy)]
    assert evidence["download_url"]
    assert stored_sha256(daemon, model) == digest(CONTENT)
    again = daemon.command("verify", str(model), "--wait")
    assert again.returncode == 1
    assert f"a good copy is {copy}" in again.stdout
    wait_until(lambda: len(events(daemon, "file_found_rotten", model.name)) == 2)
    assert "DAMAGED" in daemon.command("status").stdout
    wait_until(lambda: "This file is damaged" in model.with_suffix(".html").read_text())
    assert stored_sha256(daemon, model) == digest(CONTENT)
    assert daemon.command("verify", "accept", str(model)).returncode == 0
    wait_until(lambda: daemon.ask("why", str(model))["files"][0]["hashes"] is not None)
    assert stored_sha256(daemon, model) == digest(found)
    assert damage(daemon, "--list") == []


def test_rot_that_no_event_told_of_is_found_by_reading_again(daemon: DaemonProcess) -> None:
    model = daemon.models / "ink.safetensors"
    model.write_bytes(CONTENT)
    wait_until(lambda: events(daemon, "file_hashed", model.name))
    wait_until(lambda: daemon.ask("status")["owed"] == {})
    daemon.stop()
    found = rot(model)
    answer = daemon.command("verify", "--all", "--wait", "--json")
    assert answer.returncode == 1
    assert digest(found) in answer.stdout
    daemon.start()
    wait_until(lambda: daemon.ask("status")["owed"] == {})
    assert stored_sha256(daemon, model) == digest(CONTENT)
    model.write_bytes(found)  # a new mtime: an ordinary change
    wait_until(lambda: damage(daemon, "--list") == [])
    wait_until(lambda: daemon.ask("why", str(model))["files"][0]["hashes"] is not None)
    assert stored_sha256(daemon, model) == digest(found)
