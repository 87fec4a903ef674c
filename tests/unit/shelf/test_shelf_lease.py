"""Whether anybody writes to a file, asked of the kernel."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import FileGone
from modelshelf.shelf.lease import is_open_for_writing, prepare_leases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RACING_WRITER = """
import os, sys
print("ready", flush=True)
for _ in range(3000):
    os.close(os.open(sys.argv[1], os.O_WRONLY))
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"x")
    return path


@pytest.fixture
def _prepared() -> Iterator[None]:
    before = signal.getsignal(signal.SIGIO)
    prepare_leases()
    yield
    signal.signal(signal.SIGIO, before)


@pytest.mark.usefixtures("_prepared")
def test_a_file_that_nobody_writes_is_free_and_stays_free(model: Path) -> None:
    assert [is_open_for_writing(model) for _ in range(3)] == [False, False, False]
    with model.open("ab"):
        pass


@pytest.mark.usefixtures("_prepared")
def test_a_file_that_a_process_has_open_for_writing_is_not_free(model: Path) -> None:
    with model.open("ab"):
        assert is_open_for_writing(model) is True
    assert is_open_for_writing(model) is False


@pytest.mark.usefixtures("_prepared")
def test_readers_do_not_count(model: Path) -> None:
    with model.open("rb"):
        assert is_open_for_writing(model) is False


@pytest.mark.usefixtures("_prepared")
def test_a_writer_through_a_memory_map_counts_after_closing_the_file(model: Path) -> None:
    with model.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 1)
    assert is_open_for_writing(model) is True
    mapped.close()
    assert is_open_for_writing(model) is False


@pytest.mark.usefixtures("_prepared")
def test_a_writer_that_races_with_the_probe_neither_kills_us_nor_is_held_up(model: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", RACING_WRITER, model], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        answers = set()
        while writer.poll() is None:
            answers.add(is_open_for_writing(model))
        assert writer.returncode == 0
    assert answers <= {True, False}
    assert False in answers


def test_before_the_signal_is_ignored_nothing_is_probed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda _number: signal.SIG_DFL)
    monkeypatch.setattr(os, "open", lambda *_arguments: pytest.fail("opened"))
    assert is_open_for_writing(model) is None


@pytest.mark.usefixtures("_prepared")
def test_a_vanished_file_is_said_to_be_gone(tmp_path: Path) -> None:
    with pytest.raises(FileGone):
        is_open_for_writing(tmp_path / "never")


@pytest.mark.usefixtures("_prepared")
def test_links_directories_and_pipes_are_unknown_and_nothing_blocks(tmp_path: Path, model: Path) -> None:
    (tmp_path / "link").symlink_to(model)
    os.mkfifo(tmp_path / "pipe")
    assert [is_open_for_writing(tmp_path / name) for name in ("link", "pipe", ".")] == [None, None, None]


@pytest.mark.usefixtures("_prepared")
@pytest.mark.parametrize("number", [errno.EACCES, errno.EINVAL, errno.ENOLCK])
def test_a_lease_that_cannot_be_had_leaves_it_unknown(
    model: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_descriptor: int, _command: int, _argument: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    assert is_open_for_writing(model) is None


@pytest.mark.usefixtures("_prepared")
def test_no_descriptor_is_left_open(model: Path) -> None:
    before = os.listdir("/proc/self/fd")
    for _ in range(5):
        is_open_for_writing(model)
    assert os.listdir("/proc/self/fd") == before
