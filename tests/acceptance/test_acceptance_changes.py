"""What is moved, renamed, replaced or deleted keeps or loses its identity as a person would expect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.acceptance.shelf import events, introduce, is_described
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.process import DaemonProcess
    from tests.fakes.civitai_server import CivitaiStandIn

pytestmark = pytest.mark.acceptance


@pytest.fixture
def model(daemon: DaemonProcess, civitai: CivitaiStandIn) -> Path:
    """Give a file that is on the shelf and described."""
    content = builders.lora(7, padding_bytes=50_000)
    introduce(civitai, content, "Settled")
    path = daemon.models / "settled.safetensors"
    path.write_bytes(content)
    wait_until(lambda: is_described(path))
    return path


def test_a_renamed_file_is_not_hashed_again_and_takes_its_sidecars_along(daemon: DaemonProcess, model: Path) -> None:
    target = model.with_name("renamed.safetensors")
    model.rename(target)
    wait_until(lambda: is_described(target))
    wait_until(lambda: not model.with_suffix(".json").exists())
    assert not model.with_name("settled.preview.png").exists()
    assert len(events(daemon, "file_hashed")) == 1
    assert len(daemon.ask("list")["files"]) == 1


def test_a_moved_directory_keeps_every_identity(daemon: DaemonProcess, model: Path) -> None:
    inside = daemon.models / "one" / "settled.safetensors"
    inside.parent.mkdir()
    model.rename(inside)
    wait_until(lambda: is_described(inside))
    moved = daemon.models / "two" / "settled.safetensors"
    inside.parent.rename(moved.parent)
    wait_until(lambda: len(events(daemon, "file_moved")) == 2)
    assert len(events(daemon, "file_hashed")) == 1


def test_sidecars_are_never_carried_over_a_file(daemon: DaemonProcess, model: Path) -> None:
    target = model.with_name("taken.safetensors")
    mine = target.with_suffix(".json")
    mine.write_text('{"notes": "mine"}')
    model.rename(target)
    wait_until(lambda: events(daemon, "sidecar_left_behind"))
    wait_until(lambda: "activation text" in json.loads(mine.read_bytes()))
    assert json.loads(mine.read_bytes())["notes"] == "mine"


def test_replaced_bytes_are_hashed_again(daemon: DaemonProcess, model: Path, civitai: CivitaiStandIn) -> None:
    content = builders.lora(8, padding_bytes=60_000)
    introduce(civitai, content, "Successor")
    model.write_bytes(content)
    wait_until(lambda: len(events(daemon, "file_hashed", model.name)) == 2)
    page = model.with_suffix(".html")
    wait_until(lambda: "Successor" in page.read_text())


def test_a_deleted_file_is_missing_and_its_record_kept(daemon: DaemonProcess, model: Path) -> None:
    content = model.read_bytes()
    model.unlink()
    wait_until(lambda: events(daemon, "file_went_missing", model.name))
    known = daemon.ask("why", str(model))
    assert "Settled" in str(known)
    model.write_bytes(content)
    wait_until(lambda: daemon.ask("list")["files"])
    assert model.with_suffix(".json").exists()


def test_a_folder_that_is_gone_is_offline_and_nothing_in_it_missing(
    daemon: DaemonProcess, model: Path, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    daemon.models.rename(away)
    wait_until(lambda: events(daemon, "folder_went_offline"))
    assert len(daemon.ask("list")["files"]) == 1
    away.rename(daemon.models)
    daemon.command("scan", "--wait")
    assert len(daemon.ask("list")["files"]) == 1
    assert len(events(daemon, "file_hashed")) == 1


def test_a_folder_that_is_suddenly_empty_is_offline(daemon: DaemonProcess, model: Path, tmp_path: Path) -> None:
    daemon.models.rename(tmp_path / "unmounted")
    daemon.models.mkdir()
    wait_until(lambda: events(daemon, "folder_went_offline"))
    assert len(daemon.ask("list")["files"]) == 1
    assert not list(daemon.models.iterdir())


def test_what_a_person_writes_beside_a_model_is_kept_and_shown(daemon: DaemonProcess, model: Path) -> None:
    beside = model.with_suffix(".json")
    written = json.loads(beside.read_bytes())
    written["notes"] = "my own words"
    written["activation text"] = "my own trigger"
    beside.write_text(json.dumps(written))
    wait_until(lambda: "my own words" in str(daemon.ask("why", str(model))))
    wait_until(lambda: "my own trigger" in model.with_suffix(".html").read_text())
    kept = json.loads(beside.read_bytes())
    assert (kept["notes"], kept["activation text"]) == ("my own words", "my own trigger")
