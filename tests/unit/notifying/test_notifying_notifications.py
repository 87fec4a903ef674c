"""Who is told, when, and from which event on."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from modelshelf.domain.hashes import Hashes
from modelshelf.domain.header import Format, Header, PickleVerdict, Verdict
from modelshelf.domain.model_file import Fingerprint
from modelshelf.domain.notice import Notice, QuietHours
from modelshelf.domain.task import Priority
from modelshelf.errors import DiskFull, StoreError
from modelshelf.notifying.courier import Courier, Receipt
from modelshelf.notifying.free_space import FreeSpace
from modelshelf.notifying.kinds import KINDS
from modelshelf.notifying.notifications import Notifications, NotificationSettings
from modelshelf.store.events import Events
from modelshelf.store.files import NewFile
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.notifying.message import Message
    from tests.unit.notifying.conftest import Logged
    from tests.unit.steps.step_shelf import StepShelf

MAIL, CHAT = "mailto://me:word@example.org", "chat://token"
MINUTE = 60.0
DIGEST = 10 * MINUTE
DAY = 24 * 60 * MINUTE


class Said(Courier):
    """A courier that keeps what it should carry, and fails for the targets in `away`."""

    def __init__(self) -> None:
        super().__init__()
        self.carried: list[tuple[str, Message]] = []
        self.away: set[str] = set()
        self.attempts = 0
        self.held: threading.Event | None = None

    def carry(self, target: str, message: Message) -> Receipt:
        self.attempts += 1
        if self.held is not None:
            self.held.wait(20)
        if target in self.away or self.is_stopped:
            return Receipt("x://", is_sent=False, reason="away")
        self.carried.append((target, message))
        return Receipt("x://", is_sent=True)

    def stop(self) -> None:
        super().stop()
        if self.held is not None:
            self.held.set()

    @property
    def subjects(self) -> list[str]:
        return [message.subject.removeprefix("modelshelf: ") for _, message in self.carried]


class Bureau:
    """Notifications over a shelf, whose rounds are gone by hand and end when all is told."""

    def __init__(self, shelf: StepShelf, *targets: str, **settings: object) -> None:
        self.shelf = shelf
        self.courier = Said()
        self._settings = NotificationSettings(
            targets=targets or (MAIL,),
            **({"notices": frozenset(Notice) - {Notice.DISK_FULL}} | settings),  # type: ignore[arg-type]
        )
        self.notifications = self._made()
        self.notifications.open()

    def _made(self) -> Notifications:
        shelf = self.shelf
        return Notifications(
            shelf.store, shelf.clock, self._settings, FreeSpace(shelf.store, shelf.clock, {}), self.courier
        )

    def restart(self, *targets: str) -> None:
        """End as after a kill, and begin anew."""
        if targets:
            self._settings = NotificationSettings(targets=targets)
        self.notifications = self._made()
        self.notifications.open()

    def happen(self, name: str, subject: int | str | None = None) -> int:
        folder_id = subject if isinstance(subject, str) else None
        file_id = subject if isinstance(subject, int) else None
        details: JsonObject = {"path": "/srv"} if name.startswith("disk") else {}
        now = self.shelf.clock.now()
        if file_id is not None:
            self._break_file(file_id)
        if file_id is not None and name == "file_found_rotten":
            self._rot(file_id)
        return self.shelf.store.events.add(name, now, file_id=file_id, folder_id=folder_id, details=details)

    def _break_file(self, number: int) -> None:
        """Let there be a file of this number that is broken; only then is it told of."""
        files, fingerprint = self.shelf.store.files, Fingerprint(1, number, number, number)
        while files.get(number) is None:
            name = b"%d.ckpt" % self.shelf.store.database.rows("SELECT count(*) FROM files")[0][0]
            files.add(NewFile("loras", name, fingerprint, self.shelf.clock.now(), Priority.REST))
        files.record_header(number, Header(Format.PICKLE, Verdict.BROKEN, pickle_verdict=PickleVerdict.DANGEROUS))

    def _rot(self, number: int) -> None:
        """Let the file hold other bytes than it should."""
        store, now = self.shelf.store, self.shelf.clock.now()
        right, wrong = (Hashes(each * 64, each * 64, None, each * 10, None, each * 8) for each in "AB")
        store.files.record_content(number, store.contents.upsert(1, right, now).id, read_at=now)
        file = store.files.get(number)
        assert file is not None
        store.rot.found(file, wrong, now)

    def go_round(self, seconds: float = 0) -> list[str]:
        """Let time pass and go round; gives the subjects of all messages so far."""
        self.shelf.clock.advance(seconds)
        self.notifications.go_round()
        if self.notifications._thread is not None:
            self.notifications._thread.join(20)
        return self.courier.subjects


@pytest.fixture
def bureau(shelf: StepShelf) -> Bureau:
    return Bureau(shelf)


def test_without_a_target_nobody_is_told_and_the_disks_are_looked_at_all_the_same(shelf: StepShelf) -> None:
    settings = NotificationSettings()
    looked: list[str] = []
    free_space = FreeSpace(shelf.store, shelf.clock, {})
    free_space.look = lambda: looked.append("looked")  # type: ignore[method-assign]
    notifications = Notifications(shelf.store, shelf.clock, settings, free_space)
    notifications.open()
    shelf.store.events.add("folder_went_offline", shelf.clock.now(), folder_id="loras")
    notifications.go_round()
    notifications.close()
    assert notifications._thread is None
    assert looked == ["looked"]


def test_what_happened_before_somebody_wanted_to_be_told_is_not_told(shelf: StepShelf) -> None:
    shelf.store.events.add("folder_went_offline", shelf.clock.now(), folder_id="old")
    bureau = Bureau(shelf)
    assert bureau.go_round(DIGEST) == []
    bureau.happen("folder_went_offline", "new")
    assert bureau.go_round() == ["1 folder offline"]
    assert "new" in bureau.courier.carried[0][1].body


def test_news_is_gathered_and_told_in_one_message(bureau: Bureau) -> None:
    for number in range(1, 13):
        bureau.happen("content_identified", number)
        assert bureau.go_round(30) == []
    assert bureau.go_round(DIGEST - 12 * 30 - 1) == []
    assert bureau.go_round(1) == ["12 files identified"]
    assert bureau.go_round(2 * DIGEST) == ["12 files identified"]


@pytest.mark.parametrize("name", [kind.event for kind in KINDS.values() if kind.is_urgent])
def test_what_is_urgent_goes_at_once_and_takes_along_what_waits(shelf: StepShelf, name: str) -> None:
    bureau = Bureau(shelf, notices=frozenset(Notice))
    bureau.happen("content_identified", 1)
    bureau.happen(name, 2)
    [subject] = bureau.go_round()
    assert subject.startswith(f"1 {KINDS[name].one}, 1 file identified")
    assert bureau.go_round(DIGEST) == [subject]


@pytest.mark.parametrize("name", ["folder_came_back", "disk_relieved", "job_ended", "content_identified"])
def test_everything_else_waits(shelf: StepShelf, name: str) -> None:
    bureau = Bureau(shelf, notices=frozenset(Notice))
    bureau.happen(name, 2)
    assert bureau.go_round(DIGEST - 1) == []
    assert len(bureau.go_round(1)) == 1


def test_damage_is_told_every_night_until_somebody_decides(shelf: StepShelf) -> None:
    bureau = Bureau(shelf)
    bureau.happen("file_found_rotten", 1)
    assert bureau.go_round() == ["1 damaged file"]
    bureau.happen("file_found_rotten", 1)
    assert bureau.go_round(DAY) == ["1 damaged file"] * 2
    bureau.happen("file_found_rotten", 1)
    shelf.store.rot.dismiss(1, shelf.clock.now())
    assert bureau.go_round(DAY) == ["1 damaged file"] * 2


def test_one_alarm_after_another_is_gathered_too(bureau: Bureau) -> None:
    bureau.happen("file_found_broken", 1)
    assert bureau.go_round() == ["1 broken file"]
    bureau.happen("file_found_broken", 2)
    assert bureau.go_round(30) == ["1 broken file"]
    bureau.happen("file_found_broken", 3)
    assert bureau.go_round(DIGEST - 30) == ["1 broken file", "2 broken files"]


def test_an_alarm_does_not_wait_for_a_digest_that_was_told_just_now(bureau: Bureau) -> None:
    bureau.happen("content_identified", 1)
    bureau.go_round(DIGEST)
    bureau.happen("folder_went_offline", "loras")
    assert bureau.go_round(30)[1:] == ["1 folder offline"]


def test_what_nobody_wants_to_hear_is_not_told(shelf: StepShelf) -> None:
    bureau = Bureau(shelf, notices=frozenset({Notice.REPORT}))
    bureau.happen("folder_went_offline", "loras")
    bureau.happen("file_moved", 1)
    assert bureau.go_round(DIGEST) == []
    bureau.happen("job_ended")
    assert bureau.go_round(DIGEST) == ["1 job done"]


def test_in_quiet_hours_nothing_is_told_and_all_of_it_afterwards(shelf: StepShelf) -> None:
    bureau = Bureau(shelf, quiet_hours=QuietHours.of("11:00-14:00"))  # it is noon
    bureau.happen("folder_went_offline", "loras")
    bureau.happen("content_identified", 1)
    assert bureau.go_round(3600) == []
    assert bureau.go_round(3600) == ["1 folder offline, 1 file identified"]


@pytest.mark.parametrize(
    ("moment", "is_quiet"),
    [
        (datetime(2026, 1, 10, 20, 59, tzinfo=UTC), False),
        (datetime(2026, 1, 10, 21, 0, tzinfo=UTC), True),
        (datetime(2026, 1, 11, 5, 59, tzinfo=UTC), True),
        (datetime(2026, 1, 11, 6, 0, tzinfo=UTC), False),
        (datetime(2026, 7, 10, 20, 0, tzinfo=UTC), True),
        (datetime(2026, 7, 11, 5, 0, tzinfo=UTC), False),
        (datetime(2026, 3, 29, 4, 59, tzinfo=UTC), True),
        (datetime(2026, 3, 29, 5, 0, tzinfo=UTC), False),
        (datetime(2026, 10, 25, 5, 0, tzinfo=UTC), True),
        (datetime(2026, 10, 25, 6, 0, tzinfo=UTC), False),
    ],
)
def test_quiet_hours_go_by_the_clock_on_the_wall_summer_time_included(moment: datetime, *, is_quiet: bool) -> None:
    settings = NotificationSettings(quiet_hours=QuietHours.of("22:00-07:00"), zone=ZoneInfo("Europe/Berlin"))
    assert settings.is_quiet(moment) is is_quiet


def test_nothing_is_told_twice_over_a_restart_and_nothing_lost(bureau: Bureau) -> None:
    bureau.happen("folder_went_offline", "loras")
    bureau.go_round()
    bureau.happen("content_identified", 1)
    bureau.restart()
    assert bureau.go_round() == ["1 folder offline"]
    assert bureau.go_round(DIGEST) == ["1 folder offline", "1 file identified"]


def test_a_kill_while_a_message_is_under_way_loses_nothing(bureau: Bureau) -> None:
    bureau.courier.away = {MAIL}
    bureau.happen("folder_went_offline", "loras")
    bureau.go_round()
    bureau.restart()
    bureau.courier.away = set()
    assert bureau.go_round() == ["1 folder offline"]


def test_a_target_that_fails_is_tried_ever_more_rarely_and_told_all_of_it_once_it_works(
    bureau: Bureau, logged: Logged
) -> None:
    bureau.courier.away = {MAIL}
    bureau.happen("folder_went_offline", "loras")
    bureau.go_round()
    for minutes in (1, 5, 20, 60, 360, 360):
        bureau.go_round(minutes * MINUTE - 1)
        before = bureau.courier.attempts
        bureau.go_round(1)
        assert bureau.courier.attempts == before + 1
    assert [each["again_in_seconds"] for each in logged()] == [60, 300, 1200, 3600, 21600, 21600, 21600]
    bureau.courier.away = set()
    bureau.happen("folder_came_back", "loras")
    assert bureau.go_round(360 * MINUTE) == ["1 folder offline, 1 folder back"]
    bureau.happen("content_identified", 1)
    assert bureau.go_round(DIGEST)[1:] == ["1 file identified"]


def test_a_target_that_fails_holds_up_no_other(shelf: StepShelf) -> None:
    bureau = Bureau(shelf, CHAT, MAIL)
    bureau.courier.away = {CHAT}
    bureau.happen("folder_went_offline", "loras")
    bureau.go_round()
    bureau.happen("folder_came_back", "loras")
    bureau.go_round(DIGEST)
    assert [target for target, _ in bureau.courier.carried] == [MAIL, MAIL]
    bureau.courier.away = set()
    bureau.go_round(360 * MINUTE)
    assert [target for target, _ in bureau.courier.carried] == [MAIL, MAIL, CHAT]
    assert bureau.courier.subjects[-1] == "1 folder offline, 1 folder back"


def test_a_target_named_twice_is_told_once(shelf: StepShelf) -> None:
    bureau = Bureau(shelf, MAIL, MAIL)
    bureau.happen("folder_went_offline", "loras")
    assert bureau.go_round() == ["1 folder offline"]


def test_who_is_taken_out_and_comes_back_is_not_told_what_happened_meanwhile(shelf: StepShelf) -> None:
    bureau = Bureau(shelf, CHAT, MAIL)
    bureau.restart(CHAT)
    bureau.happen("folder_went_offline", "loras")
    bureau.restart(CHAT, MAIL)
    bureau.go_round()
    assert [target for target, _ in bureau.courier.carried] == [CHAT]


def test_what_is_kept_of_a_target_does_not_tell_its_address(bureau: Bureau) -> None:
    rows = bureau.shelf.store.database.rows("SELECT name FROM standing")
    assert [row["name"] for row in rows if "example" in row["name"] or "word" in row["name"]] == []
    assert len([row for row in rows if row["name"].startswith("events_read_by:")]) == 1


def test_a_clock_that_was_set_back_holds_nothing_up(bureau: Bureau) -> None:
    bureau.happen("content_identified", 1)
    bureau.shelf.clock._start -= timedelta(days=400)
    assert bureau.go_round(30) == ["1 file identified"]


def test_events_that_nobody_is_told_are_passed_over_for_good(bureau: Bureau) -> None:
    bureau.happen("file_moved", 1)
    last = bureau.happen("file_moved", 2)
    bureau.go_round()
    bureau.notifications.close()
    bureau.restart()
    assert bureau.notifications._subscribers[0].position == last


def hold(bureau: Bureau) -> None:
    """Let a message be under way and not arrive."""
    bureau.courier.held = threading.Event()
    bureau.happen("folder_went_offline", "loras")
    bureau.notifications.go_round()
    assert bureau.notifications._is_telling()


def test_while_a_message_is_under_way_no_other_is_begun(bureau: Bureau) -> None:
    hold(bureau)
    bureau.happen("content_identified", 1)
    bureau.shelf.clock.advance(DIGEST)
    bureau.notifications.go_round()
    assert bureau.courier.held is not None
    bureau.courier.held.set()
    wait_until(lambda: not bureau.notifications._is_telling())
    assert bureau.go_round() == ["1 folder offline", "1 file identified"]
    assert bureau.courier.attempts == 2


def test_a_message_that_a_stop_cuts_off_is_no_failure_and_is_told_after_the_next_start(
    shelf: StepShelf, logged: Logged
) -> None:
    bureau = Bureau(shelf, CHAT, MAIL)
    hold(bureau)
    bureau.notifications.close()
    bureau.notifications.go_round()
    assert not bureau.notifications._is_telling()
    assert (logged(), bureau.courier.attempts) == ([], 1)
    bureau.courier = Said()
    bureau.restart()
    assert bureau.go_round() == ["1 folder offline", "1 folder offline"]


def refuse(error: Exception) -> Callable[..., None]:
    def raise_it(*_: object) -> None:
        raise error

    return raise_it


def test_a_full_disk_costs_no_message_and_makes_none_twice(
    bureau: Bureau, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Events, "keep_position", refuse(DiskFull("full")))
        bureau.happen("folder_went_offline", "loras")
        assert bureau.go_round() == ["1 folder offline"]
        assert bureau.go_round(DIGEST) == ["1 folder offline"]
    assert [each["event"] for each in logged()] == ["notification_sent", "journal_not_written"]
    bureau.notifications.close()
    bureau.restart()
    assert bureau.go_round(DIGEST) == ["1 folder offline"]


def test_a_store_that_cannot_be_read_ends_neither_thread_nor_daemon(
    bureau: Bureau, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Events, "some_of", refuse(StoreError("damaged")))
    bureau.happen("folder_went_offline", "loras")
    assert bureau.go_round() == []
    assert [each["event"] for each in logged()] == ["notification_not_sent"]


@pytest.mark.parametrize(
    "error", [TypeError("unforeseen"), ValueError("odd"), KeyError("name"), BrokenPipeError("pipe")]
)
def test_what_goes_wrong_with_one_target_is_logged_and_ends_the_telling_of_no_other(
    shelf: StepShelf, logged: Logged, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    bureau = Bureau(shelf, CHAT, MAIL)
    break_for(CHAT, bureau, monkeypatch, error)
    bureau.happen("folder_went_offline", "loras")
    bureau.go_round()
    assert [target for target, _ in bureau.courier.carried] == [MAIL]
    (broken, _) = logged()
    assert (broken["event"], broken["again_in_seconds"]) == ("notification_not_sent", MINUTE)
    assert type(error).__name__ in broken["exception"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_that_nobody_foresaw_costs_the_others_one_round(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    bureau = Bureau(shelf, CHAT, MAIL)
    break_for(CHAT, bureau, monkeypatch, RuntimeError("unforeseen"))
    bureau.happen("folder_went_offline", "loras")
    assert bureau.go_round() == []
    assert bureau.go_round(30) == ["1 folder offline"]


def break_for(target: str, bureau: Bureau, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let nothing be carried to this target, for a reason of its own."""
    carry = bureau.courier.carry

    def carry_or_break(to: str, message: Message) -> Receipt:
        if to == target:
            raise error
        return carry(to, message)

    monkeypatch.setattr(bureau.courier, "carry", carry_or_break)


def test_the_loss_of_the_whole_store_is_told_to_all_though_it_is_forgotten_who_had_been_told_what(
    shelf: StepShelf,
) -> None:
    shelf.store.events.add("store_begun_anew", shelf.clock.now(), details={"set_aside": "modelshelf.db.corrupt-1"})
    bureau = Bureau(shelf, CHAT, MAIL)
    assert bureau.go_round() == ["1 catalog lost and begun anew"] * 2
    assert bureau.courier.carried[0][1].body.endswith(": modelshelf.db.corrupt-1")
    bureau.restart()
    assert len(bureau.go_round(DIGEST)) == 2


def test_who_wants_to_be_told_later_is_not_told_of_a_loss_that_another_was_told_of(shelf: StepShelf) -> None:
    shelf.store.events.add("store_begun_anew", shelf.clock.now())
    bureau = Bureau(shelf, MAIL)
    bureau.go_round()
    bureau.restart(MAIL, CHAT)
    bureau.go_round(DIGEST)
    assert [target for target, _ in bureau.courier.carried] == [MAIL]
