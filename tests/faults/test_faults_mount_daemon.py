"""The daemon as a process, and the disks under its folders taken away while it runs."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.steps.absence import BRAKE_FILES
from tests import builders
from tests.acceptance.process import DaemonProcess
from tests.acceptance.shelf import events
from tests.faults.disks import Bound
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONFIG = """
input_paths: {{shelf: {{path: {0}/models, type: LORA}}}}
store: {{directory: {0}/state}}
watch: {{stability_delay: 0.2}}
offline: true
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Bound]:
    with closing(Bound(tmp_path / "disk")) as made:
        yield made


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    process = DaemonProcess(tmp_path, "http://127.0.0.1:9", config=CONFIG.format(tmp_path))
    yield process
    if process.is_running:
        process.stop()


def drop(daemon: DaemonProcess, *names: str) -> None:
    """Put models down and wait until they have their pages."""
    for name in names:
        path = daemon.models / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(builders.lora(sum(name.encode())))
    wait_until(lambda: all((daemon.models / name).with_suffix(".html").exists() for name in names), 60)


def folder(daemon: DaemonProcess) -> dict[str, Any]:
    """Give what `status` says of the folder."""
    (found,) = daemon.ask("status")["folders"]
    assert isinstance(found, dict)
    return found


def wait_poked(daemon: DaemonProcess, condition: Callable[[], object]) -> None:
    """Wait, and have the daemon look around at once instead of every half minute."""
    wait_until(lambda: daemon.command("scan") and condition(), 60)


def test_a_disk_that_goes_while_the_daemon_runs_comes_back_with_nothing_lost_and_nothing_read_again(
    daemon: DaemonProcess, disk: Bound
) -> None:
    """F26."""
    disk.mount(daemon.models)
    with daemon:
        drop(daemon, "one.safetensors", "two.safetensors", "deep/three.safetensors")
        disk.unmount()
        wait_poked(daemon, lambda: events(daemon, "folder_went_offline"))
        assert folder(daemon)["offline_since"] is not None
        assert len(daemon.ask("list")["files"]) == 3
        assert list(daemon.models.iterdir()) == []
        disk.mount(daemon.models)
        wait_poked(daemon, lambda: events(daemon, "folder_came_back"))
        drop(daemon, "later.safetensors")
        assert events(daemon, "file_went_missing") == []
        assert len(events(daemon, "file_hashed")) == 4


def test_a_mount_inside_a_folder_that_goes_and_comes_is_told_and_costs_nothing(
    daemon: DaemonProcess, disk: Bound
) -> None:
    """F27."""
    (daemon.models / "big").mkdir()
    disk.mount(daemon.models / "big")
    with daemon:
        drop(daemon, "here.safetensors", "big/one.safetensors", "big/two.safetensors")
        daemon.command("scan", "--wait")
        disk.unmount()
        wait_poked(daemon, lambda: folder(daemon)["unmounted"])
        assert folder(daemon)["unmounted"][0]["path"] == "big"
        assert "NOT MOUNTED" in daemon.command("status").stdout
        (failure,) = daemon.ask("failures")["failures"]
        assert failure["path"] == "big"
        disk.mount(daemon.models / "big")
        wait_poked(daemon, lambda: not folder(daemon)["unmounted"])
        assert daemon.ask("failures")["failures"] == []
        assert events(daemon, "file_went_missing") == []
        assert len(events(daemon, "file_hashed")) == 3


def test_a_mass_of_files_removed_under_the_daemon_is_held_back_until_a_person_confirms(daemon: DaemonProcess) -> None:
    """F31: the brake, and its release by hand."""
    names = [f"{number // 10}/{number}.safetensors" for number in range(BRAKE_FILES + 5)]
    for number, name in enumerate(names):
        (daemon.models / name).parent.mkdir(exist_ok=True)
        (daemon.models / name).write_bytes(builders.lora(number))
    with daemon:
        drop(daemon, "stays.safetensors")
        wait_until(lambda: folder(daemon)["files"]["unidentified"] + folder(daemon)["files"]["pending"] > len(names))
        for directory in {name.split("/")[0] for name in names}:
            shutil.rmtree(daemon.models / directory)
        wait_until(lambda: events(daemon, "files_held_back"), 60)
        gone = folder(daemon)["files"]["missing"]
        assert gone <= BRAKE_FILES
        assert folder(daemon)["held_files"] == len(names) - gone
        assert "confirm-missing shelf" in daemon.command("status").stdout
        assert daemon.command("confirm-missing", "shelf", "--wait").returncode == 0
        assert folder(daemon)["files"]["missing"] == len(names)
        assert folder(daemon)["held_since"] is None
        assert daemon.command("confirm-missing", "shelf").returncode == 2
        assert daemon.ask("failures")["failures"] == []
