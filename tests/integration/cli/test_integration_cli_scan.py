"""`modelshelf scan` with a real house: alone, beside a daemon, and interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import lora
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIGURATION = """
input_paths:
  loras: {path: loras, type: LORA}
jobs:
  nightly: {paths: [all]}
store: {directory: state}
offline: true
"""


class Shelf:
    """A folder of models and its configuration, without network."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "modelshelf.yaml").write_text(CONFIGURATION)
        (root / "loras").mkdir()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "modelshelf", *arguments],
            cwd=self.root,
            env={key: value for key, value in os.environ.items() if not key.endswith("_CONFIG")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def ask(self, *arguments: str) -> Any:
        """Run a command for its JSON."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def drop(self, count: int) -> None:
        """Put models into the folder."""
        for number in range(count):
            (self.root / "loras" / f"ink{number}.safetensors").write_bytes(lora(number))

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """Run the daemon until the end of the block."""
        with self.start("--quiet", "run") as process:
            try:
                wait_until(lambda: (self.root / "state/poke.sock").exists() or process.poll() is not None)
                yield
            finally:
                process.terminate()
                process.communicate(timeout=30)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Give an empty shelf."""
    return Shelf(tmp_path)


def test_without_a_daemon_scan_wait_does_it_all_down_to_the_gallery(shelf: Shelf) -> None:
    shelf.drop(3)
    done = shelf.run("scan", "--wait")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "Scan complete! Found 3 model files\n- Added: 3 new models to database\n"
        "- Updated: 0 models with new metadata\n- Calculated: 3 hashes\n"
    )
    assert (shelf.root / "loras/gallery.html").exists()
    assert shelf.ask("status")["daemon"]["is_running"] is False
    assert [file["state"] for file in shelf.ask("list")["files"]] == ["pending"] * 3


def test_a_second_scan_finds_nothing_new(shelf: Shelf) -> None:
    shelf.drop(1)
    shelf.run("scan", "--wait")
    assert shelf.run("scan", "--wait").stdout == (
        "Scan complete! Found 1 model files\n- Added: 0 new models to database\n"
        "- Updated: 0 models with new metadata\n- Calculated: 0 hashes\n"
    )


def test_civitscrapers_way_to_run_a_job_waits_for_it(shelf: Shelf) -> None:
    shelf.drop(2)
    done = shelf.run("-j", "nightly")
    assert done.returncode == 0
    assert "- Added: 2 new models" in done.stdout
    assert shelf.ask("jobs")["jobs"][0]["last_run"]["statistics"]["total"] == 2


def test_what_was_noted_without_a_daemon_is_done_when_one_runs(shelf: Shelf) -> None:
    shelf.drop(2)
    assert "Noted" in shelf.run("scan").stderr
    with shelf.daemon():
        wait_until(lambda: len(shelf.ask("list")["files"]) == 2)


def test_every_command_that_reads_works_beside_the_daemon(shelf: Shelf) -> None:
    shelf.drop(2)
    with shelf.daemon():
        assert shelf.run("scan", "--wait").returncode == 0
        for command in (["status"], ["list"], ["failures"], ["jobs"], ["why", "ink0.safetensors"]):
            done = shelf.run(*command, "--json")
            assert (done.returncode, done.stderr) == (0, "")
            assert json.loads(done.stdout)
        assert shelf.ask("status")["daemon"]["is_running"] is True


def test_a_folder_that_is_away_is_told_and_waited_for_by_nobody(shelf: Shelf) -> None:
    (shelf.root / "loras").rmdir()
    for _ in range(2):
        done = shelf.run("scan", "--wait")
        assert done.returncode == 1
        assert "loras is offline" in done.stderr


def test_ctrl_c_leaves_the_rest_noted_and_the_lock_free(shelf: Shelf) -> None:
    path = shelf.root / "loras/big.safetensors"
    header = json.dumps({"w": {"dtype": "U8", "shape": [1 << 40], "data_offsets": [0, 1 << 40]}}).encode()
    with path.open("wb") as big:
        big.write(len(header).to_bytes(8, "little") + header)
        big.truncate(8 + len(header) + (1 << 40))
    with shelf.start("scan", "--wait") as process:
        try:
            wait_until(lambda: any(task["step"] == "hash_file" for task in shelf.ask("status")["running"]), timeout=90)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "what is left stays noted" in err
    status = shelf.ask("status")
    assert status["owed"].pop("hash_file") == 1
    assert status["owed"] in ({}, {"render_gallery": 1})  # it may have been begun or not
    assert status["daemon"]["is_running"] is False


def test_two_of_them_never_work_on_one_state_directory(shelf: Shelf) -> None:
    with shelf.daemon():
        done = shelf.run("run")
    assert done.returncode == 1
    assert "another modelshelf (pid" in done.stderr
