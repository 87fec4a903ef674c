"""Telling: other processes hear how bulk work goes, every few seconds while there is any and never else."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.progress import (
    DeviceProgress,
    FileInHand,
    Forecast,
    Phase,
    Progress,
    Speed,
    Tally,
    forecast,
    time_for,
)
from modelshelf.domain.task import ORDER, READING, Lane, Priority, TaskKind
from modelshelf.errors import ModelshelfError
from modelshelf.logs import get_log
from modelshelf.progress import PROGRESS_STANDING, from_json, to_json
from modelshelf.worker.leave import ON_DEMAND, Leave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from modelshelf.domain.task import Task
    from modelshelf.worker.hall import Hall

log = get_log(__name__)

TELL_SECONDS = 5.0
SETTLE_SECONDS = 1.0
"""What rings is in hand after so long; and what is done by then was not worth a word."""

FILES_TOLD = 4
"""Of one device."""

WITH_BYTES = frozenset({TaskKind.HASH_FILE, TaskKind.VERIFY_FILE})
"""The kinds whose way through a file is told by the byte."""


@dataclass(slots=True)
class _Read:
    """How far the reading of a device, or a walk, was when it was last looked at; `moved_at`: when something came of it."""

    speed: Speed = field(default_factory=Speed)
    total_bytes: int = 0
    hands: frozenset[tuple[int, int]] = frozenset()
    looked_at: float | None = None
    moved_at: datetime | None = None

    def note_hands(self, hands: frozenset[tuple[int, int]], now: datetime) -> None:
        """Take in what is in hand, and how much of it is done."""
        if hands != self.hands or not hands:
            self.moved_at = now
        self.hands = hands


@dataclass(frozen=True, slots=True)
class _InHand:
    """The files in hand of one device, and which folders have no leave now."""

    files: Sequence[FileInHand]
    held: Mapping[str, str]

    @property
    def is_resting(self) -> bool:
        """Whether all of them wait for leave in the middle of a read: that is no standstill, and no slowness."""
        return bool(self.files) and all(each.is_bulk and each.folder_id in self.held for each in self.files)


class Gauge:
    """Reads off how bulk work goes: from what is in the workers' hands, and from what the catalog says is read and owed."""

    def __init__(self, hall: Hall, devices: Callable[[], Mapping[str, frozenset[str]]]) -> None:
        self._hall = hall
        self._devices = devices
        self._began_at = hall.clock.now()
        self._reads: defaultdict[str, _Read] = defaultdict(_Read)
        self._files: dict[int, FileInHand] = {}
        self._walk = _Read()

    def look(self) -> Progress | None:
        """Give how it goes; None where nothing is read or walked, and nothing waits for leave to be."""
        now, hands = self._hall.clock.now(), [*self._hall.in_hand.values()]
        tallies = self._hall.store.reading.tallies()
        files = self._files_in_hand(hands)
        concerned = {folder_id for folder_id, tally in tallies.items() if tally.owed_files}
        held = self._hall.leave.held(sorted(concerned.union(each.folder_id for each in files)), now)
        phase = _phase([task.kind for task, _ in hands], files, held)
        if phase is None:
            return None
        told = Progress(now, phase, sum(tallies.values(), Tally()), held=held)
        devices = tuple(
            self._device(
                name, _InHand([each for each in files if each.folder_id in folder_ids], held), tallies, folder_ids
            )
            for name, folder_ids in sorted(self._devices().items())
        )
        seen_files = sum(seen for task, seen in hands if task.kind is TaskKind.SCAN_FOLDER)
        return replace(
            told,
            seen_files=seen_files,
            walk_moved_at=self._walked(hands) if phase is Phase.WALKING else None,
            devices=tuple(each for each in devices if each.owed_bytes or each.files),
            forecast=self._forecast(devices, tallies, held),
            held_until=self._hall.leave.next_change(now) if held else None,
            questions=self._questions(now, phase),
            asked=sum(ORDER[task.kind].lane is Lane.NETWORK for task, _ in hands) if phase is not Phase.PAUSED else 0,
        )

    def _questions(self, now: datetime, phase: Phase) -> int:
        """Count what Civitai is to be asked beside the reading; nothing of it is told while that waits."""
        is_told = not self._hall.is_offline and phase is not Phase.PAUSED
        return self._hall.store.reading.questions(now) if is_told else 0

    def recall(self, progress: Progress) -> None:
        """Begin with the rates of an earlier daemon, so that what only waits can be told the time it will take."""
        for each in progress.devices:
            self._reads[each.device].speed.note(round((each.bytes_per_second or 0) * TELL_SECONDS), TELL_SECONDS)

    def forget(self) -> None:
        """Begin anew: what comes next has nothing to do with what was."""
        self._began_at = self._hall.clock.now()
        self._reads.clear()
        self._files.clear()
        self._walk = _Read()

    def _files_in_hand(self, hands: Iterable[tuple[Task, int]]) -> list[FileInHand]:
        """Give the files of which bytes are read; each is looked up once."""
        before, self._files = self._files, {}
        for task, done_bytes in hands:
            known = before.get(task.id) or (self._file(task) if task.kind in WITH_BYTES else None)
            if known is not None:
                is_bulk = task.priority < Priority.DROP  # somebody may want it at once by now
                self._files[task.id] = replace(known, done_bytes=min(done_bytes, known.size_bytes), is_bulk=is_bulk)
        return [*self._files.values()]

    def _file(self, task: Task) -> FileInHand | None:
        file = self._hall.store.files.get(int(task.subject))
        if file is None:
            return None
        is_verified = task.kind is TaskKind.VERIFY_FILE
        path, size_bytes = readable(file.path), file.fingerprint.size_bytes
        is_bulk = task.priority < Priority.DROP
        return FileInHand(file.id, file.folder_id, path, size_bytes, is_verified=is_verified, is_bulk=is_bulk)

    def _device(
        self, name: str, hands: _InHand, tallies: Mapping[str, Tally], folder_ids: frozenset[str]
    ) -> DeviceProgress:
        rate, files = self._measure(name, hands, folder_ids), hands.files
        owed_bytes = sum(tallies[folder_id].owed_bytes for folder_id in folder_ids if folder_id in tallies)
        done_bytes = sum(each.done_bytes for each in files if not each.is_verified)
        begun = [each for each in files if 0 < each.done_bytes < each.size_bytes] or files[:1]
        return DeviceProgress(
            name,
            max(0, owed_bytes - done_bytes),
            done_bytes,
            rate,
            self._reads[name].moved_at if files and not hands.is_resting else None,
            tuple(
                replace(each, time_left=time_for(each.size_bytes - each.done_bytes, rate))
                for each in begun[:FILES_TOLD]
            ),
        )

    def _measure(self, name: str, in_hand: _InHand, folder_ids: frozenset[str]) -> float | None:
        """Take in how far the reading of a device has come since the last look; gives its rate."""
        read, now, moment = self._reads[name], self._hall.clock.now(), self._hall.clock.monotonic()
        total_bytes = self._hall.store.reading.read_bytes_since(folder_ids, self._began_at)
        total_bytes += sum(each.done_bytes for each in in_hand.files)
        hands = frozenset((each.file_id, each.done_bytes) for each in in_hand.files)
        if read.looked_at is not None and read.hands and not in_hand.is_resting:
            read.speed.note(total_bytes - read.total_bytes, moment - read.looked_at)
        read.note_hands(frozenset() if in_hand.is_resting else hands, now)
        read.total_bytes, read.looked_at = total_bytes, moment
        return read.speed.bytes_per_second

    def _walked(self, hands: Iterable[tuple[Task, int]]) -> datetime | None:
        walks = frozenset((task.id, seen) for task, seen in hands if task.kind is TaskKind.SCAN_FOLDER)
        self._walk.note_hands(walks, self._hall.clock.now())
        return self._walk.moved_at

    def _forecast(
        self, devices: Sequence[DeviceProgress], tallies: Mapping[str, Tally], held: Mapping[str, str]
    ) -> Forecast | None:
        """Give when the last device is done with what nobody has to ask for; None where one cannot be told of."""
        folders, now = self._devices(), self._hall.clock.now()
        calendar = Leave(terms=self._hall.leave.terms, ordered=self._hall.leave.ordered)
        found: list[Forecast] = []
        for each in devices:
            own = [one for one in folders[each.device] if one in tallies and held.get(one) != ON_DEMAND]
            owed_bytes = sum(tallies[one].owed_bytes for one in own) - each.done_bytes
            left = time_for(owed_bytes, each.bytes_per_second)
            if left is None:
                return None
            if left:
                found.append(forecast(left, now, partial(_is_held, calendar, own), calendar.next_change))
        if any(each.finish_at is None for each in found):
            return Forecast(None)
        return max(found, key=lambda each: (each.finish_at or now, each.spans), default=None)


def _is_held(calendar: Leave, folder_ids: Sequence[str], moment: datetime) -> bool:
    return len(calendar.held(folder_ids, moment)) == len(folder_ids)


def _phase(kinds: Iterable[TaskKind], files: Sequence[FileInHand], held: Mapping[str, str]) -> Phase | None:
    """Give what goes on, the first of what is in hand; None where that is nothing and nothing waits for leave."""
    found = frozenset(kinds)
    if TaskKind.SCAN_FOLDER in found:
        return Phase.WALKING
    if _InHand(files, held).is_resting:
        return Phase.PAUSED
    if found & READING:
        return Phase.READING
    if TaskKind.VERIFY_FILE in found:
        return Phase.VERIFYING
    return Phase.PAUSED if held else None


class Teller(threading.Thread):
    """Sleeps until the bell rings, then tells every few seconds how bulk work goes, until there is none any more.

    What pauses is told once; what is over within a second not at all.
    """

    def __init__(self, hall: Hall, gauge: Gauge) -> None:
        super().__init__(name="progress", daemon=True)
        self._hall = hall
        self._gauge = gauge
        self._told: Progress | None = None

    def run(self) -> None:
        """Tell until the house closes; then nothing goes on any more."""
        stopping, bell = self._hall.stopping, self._hall.bell
        self._recall()
        while not stopping.is_set():
            heard = bell.rings
            while not stopping.wait(SETTLE_SECONDS) and self.tell():
                stopping.wait(TELL_SECONDS - SETTLE_SECONDS)
            if self._told is not None:
                stopping.wait(TELL_SECONDS)
            bell.wait(heard, None)

    def tell(self) -> bool:
        """Say how it goes now; False where nothing goes on, and then it is not said again and again."""
        progress: Progress | None = None
        try:
            progress = self._gauge.look()
            if progress is None and self._told is not None and not self._hall.stopping.wait(SETTLE_SECONDS):
                progress = self._gauge.look()  # between two batches nothing is in hand
            self._say(progress)
        except ModelshelfError as error:
            log.warning("progress_not_told", reason=str(error))
        return progress is not None and progress.phase is not Phase.PAUSED

    def _say(self, progress: Progress | None) -> None:
        if progress is None:
            self.fall_silent()
        elif not _is_told(progress, self._told):
            self._hall.store.standing.put(PROGRESS_STANDING, to_json(progress))
            self._told = progress

    def close(self, seconds: float) -> None:
        """Wait for the end of `run`, and take back what was said of work that goes on; what only waits still does."""
        if self.ident is None:
            return  # the house was never open
        self.join(seconds)
        with suppress(ModelshelfError):
            if self._told is not None and self._told.phase is not Phase.PAUSED:
                self.fall_silent()

    def _recall(self) -> None:
        """Take over the rates of the daemon before; what it said of work in hand is not so any more."""
        standing = self._hall.store.standing
        with suppress(ModelshelfError):
            before = from_json(standing.get(PROGRESS_STANDING))
            if before is not None:
                self._gauge.recall(before)
            if before is None or before.phase is not Phase.PAUSED:
                standing.drop(PROGRESS_STANDING)

    def fall_silent(self) -> None:
        """Take back what was said: nothing goes on."""
        self._gauge.forget()
        self._hall.store.standing.drop(PROGRESS_STANDING)
        self._told = None


def _is_told(progress: Progress, told: Progress | None) -> bool:
    """Tell whether the same was told before of what only waits."""
    return progress.phase is Phase.PAUSED and told is not None and replace(progress, told_at=told.told_at) == told
