"""A file dropped in every way that people drop files is noticed, waited for, and described without a word from anyone."""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.acceptance.shelf import events, introduce, is_described
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.process import DaemonProcess
    from tests.fakes.civitai_server import CivitaiStandIn

pytestmark = pytest.mark.acceptance

Drop = "Callable[[bytes, Path], None]"


def outside(target: Path) -> Path:
    """Give a name on the same disk that no folder holds."""
    models = next(parent for parent in target.parents if parent.name == "models")
    return models.parent / "outside.bin"


def by_cp(content: bytes, target: Path) -> None:
    source = outside(target)
    source.write_bytes(content)
    subprocess.run(["cp", source, target], check=True)


def by_mv(content: bytes, target: Path) -> None:
    source = outside(target)
    source.write_bytes(content)
    subprocess.run(["mv", source, target], check=True)


def by_chromium(content: bytes, target: Path) -> None:
    part = target.with_name(target.name + ".crdownload")
    write_slowly(part, content)
    part.rename(target)


def by_firefox(content: bytes, target: Path) -> None:
    target.touch()
    part = target.with_name(target.name + ".part")
    write_slowly(part, content)
    part.replace(target)


def by_aria2_control_file(content: bytes, target: Path) -> None:
    control = target.with_name(target.name + ".aria2")
    control.write_bytes(b"\0\1")
    write_slowly(target, content)
    control.unlink()


def by_smb_preallocation(content: bytes, target: Path) -> None:
    with target.open("wb") as opened:
        opened.truncate(len(content))
        opened.flush()
        for start in range(0, len(content), max(1, len(content) // 4)):
            piece = content[start : start + max(1, len(content) // 4)]
            os.pwrite(opened.fileno(), piece, start)
            time.sleep(0.2)


def by_rsync(content: bytes, target: Path) -> None:
    source = outside(target)
    source.write_bytes(content)
    subprocess.run(["rsync", "-t", source, target], check=True)


def by_hard_link(content: bytes, target: Path) -> None:
    source = outside(target)
    source.write_bytes(content)
    target.hardlink_to(source)


def write_slowly(path: Path, content: bytes) -> None:
    with path.open("wb") as opened:
        for start in range(0, len(content), max(1, len(content) // 4)):
            opened.write(content[start : start + max(1, len(content) // 4)])
            opened.flush()
            time.sleep(0.1)


WAYS = [by_cp, by_mv, by_chromium, by_firefox, by_aria2_control_file, by_smb_preallocation, by_rsync, by_hard_link]


@pytest.mark.parametrize("drop", WAYS)
@pytest.mark.parametrize("where", ["old", "new"])
def test_a_dropped_file_is_described_however_it_comes(
    drop: Callable[[bytes, Path], None], where: str, daemon: DaemonProcess, civitai: CivitaiStandIn
) -> None:
    if drop is by_rsync and shutil.which("rsync") is None:
        pytest.skip("no rsync: apt-get install rsync")
    content = builders.lora(1, padding_bytes=300_000)
    introduce(civitai, content, "Dropped")
    directory = daemon.models if where == "old" else daemon.models / "brand" / "new"
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / "dropped [xl] #1.safetensors"
    if where == "new":
        staged = daemon.models.parent / "x" / "y"
        staged.mkdir(parents=True)
    drop(content, target)
    wait_until(lambda: is_described(target))
    assert len(events(daemon, "file_hashed", target.name)) == 1


def test_a_real_aria2_download_is_hashed_once(daemon: DaemonProcess, civitai: CivitaiStandIn, tmp_path: Path) -> None:
    if shutil.which("aria2c") is None:
        pytest.skip("no aria2c: apt-get install aria2")
    content = builders.lora(2, padding_bytes=3_000_000)
    introduce(civitai, content, "Fetched")
    served = tmp_path / "served"
    served.mkdir()
    (served / "fetched.safetensors").write_bytes(content)
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/fetched.safetensors"
        command = [
            "aria2c",
            "--quiet",
            "--file-allocation=falloc",
            "--max-download-limit=2M",
            "-d",
            str(daemon.models),
            url,
        ]
        subprocess.run(command, check=True, timeout=60)
        server.shutdown()
    wait_until(lambda: is_described(daemon.models / "fetched.safetensors"))
    assert len(events(daemon, "file_hashed", "fetched.safetensors")) == 1


def test_a_paused_download_is_hashed_once_at_its_end(daemon: DaemonProcess, civitai: CivitaiStandIn) -> None:
    content = builders.lora(3, padding_bytes=100_000)
    introduce(civitai, content, "Paused")
    target = daemon.models / "paused.safetensors"
    target.write_bytes(content[:40_000])
    wait_until(lambda: events(daemon, "file_found_broken", target.name))
    listed = daemon.ask("list")
    assert "40000" in str(listed)
    assert not events(daemon, "file_hashed", target.name)
    with target.open("ab") as opened:
        opened.write(content[40_000:])
    wait_until(lambda: is_described(target))
    assert len(events(daemon, "file_hashed", target.name)) == 1


def test_a_file_that_proves_nothing_waits_and_says_so(daemon: DaemonProcess, civitai: CivitaiStandIn) -> None:
    content = builders.legacy_pickle(4)
    introduce(civitai, content, "Old style")
    target = daemon.models / "old.pt"
    with target.open("wb") as opened:
        opened.write(content)
        opened.flush()
        wait_until(lambda: "old.pt" in daemon.command("status").stdout)
        assert not events(daemon, "file_hashed", target.name)
    wait_until(lambda: is_described(target))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pointer.safetensors", builders.lfs_pointer()),
        ("page.safetensors", builders.html_page()),
        ("empty.safetensors", b""),
        ("blank.safetensors", bytes(4096)),
    ],
)
def test_a_broken_file_is_said_to_be_broken_and_why(name: str, content: bytes, daemon: DaemonProcess) -> None:
    (daemon.models / name).write_bytes(content)
    wait_until(lambda: events(daemon, "file_found_broken", name))
    [told] = list(events(daemon, "file_found_broken", name))
    assert told["reason"]
    failures = daemon.ask("failures")
    assert name in str(failures)
    assert not list(daemon.models.glob("*.json"))
