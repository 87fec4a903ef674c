"""What is owed and what failed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.cli.checkup import owed
from modelshelf.cli.checkup.finding import Level
from modelshelf.domain.chunk import ChunkLimits, ChunkState
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import Lane, NewTask, TaskKind
from tests.unit.cli.checkup.clinic import NOW, bad, levels, only
from tests.unit.cli.cli_shelf import add, add_read, hashes

if TYPE_CHECKING:
    from modelshelf.domain.chunk import Chunk
    from modelshelf.store.store import Store
    from tests.unit.cli.checkup.clinic import Clinic


def test_without_a_store_nothing_is_owed_or_told(clinic: Clinic) -> None:
    assert clinic.examine(owed.work) == clinic.examine(owed.chunks) == []


def test_what_is_owed_is_counted_by_kind(clinic: Clinic) -> None:
    with clinic.shelf.store() as store:
        assert [each.text for each in clinic.examine(owed.work)] == ["nothing is owed"]
        store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], NOW)
        assert [each.text for each in clinic.examine(owed.work)] == ["owed: 1 scan_folder"]


def test_what_has_been_due_for_days_is_a_warning_where_a_daemon_runs_and_the_folder_is_there(clinic: Clinic) -> None:
    with clinic.shelf.store() as store:
        store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], NOW - timedelta(days=2))
        assert bad(clinic.examine(owed.work)) == []
        with clinic.shelf.daemon():
            finding = only(clinic.examine(owed.work), Level.WARNING)
            assert finding.text == "a task (scan_folder) has been due since 2026-08-06 12:00:00 (2 days ago)"
            store.folders.set_offline("loras", "away", NOW)
            assert bad(clinic.examine(owed.work)) == []


def test_what_failed_is_told_by_kind(clinic: Clinic) -> None:
    with clinic.shelf.store() as store:
        store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], NOW)
        store.journal.fail(store.journal.claim(Lane.DESK, NOW)[0], "it is broken", FailureKind.ACCESS, NOW)
    assert bad(clinic.examine(owed.work)) == ["failures: 1 of kind access; given up: 1"]


def test_rot_is_wrong_until_a_person_has_decided(clinic: Clinic) -> None:
    with clinic.shelf.store() as store:
        file_id, _ = add_read(store, b"a.safetensors", 1)
        file = store.files.get(file_id)
        assert file is not None
        store.rot.found(file, hashes(2), NOW)
        assert "1 file holds other bytes than before" in only(clinic.examine(owed.work), Level.WRONG).text
        store.rot.dismiss(file_id, NOW)
        assert Level.WRONG not in levels(clinic.examine(owed.work))


def begun(store: Store, names: list[bytes]) -> Chunk:
    """Plan a chunk of these files and take it in hand."""
    for name in names:
        add(store, name)
    assert store.chunks.plan("8:1", ["loras"], ChunkLimits(), NOW)
    chunk = store.chunks.next("8:1", ["loras"], NOW)
    assert chunk is not None
    return chunk


def test_chunks_that_failed_are_told_by_what_is_alike(clinic: Clinic) -> None:
    with clinic.shelf.store() as store:
        assert bad(clinic.examine(owed.chunks)) == []
        for number in range(3):
            chunk = begun(store, [b"%d.safetensors" % number])
            store.chunks.end(chunk.id, ChunkState.FAILED, NOW, "the disk\x1b said no" + "!" * 200)
    finding = only(clinic.examine(owed.chunks), Level.WARNING)
    assert finding.text.startswith("3 chunks of the last 3: the disk\\x1b said no!!!")
    assert (finding.about, len(finding.text) < 200) == ("loras", True)


def test_a_chunk_that_gives_no_sign_is_told_while_a_daemon_runs(clinic: Clinic) -> None:
    with clinic.shelf.store() as store:
        begun(store, [b"a.safetensors"])
        clinic.clock.advance(120)
        assert bad(clinic.examine(owed.chunks)) == []
        with clinic.shelf.daemon():
            assert "gave no sign since" in only(clinic.examine(owed.chunks), Level.WARNING).text


def test_a_chunk_of_which_single_files_failed_is_told(clinic: Clinic) -> None:
    with clinic.shelf.store() as store:
        chunk = begun(store, [b"a.safetensors", b"b.safetensors"])
        store.chunks.note(chunk.id, NOW, done_files=2, done_bytes=2, failed_files=1)
        store.chunks.end(chunk.id, ChunkState.DONE, NOW)
    assert bad(clinic.examine(owed.chunks)) == ["1 chunk of the last 1: single files of it failed"]
