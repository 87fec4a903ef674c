"""`modelshelf failures` and `modelshelf retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.clock import SystemClock
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import ORDER, NewTask, TaskKind, TaskState
from modelshelf.watching.poke import ASK_CIVITAI, WAKE, PokeSocket
from tests.unit.cli.cli_shelf import DAY, THEN, add_broken, add_read, tasks

if TYPE_CHECKING:
    from modelshelf.store.store import Store
    from tests.unit.cli.cli_shelf import CliShelf


def put_off(store: Store, kind: TaskKind, subject: str, failure: FailureKind) -> None:
    store.journal.add([NewTask(kind, subject)], THEN)
    (task,) = store.journal.claim(ORDER[kind].lane, THEN)
    store.journal.retry_at(task, THEN + DAY, f"{failure} went wrong", failure, THEN)


@pytest.fixture
def failing(shelf: CliShelf) -> CliShelf:
    """Give a shelf with failures of four kinds, one of them given up."""
    with shelf.store() as store:
        file_id, content_id = add_read(store, b"ink.safetensors", 1)
        store.contents.record_hit(content_id, 7, THEN)
        store.remote.keep_version(7, 70, {"id": 7}, THEN)
        put_off(store, TaskKind.IDENTIFY_CONTENT, str(content_id), FailureKind.API)
        put_off(store, TaskKind.ENRICH_MODEL, "70", FailureKind.API)
        put_off(store, TaskKind.SCAN_FOLDER, "loras", FailureKind.ACCESS)
        store.journal.add([NewTask(TaskKind.WRITE_SIDECARS, str(file_id))], THEN)
        (task,) = store.journal.claim(ORDER[TaskKind.WRITE_SIDECARS].lane, THEN)
        store.journal.fail(task, "hash went wrong", FailureKind.HASH, THEN)
        add_broken(store, b"broken.safetensors")
    return shelf


def test_failures_are_grouped_by_kind_with_time_step_reason_and_next_try(failing: CliShelf) -> None:
    out = failing.run("failures").out
    assert "Hashing: 1 failure" in out
    assert "Civitai: 2 failures" in out
    assert "Invalid format: 1 failure" in out
    given_up = next(line for line in out.splitlines() if "hash went wrong" in line)
    assert "write_sidecars" in given_up
    assert "loras: ink.safetensors" in given_up
    assert "given up" in given_up
    waiting = next(line for line in out.splitlines() if "access went wrong" in line)
    assert "(1 try)" in waiting
    assert "2026-03-05" in waiting


def test_a_kind_alone_can_be_asked_for(failing: CliShelf) -> None:
    found = failing.run("failures", "--kind", "invalid_format", "--json").document["failures"]
    assert [each["path"] for each in found] == ["broken.safetensors"]
    assert found[0]["reason"] == "10 bytes are missing"
    assert failing.run("failures", "--kind", "batch").out == "No failures.\n"
    assert failing.run("failures", "--kind", "nonsense").code == 2


def test_json_tells_what_each_failure_is_about(failing: CliShelf) -> None:
    found = {each["step"]: each for each in failing.run("failures", "--json").document["failures"]}
    assert found["identify_content"]["path"] == "ink.safetensors"
    assert found["identify_content"]["kind"] == "api"
    assert found["identify_content"]["next_try_at"] == "2026-03-05T05:06:07.000Z"
    assert found["enrich_model"]["subject_id"] == "70"
    assert "path" not in found["enrich_model"]
    assert found["scan_folder"]["folder"] == "loras"
    assert found["write_sidecars"]["next_try_at"] is None


def test_a_directory_that_cannot_be_seen_is_a_failure_of_access(shelf: CliShelf) -> None:
    with shelf.store() as store:
        store.failures.settle("loras", b"", {b"dark\xff": "Permission denied", b"": "Input/output error"}, THEN)
    out = shelf.run("failures").out
    assert "Access to files and folders: 2 failures" in out
    assert "loras: dark\\xff" in out
    assert "loras: (the folder itself)" in out
    assert "next scan" in out
    found = shelf.run("failures", "--json").document["failures"]
    assert [(each["reason"], each["state"], each["failed_at"]) for each in found] == [
        ("Input/output error", "unseen", "2026-03-04T05:06:07.000Z"),
        ("Permission denied", "unseen", "2026-03-04T05:06:07.000Z"),
    ]


def test_the_time_a_file_was_found_broken_is_that_of_its_event(shelf: CliShelf) -> None:
    with shelf.store() as store:
        file_id = add_broken(store, b"broken.safetensors")
        store.events.add("file_found_broken", THEN + DAY, file_id=file_id)
    (found,) = shelf.run("failures", "--json").document["failures"]
    assert found["failed_at"] == "2026-03-05T05:06:07.000Z"


def test_what_is_forgotten_meanwhile_is_told_by_its_number(shelf: CliShelf) -> None:
    with shelf.store() as store:
        put_off(store, TaskKind.WRITE_SIDECARS, "404", FailureKind.ACCESS)
        put_off(store, TaskKind.IDENTIFY_CONTENT, "405", FailureKind.API)
    out = shelf.run("failures").out
    assert "file 404, which is forgotten" in out
    assert "content 405, in no file" in out
    assert len(shelf.run("failures", "--json").document["failures"]) == 2


def test_a_failure_without_a_kind_is_a_bug_of_ours(shelf: CliShelf) -> None:
    with shelf.store() as store:
        put_off(store, TaskKind.SCAN_FOLDER, "loras", FailureKind.ACCESS)
        store.database.execute("UPDATE tasks SET failure_kind = NULL")
    assert "Bugs of modelshelf: 1 failure" in shelf.run("failures").out


def states(shelf: CliShelf) -> dict[str, tuple[TaskState, int]]:
    with shelf.store() as store:
        return {task.kind.value: (task.state, task.attempts) for task in tasks(store)}


def test_all_failures_are_owed_again_and_broken_files_read_again(failing: CliShelf) -> None:
    answer = failing.run("retry", "--all")
    assert answer.code == 0
    assert answer.out == "5 things are tried again when the daemon runs.\n"
    assert set(states(failing).values()) == {(TaskState.QUEUED, 0)}
    with failing.store() as store:
        assert store.journal.owed("loras")[TaskKind.INSPECT_FILE] == 1


def test_one_kind_alone_is_tried_again(failing: CliShelf) -> None:
    assert failing.run("retry", "--kind", "hash", "--json").document == {
        "brought_back": 1,
        "is_daemon_running": False,
    }
    assert states(failing)["write_sidecars"] == (TaskState.QUEUED, 0)
    assert states(failing)["scan_folder"] == (TaskState.QUEUED, 1)
    assert failing.run("retry", "--kind", "invalid_format", "--json").document["brought_back"] == 1
    assert failing.run("retry", "--kind", "cache", "--json").document["brought_back"] == 0


@pytest.mark.parametrize(("arguments", "count"), [(("--all",), 2), (("--kind", "api"), 2), (("--kind", "hash"), 0)])
def test_what_civitai_did_not_know_is_asked_for_again(shelf: CliShelf, arguments: tuple[str, ...], count: int) -> None:
    with shelf.store() as store:
        _, content_id = add_read(store, b"ink.safetensors", 1)
        store.contents.record_miss(content_id, THEN, SystemClock().now() + DAY)
        store.remote.mark_model_absent(70, THEN, SystemClock().now() + DAY)
    assert shelf.run("retry", *arguments, "--json").document["brought_back"] == count


def test_one_failure_alone_is_tried_again_by_its_id(failing: CliShelf) -> None:
    task_id = next(
        each["task_id"] for each in failing.run("failures", "--json").document["failures"] if each["kind"] == "hash"
    )
    assert failing.run("retry", str(task_id)).out == "1 thing is tried again when the daemon runs.\n"
    assert states(failing)["write_sidecars"] == (TaskState.QUEUED, 0)
    assert failing.run("failures", "--kind", "invalid_format", "--json").document["failures"]


def test_an_id_that_did_not_fail_is_refused(failing: CliShelf) -> None:
    answer = failing.run("retry", "4711")
    assert answer.code == 2
    assert "4711" in answer.err


@pytest.mark.parametrize("arguments", [(), ("--all", "--kind", "api"), ("1", "--all")])
def test_exactly_one_way_to_choose_is_asked_for(failing: CliShelf, arguments: tuple[str, ...]) -> None:
    assert failing.run("retry", *arguments).code == 2


def test_a_daemon_that_listens_is_poked(failing: CliShelf) -> None:
    socket = PokeSocket(failing.state)
    try:
        assert failing.run("retry", "--all").out == "5 things are tried again.\n"
        assert socket.messages() == [ASK_CIVITAI]
    finally:
        socket.close()


@pytest.mark.parametrize(
    ("kind", "message"),
    [("api", ASK_CIVITAI), ("hash", WAKE), ("identify_content", ASK_CIVITAI), ("scan_folder", WAKE)],
)
def test_the_daemon_is_told_to_ask_civitai_where_a_question_is_brought_back(
    failing: CliShelf, kind: str, message: bytes
) -> None:
    with failing.store() as store:
        ids = [str(task.id) for task in store.journal.failures() if task.kind == kind]
    socket = PokeSocket(failing.state)
    try:
        assert failing.run("retry", *(ids or ["--kind", kind])).code == 0
        assert socket.messages() == [message]
    finally:
        socket.close()
