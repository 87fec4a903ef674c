"""`modelshelf scan`: what is owed for it, and what stops it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from modelshelf.cli import errands
from modelshelf.cli.finding import Spot
from modelshelf.cli.owing import Depth, Errand, owe_scans
from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind, TaskState
from modelshelf.errors import ModelshelfError
from modelshelf.store.orders import Orders
from modelshelf.watching.poke import EASE_READING, STOP_SCANS, PokeSocket
from tests.unit.cli.cli_shelf import THEN, add, tasks

if TYPE_CHECKING:
    from modelshelf.domain.task import Task
    from tests.unit.cli.cli_shelf import CliShelf


def owed(shelf: CliShelf) -> list[Task]:
    with shelf.store() as store:
        return tasks(store)


def test_without_a_daemon_the_scan_of_every_folder_is_noted_and_said_to_wait(shelf: CliShelf) -> None:
    answer = shelf.run("scan")
    assert answer.code == 0
    assert "Noted" in answer.err
    assert "--wait" in answer.err
    found = owed(shelf)
    assert [(task.kind, task.subject, task.path) for task in found] == [
        (TaskKind.SCAN_FOLDER, "loras", b""),
        (TaskKind.SCAN_FOLDER, "checkpoints", b""),
    ]
    assert {task.priority for task in found} == {Priority.PERSON}
    assert {task.run_id for task in found} == {1}


@pytest.mark.parametrize(
    ("target", "folder_id", "path"),
    [
        ("loras", "loras", b""),
        ("./loras", "loras", b""),
        ("loras/style", "loras", b"style"),
        ("checkpoints/big.safetensors", "checkpoints", b"big.safetensors"),
        ("link/style", "loras", b"style"),
    ],
)
def test_a_folder_or_a_path_in_one_is_scanned(shelf: CliShelf, target: str, folder_id: str, path: bytes) -> None:
    (shelf.root / "link").symlink_to("loras")
    assert shelf.run("scan", target).code == 0
    (task,) = owed(shelf)
    assert (task.subject, task.path) == (folder_id, path)


def test_a_path_with_bytes_that_are_no_text_is_scanned(shelf: CliShelf) -> None:
    assert shelf.run("scan", os.fsdecode(b"loras/\xff")).code == 0
    (task,) = owed(shelf)
    assert task.path == b"\xff"


def test_what_is_in_no_folder_is_refused_with_the_folders_that_there_are(shelf: CliShelf) -> None:
    answer = shelf.run("scan", "lora")
    assert answer.code == 2
    assert "did you mean loras?" in answer.err
    assert str(shelf.root / "checkpoints") in answer.err
    assert shelf.run("scan", "/etc").code == 2


def test_a_link_that_leads_out_of_the_folder_is_refused(shelf: CliShelf) -> None:
    (shelf.root / "loras" / "out").symlink_to("/etc")
    assert shelf.run("scan", "loras/out").code == 2


def test_a_hidden_directory_is_refused(shelf: CliShelf) -> None:
    answer = shelf.run("scan", "loras/.cache/x")
    assert answer.code == 2
    assert "hidden or excluded" in answer.err


@pytest.mark.parametrize(
    "flags",
    [
        ("--wait", "--stop"),
        ("--wait", "--dry-run"),
        ("--quick", "--deep"),
        ("--quick", "--stop"),
        ("--deep", "--dry-run"),
    ],
)
def test_wishes_that_exclude_each_other_are_a_usage_error(shelf: CliShelf, flags: tuple[str, ...]) -> None:
    answer = shelf.run("scan", *flags)
    assert answer.code == 2
    assert "do not go together" in answer.err


def test_a_quick_scan_is_owed_as_any_scan_is_and_leaves_the_reading_to_its_turn(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"owed.safetensors")
    assert shelf.run("scan", "loras", "--quick").code == 0
    (task,) = owed(shelf)
    assert task.priority == Priority.PERSON
    with shelf.store() as store:
        assert store.reading.count("loras", b"", THEN, Priority.PERSON) == (0, 0)


def test_a_deep_scan_has_what_is_owed_below_its_path_read_at_once_and_what_it_will_find_too(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"style/owed.safetensors")
        add(store, b"other.safetensors")
    for _ in range(2):
        assert shelf.run("scan", "loras/style", "--deep").code == 0
    (task,) = owed(shelf)
    assert (task.priority, task.path) == (Priority.DEEP, b"style")
    with shelf.store() as store:
        assert store.reading.count("loras", b"", THEN, Priority.PERSON)[0] == 1
        assert store.reading.count("loras", b"style", THEN, Priority.PERSON)[0] == 1


def test_what_a_deep_scan_has_read_is_counted_in_its_run_whichever_scan_found_it(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"style/owed.safetensors")
        add(store, b"other.safetensors")
        store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras", path=b"style", run_id=9)], THEN)
        errand = owe_scans(store, [Spot(shelf.folders[0], b"style")], Depth.DEEP)
        assert set(errand.run_ids) == {1, 9}
        runs = {row["name"]: row["run_id"] for row in store.database.rows("SELECT name, run_id FROM files")}
    assert runs == {b"owed.safetensors": 1, b"other.safetensors": None}


def test_stop_takes_back_what_a_job_ordered_in_all_of_a_folder(shelf: CliShelf) -> None:
    with shelf.store() as store:
        store.orders.add(["loras", "checkpoints"])
        daemons = Orders(store.database)
        assert daemons.folder_ids == {"loras", "checkpoints"}
        socket = PokeSocket(shelf.state)
        try:
            assert shelf.run("scan", "--stop", "loras/style", "--json").document["orders"] == 0
            assert socket.messages() == []
            assert "What a job was to read in 1 folder is ordered no more." in shelf.run("scan", "--stop", "loras").out
            assert socket.messages() == [EASE_READING]
        finally:
            socket.close()
        daemons.look_again()
        assert daemons.folder_ids == {"checkpoints"}


def test_a_deep_scan_is_no_less_deep_for_a_quick_one_that_follows_it(shelf: CliShelf) -> None:
    shelf.run("scan", "loras", "--deep")
    shelf.run("scan", "loras", "--quick")
    assert [task.priority for task in owed(shelf)] == [Priority.DEEP]


def test_stop_lets_what_was_to_be_read_at_once_be_read_in_its_turn(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"style/a.safetensors")
        add(store, b"b.safetensors")
    shelf.run("scan", "loras", "--deep")
    socket = PokeSocket(shelf.state)
    try:
        answer = shelf.run("scan", "--stop", "loras/style")
        assert answer.out == "1 scan stopped.\n1 file is read in its turn again.\n"
        assert socket.messages() == [EASE_READING]
        assert shelf.run("scan", "--stop", "--json").document == {"stopped": 0, "eased_files": 1, "orders": 0}
    finally:
        socket.close()
    with shelf.store() as store:
        assert store.reading.count("loras", b"", THEN, Priority.PERSON) == (0, 0)
        assert store.reading.count("loras", b"", THEN)[0] == 2


def test_a_daemon_that_listens_is_poked_and_the_answer_says_who_does_it(shelf: CliShelf) -> None:
    with shelf.store():
        pass
    with shelf.daemon():
        socket = PokeSocket(shelf.state)
        try:
            answer = shelf.run("scan", "loras")
            assert "The daemon looks through loras" in answer.err
            assert socket.messages() == [b"wake"]
            assert shelf.run("scan", "--json").document == {
                "folders": ["loras", "checkpoints"],
                "is_done": False,
                "is_daemon_running": True,
                "runs": [],
            }
        finally:
            socket.close()


def test_a_daemon_that_does_not_know_the_folder_yet_must_read_its_configuration_again(shelf: CliShelf) -> None:
    with shelf.store() as store:
        store.folders.sync(shelf.folders[:1])
    with shelf.daemon():
        answer = shelf.run("scan", "checkpoints")
        assert shelf.run("scan", "loras").code == 0
    assert answer.code == 2
    assert "does not know checkpoints yet" in answer.err
    assert [task.subject for task in owed(shelf)] == ["loras"]


def test_a_scan_that_was_owed_already_keeps_its_run_and_a_run_with_nothing_to_do_is_over(shelf: CliShelf) -> None:
    shelf.run("scan")
    shelf.run("scan", "loras")
    with shelf.store() as store:
        assert {task.run_id for task in tasks(store)} == {1}
        first, second = store.runs.get(1), store.runs.get(2)
    assert first is not None
    assert first.ended_at is None
    assert second is not None
    assert second.ended_at is not None


def test_stop_drops_waiting_scans_and_ends_their_run_but_keeps_looks_at_files_that_grow(shelf: CliShelf) -> None:
    with shelf.store() as store:
        store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras", path=b"growing.safetensors")], THEN)
    shelf.run("scan")
    shelf.run("scan", "loras/style")
    answer = shelf.run("scan", "--stop")
    assert answer.out == "3 scans stopped.\n"
    assert [task.path for task in owed(shelf)] == [b"growing.safetensors"]
    with shelf.store() as store:
        run = store.runs.get(1)
    assert run is not None
    assert run.ended_at is not None


def test_stop_pokes_a_daemon_only_where_a_scan_runs(shelf: CliShelf) -> None:
    shelf.run("scan", "loras")
    socket = PokeSocket(shelf.state)
    try:
        assert shelf.run("scan", "--stop", "checkpoints", "--json").document == {
            "stopped": 0,
            "eased_files": 0,
            "orders": 0,
        }
        assert socket.messages() == []
        with shelf.store() as store:
            store.journal.claim(Lane.DESK, THEN.replace(year=2100))
        assert shelf.run("scan", "--stop", "--json").document == {"stopped": 1, "eased_files": 0, "orders": 0}
        assert socket.messages() == [STOP_SCANS]
    finally:
        socket.close()
    (task,) = owed(shelf)
    assert task.state is TaskState.RUNNING
    with shelf.store() as store:
        run = store.runs.get(1)
    assert run is not None
    assert run.ended_at is None


def test_dry_run_owes_nothing(shelf: CliShelf) -> None:
    shelf.put("ink.safetensors")
    answer = shelf.run("scan", "--dry-run", "loras")
    assert answer.code == 0
    assert "1 new" in answer.out
    assert not shelf.state.exists()


def test_a_report_sums_the_runs_and_fails_where_a_folder_is_offline(
    shelf: CliShelf, capsys: pytest.CaptureFixture[str]
) -> None:
    with shelf.store() as store:
        for added in (1, 2):
            store.runs.count(store.runs.start(None, THEN), total=10, added=added)
        errand = Errand(("loras",), (1, 2, 99))
        wishes = errands.Wishes(("loras",), is_waited=True, is_json=True)
        assert errands.report(store, errand, wishes) == 0
        assert '"added": 3' in capsys.readouterr().out
        store.folders.set_offline("loras", "not mounted?", THEN)
        with pytest.raises(ModelshelfError, match="loras is offline: not mounted"):
            errands.report(store, errand, wishes)
