"""`modelshelf confirm-missing`, and how `status` shows what it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.clock import SystemClock
from modelshelf.domain.task import Priority, TaskKind
from modelshelf.shelf.presence import ground_of
from tests.unit.cli.cli_shelf import THEN, add, tasks

if TYPE_CHECKING:
    from modelshelf.domain.ground import Ground
    from modelshelf.store.store import Store
    from tests.unit.cli.cli_shelf import CliShelf


def hold(shelf: CliShelf, count: int = 60) -> None:
    with shelf.store() as store:
        store.holds.keep("loras", count, [1], THEN)


def confirmed_ground(store: Store) -> Ground | None:
    return store.holds.confirmed_ground("loras", SystemClock().now())


def folder(shelf: CliShelf) -> dict[str, Any]:
    found: dict[str, Any] = shelf.run("status", "--json").document["folders"][0]
    return found


def test_where_nothing_is_held_back_there_is_nothing_to_confirm(shelf: CliShelf) -> None:
    answer = shelf.run("confirm-missing", "loras")
    assert answer.code == 2
    assert "nothing of loras is held back" in answer.err
    with shelf.store() as store:
        assert confirmed_ground(store) is None
        assert tasks(store) == []


@pytest.mark.parametrize("why", ["held", "offline", "unmounted"])
def test_a_person_s_word_is_kept_and_the_whole_folder_is_scanned_for_it(shelf: CliShelf, why: str) -> None:
    with shelf.store() as store:
        if why == "held":
            store.holds.keep("loras", 60, [1], THEN)
        elif why == "offline":
            store.folders.set_offline("loras", "is empty", THEN)
        else:
            store.grounds.keep_mount_point("loras", b"big", THEN)
    answer = shelf.run("confirm-missing", "loras")
    assert answer.code == 0
    assert "Noted" in answer.err
    with shelf.store() as store:
        assert confirmed_ground(store) == ground_of(shelf.folders[0])
        (scan,) = tasks(store)
    assert (scan.kind, scan.subject, scan.path, scan.priority) == (
        TaskKind.SCAN_FOLDER,
        "loras",
        b"",
        Priority.PERSON,
    )


def test_a_folder_that_cannot_be_listed_is_not_confirmed(shelf: CliShelf) -> None:
    hold(shelf)
    (shelf.root / "loras").rmdir()
    answer = shelf.run("confirm-missing", "loras")
    assert answer.code == 1
    assert "not mounted, moved or renamed?" in answer.err
    with shelf.store() as store:
        assert confirmed_ground(store) is None


@pytest.mark.parametrize("target", ["loras/sub", "nowhere"])
def test_only_a_whole_folder_is_confirmed(shelf: CliShelf, target: str) -> None:
    (shelf.root / "loras" / "sub").mkdir()
    assert shelf.run("confirm-missing", target).code == 2


def test_without_a_daemon_it_is_done_here_where_the_person_waits(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"gone.safetensors")
        store.folders.set_offline("loras", "is empty", THEN)
    answer = shelf.run("confirm-missing", "loras", "--wait", "--json")
    assert answer.code == 0
    assert answer.document["statistics"]["missing"] == 1
    assert folder(shelf)["files"]["missing"] == 1
    assert folder(shelf)["offline_since"] is None


def test_status_tells_what_is_held_back_since_when_and_what_to_do(shelf: CliShelf) -> None:
    assert (folder_before := shelf.run("status").out)
    assert "VANISHED" not in folder_before
    hold(shelf, 1234)
    out = " ".join(shelf.run("status").out.split())
    assert "1,234 files VANISHED at once" in out
    assert "modelshelf confirm-missing loras" in out
    assert (folder(shelf)["held_files"], folder(shelf)["held_since"]) == (1234, "2026-03-04T05:06:07.000Z")


def test_status_tells_what_is_not_mounted(shelf: CliShelf) -> None:
    with shelf.store() as store:
        store.grounds.keep_mount_point("loras", b"big\xff", THEN)
        store.grounds.keep_mount_point("loras", b"fine", None)
    assert r"big\xff NOT MOUNTED since" in " ".join(shelf.run("status").out.split())
    (point,) = folder(shelf)["unmounted"]
    assert (point["path"], point["since"]) == (r"big\xff", "2026-03-04T05:06:07.000Z")
    assert (folder(shelf)["held_files"], folder(shelf)["held_since"]) == (0, None)


def test_a_scan_that_is_waited_for_says_what_it_held_back(shelf: CliShelf) -> None:
    shelf.put("stays.safetensors")
    with shelf.store() as store:
        store.grounds.keep("loras", ground_of(shelf.folders[0]))
        for number in range(60):
            add(store, b"%d.safetensors" % number)
        add(store, b"stays.safetensors")
    answer = shelf.run("scan", "loras", "--wait", "--json")
    assert answer.code == 1
    assert answer.document["is_done"] is False
    assert "60 files of loras vanished at once" in answer.err
    assert "modelshelf confirm-missing loras" in answer.err
    assert shelf.run("confirm-missing", "loras", "--wait").code == 0
    assert folder(shelf)["files"]["missing"] == 60
