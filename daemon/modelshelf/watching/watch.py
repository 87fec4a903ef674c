"""The watch: observers of all folders, whose dirty paths and doubts become scans in the journal."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from modelshelf.domain.folder import Coverage
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.errors import FolderOffline, ModelshelfError
from modelshelf.logs import get_log
from modelshelf.shelf.patience import Patience
from modelshelf.shelf.presence import check_presence
from modelshelf.watching.dirty import WHOLE, Dirty, DirtyReach, DirtySet
from modelshelf.watching.observer import FolderObserver

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.clock import Clock
    from modelshelf.steps.place import Place, Places
    from modelshelf.store.store import Store

log = get_log(__name__)

RETRY_SECONDS = 5.0
"""How long marks wait when the journal could not take them."""

WALK_SECONDS = 5.0
"""How long is waited for a folder's directories to be watched: a mount among them may never answer."""


class Watch(threading.Thread):
    """One thread that turns marks into tasks; `ring` wakes the workers after that.

    What should be heard and is not, for want of inotify watches say, is scanned every `poll_seconds` instead. Whatever
    looks at a disk does so in a thread of its own, and is waited for only a little.
    """

    def __init__(
        self, store: Store, places: Places, clock: Clock, ring: Callable[[], None], poll_seconds: float
    ) -> None:
        super().__init__(name="watch", daemon=True)
        self._store = store
        self._places = places
        self._clock = clock
        self._ring = ring
        self._poll_seconds = poll_seconds
        self._dirty = DirtySet(clock)
        self._observers: dict[str, FolderObserver] = {}
        self._deaf_until: dict[str, float] = {}
        self._coverage: dict[str, Coverage | None] = {}
        self._patience = Patience()
        self._walks = Patience(WALK_SECONDS)
        self._stopping = threading.Event()

    def open(self) -> None:
        """Start an observer for every folder that is there and has events, then the thread."""
        for place in [*self._places.values()]:
            if self._is_present(place):
                self._observe(place)
        self.start()

    def close(self) -> None:
        """Stop the observers and the thread, those of them that were started."""
        self._stopping.set()
        self._dirty.wake()
        for folder_id, observer in [*self._observers.items()]:
            self._end(folder_id, observer)
        if self.ident is not None:
            self.join(timeout=5)

    def renew(self, folder_id: str) -> None:
        """Watch a folder anew, as its Place is now: the old watches may lie on a directory that a mount covers."""
        self._observe(self._places[folder_id])

    def is_alive_for(self, folder_id: str) -> bool:
        """Tell whether events of this folder are heard."""
        observer = self._observers.get(folder_id)
        return observer is not None and observer.is_alive()

    def mend(self) -> None:
        """Watch again what is no longer watched, and scan it; touches no disk where all is well.

        A folder that may not be watched, or not all of it, is tried and scanned again every `poll_seconds`.
        """
        for place in [*self._places.values()]:
            folder_id = place.folder.id
            is_deaf = place.has_events and not self.is_alive_for(folder_id)
            is_due = self._deaf_until.get(folder_id, 0.0) <= self._clock.monotonic()
            if is_due and (is_deaf or self._is_hard_of_hearing(folder_id)) and self._is_present(place):
                self._listen_again(place)
            self._note_coverage(folder_id, self._coverage_of(folder_id))

    def _is_hard_of_hearing(self, folder_id: str) -> bool:
        observer = self._observers.get(folder_id)
        return observer is not None and observer.is_short_of_watches

    def _listen_again(self, place: Place) -> None:
        observer = self._observers.get(place.folder.id)
        if observer is not None and observer.is_alive():
            self._put_off(place.folder.id)
            self._walk(place.folder.id, observer.watch_the_rest)
        else:
            self._observe(place)
        self._dirty.mark(place.folder.id, WHOLE, DirtyReach.TREE)

    def _put_off(self, folder_id: str) -> None:
        self._deaf_until[folder_id] = self._clock.monotonic() + self._poll_seconds

    def _note_coverage(self, folder_id: str, coverage: Coverage | None) -> None:
        """Keep how far a folder is heard; where nothing changed, nothing is written."""
        if folder_id in self._coverage and self._coverage[folder_id] == coverage:
            return
        try:
            self._store.watches.put(folder_id, coverage)
        except ModelshelfError as error:
            log.warning("journal_not_written", reason=str(error))
            return
        self._coverage[folder_id] = coverage

    def _coverage_of(self, folder_id: str) -> Coverage | None:
        observer = self._observers.get(folder_id)
        if observer is not None:
            return Coverage(observer.watched_count, observer.unwatched_count, observer.problem)
        return self._coverage.get(folder_id) if folder_id in self._deaf_until else None

    def _is_present(self, place: Place) -> bool:
        file_count = self._store.folders.state(place.folder.id).file_count
        try:
            self._patience.ask(place.folder.id, lambda: check_presence(place.folder, file_count))
        except ModelshelfError as error:
            log.debug("folder_stayed_away", folder=place.folder.id, reason=str(error))
            return False  # budget: absence is the answer here, and the scan has reported it
        return True

    def _observe(self, place: Place) -> None:
        folder_id = place.folder.id
        old = self._observers.pop(folder_id, None)
        if old is not None:
            self._end(folder_id, old)
        self._deaf_until.pop(folder_id, None)
        if not place.has_events:
            self._note_coverage(folder_id, None)
        else:
            self._walk(folder_id, lambda: self._start_observer(place))

    def _end(self, folder_id: str, observer: FolderObserver) -> None:
        """Stop an observer; one that a mount holds stops when that lets go."""
        with suppress(FolderOffline):
            Patience().ask(folder_id, observer.stop)

    def _walk(self, folder_id: str, walk: Callable[[], None]) -> None:
        """Walk through a folder's directories; where a mount holds that up it goes on by itself, and scans have to do."""
        try:
            self._walks.ask(folder_id, walk)
        except FolderOffline as error:
            reason = f"not all directories could be watched: {error}"
            log.warning("folder_not_watched", folder=folder_id, reason=reason)
            self._put_off(folder_id)
            self._note_coverage(folder_id, Coverage(0, 0, reason))

    def _start_observer(self, place: Place) -> None:
        """Start an observer and take it on; of one that a mount held for long, what it missed is scanned."""
        folder_id = place.folder.id
        observer = FolderObserver(place.folder, place.intake, self._dirty.mark, self._doubt)
        try:
            observer.start()
        except ModelshelfError as error:
            log.warning("folder_not_watched", folder=folder_id, reason=str(error))
            if not isinstance(error, FolderOffline):
                self._put_off(folder_id)
                self._note_coverage(folder_id, Coverage(0, 0, str(error)))
            return
        is_late = self._deaf_until.pop(folder_id, None) is not None
        self._observers[folder_id] = observer
        if self._stopping.is_set() or self._places.get(folder_id) is not place:
            self._observers.pop(folder_id, None)
            observer.stop()
            return
        if is_late:
            self._dirty.mark(folder_id, WHOLE, DirtyReach.TREE)
        if observer.is_short_of_watches:
            self._put_off(folder_id)
        log.info(
            "folder_watched",
            folder=folder_id,
            directories=observer.watched_count,
            not_watched=observer.unwatched_count,
        )
        self._note_coverage(folder_id, self._coverage_of(folder_id))

    def _doubt(self, folder_id: str, reason: str) -> None:
        log.warning("watch_doubted", folder=folder_id, reason=reason)
        self._dirty.mark(folder_id, WHOLE, DirtyReach.TREE)

    def run(self) -> None:
        """Wait for marks and hand them on until the watch closes."""
        while not self._stopping.is_set():
            self._dirty.wait(threading.TIMEOUT_MAX)
            self._hand_on()

    def _hand_on(self) -> None:
        marks = self._dirty.take(self._clock.monotonic())
        if not marks:
            return
        tasks = [
            NewTask(TaskKind.SCAN_FOLDER, mark.folder_id, path=mark.path, priority=_urgency(mark)) for mark in marks
        ]
        try:
            self._store.journal.add(tasks, self._clock.now())
        except ModelshelfError as error:
            # Whether the journal is lost is for the workers to find, whom the bell wakes; here no mark may be.
            log.warning("journal_not_written", reason=str(error))
            self._stopping.wait(RETRY_SECONDS)
            for mark in marks:
                self._dirty.mark(mark.folder_id, mark.path, mark.reach)
        self._ring()


def _urgency(mark: Dirty) -> Priority:
    """Give how urgent a scan is: what was seen to happen is; of a whole folder nobody knows whether anything did."""
    is_all_of_it = mark.path == WHOLE and mark.reach is DirtyReach.TREE
    return Priority.CHANGED if is_all_of_it else Priority.DROP
