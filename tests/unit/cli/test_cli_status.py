"""`modelshelf status`."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from modelshelf.cli import shelf_report
from modelshelf.cli import status as room
from modelshelf.clock import SystemClock
from modelshelf.domain.decision import IGNORE, Decision
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.folder import Coverage
from modelshelf.domain.progress import DeviceProgress, FileInHand, Phase, Progress, Tally
from modelshelf.domain.task import Lane, NewTask, TaskKind
from modelshelf.progress import PROGRESS_STANDING, to_json
from modelshelf.shelf.room import Room
from modelshelf.watching.poke import PokeSocket
from tests.unit.cli.cli_shelf import CONFIGURATION, DAY, THEN, add, add_broken, add_read

if TYPE_CHECKING:
    import pytest

    from tests.unit.cli.cli_shelf import CliShelf


def folder(document: dict[str, list[dict[str, object]]], folder_id: str) -> dict[str, object]:
    return next(each for each in document["folders"] if each["folder"] == folder_id)


def test_before_anything_is_recorded_it_says_so_and_what_to_do(shelf: CliShelf) -> None:
    answer = shelf.run("status")
    assert answer.code == 0
    assert "Nothing is recorded yet" in answer.out
    assert "not running" in answer.out
    document = shelf.run("status", "--json").document
    assert document["is_recorded"] is False
    assert document["owed"] == {}
    assert [each["folder"] for each in document["folders"]] == ["loras", "checkpoints"]


def test_files_are_counted_by_state(shelf: CliShelf) -> None:
    with shelf.store() as store:
        _, known = add_read(store, b"known.safetensors", 1)
        store.contents.record_hit(known, 7, THEN)
        described, _ = add_read(store, b"described.safetensors", 2)
        store.facts.replace_of_file(described, Source.FORGE, [Fact(Field.NAME, Source.FORGE, "Mine")])
        _, unasked = add_read(store, b"unasked.safetensors", 3)
        store.contents.owe_lookup(unasked, THEN)
        _, missed = add_read(store, b"missed.safetensors", 4)
        store.contents.record_miss(missed, THEN, THEN + DAY)
        add(store, b"unread.safetensors")
        add(store, b"growing.safetensors", waiting_reason="its writer has it open")
        add_broken(store, b"broken.safetensors")
        store.files.mark_missing([add(store, b"gone.safetensors")], THEN)
        _, private = add_read(store, b"private.safetensors", 5)
        store.decisions.keep(private, Decision(IGNORE, True, "anna", THEN))
        _, named = add_read(store, b"named.safetensors", 6)
        store.decisions.keep(named, Decision(Field.NAME, "Mine", "anna", THEN))
    document = shelf.run("status", "--json").document
    counts = {"known": 3, "pending": 2, "waiting": 1, "broken": 1, "missing": 1, "unidentified": 1, "ignored": 1}
    assert folder(document, "loras")["files"] == counts
    assert folder(document, "checkpoints")["files"] == dict.fromkeys(counts, 0)
    lines = [" ".join(line.split()) for line in shelf.run("status").out.splitlines()]
    for shown in (
        "known 3",
        "metadata pending 2",
        "not whole yet 1",
        "broken 1",
        "missing 1",
        "unidentified 1",
        "ignored 1",
    ):
        assert shown in lines


def test_what_is_not_whole_yet_is_named_with_its_reason(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"sub/gr\xff.safetensors", waiting_reason="its writer has it open")
    assert r"loras: sub/gr\xff.safetensors" in shelf.run("status").out
    assert "its writer has it open" in shelf.run("status").out
    (waiting,) = shelf.run("status", "--json").document["waiting"]
    assert waiting["path"] == r"sub/gr\xff.safetensors"
    assert waiting["path_bytes"] == "c3ViL2dy/y5zYWZldGVuc29ycw=="


def test_an_offline_folder_stands_there_with_since_when_and_why(shelf: CliShelf) -> None:
    with shelf.store() as store:
        store.folders.set_offline("loras", "not mounted?", THEN)
    assert "OFFLINE since" in shelf.run("status").out
    assert "not mounted?" in shelf.run("status").out
    document = shelf.run("status", "--json").document
    assert folder(document, "loras")["offline_since"] == "2026-03-04T05:06:07.000Z"
    assert folder(document, "loras")["offline_reason"] == "not mounted?"
    assert folder(document, "checkpoints")["offline_since"] is None


def test_how_each_folder_is_watched_is_told(shelf: CliShelf) -> None:
    shelf.config.write_text(
        CONFIGURATION.replace("path: loras,", "path: loras, watch: poll,").replace("path: checkpoints", "path: nowhere")
    )
    document = shelf.run("status", "--json").document
    assert folder(document, "loras")["watch"] == "poll"
    assert folder(document, "checkpoints")["watch"] == "unknown"


def test_a_folder_without_wishes_is_watched_as_its_file_system_allows(shelf: CliShelf) -> None:
    assert folder(shelf.run("status", "--json").document, "loras")["watch"] in {"events", "poll"}


def test_a_folder_that_is_heard_only_in_part_says_in_how_many_directories_and_what_to_do(shelf: CliShelf) -> None:
    shelf.config.write_text(CONFIGURATION.replace("path: loras,", "path: loras, watch: events,"))
    with shelf.store() as store:
        store.watches.put("loras", Coverage(1020, 42, "no watch left: sysctl this"))
    out = " ".join(shelf.run("status").out.split())
    assert "events in 1,020 of 1,062 directories" in out
    assert "loras: no watch left: sysctl this" in out
    told = folder(shelf.run("status", "--json").document, "loras")
    assert (told["watched_directories"], told["unwatched_directories"]) == (1020, 42)
    assert told["watch_problem"] == "no watch left: sysctl this"


def test_a_folder_that_cannot_be_heard_at_all_is_polled_and_says_why(shelf: CliShelf) -> None:
    shelf.config.write_text(CONFIGURATION.replace("path: loras,", "path: loras, watch: events,"))
    with shelf.store() as store:
        store.watches.put("loras", Coverage(0, 0, "no instance left"))
        store.watches.put("checkpoints", Coverage(3, 0))
    out = shelf.run("status").out
    assert "poll" in out
    assert "loras: no instance left" in out
    assert folder(shelf.run("status", "--json").document, "checkpoints")["watched_directories"] == 3


def test_a_folder_that_the_daemon_has_not_met_or_no_longer_has_is_told(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"old.safetensors", "checkpoints")
    shelf.config.write_text("input_paths: {new: {path: loras}}\nstore: {directory: state}\n")
    out = shelf.run("status").out
    assert "not looked at yet" in out
    assert "no longer configured" in out
    assert folder(shelf.run("status", "--json").document, "checkpoints")["is_configured"] is False


def test_owed_work_running_work_and_failures_are_counted(shelf: CliShelf) -> None:
    with shelf.store() as store:
        ids = [add_read(store, b"%d.safetensors" % number, number)[0] for number in range(12)]
        store.journal.add([NewTask(TaskKind.RENDER_PAGE, str(file_id)) for file_id in ids], THEN)
        store.journal.claim(Lane.DESK, THEN + DAY)
        store.journal.add([NewTask(TaskKind.WRITE_SIDECARS, str(ids[0]))], THEN)
        (task,) = store.journal.claim(Lane.DESK, THEN + DAY)
        store.journal.fail(task, "read-only", FailureKind.ACCESS, THEN)
        store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], THEN)
    out = shelf.run("status").out
    assert "scan_folder" in out
    assert "1 failure: see modelshelf failures" in out
    assert "loras: 0.safetensors" in out
    assert "and 2 more" in out
    document = shelf.run("status", "--json").document
    assert document["owed"] == {"scan_folder": 1, "render_page": 12}
    assert document["owed_by_lane"] == {"desk": 13, "disk": 0, "network": 0}
    assert (document["failures"], document["failure_count"]) == ({"access": 1}, 1)
    assert len(document["running"]) == 12
    assert document["running"][0]["step"] == "render_page"


def test_the_last_runs_are_shown_with_their_statistics(shelf: CliShelf) -> None:
    with shelf.store() as store:
        run_id = store.runs.start("nightly", THEN)
        store.runs.count(run_id, total=247, added=12, errors=1)
        store.runs.end(run_id, THEN + DAY)
        store.runs.start(None, THEN)
    out = shelf.run("status").out
    assert "247 files, 12 added, 1 error" in out
    assert "goes on" in out
    newest, oldest = shelf.run("status", "--json").document["runs"]
    assert (newest["job"], newest["ended_at"]) == (None, None)
    assert oldest["statistics"] == {
        "total": 247,
        "added": 12,
        "updated": 0,
        "moved": 0,
        "missing": 0,
        "errors": 1,
        "hashes_calculated": 0,
        "hashes_skipped": 0,
        "described": 0,
        "verified": 0,
        "verified_bytes": 0,
        "rotten": 0,
    }


def test_the_daemon_that_runs_is_named_by_its_pid(shelf: CliShelf) -> None:
    with shelf.store(), shelf.daemon():
        assert f"running (pid {os.getpid()})" in shelf.run("status").out
        told = shelf.run("status", "--json").document["daemon"]
        assert (told["is_running"], told["pid"]) == (True, os.getpid())
        assert told["uptime_seconds"] > 0
        assert told["memory_bytes"] > 1_000_000
        assert told["threads"] >= 1
        assert told["open_files"] >= 3


def test_the_size_of_the_database_stands_there(shelf: CliShelf) -> None:
    with shelf.store() as store:
        store.remote.keep_model(1, {"id": 1}, THEN)
        add_read(store, b"a.safetensors", 1)
        sizes = shelf.run("status", "--json").document["sizes"]
        wal_bytes = (shelf.state / "modelshelf.db-wal").stat().st_size
    assert sizes["database_bytes"] >= (shelf.state / "modelshelf.db").stat().st_size + wal_bytes > wal_bytes
    assert sizes["wal_bytes"] == wal_bytes > 0
    assert (sizes["files"], sizes["contents"]) == (1, 1)
    assert sizes["answer_bytes"] > 0


def test_a_configuration_without_network_is_said_to_be_so(shelf: CliShelf) -> None:
    shelf.config.write_text(CONFIGURATION + "offline: true\n")
    assert "nothing is asked of Civitai" in shelf.run("status").out
    assert shelf.run("status", "--json").document["is_offline"] is True


def test_a_terminal_gets_framed_tables(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    out = shelf.run("status").out
    assert "───" in out
    assert "FOLDER" not in out


def test_a_store_of_another_program_is_refused_with_what_to_do(shelf: CliShelf) -> None:
    shelf.state.mkdir()
    (shelf.state / "modelshelf.db").write_bytes(b"no database" * 100)
    answer = shelf.run("status")
    assert answer.code == 1
    assert "modelshelf.db" in answer.err


def test_a_state_directory_of_somebody_else_is_told_whose_it_is(
    shelf: CliShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.state.mkdir()
    monkeypatch.setattr("os.access", lambda *_: False)
    answer = shelf.run("status")
    assert answer.code == 1
    assert f"belongs to {shelf.state.owner()}; run this as that user: sudo -u" in answer.err


def test_an_owner_without_a_name_is_told_by_number(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.state.mkdir()

    def no_name(_path: object) -> str:
        raise KeyError

    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr("pathlib.Path.owner", no_name)
    assert f"sudo -u #{os.geteuid()}" in shelf.run("status").err


def test_nothing_is_written_into_a_store_of_another_user(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    with shelf.store():
        pass
    before = sorted(path.name for path in shelf.state.iterdir())
    monkeypatch.setattr("os.geteuid", lambda: 4242)
    monkeypatch.setattr("os.access", lambda *_: True)
    answer = shelf.run("scan")
    assert answer.code == 1
    assert "belongs to" in answer.err
    assert sorted(path.name for path in shelf.state.iterdir()) == before


def test_a_daemon_that_answers_is_alive(shelf: CliShelf) -> None:
    shelf.state.mkdir(exist_ok=True)
    is_over = threading.Event()
    with closing(PokeSocket(shelf.state)) as door:

        def serve() -> None:
            while not is_over.wait(0.01):
                door.messages()
                door.answer()

        serving = threading.Thread(target=serve)
        serving.start()
        try:
            answer, document = shelf.run("status", "--alive"), shelf.run("status", "--alive", "--json").document
        finally:
            is_over.set()
            serving.join()
    assert (answer.code, answer.out.strip()) == (0, "alive")
    assert document == {"is_alive": True}


def test_one_that_is_silent_or_not_there_is_not_alive(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shelf.run("status", "--alive").code == 1
    monkeypatch.setattr(room, "LIFE_SECONDS", 0.05)
    shelf.state.mkdir(exist_ok=True)
    with closing(PokeSocket(shelf.state)):
        answer = shelf.run("status", "--alive")
    assert (answer.code, answer.out.strip()) == (1, "no daemon answers")


def test_failures_are_counted_by_kind_as_the_failures_command_shows_them(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add_broken(store, b"broken.safetensors")
        store.failures.settle("loras", b"", {b"locked": "may not be listed", b"other": "likewise"}, THEN)
        task = NewTask(TaskKind.ENRICH_MODEL, "7")
        store.journal.add([task], THEN)
        (claimed,) = store.journal.claim(Lane.NETWORK, THEN + DAY)
        store.journal.retry_at(claimed, THEN + DAY, "away", FailureKind.API, THEN)
    shown = [each["kind"] for each in shelf.run("failures", "--json").document["failures"]]
    counts = shelf.run("status", "--json").document["failures"]
    assert counts == {"invalid_format": 1, "access": 2, "api": 1} == {kind: shown.count(kind) for kind in shown}


def test_how_the_reading_goes_is_told_in_a_sentence_with_what_each_device_does(shelf: CliShelf) -> None:
    file = FileInHand(1, "loras", "big.safetensors", 4096, 1024)
    disk = DeviceProgress("8:1", 3072, 1024, 512.0, SystemClock().now(), (file,))
    with shelf.store() as store:
        add_read(store, b"read.safetensors", 1)
        add(store, b"owed.safetensors")
        progress = Progress(SystemClock().now(), Phase.READING, Tally(1, 1016, 1, 1016), devices=(disk,))
        store.standing.put(PROGRESS_STANDING, to_json(progress))
        with shelf.daemon():
            told = shelf.run("status").out
            document = shelf.run("status", "--json").document
        idle, alone = shelf.run("status").out, shelf.run("status", "--json").document
    assert (
        "Deep scan: 1 of 2 models, 2.0 KiB of 2.0 KiB\n8:1  512 B/s; loras: big.safetensors, 1.0 KiB of 4.0 KiB" in told
    )
    assert document["reading"] == {"read_files": 1, "read_bytes": 1016, "owed_files": 1, "owed_bytes": 1016}
    assert document["progress"]["phase"] == "reading"
    assert "Deep scan: 1 of 2 models, 1016 B of 2.0 KiB; waits for the daemon" in idle
    assert alone["progress"] is None


def test_what_failed_to_be_read_is_told_as_that_and_what_is_only_due_is_not(shelf: CliShelf) -> None:
    with shelf.store() as store, shelf.daemon():
        add(store, b"locked.safetensors")
        assert "Deep scan: 0 of 1 model, 0 B of 1018 B\n" in shelf.run("status").out
        (task,) = store.journal.claim(Lane.DESK, THEN)
        store.journal.fail(task, "may not be read", FailureKind.ACCESS, THEN)
        assert "; waits for its next try: see modelshelf failures\n" in shelf.run("status").out


def test_where_all_is_read_no_word_is_said_of_it(shelf: CliShelf) -> None:
    assert shelf.run("status", "--json").document["reading"] is None
    with shelf.store() as store:
        add_read(store, b"read.safetensors", 1)
    assert "Reading" not in shelf.run("status").out


def test_a_full_disk_of_the_state_is_told(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    with shelf.store():
        pass
    assert "FULL" not in shelf.run("status").out
    monkeypatch.setattr(shelf_report, "room_of", lambda _: Room(1, 1_000_000_000, 999_999))
    assert "the disk is FULL, so work waits" in shelf.run("status").out


def test_how_much_room_is_left_on_each_disk_is_told_where_it_is_there(shelf: CliShelf) -> None:
    shelf.config.write_text(CONFIGURATION.replace("path: checkpoints", "path: nowhere"))
    with shelf.store():
        pass
    document = shelf.run("status", "--json").document
    assert document["state_disk"]["size_bytes"] >= document["state_disk"]["free_bytes"] > 0
    (disk,) = [each["disk"] for each in document["folders"] if each["folder"] == "loras"]
    assert disk["size_bytes"] == document["state_disk"]["size_bytes"]
    assert folder(document, "checkpoints")["disk"] is None
