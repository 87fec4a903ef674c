from __future__ import annotations

import errno
import os
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import pytest

from modelshelf.domain.claim import Claim
from modelshelf.domain.model_file import Fingerprint, ScanPhase
from modelshelf.domain.rot import Rot, RotEnd
from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind, TaskState
from modelshelf.domain.verification import Measure, Share, VerifySettings
from modelshelf.errors import FileChanged, FileUnreadable
from modelshelf.formats.hashes import hash_file
from modelshelf.steps.render_gallery import ROTTEN
from modelshelf.steps.rescuing import rescue_lines, rescue_of
from modelshelf.steps.step import Failed
from modelshelf.steps.verifying import begin_verification, note_rates, read_rates
from tests import builders
from tests.unit.steps.step_shelf import FreeReins, sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.steps.step_shelf import StepShelf

P = ParamSpec("P")
Found = TypeVar("Found")

NAME = "model.safetensors"
CONTENT = builders.lora(1)
EVERYTHING = VerifySettings(Share(100), timedelta(days=0))


def flip(path: Path, offset: int = -1) -> bytes:
    """Change one byte and put the mtime back, as rot does not but as looks the same; gives the new bytes."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return bytes(content)


def rot_of(shelf: StepShelf, name: str = NAME) -> Rot:
    """Give the rot that stands of a file, which must be one."""
    rot = shelf.store.rot.of(shelf.file(name).id)
    assert rot is not None
    return rot


def verify(shelf: StepShelf, name: str = NAME, **details: Any) -> list[NewTask]:
    """Verify one file as the night does."""
    return shelf.do(TaskKind.VERIFY_FILE, name, priority=Priority.VERIFY, **details)


@pytest.fixture(autouse=True)
def _known(shelf: StepShelf) -> None:
    shelf.put(NAME, CONTENT)
    shelf.read(NAME)


def test_a_file_that_holds_its_bytes_is_noted_as_verified(shelf: StepShelf) -> None:
    shelf.clock.advance(1000)
    run_id = shelf.store.runs.start("night", shelf.clock.now())
    assert verify(shelf, run_id=run_id) == []
    assert shelf.store.verifications.last_of(shelf.file(NAME).id) == shelf.clock.now()
    run = shelf.store.runs.get(run_id)
    assert run is not None
    assert (run.statistics.verified, run.statistics.verified_bytes, run.statistics.rotten) == (1, len(CONTENT), 0)


def test_a_hashed_file_counts_as_verified_when_it_was_hashed(shelf: StepShelf) -> None:
    assert shelf.store.verifications.last_of(shelf.file(NAME).id) == shelf.clock.now()
    assert shelf.store.verifications.last_of(0) is None


def test_other_bytes_under_the_same_size_and_mtime_are_rot_with_both_hashes_and_dates(shelf: StepShelf) -> None:
    before, content = shelf.file(NAME), shelf.content(NAME)
    hashed_at = shelf.clock.now()
    found = flip(shelf.path(NAME))
    shelf.clock.advance(1000)
    (page,) = verify(shelf)
    assert (page.kind, page.subject) == (TaskKind.RENDER_PAGE, str(before.id))
    rot = rot_of(shelf)
    assert (rot.sha256, rot.content_id) == (sha256(found), content.id)
    assert rot.blake3 == hash_file(shelf.path(NAME)).hashes.blake3
    assert (rot.sound_at, rot.found_at, rot.seen_at) == (hashed_at, shelf.clock.now(), shelf.clock.now())


def test_a_rotten_file_keeps_its_content(shelf: StepShelf) -> None:
    content = shelf.content(NAME)
    flip(shelf.path(NAME))
    verify(shelf)
    assert shelf.content(NAME) == content
    assert shelf.file(NAME).scan_phase is ScanPhase.DEEP


def test_rot_is_told_every_time_until_a_person_decides(shelf: StepShelf) -> None:
    flip(shelf.path(NAME))
    verify(shelf)
    first = rot_of(shelf)
    shelf.clock.advance(86_400)
    verify(shelf)
    assert len(shelf.events("file_found_rotten")) == 2
    assert (rot_of(shelf).id, rot_of(shelf).found_at) == (first.id, first.found_at)
    assert rot_of(shelf).seen_at == shelf.clock.now()


def test_rot_that_was_dismissed_is_told_again_only_when_it_goes_on(shelf: StepShelf) -> None:
    flip(shelf.path(NAME))
    verify(shelf)
    shelf.store.rot.dismiss(shelf.file(NAME).id, shelf.clock.now())
    verify(shelf)
    assert not rot_of(shelf).is_told
    assert len(shelf.events("file_found_rotten")) == 1
    flip(shelf.path(NAME), -2)
    verify(shelf)
    assert rot_of(shelf).is_told
    assert len(shelf.events("file_found_rotten")) == 2


def test_a_scan_of_a_touched_file_never_binds_rotten_bytes(shelf: StepShelf) -> None:
    content = shelf.content(NAME)
    found = flip(shelf.path(NAME))
    shelf.scan()
    assert shelf.file(NAME).scan_phase is ScanPhase.INDEXED, "its ctime is another, so it is read again"
    shelf.do(TaskKind.INSPECT_FILE, NAME)
    new = shelf.do(TaskKind.HASH_FILE, NAME)
    assert TaskKind.RENDER_PAGE in {task.kind for task in new}
    assert rot_of(shelf).sha256 == sha256(found)
    assert shelf.content(NAME) == content
    assert shelf.file(NAME).scan_phase is ScanPhase.DEEP
    assert shelf.store.contents.find(sha256(found)) == []


def make_dishonest(shelf: StepShelf) -> None:
    """Let the folder lie on a file system whose inodes and ctimes mean nothing."""
    place = shelf.places["loras"]
    shelf.places["loras"] = replace(place, traits=replace(place.traits, is_honest=False))


@pytest.mark.parametrize(("age_seconds", "later_seconds", "is_rot"), [(1, 10, False), (10, 10, True), (1, 4000, True)])
def test_where_times_are_coarse_a_write_right_after_the_reading_is_a_change(
    shelf: StepShelf, age_seconds: float, later_seconds: float, *, is_rot: bool
) -> None:
    make_dishonest(shelf)
    path = shelf.put("fresh.safetensors", builders.lora(5), age_seconds=age_seconds)
    shelf.look_through()
    shelf.clock.advance(later_seconds)
    found = flip(path)
    shelf.store.files.reset_deep([shelf.file("fresh.safetensors").id], Priority.REST)
    shelf.drain()
    assert (shelf.store.rot.of(shelf.file("fresh.safetensors").id) is not None) is is_rot
    assert (shelf.content("fresh.safetensors").hashes.sha256 == sha256(found)) is not is_rot


def test_rot_in_the_header_is_found_by_the_hash_too(shelf: StepShelf) -> None:
    content = shelf.content(NAME)
    flip(shelf.path(NAME), 2)
    shelf.look_through()
    assert rot_of(shelf).content_id == content.id
    assert shelf.content(NAME) == content


def test_a_touched_file_with_its_own_bytes_is_verified_without_another_reading(shelf: StepShelf) -> None:
    shelf.path(NAME).chmod(0o600)
    verify(shelf)
    assert shelf.file(NAME).fingerprint == Fingerprint.of(shelf.path(NAME).stat())
    shelf.look_through(path=NAME)
    assert shelf.reins.bytes_read == len(CONTENT), "as it was verified, and not since"


def test_bytes_that_were_put_back_end_the_rot(shelf: StepShelf) -> None:
    flip(shelf.path(NAME))
    verify(shelf)
    flip(shelf.path(NAME))
    (page,) = verify(shelf)
    assert page.kind is TaskKind.RENDER_PAGE
    (rot,) = shelf.store.rot.ever_of(shelf.file(NAME).id)
    assert (rot.end, rot.ended_at, rot.is_told) == (RotEnd.RESTORED, shelf.clock.now(), False)
    assert len(shelf.events("file_found_restored")) == 1


def test_bytes_that_were_put_back_are_seen_by_a_scan_too(shelf: StepShelf) -> None:
    flip(shelf.path(NAME))
    shelf.look_through()
    flip(shelf.path(NAME))
    shelf.look_through(path=NAME)
    (rot,) = shelf.store.rot.ever_of(shelf.file(NAME).id)
    assert rot.end is RotEnd.RESTORED


def test_a_change_of_mtime_is_an_ordinary_change_and_ends_the_rot(shelf: StepShelf) -> None:
    found = flip(shelf.path(NAME))
    verify(shelf)
    os.utime(shelf.path(NAME))
    shelf.look_through()
    (rot,) = shelf.store.rot.ever_of(shelf.file(NAME).id)
    assert rot.end is RotEnd.CHANGED
    assert shelf.content(NAME).hashes.sha256 == sha256(found)


def test_a_file_that_changed_is_scanned_and_not_read(shelf: StepShelf) -> None:
    os.utime(shelf.path(NAME))
    (scan,) = verify(shelf)
    assert (scan.kind, scan.subject, scan.path) == (TaskKind.SCAN_FOLDER, "loras", NAME.encode())
    assert shelf.reins.bytes_read == len(CONTENT), "as it was hashed, and not since"
    assert shelf.store.rot.of(shelf.file(NAME).id) is None


def test_another_file_in_its_place_is_a_change_and_no_rot(shelf: StepShelf) -> None:
    path = shelf.path(NAME)
    status, other = path.stat(), shelf.put("other", bytes(len(CONTENT)))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    (scan,) = verify(shelf)
    assert scan.kind is TaskKind.SCAN_FOLDER
    assert shelf.store.rot.of(shelf.file(NAME).id) is None


def test_where_inodes_are_made_up_they_prove_no_change(shelf: StepShelf) -> None:
    make_dishonest(shelf)
    path = shelf.path(NAME)
    status, other = path.stat(), shelf.put("other", CONTENT)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    shelf.clock.advance(10)
    assert verify(shelf) == []
    assert shelf.store.verifications.last_of(shelf.file(NAME).id) == shelf.clock.now()


class Unsteady(FreeReins):
    """Reins through which readings come out as they are told to: by function, how each reading in turn is spoilt."""

    def __init__(self, spoil: Callable[[str, int, Any], Any]) -> None:
        super().__init__()
        self._spoil = spoil
        self._readings = 0

    def read(self, function: Callable[P, Found], *args: P.args, **options: P.kwargs) -> Found:
        """Read here, and spoil it."""
        self._readings += 1
        found: Found = self._spoil(function.__name__, self._readings, function(*args, **options))
        return found


def test_a_reading_that_is_not_confirmed_is_no_rot_but_a_failing_machine(shelf: StepShelf) -> None:
    def spoil(_: str, number: int, found: tuple[str, Fingerprint]) -> Any:
        return ("0" * 64, found[1]) if number == 1 else found

    shelf.reins = Unsteady(spoil)
    (outcome,) = shelf.perform(TaskKind.VERIFY_FILE, NAME)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, FileUnreadable)
    assert "memory, cable or disk" in str(outcome.error)
    assert shelf.store.rot.of(shelf.file(NAME).id) is None


def test_a_file_that_changes_while_it_is_read_is_tried_again(shelf: StepShelf) -> None:
    def spoil(_: str, __: int, found: Any) -> Any:
        os.utime(shelf.path(NAME))
        return found[0], Fingerprint.of(shelf.path(NAME).stat())

    shelf.reins = Unsteady(spoil)
    (outcome,) = shelf.perform(TaskKind.VERIFY_FILE, NAME)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, FileChanged)


def test_a_disk_that_cannot_read_is_no_rot_and_its_errno_is_kept(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    run_id = shelf.store.runs.start("night", shelf.clock.now())
    task = NewTask(TaskKind.VERIFY_FILE, str(shelf.file(NAME).id), priority=Priority.VERIFY, run_id=run_id)
    shelf.drain()
    shelf.store.journal.add([task], shelf.clock.now())
    monkeypatch.setattr(os, "readv", refuse)
    shelf.drain(linger_seconds=10_000)
    (failed,) = shelf.store.journal.failures()
    assert (failed.kind, failed.state) == (TaskKind.VERIFY_FILE, TaskState.FAILED)
    assert "EIO" in (failed.last_error or "")
    assert shelf.store.rot.standing() == []
    run = shelf.store.runs.get(run_id)
    assert run is not None
    assert run.statistics.errors == 1


def test_a_file_that_is_gone_is_forgotten_by_the_verification_and_found_missing(shelf: StepShelf) -> None:
    shelf.drain()
    shelf.put("stays.safetensors", builders.lora(2))
    shelf.look_through()
    shelf.path(NAME).unlink()
    tasks = [NewTask(TaskKind.VERIFY_FILE, str(shelf.file(NAME).id), priority=Priority.VERIFY)]
    shelf.store.journal.add(tasks, shelf.clock.now())
    shelf.drain()
    assert shelf.tasks(TaskKind.VERIFY_FILE) == []
    assert shelf.file(NAME).missing_since is not None


def test_what_is_not_read_yet_owes_no_verification(shelf: StepShelf) -> None:
    shelf.store.files.reset_deep([shelf.file(NAME).id], Priority.REST)
    assert verify(shelf) == []
    assert shelf.reins.bytes_read == len(CONTENT), "as it was hashed, and not since"


def test_what_changed_between_reading_and_recording_is_said_nothing_of(shelf: StepShelf) -> None:
    flip(shelf.path(NAME))
    outcomes = shelf.perform(TaskKind.VERIFY_FILE, NAME)
    os.utime(shelf.path(NAME))
    shelf.scan()
    assert shelf.record(outcomes) == []
    assert shelf.store.rot.of(shelf.file(NAME).id) is None


def test_a_hard_link_takes_no_hash_from_a_rotten_file(shelf: StepShelf) -> None:
    found = flip(shelf.path(NAME))
    verify(shelf)
    os.link(shelf.path(NAME), shelf.path("link.safetensors"))
    shelf.scan()
    shelf.do(TaskKind.INSPECT_FILE, NAME)
    shelf.do(TaskKind.HASH_FILE, NAME)
    shelf.do(TaskKind.INSPECT_FILE, "link.safetensors")
    shelf.do(TaskKind.HASH_FILE, "link.safetensors")
    assert shelf.content("link.safetensors").hashes.sha256 == sha256(found)
    assert rot_of(shelf).sha256 == sha256(found)


LINK = "link.safetensors"


@pytest.fixture
def linked(shelf: StepShelf) -> StepShelf:
    """A shelf whose file has rotted, of which a hard link is still held for sound: neither ctime was changed by that."""
    os.link(shelf.path(NAME), shelf.path(LINK))
    shelf.look_through()
    flip(shelf.path(NAME))
    for name in (NAME, LINK):
        shelf.store.files.settle_fingerprint(shelf.file(name).id, Fingerprint.of(shelf.path(name).stat()))
    verify(shelf)
    assert shelf.store.rot.of(shelf.file(LINK).id) is None
    return shelf


def test_a_hard_link_that_is_held_for_sound_ends_no_rot(linked: StepShelf) -> None:
    content = linked.content(NAME)
    linked.store.files.reset_deep([linked.file(NAME).id], Priority.REST)
    linked.drain()
    assert linked.file(NAME).scan_phase is ScanPhase.DEEP
    assert rot_of(linked).content_id == content.id
    assert linked.events("file_found_restored") == []


def accept(shelf: StepShelf) -> None:
    """Take the bytes that a rotten file has for its own, as a person does."""
    file, now = shelf.file(NAME), shelf.clock.now()
    shelf.store.rot.end(file.id, RotEnd.ACCEPTED, now)
    shelf.store.files.change(file.id, file.fingerprint, now, priority=Priority.PERSON, waiting_reason=None, run_id=None)


def test_bytes_that_a_person_accepts_are_read_and_not_taken_from_a_hard_link(linked: StepShelf) -> None:
    accept(linked)
    linked.drain()
    assert linked.content(NAME).hashes.sha256 == sha256(linked.path(NAME).read_bytes())


def test_another_name_of_a_rotten_file_is_no_good_copy_of_it(linked: StepShelf) -> None:
    assert rescue_lines(rescue_of(linked.store, linked.file(NAME))) == ["no good copy is known"]


def claim(shelf: StepShelf, told: str) -> None:
    """Let another program tell the SHA256 of the file as it looks now."""
    file, hashes = shelf.file(NAME), shelf.content(NAME).hashes
    look = (file.fingerprint.size_bytes, file.fingerprint.mtime_ns)
    shelf.store.claims.put("loras", NAME.encode(), Claim(*look, told, hashes.autov1, None, None, ()))


@pytest.mark.parametrize("is_of_the_rot", [True, False])
def test_what_another_program_told_ends_no_rot(shelf: StepShelf, *, is_of_the_rot: bool) -> None:
    content, found = shelf.content(NAME), flip(shelf.path(NAME))
    verify(shelf)
    claim(shelf, sha256(found) if is_of_the_rot else content.hashes.sha256)
    shelf.store.files.reset_deep([shelf.file(NAME).id], Priority.REST)
    shelf.drain()
    assert (shelf.file(NAME).content_id, shelf.file(NAME).vouched_by) == (content.id, None)
    assert rot_of(shelf).sha256 == sha256(found)


def test_bytes_that_a_person_accepts_are_read_whatever_another_program_told(shelf: StepShelf) -> None:
    found = flip(shelf.path(NAME))
    verify(shelf)
    claim(shelf, sha256(CONTENT))
    accept(shelf)
    shelf.drain()
    assert (shelf.content(NAME).hashes.sha256, shelf.file(NAME).vouched_by) == (sha256(found), None)


@pytest.mark.parametrize("offset", [-1, 0x100000], ids=["all of it", "where AutoV1 looks"])
def test_a_rotten_file_that_moves_takes_its_rot_along(shelf: StepShelf, offset: int) -> None:
    if offset > 0:
        shelf.put(NAME, builders.lora(1, padding_bytes=2 * 1024**2))
        shelf.look_through()
    file, found = shelf.file(NAME), flip(shelf.path(NAME), offset)
    verify(shelf)
    shelf.path(NAME).rename(shelf.path("renamed.safetensors"))
    shelf.look_through()
    moved = shelf.file("renamed.safetensors")
    assert (moved.id, moved.content_id) == (file.id, file.content_id)
    assert [each.sha256 for each in shelf.store.rot.standing()] == [sha256(found)]


def test_page_and_gallery_say_that_a_file_is_damaged_and_where_a_good_copy_is(shelf: StepShelf) -> None:
    shelf.put("copy.safetensors", CONTENT)
    shelf.look_through()
    flip(shelf.path(NAME))
    tasks = [NewTask(TaskKind.VERIFY_FILE, str(shelf.file(NAME).id), priority=Priority.VERIFY)]
    shelf.store.journal.add(tasks, shelf.clock.now())
    shelf.drain(linger_seconds=1000)
    page = shelf.path("model.html").read_text()
    assert "This file is damaged" in page
    assert str(shelf.path("copy.safetensors")) in page
    assert "This file is damaged" not in shelf.path("copy.html").read_text()
    (gallery,) = [
        path for path in shelf.path("").iterdir() if path.name.startswith("gallery") or path.name == "index.html"
    ]
    assert ROTTEN in gallery.read_text()


# what is chosen


def owed(shelf: StepShelf) -> list[str]:
    """Give the names of the files that are to be verified, in their order."""
    files = [shelf.store.files.get(int(task.subject)) for task in shelf.tasks(TaskKind.VERIFY_FILE)]
    return [os.fsdecode(file.path) for file in files if file is not None]


@pytest.fixture
def three(shelf: StepShelf) -> StepShelf:
    """A shelf with three files, read a day apart: `c`, then `a`, then `b`; `model` is the oldest."""
    for number, name in enumerate("cab", start=2):
        shelf.clock.advance(86_400)
        shelf.put(f"{name}.safetensors", builders.lora(number))
        shelf.read(f"{name}.safetensors")
    return shelf


def test_the_longest_unread_come_first(three: StepShelf) -> None:
    assert begin_verification(three.store, EVERYTHING, ["loras"], None, three.clock.now()) == 4
    assert owed(three) == [NAME, "c.safetensors", "a.safetensors", "b.safetensors"]
    three.clock.advance(1)
    verify(three)
    begin_verification(three.store, EVERYTHING, ["loras"], None, three.clock.now())
    assert owed(three)[-1] == NAME


def test_rot_that_stands_is_looked_at_before_all_else(three: StepShelf) -> None:
    flip(three.path("b.safetensors"))
    verify(three, "b.safetensors")
    assert begin_verification(three.store, EVERYTHING, ["loras"], None, three.clock.now()) == 4
    assert owed(three)[0] == "b.safetensors"
    assert len(owed(three)) == 4


def test_what_was_read_lately_is_left_in_peace(three: StepShelf) -> None:
    settings = VerifySettings(Share(100), timedelta(days=1, hours=12))
    begin_verification(three.store, settings, ["loras"], None, three.clock.now())
    assert owed(three) == [NAME, "c.safetensors"]


@pytest.mark.parametrize(
    ("share", "count"),
    [
        (Share(50), 2),
        (Share(74.9), 2),
        (Share(2 * len(CONTENT), Measure.BYTES), 2),
        (Share(2 * len(CONTENT) - 1, Measure.BYTES), 1),
        (Share(3, Measure.SECONDS), 3),
        (Share(2.9, Measure.SECONDS), 2),
    ],
    ids=str,
)
def test_no_more_than_the_share_is_read_in_a_night(three: StepShelf, share: Share, count: int) -> None:
    note_rates(three.store, {"loras": [(len(CONTENT), 1.0)]})
    begin_verification(three.store, VerifySettings(share, timedelta(0)), ["loras"], None, three.clock.now())
    assert len(owed(three)) == count


def test_a_file_larger_than_the_share_is_read_all_the_same(shelf: StepShelf) -> None:
    begin_verification(
        shelf.store, VerifySettings(Share(1, Measure.BYTES), timedelta(0)), ["loras"], None, shelf.clock.now()
    )
    assert owed(shelf) == [NAME]


def test_folders_are_verified_as_one_shelf(shelf: StepShelf) -> None:
    shelf.add_folder("more")
    for number, (name, folder_id) in enumerate((("second", "more"), ("third", "loras")), start=2):
        shelf.clock.advance(86_400)
        shelf.put(f"{name}.safetensors", builders.lora(number), folder_id)
        shelf.look_through(folder_id)
    begin_verification(shelf.store, EVERYTHING, ["loras", "more"], None, shelf.clock.now())
    assert owed(shelf) == [NAME, "second.safetensors", "third.safetensors"]


def test_each_night_chooses_anew(three: StepShelf) -> None:
    begin_verification(three.store, EVERYTHING, ["loras"], 1, three.clock.now())
    settings = VerifySettings(Share(1, Measure.BYTES), timedelta(0))
    assert begin_verification(three.store, settings, ["loras"], 2, three.clock.now()) == 1
    (task,) = three.tasks(TaskKind.VERIFY_FILE)
    assert task.run_id == 2


def test_what_a_person_asked_to_verify_outlasts_the_night(shelf: StepShelf) -> None:
    asked = NewTask(TaskKind.VERIFY_FILE, str(shelf.file(NAME).id), priority=Priority.PERSON)
    shelf.store.journal.add([asked], shelf.clock.now())
    assert shelf.store.verifications.drop_waiting(["loras"]) == 0


def test_what_another_program_vouches_for_is_not_verified(shelf: StepShelf) -> None:
    file = shelf.file(NAME)
    assert file.content_id is not None
    shelf.store.files.record_content(file.id, file.content_id, "stablequeue")
    begin_verification(shelf.store, EVERYTHING, ["loras"], None, shelf.clock.now())
    assert owed(shelf) == []
    flip(shelf.path(NAME))
    assert verify(shelf) == []
    assert shelf.store.rot.of(file.id) is None


def test_rates_follow_what_is_measured(shelf: StepShelf) -> None:
    note_rates(shelf.store, {"loras": [(100, 1.0), (300, 1.0)]})
    assert read_rates(shelf.store) == {"loras": 200}
    note_rates(shelf.store, {"loras": [(1000, 1.0)], "other": [(0, 0.0)]})
    assert read_rates(shelf.store) == {"loras": 440}


def test_a_kill_in_the_middle_costs_the_file_in_hand_only(three: StepShelf) -> None:
    three.drain()
    begin_verification(three.store, EVERYTHING, ["loras"], None, three.clock.now())
    tasks = three.store.journal.claim(Lane.DISK, three.clock.now())
    outcomes = three.steps[TaskKind.VERIFY_FILE].perform(tasks[:2], three.reins)
    three.record(outcomes)
    three.store.journal.settle(tasks[:2])
    assert three.store.journal.recover(three.clock.now()) == 2
    three.clock.advance(10)
    three.drain()
    assert three.tasks(TaskKind.VERIFY_FILE) == []
    now = three.clock.now()
    times = [three.store.verifications.last_of(three.file(f"{name}.safetensors").id) for name in "ab"]
    assert all(each is not None and now - each < timedelta(seconds=100) for each in times)
