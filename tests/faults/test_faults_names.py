"""F35 to F40: names, links and things that are no files. Real ones, as far as this kernel lets us make them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.watching.dirty import DirtyReach
from tests import builders
from tests.acceptance.process import DaemonProcess
from tests.faults.grounds import cannot, mounted
from tests.faults.living_shelf import LivingShelf
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ODD = [b"caf\xe9.safetensors", b"two\nlines.safetensors", b"\x1b[31mred\x07.safetensors", b"tab\there\x7f.safetensors"]
CONFIG = """
input_paths: {{shelf: {{path: {models}, type: LORA}}}}
store: {{directory: {state}}}
offline: true
"""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivingShelf]:
    made = LivingShelf(tmp_path).listen(monkeypatch)
    yield made
    made.close()


def put(directory: Path, name: bytes, content: bytes) -> None:
    descriptor = os.open(os.path.join(os.fsencode(directory), name), os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, content)
    os.close(descriptor)


def test_any_name_is_known_hashed_logged_and_told_end_to_end(tmp_path: Path) -> None:
    """F35 and F38. Catalog, log, the commands' text and JSON, and what is written beside it."""
    config = CONFIG.format(models=tmp_path / "models", state=tmp_path / "state")
    with DaemonProcess(tmp_path, "http://127.0.0.1:9", config=config) as daemon:
        models = os.fsencode(daemon.models)
        for number, name in enumerate(ODD):
            put(daemon.models, name, builders.lora(number))
        pages = [os.path.join(models, os.path.splitext(name)[0] + b".html") for name in ODD]
        wait_until(lambda: all(map(os.path.exists, pages)))
        told = daemon.ask("list")["files"]
        questions = [("status",), ("list",), *(("why", os.fsdecode(os.path.join(models, name))) for name in ODD[:2])]
        shown = [daemon.command(*words) for words in questions]
        raw = daemon.log.read_bytes()
        assert daemon.is_running
    assert {base64.b64decode(each["path_bytes"]) for each in told if "path_bytes" in each} >= {ODD[0]}
    assert len({each["sha256"] for each in told}) == len(ODD)
    for answer in shown:
        assert answer.returncode == 0
        assert all(each.isprintable() for line in answer.stdout.split("\n") for each in line)
    assert raw.isascii()
    assert not set(raw) & {0x07, 0x1B, 0x7F}
    lines = [json.loads(line) for line in raw.splitlines() if line.startswith(b"{")]
    assert sum(line["event"] == "file_hashed" for line in lines) == len(ODD)


def sink(top: Path, depth: int, name: str) -> None:
    """Make directories so deep that no path leads there any more, and a model in the last."""
    directory = os.open(top, os.O_PATH)
    for _ in range(depth):
        os.mkdir(name, dir_fd=directory)
        below = os.open(name, os.O_PATH, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(os.open("deep.safetensors", os.O_CREAT | os.O_WRONLY, dir_fd=directory))
    os.close(directory)


def test_a_path_that_is_too_long_is_reported_and_costs_nobody_else_anything(shelf: LivingShelf) -> None:
    """F36."""
    longest = "x" * (255 - len(".safetensors")) + ".safetensors"
    (shelf.models / longest).write_bytes(builders.lora(1))
    (shelf.models / "other.safetensors").write_bytes(builders.lora(2))
    sink(shelf.models, 20, "d" * 250)
    shelf.open()
    assert shelf.sha256(longest)
    assert shelf.sha256("other.safetensors")
    assert shelf.count() == 2
    [unseen] = shelf.store.failures.all()
    assert unseen.reason.startswith("too long")
    shelf.house.calendar._scan("shelf")
    shelf.rest()
    assert len(shelf.store.failures.all()) == 1
    (shelf.models / "later.safetensors").write_bytes(builders.lora(3))
    shelf.await_known("later.safetensors")


def test_links_are_not_followed_and_their_loops_do_no_harm(shelf: LivingShelf) -> None:
    """F37. A link to itself, two that lead to each other, two loops inside each other, and a link to a model."""
    inner = shelf.models / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "model.safetensors").write_bytes(builders.lora(1))
    (shelf.models / "self").symlink_to("self")
    (shelf.models / "one").symlink_to("two")
    (shelf.models / "two").symlink_to("one")
    (inner / "up").symlink_to(shelf.models)
    (inner / "also").symlink_to("..")
    (shelf.models / "linked.safetensors").symlink_to(inner / "model.safetensors")
    (shelf.models / "self.safetensors").symlink_to("self.safetensors")
    shelf.open()
    assert shelf.count() == 1
    assert shelf.hashed == ["model.safetensors"]
    (inner / "later.safetensors").write_bytes(builders.lora(2))
    (shelf.models / "late").symlink_to(inner)
    shelf.await_known("a/b/later.safetensors")
    shelf.rest()
    assert shelf.count() == 2
    assert shelf.house.watch._observers["shelf"].watched_count == 3


@pytest.fixture
def careless(tmp_path: Path) -> Iterator[Path]:
    """Give a directory on a file system that does not mind letter case, and that makes up its inodes."""
    image = tmp_path / "fat.img"
    image.write_bytes(bytes(20 * 1024 * 1024))
    try:
        subprocess.run(["mkfs.vfat", image], check=True, capture_output=True)
    except FileNotFoundError:
        cannot("no mkfs.vfat: apt-get install dosfstools")
    with mounted(["fusefat", "-o", "rw+", str(image), str(tmp_path / "models")], tmp_path / "models") as point:
        (point / "probe").touch()
        assert (point / "PROBE").exists()
        (point / "probe").unlink()
        yield point


def rescan(shelf: LivingShelf, path: str) -> None:
    """Scan a path as its event would have it."""
    before = shelf.rings
    shelf.house.watch._dirty.mark("shelf", os.fsencode(path), DirtyReach.FILE)
    wait_until(lambda: shelf.rings != before)
    shelf.rest()


@pytest.mark.parametrize(
    "order", [("small.safetensors", "SMALL.SAFETENSORS"), ("SMALL.SAFETENSORS", "small.safetensors")]
)
def test_a_rename_that_changes_the_letter_case_alone_leaves_one_file_with_its_hash(
    careless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[str, str]
) -> None:
    """F39."""
    shelf = LivingShelf(tmp_path, careless, watch="events").listen(monkeypatch)
    try:
        (careless / "keeper.safetensors").write_bytes(builders.lora(2))
        (careless / "small.safetensors").write_bytes(builders.lora(1))
        shelf.open()
        wait_until(lambda: shelf.sha256("small.safetensors") and shelf.sha256("keeper.safetensors"))
        (careless / "small.safetensors").rename(careless / "SMALL.SAFETENSORS")
        assert "SMALL.SAFETENSORS" in os.listdir(careless)
        for path in order:
            rescan(shelf, path)
        assert shelf.has("SMALL.SAFETENSORS")
        assert not shelf.has("small.safetensors")
        shelf.house.calendar._scan("shelf")
        shelf.rest()
        assert shelf.count() == 2
        assert shelf.content_count() == 2
    finally:
        shelf.close()


def test_two_names_that_look_alike_are_two_files(shelf: LivingShelf) -> None:
    """F39. One spelled in composed letters, one in decomposed, one in capitals."""
    composed = unicodedata.normalize("NFC", "café.safetensors")
    names = [composed, unicodedata.normalize("NFD", composed), "CAFÉ.safetensors"]
    assert len({os.fsencode(name) for name in names}) == len(names)
    for number, name in enumerate(names):
        (shelf.models / name).write_bytes(builders.lora(number))
    shelf.open()
    assert len({shelf.sha256(name) for name in names}) == len(names)
    (shelf.models / names[0]).unlink()
    wait_until(lambda: not shelf.has(names[0]))
    assert shelf.count() == len(names) - 1


_opened: list[str] | None = None


def _note_opening(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _opened is not None and isinstance(arguments[0], str | bytes | os.PathLike):
        _opened.append(os.fsdecode(arguments[0]))


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Give the names of all that this process opens from now on."""
    global _opened  # noqa: PLW0603 - an audit hook stays for ever, so it must know when to be silent
    if "heard" not in globals():
        globals()["heard"] = True
        sys.addaudithook(_note_opening)
    _opened = []
    yield _opened
    _opened = None


def test_what_is_no_file_is_never_opened_whatever_its_name(shelf: LivingShelf, opened: list[str]) -> None:
    """F40. Opening a tape rewinds it, opening a fifo waits for its writer."""
    os.mkfifo(shelf.models / "fifo.safetensors")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(shelf.models):
        listener.bind("socket.safetensors")
    try:
        os.mknod(shelf.models / "device.safetensors", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError as error:
        cannot(f"no device can be made: {error.strerror}")
    (shelf.models / "model.safetensors").write_bytes(builders.lora(1))
    shelf.open()
    os.mkfifo(shelf.models / "late.safetensors")
    (shelf.models / "later.safetensors").write_bytes(builders.lora(2))
    shelf.await_known("later.safetensors")
    shelf.rest()
    assert shelf.count() == 2
    names = {os.path.basename(path) for path in opened}
    assert "model.safetensors" in names
    assert not names & {f"{kind}.safetensors" for kind in ("fifo", "socket", "device", "late")}
