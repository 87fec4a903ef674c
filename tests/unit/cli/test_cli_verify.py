"""`modelshelf verify`: what rotted, shown and decided."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain, repeat
from typing import TYPE_CHECKING

import pytest

from modelshelf.cli import errands
from modelshelf.cli import verify as room
from modelshelf.cli.owing import Errand
from modelshelf.clock import SystemClock
from modelshelf.domain.content import Match
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.rot import RotEnd
from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind
from tests.unit.cli.cli_shelf import THEN, add, add_read, hashes, tasks

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.store import Store
    from tests.unit.cli.cli_shelf import CliShelf

NAME = "ink.safetensors"
FOUND = hashes(77)
VERSION: JsonObject = {
    "id": 5,
    "modelId": 4,
    "name": "v1",
    "downloadUrl": "https://civitai.example/api/download/models/5",
    "files": [
        {"id": 1, "hashes": {"SHA256": hashes(9).sha256}, "downloadUrl": "https://civitai.example/another"},
        {"id": 2, "hashes": {"SHA256": hashes(1).sha256}, "downloadUrl": "https://civitai.example/the-same"},
    ],
}


def rot(store: Store, path: bytes = NAME.encode()) -> int:
    """Have a file found rotten; gives its id."""
    file = store.files.at("loras", path)
    assert file is not None
    store.rot.found(file, FOUND, THEN)
    return file.id


def read_again(store: Store, path: bytes, number: int, folder_id: str = "loras", days: int = 0) -> int:
    """Make a file known that was hashed so many days ago."""
    file_id, content_id = add_read(store, path, number, folder_id)
    store.files.record_content(file_id, content_id, read_at=SystemClock().now() - timedelta(days=days))
    return file_id


def test_nothing_damaged_is_said_to_be_so(shelf: CliShelf) -> None:
    with shelf.store() as store:
        read_again(store, NAME.encode(), 1)
    answer = shelf.run("verify", "--list")
    assert (answer.code, answer.out) == (0, "No damage is known.\n")


def test_damage_is_shown_with_its_evidence_and_by_the_exit_status(shelf: CliShelf) -> None:
    with shelf.store() as store:
        read_again(store, NAME.encode(), 1)
        rot(store)
    answer = shelf.run("verify", "--list")
    assert answer.code == 1
    for wanted in (
        f"DAMAGED: {shelf.root}/loras/{NAME}",
        f"SHA256 {hashes(1).sha256}",
        f"BLAKE3 {hashes(1).blake3}",
        f"SHA256 {FOUND.sha256}",
        f"BLAKE3 {FOUND.blake3}",
        "2026-03-04",
        "no good copy is known",
        "verify accept FILE",
    ):
        assert wanted in answer.out


def test_a_good_copy_on_another_shelf_is_named(shelf: CliShelf) -> None:
    with shelf.store() as store:
        read_again(store, NAME.encode(), 1)
        read_again(store, b"copies/same.safetensors", 1, "checkpoints")
        gone = read_again(store, b"gone.safetensors", 1, "checkpoints")
        store.files.mark_missing([gone], THEN)
        read_again(store, b"rotten.safetensors", 1)
        rot(store)
        rot(store, b"rotten.safetensors")
    (first, second) = shelf.run("verify", "--list", "--json").document["damaged"]
    for each in (first, second):
        assert [copy["path"] for copy in each["good_copies"]] == [f"{shelf.root}/checkpoints/copies/same.safetensors"]
        assert each["good_copies"][0]["is_offline"] is False
    assert "a good copy is" in shelf.run("verify", "--list").out


def test_a_copy_on_a_shelf_that_is_away_is_said_to_be_away(shelf: CliShelf) -> None:
    with shelf.store() as store:
        read_again(store, NAME.encode(), 1)
        read_again(store, b"same.safetensors", 1, "checkpoints")
        store.folders.set_offline("checkpoints", "not mounted", THEN)
        rot(store)
    assert "its folder is offline" in shelf.run("verify", "--list").out


def test_what_civitai_still_has_can_be_downloaded_again(shelf: CliShelf) -> None:
    with shelf.store() as store:
        _, content_id = add_read(store, NAME.encode(), 1)
        store.remote.keep_version(5, 4, VERSION, THEN)
        store.contents.record_hit(content_id, 5, THEN)
        rot(store)
    assert "Civitai has it: https://civitai.example/the-same" in shelf.run("verify", "--list").out


def test_what_civitai_is_said_to_have_without_an_address_cannot_be_downloaded(shelf: CliShelf) -> None:
    with shelf.store() as store:
        _, content_id = add_read(store, NAME.encode(), 1)
        store.contents.record_hit(content_id, 5, THEN)
        rot(store)
    assert "no good copy is known" in shelf.run("verify", "--list").out


def test_what_is_gone_upstream_is_said_to_be_gone(shelf: CliShelf) -> None:
    with shelf.store() as store:
        _, content_id = add_read(store, NAME.encode(), 1)
        store.remote.keep_version(5, 4, VERSION, THEN)
        store.contents.record_hit(content_id, 5, THEN)
        store.contents.record_absence(content_id, THEN, THEN, is_gone=True)
        rot(store)
    answer = shelf.run("verify", "--list", "--json").document["damaged"][0]
    assert answer["download_url"] is None
    assert answer["gone_since"] == "2026-03-04T05:06:07.000Z"
    assert "it is gone from Civitai since 2026-03-04" in shelf.run("verify", "--list").out


def test_weights_under_another_header_are_no_good_copy(shelf: CliShelf) -> None:
    with shelf.store() as store:
        _, content_id = add_read(store, NAME.encode(), 1)
        store.remote.keep_version(5, 4, VERSION, THEN)
        store.contents.record_hit(content_id, 5, THEN, match=Match.WEIGHTS)
        rot(store)
    assert "no good copy is known" in shelf.run("verify", "--list").out


def test_json_has_all_of_the_evidence(shelf: CliShelf) -> None:
    with shelf.store() as store:
        file_id = read_again(store, NAME.encode(), 1)
        rot(store)
    answer = shelf.run("verify", "--list", "--json")
    assert answer.code == 1
    (found,) = answer.document["damaged"]
    assert (found["file_id"], found["folder"], found["path"]) == (file_id, "loras", f"{shelf.root}/loras/{NAME}")
    assert found["expected"]["sha256"] == hashes(1).sha256
    assert found["found"] == {"sha256": FOUND.sha256, "blake3": FOUND.blake3}
    assert (found["found_at"], found["dismissed_at"]) == ("2026-03-04T05:06:07.000Z", None)


def test_a_path_or_folder_narrows_what_is_shown(shelf: CliShelf) -> None:
    with shelf.store() as store:
        read_again(store, b"a/ink.safetensors", 1)
        read_again(store, b"ab/other.safetensors", 2)
        rot(store, b"a/ink.safetensors")
        rot(store, b"ab/other.safetensors")
    (shelf.root / "loras" / "a").mkdir()
    answer = shelf.run("verify", "--list", str(shelf.root / "loras" / "a"))
    assert answer.out.count("DAMAGED") == 1
    assert shelf.run("verify", "--list", "checkpoints").code == 0
    assert shelf.run("verify", "--list", "loras").out.count("DAMAGED") == 2


def test_a_dismissed_rot_is_shown_and_is_no_failure_any_more(shelf: CliShelf) -> None:
    with shelf.store() as store:
        read_again(store, NAME.encode(), 1)
        rot(store)
    answer = shelf.run("verify", "dismiss", f"loras/{NAME}")
    assert answer.code == 0
    assert "goes on rotting" in answer.out
    listed = shelf.run("verify", "--list")
    assert listed.code == 0
    assert "(dismissed 2" in listed.out


def test_status_list_and_why_say_that_a_file_is_damaged(shelf: CliShelf) -> None:
    with shelf.store() as store:
        read_again(store, NAME.encode(), 1)
        read_again(store, b"sound.safetensors", 2)
        assert "DAMAGED" not in shelf.run("status").out
        file_id = rot(store)
    status = shelf.run("status").out
    assert f"{shelf.root}/loras/{NAME}, since 2026-03-04" in status
    assert "1 file has rotted: see modelshelf verify --list" in status
    assert [each["file_id"] for each in shelf.run("status", "--json").document["damaged"]] == [file_id]
    (damaged, sound) = shelf.run("list").out.splitlines()[1:]
    assert ("; DAMAGED" in damaged, "DAMAGED" in sound) == (True, False)
    listed = shelf.run("list", "--json").document["files"]
    assert [each["is_damaged"] for each in listed] == [True, False]
    why = shelf.run("why", f"loras/{NAME}")
    assert f"SHA256 {FOUND.sha256}" in why.out
    assert "last read whole" in why.out
    (known,) = shelf.run("why", f"loras/{NAME}", "--json").document["files"]
    assert known["damage"][0]["found"]["sha256"] == FOUND.sha256
    with shelf.store() as store:
        store.rot.end(file_id, RotEnd.RESTORED, THEN)
    assert "was damaged" in shelf.run("why", f"loras/{NAME}").out
    assert "DAMAGED" not in shelf.run("status").out


def test_who_waited_for_a_scan_is_told_of_damage_in_its_folders(
    shelf: CliShelf, capsys: pytest.CaptureFixture[str]
) -> None:
    with shelf.store() as store:
        read_again(store, NAME.encode(), 1)
        rot(store)
        run_id = store.runs.start(None, THEN)
        store.runs.count(run_id, verified=1, rotten=1)
        for is_json in (False, True):
            wishes = errands.Wishes(("loras",), is_waited=True, is_json=is_json)
            assert errands.report(store, Errand(("loras",), (run_id,)), wishes) == 0
            said = capsys.readouterr().out
            assert FOUND.sha256 in said
            assert "Scan complete" not in said, "what only reads again is no scan"
        wishes = errands.Wishes(("checkpoints",), is_waited=True, is_json=False)
        assert errands.report(store, Errand(("checkpoints",), ()), wishes) == 0
    assert FOUND.sha256 not in capsys.readouterr().out


def test_accepted_bytes_are_hashed_anew_at_once(shelf: CliShelf) -> None:
    with shelf.store() as store:
        file_id = read_again(store, NAME.encode(), 1)
        rot(store)
    answer = shelf.run("verify", "accept", NAME, "--json")
    assert answer.code == 0
    assert answer.document == {"file_id": file_id, "decision": "accept", "is_daemon_running": False}
    with shelf.store() as store:
        file = store.files.get(file_id)
        assert file is not None
        assert (file.scan_phase, file.content_id) == (ScanPhase.INDEXED, None)
        (ended,) = store.rot.ever_of(file_id)
        assert ended.end is RotEnd.ACCEPTED
        (claimed,) = store.journal.claim(Lane.DESK, SystemClock().now())
        assert (claimed.kind, claimed.priority) == (TaskKind.INSPECT_FILE, Priority.PERSON)
    assert "No damage" in shelf.run("verify", "--list").out
    assert "was damaged" in shelf.run("why", NAME).out
    assert "hashed anew" not in shelf.run("verify", "accept", NAME).out


@pytest.mark.parametrize(
    "words",
    [
        ("accept",),
        ("dismiss",),
        ("accept", "ink.safetensors", "--wait"),
        ("forget", "ink.safetensors"),
        ("accept", "no-such-file"),
        ("accept", "ink.safetensors"),
        ("loras/never-read.safetensors",),
    ],
)
def test_what_makes_no_sense_is_refused(shelf: CliShelf, words: tuple[str, ...]) -> None:
    with shelf.store() as store:
        read_again(store, NAME.encode(), 1)
        add(store, b"never-read.safetensors")
    shelf.put("never-read.safetensors")
    assert shelf.run("verify", *words).code == 2


def test_without_more_words_the_share_of_a_night_is_owed_to_the_person(shelf: CliShelf) -> None:
    with shelf.store() as store:
        read_again(store, b"young.safetensors", 1)
        old = read_again(store, b"old.safetensors", 2, days=90)
    answer = shelf.run("verify")
    assert answer.code == 0
    assert "1 file is to be read again" in answer.err
    assert "as soon as the daemon runs" in answer.err
    with shelf.store() as store:
        (task,) = tasks(store)
        assert (task.kind, task.subject, task.priority) == (TaskKind.VERIFY_FILE, str(old), Priority.PERSON)
        assert task.run_id == store.runs.latest(1)[0].id


def test_all_is_everything_and_a_path_is_what_lies_there(shelf: CliShelf) -> None:
    with shelf.store() as store:
        young = read_again(store, b"young.safetensors", 1)
        below = read_again(store, b"a/b/below.safetensors", 2)
        read_again(store, b"ab.safetensors", 3, "checkpoints")
    shelf.put("young.safetensors")
    shelf.put("a/b/below.safetensors")
    assert "2 files are" in shelf.run("verify", "loras", "--all").err
    assert "3 files are" in shelf.run("verify", "--all").err
    with shelf.store() as store:
        store.database.execute("DELETE FROM tasks")
    shelf.run("verify", "loras/young.safetensors")
    shelf.run("verify", "loras/a")
    with shelf.store() as store:
        assert [int(task.subject) for task in tasks(store)] == [young, below]


def test_a_night_that_has_nothing_to_do_leaves_no_run_open(shelf: CliShelf) -> None:
    with shelf.store() as store:
        read_again(store, NAME.encode(), 1)
    assert "0 files are to be read again" in shelf.run("verify").err
    with shelf.store() as store:
        assert store.runs.latest(1)[0].ended_at is not None


def test_a_disk_that_refuses_is_told_and_is_a_failure(shelf: CliShelf) -> None:
    with shelf.store() as store:
        file_id = read_again(store, NAME.encode(), 1)
        now = SystemClock().now()
        store.journal.add([NewTask(TaskKind.VERIFY_FILE, str(file_id))], now)
        (task,) = store.journal.claim(Lane.DISK, now)
        store.journal.fail(task, "cannot read it (EIO)", FailureKind.ACCESS, now)
    answer = shelf.run("verify", "--list")
    assert answer.code == 1
    assert "cannot read it (EIO)" in answer.err
    assert shelf.run("verify", "--list", "--json").document["unreadable"][0]["reason"] == "cannot read it (EIO)"


def test_waiting_ends_with_the_reading_of_what_was_asked_for(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    with shelf.store() as store:
        read_again(store, NAME.encode(), 1, days=90)
    shelf.put(NAME)
    waited: list[float] = []

    def settle(seconds: float) -> None:
        waited.append(seconds)
        with shelf.store() as store:
            store.database.execute("DELETE FROM tasks")

    monkeypatch.setattr(room, "pause", settle)
    with shelf.daemon():
        answer = shelf.run("verify", "--wait")
    assert (answer.code, waited) == (0, [room.LOOK_SECONDS])


def test_a_daemon_that_goes_while_it_is_waited_for_is_an_error(
    shelf: CliShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shelf.store() as store:
        read_again(store, NAME.encode(), 1, days=90)
    pids = chain([1, 1], repeat(None))
    monkeypatch.setattr("modelshelf.cli.opening.Opening.daemon_pid", lambda _: next(pids))
    answer = shelf.run("verify", "--wait")
    assert answer.code == 1
    assert "the daemon stopped meanwhile" in answer.err
