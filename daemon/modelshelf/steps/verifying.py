"""Verifying: which files are read again, how rot is told apart from a change and from a bad reading, and what is kept of it."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.rot import RotEnd
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.errors import FileUnreadable
from modelshelf.logs import get_log
from modelshelf.steps.rescuing import rescue_lines, rescue_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from modelshelf.domain.hashes import Hashes
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.model_file import Fingerprint, ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.domain.verification import VerifySettings
    from modelshelf.store.store import Store
    from modelshelf.store.verifications import Unverified

log = get_log(__name__)

OWED_AT_ONCE = 2000
"""So many tasks are added in one transaction: nothing else waits for a million of them."""

SOON = timedelta(hours=1)
COARSE_SECONDS = 4.0
"""Two of the longest ticks."""

RATES = "verify_rates"
USUAL_BYTES_PER_SECOND = 100_000_000.0
"""How fast files are read where nothing was measured yet."""

_WEIGHT_OF_LATEST = 0.3


def begin_verification(
    store: Store,
    settings: VerifySettings,
    folder_ids: Collection[str],
    run_id: int | None,
    now: datetime,
    priority: Priority = Priority.VERIFY,
) -> int:
    """Owe the verification of this night's share of these folders; gives how many files that is.

    Those whose rot stands come first, then the longest unread. At least one file is chosen, however large, so that none is
    too large for ever. What an earlier night had no time for is chosen again, or not.
    """
    store.verifications.drop_waiting(folder_ids)
    share = share_of_night(store, settings, folder_ids, now)
    return owe_verification(store, share, now, run_id=run_id, priority=priority)


def owe_verification(
    store: Store,
    files: Iterable[Unverified],
    now: datetime,
    *,
    run_id: int | None,
    priority: Priority = Priority.VERIFY,
) -> int:
    """Owe the verification of these files, in this order; gives how many there are."""
    count, left = 0, iter(files)
    while chosen := list(islice(left, OWED_AT_ONCE)):
        tasks = [NewTask(TaskKind.VERIFY_FILE, str(each.file_id), priority=priority, run_id=run_id) for each in chosen]
        store.journal.add(tasks, now)
        count += len(tasks)
    return count


def share_of_night(
    store: Store, settings: VerifySettings, folder_ids: Collection[str], now: datetime
) -> Iterator[Unverified]:
    """Give the files that are read in one night, in their order."""
    suspected = store.verifications.suspected(folder_ids)
    yield from suspected
    known, share = {each.file_id for each in suspected}, settings.share
    tallies = store.reading.tallies()
    budget = share.budget(sum(tallies[each].read_bytes for each in folder_ids if each in tallies))
    rates, spent, is_begun = read_rates(store), 0.0, False
    for each in store.verifications.oldest(folder_ids, now - settings.min_age):
        if each.file_id in known:
            continue
        spent += share.cost(each.size_bytes, rates.get(each.folder_id, USUAL_BYTES_PER_SECOND))
        if spent > budget and is_begun:
            return
        is_begun = True
        yield each


def read_rates(store: Store) -> Mapping[str, float]:
    """Give how many bytes a second the verification of each folder read lately."""
    text = store.standing.get(RATES)
    return json.loads(text) if text else {}


def note_rates(store: Store, readings: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    """Keep how fast each folder was read, by the bytes and seconds of its files; what was measured before fades."""
    rates = dict(read_rates(store))
    for folder_id, read in readings.items():
        size_bytes, seconds = (sum(each) for each in zip(*read, strict=True))
        if size_bytes and seconds > 0:
            latest = size_bytes / seconds
            rates[folder_id] = round(latest + (rates.get(folder_id, latest) - latest) * (1 - _WEIGHT_OF_LATEST))
    store.standing.put(RATES, json.dumps(rates))


def is_same_file(file: ModelFile, seen: Fingerprint, *, is_honest: bool) -> bool:
    """Tell whether what lies there is the file that was read before: of its size and mtime, and no other in its place.

    A ctime of its own proves no change of the bytes, nor that there was none: whoever sets the mtime back has one, too.
    """
    known = file.fingerprint
    is_in_place = not is_honest or seen.inode == known.inode
    return is_in_place and (seen.size_bytes, seen.mtime_ns) == (known.size_bytes, known.mtime_ns)


def is_of_one_tick(store: Store, file: ModelFile, now: datetime, *, is_honest: bool) -> bool:
    """Tell whether a file may have been written once more right after it was read, and bear the same mtime for that.

    FAT counts in two seconds. Only what is found soon after is taken for that: what is found later has rotted.
    """
    sound_at = store.verifications.last_of(file.id)
    if is_honest or sound_at is None or now - sound_at > SOON:
        return False
    return sound_at.timestamp() - file.fingerprint.mtime_ns / 1e9 < COARSE_SECONDS


def demand_steady(file: ModelFile, first: str | None, second: str | None) -> None:
    """Raise FileUnreadable unless two readings of a file give the same hash: else neither is believed.

    What is read differently from one time to the next is no rot, but memory, a cable or a disk that begins to fail.
    """
    if first != second:
        raise FileUnreadable(
            f"{readable(file.path)} was read twice and had other bytes each time: memory, cable or disk may be failing"
        )


def record_rot(store: Store, task: Task, file: ModelFile, hashes: Hashes, now: datetime) -> list[NewTask]:
    """Keep the evidence that a file holds other bytes than its content, and tell of it; what it should be stays as it is."""
    expected = store.contents.get(file.content_id) if file.content_id is not None else None
    rot = store.rot.found(file, hashes, now)
    store.runs.count(task.run_id, rotten=1)
    log.error(
        "file_found_rotten",
        path=readable(file.path),
        expected=expected.hashes.sha256 if expected else None,
        found=rot.sha256,
        sound_at=rot.sound_at.isoformat(timespec="seconds"),
    )
    if rot.is_told:
        details: JsonObject = {"reason": "; ".join(rescue_lines(rescue_of(store, file)))}
        store.events.add("file_found_rotten", now, file_id=file.id, details=details)
    return [NewTask(TaskKind.RENDER_PAGE, str(file.id))]


def record_sound(store: Store, file: ModelFile, now: datetime) -> list[NewTask]:
    """Keep that a file holds its own bytes; rot that stood has ended then, for somebody has put them back."""
    store.verifications.note(file.id, now)
    if not store.rot.end(file.id, RotEnd.RESTORED, now):
        return []
    log.info("file_found_restored", path=readable(file.path))
    store.events.add("file_found_restored", now, file_id=file.id, folder_id=file.folder_id)
    return [NewTask(TaskKind.RENDER_PAGE, str(file.id))]
