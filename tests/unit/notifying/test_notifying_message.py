"""What a person reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.domain.model_file import Fingerprint
from modelshelf.domain.task import Priority
from modelshelf.notifying.kinds import KINDS
from modelshelf.notifying.message import LONGEST_NAME, Message, compose, inert
from modelshelf.store.files import NewFile

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject
    from tests.unit.steps.step_shelf import StepShelf

GIB = 2**30


def add(shelf: StepShelf, name: bytes, verdict: Verdict = Verdict.BROKEN) -> int:
    fingerprint = Fingerprint(1000, sum(name), sum(name), sum(name))
    file_id = shelf.store.files.add(NewFile("loras", name, fingerprint, shelf.clock.now(), Priority.REST))
    shelf.store.files.record_header(file_id, Header(Format.SAFETENSORS, verdict, reason="a reason"))
    return file_id


def happen(
    shelf: StepShelf, name: str, file_id: int | None = None, folder_id: str | None = None, **details: object
) -> None:
    given: JsonObject = {**details}  # type: ignore[dict-item]
    shelf.store.events.add(name, shelf.clock.now(), file_id=file_id, folder_id=folder_id, details=given)


def told(shelf: StepShelf) -> Message:
    return compose(shelf.store, shelf.store.events.news(0, KINDS), 0)


def test_many_are_counted_and_the_first_few_named(shelf: StepShelf) -> None:
    for number in range(1, 13):
        happen(shelf, "content_identified", add(shelf, b"sub/%d.safetensors" % number))
    assert told(shelf) == Message(
        "modelshelf: 12 files identified",
        "12 files identified: 1.safetensors, 2.safetensors, 3.safetensors and 9 more",
    )


def test_every_kind_has_a_line_the_urgent_ones_first(shelf: StepShelf) -> None:
    run_id = shelf.store.runs.start("nightly", shelf.clock.now())
    happen(shelf, "content_identified", add(shelf, b"a.safetensors"))
    happen(shelf, "job_ended", job="nightly", run=run_id)
    happen(shelf, "disk_relieved", path="/srv", free_bytes=900 * GIB, size_bytes=2048 * GIB)
    happen(shelf, "folder_came_back", folder_id="nas")
    happen(shelf, "file_found_incomplete", add(shelf, b"c.safetensors"), reason="10 bytes are missing")
    happen(shelf, "file_found_broken", add(shelf, b"b.safetensors"), verdict="broken", reason="no header")
    happen(shelf, "disk_filled_up", path="/srv", free_bytes=GIB, size_bytes=2048 * GIB)
    happen(shelf, "folder_went_offline", folder_id="nas", reason="it does not answer")
    happen(shelf, "mount_point_came_back", folder_id="nas", path="sub")
    happen(shelf, "mount_point_lost", folder_id="nas", path="sub")
    happen(shelf, "mount_point_lost", folder_id="nas", path="other")
    happen(shelf, "files_held_back", folder_id="usb", files=120, known=130)
    happen(shelf, "store_restored", backup="modelshelf.db.1", set_aside="modelshelf.db.bad")
    shelf.store.runs.count(run_id, total=247, hashes_calculated=2)
    assert told(shelf).body.splitlines() == [
        "1 folder offline: nas (it does not answer)",
        "1 folder whose files vanished: usb (120 of 130 files; see modelshelf confirm-missing)",
        "2 mounts gone from folders: nas: sub, nas: other",
        "1 damaged catalog restored: modelshelf.db.1",
        "1 disk nearly full: /srv (1.0 GiB of 2.0 TiB left)",
        "1 broken file: b.safetensors (no header)",
        "1 incomplete file: c.safetensors (10 bytes are missing)",
        "1 folder back: nas",
        "1 mount back: nas: sub",
        "1 disk with room again: /srv (900.0 GiB of 2.0 TiB left)",
        "1 job done: nightly (247 files, 2 hashed)",
        "1 file identified: a.safetensors",
    ]


def test_a_report_says_what_is_left_to_be_read_and_decided(shelf: StepShelf) -> None:
    run_id = shelf.store.runs.start("nightly", shelf.clock.now())
    shelf.store.runs.count(run_id, verified=3, rotten=1)
    shelf.store.runs.keep_report(run_id, {"owed_files": 2, "damage": [{}]})
    happen(shelf, "job_ended", job="nightly", run=run_id)
    assert told(shelf).body == (
        "1 job done: nightly (3 verified, 1 damaged; 2 files still to be read; 1 damaged and undecided)"
    )


def test_the_subject_is_one_line_of_counts(shelf: StepShelf) -> None:
    happen(shelf, "content_identified", add(shelf, b"evil\nname"))
    happen(shelf, "folder_went_offline", folder_id="nas")
    happen(shelf, "folder_went_offline", folder_id="usb")
    assert told(shelf).subject == "modelshelf: 2 folders offline, 1 file identified"


def test_a_file_that_is_found_broken_thrice_is_one_with_the_last_reason(shelf: StepShelf) -> None:
    file_id = add(shelf, b"a.ckpt")
    for reason in ("first", "second", "third"):
        happen(shelf, "file_found_broken", file_id, reason=reason)
    assert told(shelf).body == "1 broken file: a.ckpt (third)"


def test_a_file_that_is_whole_or_gone_by_now_is_not_told_of(shelf: StepShelf) -> None:
    for number, name in enumerate((b"mended", b"gone", b"still", b"unread")):
        file_id = add(shelf, name, Verdict.SOUND if name == b"mended" else Verdict.INCOMPLETE)
        happen(shelf, "file_found_incomplete" if number % 2 else "file_found_broken", file_id)
        if name == b"gone":
            shelf.store.files.mark_missing([file_id], shelf.clock.now())
        if name == b"unread":
            shelf.store.database.execute("DELETE FROM headers WHERE file_id = ?", (file_id,))
    assert told(shelf).body == "1 broken file: still"


def test_what_is_no_longer_known_is_told_all_the_same(shelf: StepShelf) -> None:
    happen(shelf, "content_identified", 999)
    happen(shelf, "job_ended", job="gone", run=999)
    assert told(shelf).body.splitlines() == ["1 job done: gone", "1 file identified: a file that is no longer known"]


def test_events_that_were_forgotten_meanwhile_are_counted(shelf: StepShelf) -> None:
    happen(shelf, "content_identified", 1)
    news = shelf.store.events.news(0, KINDS)
    shelf.store.database.execute("DELETE FROM events")
    assert compose(shelf.store, news, 0).body == "1 file identified"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"line\nfeed\x1b[2J", r"line\nfeed\x1b[2J"),
        (b"\xff\xfe.ckpt", r"\xff\xfe.ckpt"),
        ("right\u202eleft".encode(), r"right\u202eleft"),
        (b"@everyone", "@\u200beveryone"),
        (b"<@123> <b>x</b>", "<\u200b@\u200b123> <\u200bb>x<\u200b/b>"),
        (b"[a](evil.example)", "[a]\u200b(evil.example)"),
        ("grün.safetensors".encode(), "grün.safetensors"),
    ],
)
def test_a_name_calls_nobody_and_is_neither_tag_nor_link(name: bytes, shown: str) -> None:
    assert inert(name) == shown


def test_every_text_in_a_message_is_made_inert_and_kept_short(shelf: StepShelf) -> None:
    evil = "@everyone <b>\n" + 500 * "x"
    happen(shelf, "content_identified", add(shelf, os.fsencode(evil[:200])))
    happen(shelf, "file_found_broken", add(shelf, b"b.ckpt"), reason=evil)
    happen(shelf, "folder_went_offline", folder_id=evil, reason=evil)
    happen(shelf, "disk_filled_up", path=evil[:20], free_bytes=1, size_bytes=2)
    happen(shelf, "job_ended", job=evil, run=1)
    body = told(shelf).body
    assert len(body.splitlines()) == 5
    assert "@everyone" not in body
    assert "<b>" not in body
    assert max(len(line) for line in body.splitlines()) < 4 * LONGEST_NAME


def test_a_message_of_all_that_can_happen_fits_every_chat(shelf: StepShelf) -> None:
    for number in range(50):
        for name in KINDS:
            happen(shelf, name, add(shelf, b"%d" % number + 240 * b"x"), reason=1000 * "y")
    assert len(told(shelf).body) < len(KINDS) * 3 * 300
