"""Notifications: who is to be told, when, and from which event on."""

from __future__ import annotations

import hashlib
import math
import threading
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.notice import Notice
from modelshelf.errors import ModelshelfError
from modelshelf.logs import get_log
from modelshelf.notifying.courier import Courier
from modelshelf.notifying.kinds import BEGUN_ANEW, KINDS
from modelshelf.notifying.message import compose

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

    from modelshelf.clock import Clock
    from modelshelf.domain.notice import QuietHours
    from modelshelf.notifying.free_space import FreeSpace
    from modelshelf.store.events import News
    from modelshelf.store.store import Store

log = get_log(__name__)

AGAIN_AFTER_SECONDS = (60.0, 300.0, 1200.0, 3600.0, 21600.0)
"""When a target that failed is tried again; the last one for as long as it takes."""

CLOSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class NotificationSettings:
    """Who is told what, and when. No target: nobody is."""

    targets: tuple[str, ...] = ()
    notices: frozenset[Notice] = frozenset(Notice)
    digest: timedelta = timedelta(minutes=10)
    quiet_hours: QuietHours | None = None
    zone: tzinfo = UTC

    def events(self) -> tuple[str, ...]:
        """Give the names of the events that are told."""
        return tuple(kind.event for kind in KINDS.values() if kind.notice in self.notices)

    def is_quiet(self, now: datetime) -> bool:
        """Tell whether nobody wants to hear anything now."""
        return self.quiet_hours is not None and self.quiet_hours.covers(now.astimezone(self.zone).time())


@dataclass(slots=True)
class Subscriber:
    """One target, and how far it has been told what happened. `reader` is the name of its place in the events."""

    target: str
    position: int
    kept_position: int
    failures: int = 0
    not_before: float = -math.inf
    alarmed_at: float = -math.inf

    @property
    def reader(self) -> str:
        """A name that tells nothing of the target."""
        return reader_of(self.target)


@dataclass(slots=True)
class Notifications:
    """Reads the events for each target apart: one that is away is told later, and holds up no other.

    What is told is gathered for a while first. The urgent goes at once and takes the rest along, but not twice within that
    while. A position is kept after each message, so a crash costs one message told twice, and none lost. Sending happens in
    a thread of its own, which lives as long as there is something to tell.
    """

    store: Store
    clock: Clock
    settings: NotificationSettings
    free_space: FreeSpace
    courier: Courier = field(default_factory=Courier)
    _subscribers: list[Subscriber] = field(default_factory=list, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def open(self) -> None:
        """Find where each target was told last; a new one begins with what happens from now on.

        Where the store was begun anew all of them are new, and begin with that.
        """
        events, begin_at = self.store.events, self._begin_at()
        with self.store.database.transaction():
            events.forget_readers([reader_of(target) for target in self.settings.targets])
            for target in dict.fromkeys(self.settings.targets):
                position = events.position(reader_of(target))
                if position is None:
                    events.keep_position(reader_of(target), begin_at)
                known = begin_at if position is None else position
                self._subscribers.append(Subscriber(target, known, known))

    def go_round(self) -> None:
        """Look at the disks, whoever is told; begin to tell what is due, if nothing is being told. Asks no server."""
        if self.courier.is_stopped:
            return
        self.free_space.look()
        if self._is_telling() or self.settings.is_quiet(self.clock.now()):
            return
        due = [(subscriber, news) for subscriber in self._subscribers if (news := self._due_for(subscriber))]
        if due:
            self._thread = threading.Thread(target=self._tell, args=(due,), name="notify", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop telling; a message that was under way is told again after the next start."""
        self.courier.stop()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)
        for subscriber in self._subscribers:
            if subscriber.position != subscriber.kept_position:
                self._keep(subscriber)

    def _begin_at(self) -> int:
        """Give the event after which a new target is told."""
        events = self.store.events
        is_known = any(events.position(reader_of(target)) is not None for target in self.settings.targets)
        lost = [] if is_known else events.news(0, (BEGUN_ANEW,))
        return lost[0].last_id - 1 if lost else events.last_id()

    def _is_telling(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _due_for(self, subscriber: Subscriber) -> list[News]:
        """Give what this target is to be told now, nothing where that can wait."""
        last_id = self.store.events.last_id()
        news = self.store.events.news(subscriber.position, self.settings.events())
        if not news:
            subscriber.position = max(subscriber.position, last_id)
            return []
        return news if self._is_due(subscriber, news) else []

    def _is_due(self, subscriber: Subscriber, news: Sequence[News]) -> bool:
        now = self.clock.monotonic()
        if now < subscriber.not_before:
            return False
        if is_urgent(news) and now - subscriber.alarmed_at >= self.settings.digest.total_seconds():
            return True
        waited = self.clock.now() - min(each.first_at for each in news)
        return not timedelta(0) <= waited < self.settings.digest

    def _tell(self, due: Sequence[tuple[Subscriber, list[News]]]) -> None:
        for subscriber, news in due:
            if self.courier.is_stopped:
                return
            delay = self._put_off(subscriber)
            try:
                self._tell_one(subscriber, news, delay)
            except (ModelshelfError, OSError, LookupError, TypeError, ValueError) as error:
                bug = None if isinstance(error, ModelshelfError) else error
                log.warning("notification_not_sent", reason=str(error), again_in_seconds=delay, exc_info=bug)

    def _put_off(self, subscriber: Subscriber) -> float:
        """Let a target wait before it is told; gives for how long. Told, it waits no more.

        What goes wrong in whatever way costs this target a turn, and none of the others.
        """
        delay = AGAIN_AFTER_SECONDS[min(subscriber.failures, len(AGAIN_AFTER_SECONDS) - 1)]
        subscriber.failures += 1
        subscriber.not_before = self.clock.monotonic() + delay
        return delay

    def _tell_one(self, subscriber: Subscriber, news: Sequence[News], delay: float) -> None:
        message = compose(self.store, news, subscriber.position)
        receipt = self.courier.carry(subscriber.target, message)
        if self.courier.is_stopped and not receipt.is_sent:
            return
        if not receipt.is_sent:
            subscriber.not_before = self.clock.monotonic() + delay
            log.warning("notification_not_sent", target=receipt.label, reason=receipt.reason, again_in_seconds=delay)
            return
        subscriber.failures, subscriber.not_before = 0, -math.inf
        subscriber.position = max(each.last_id for each in news)
        if is_urgent(news):
            subscriber.alarmed_at = self.clock.monotonic()
        log.info("notification_sent", target=receipt.label, subject=message.subject)
        self._keep(subscriber)

    def _keep(self, subscriber: Subscriber) -> None:
        try:
            self.store.events.keep_position(subscriber.reader, subscriber.position)
        except ModelshelfError as error:
            log.warning("journal_not_written", reason=str(error))
        else:
            subscriber.kept_position = subscriber.position


def reader_of(target: str) -> str:
    """Give the name under which a target's place in the events is kept; the target cannot be told from it."""
    return hashlib.sha256(target.encode()).hexdigest()[:16]


def is_urgent(news: Sequence[News]) -> bool:
    """Tell whether any of these news cannot wait."""
    return any(KINDS[each.name].is_urgent for each in news)
