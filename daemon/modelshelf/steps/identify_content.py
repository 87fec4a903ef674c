"""Ask Civitai which model version stands behind a content's hash, and later on whether it is still there."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from modelshelf.civitai.matching import contradicting_autov1, contradicting_size, lists_hash
from modelshelf.civitai.replies import FAILED
from modelshelf.domain.civitai import Alternate, Found
from modelshelf.domain.content import Match
from modelshelf.domain.fact import Field, Source
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.errors import FileGone
from modelshelf.logs import get_log
from modelshelf.steps.describe import is_news
from modelshelf.steps.matched import body_to_keep, keep_match
from modelshelf.steps.roll_call import MOST_CONFIRMED, Case, ask_alone, call_roll, is_on_roll
from modelshelf.steps.step import Done, Failed, Outcome, Reins
from modelshelf.store.contents import Miss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from modelshelf.civitai.client import CivitaiClient
    from modelshelf.civitai.replies import Replies
    from modelshelf.clock import Clock
    from modelshelf.domain.civitai import ModelVersion
    from modelshelf.domain.content import Content
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.task import Task
    from modelshelf.store.store import Store

log = get_log(__name__)

ASK_AGAIN_AFTER = (timedelta(hours=2), timedelta(days=1), timedelta(days=7), timedelta(days=30))
"""When an unknown hash is asked for again: Civitai scans uploads late and its edge keeps a 404 for up to 1.5 hours."""

LOOK_AFTER = timedelta(days=30)
"""When a known one is asked for again, in the cheap way."""

CONFIRM_AFTER = timedelta(hours=2)
"""When one that is missing is asked for a second time; before that it is not gone."""

WEIGHTS_AFTER = timedelta(minutes=5)
"""When one that is unknown is asked for by its weights: after the rush."""

ASKED_AHEAD = 900
"""So many more hashes are in the question which of them Civitai knows at all; their own turn then needs none."""

SOON = timedelta(minutes=1)
"""By when their own turn comes; the answer is remembered for longer."""

MOST_ALTERNATES = 5
_OF_OURS = {Source.CIVITAI_API, Source.EMBEDDED}
"""What names a version without being a person's or another tool's word for it."""


class Answer(StrEnum):
    """What Civitai says. QUESTIONED: its record contradicts the file. UNCLEAR: nothing was learnt."""

    FOUND = "found"
    STILL_KNOWN = "still_known"
    UNKNOWN = "unknown"
    QUESTIONED = "questioned"
    ABSENT = "absent"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Lookup:
    """A content and what is known of it now. `match` is None for a version that a person chose against the hashes."""

    content: Content
    answer: Answer
    version: ModelVersion | None = None
    alternates: tuple[Alternate, ...] = ()
    match: Match | None = Match.FILE
    contradiction: str | None = None


@dataclass(frozen=True, slots=True)
class IdentifyContent:
    """Looks contents up by SHA256, many in one request; those that are known only answer to the roll call."""

    store: Store
    client: CivitaiClient
    clock: Clock
    chance: Callable[[], float] = random.random
    kind: TaskKind = TaskKind.IDENTIFY_CONTENT

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Lookup]]:
        """Ask for as many as the server takes; whoever got no answer fails, and is never remembered as unknown."""
        reins.check()
        found = [(task, self.store.contents.get(int(task.subject))) for task in tasks]
        cases = [Case(task, content) for task, content in found if content is not None]
        outcomes: list[Outcome[Lookup]] = [
            Failed(task, FileGone(f"content {task.subject} is not known")) for task, content in found if content is None
        ]
        roll = call_roll(self.client, [case for case in cases if is_on_roll(case)])
        lookups = [(case, Lookup(case.content, Answer.STILL_KNOWN, alternates=others)) for case, others in roll.present]
        lookups += [(case, Lookup(case.content, Answer.ABSENT)) for case in roll.absent]
        lookups += [(case, Lookup(case.content, Answer.UNCLEAR)) for case in roll.unclear]
        outcomes += [Done(case.task, lookup, is_followed=False) for case, lookup in lookups]
        outcomes += [Failed(case.task, error) for case, error in roll.failed]
        reins.check()
        wanted = [case for case in cases if not is_on_roll(case) or case in roll.changed]
        return outcomes + self._look_up(wanted[: self.client.most_at_once])

    def _look_up(self, cases: Sequence[Case]) -> list[Outcome[Lookup]]:
        if not cases:
            return []
        preferred = {case.sha256: versions for case in cases if (versions := self._preferred(case.content))}
        ahead = self.store.contents.next_to_look_up(cases[0].task.priority, self.clock.now() + SOON, ASKED_AHEAD)
        is_fresh = any(case.task.is_forced for case in cases)
        sha256s = [case.sha256 for case in cases]
        try:
            replies = self.client.versions_by_hash(sha256s, preferred, ahead=ahead, is_fresh=is_fresh)
        except FAILED as error:
            return [Failed(case.task, error) for case in cases]
        doubted = [case for case in cases if _is_doubted(case, replies)] if len(cases) > 1 else []
        for case in doubted[:MOST_CONFIRMED]:
            self._ask_alone(case, replies)
        waiting = doubted[MOST_CONFIRMED:]
        return [self._answered(case, replies) for case in cases if case not in waiting] + [
            Done(case.task, Lookup(case.content, Answer.UNCLEAR), is_followed=False) for case in waiting
        ]

    def _ask_alone(self, case: Case, replies: Replies[str, Found]) -> None:
        """Have what a list leaves out twice confirmed by a 404 of its own."""
        try:
            found = ask_alone(self.client, case.sha256)
        except FAILED as error:
            replies.unanswered[case.sha256] = error
        else:
            replies.found |= {} if found is None else {case.sha256: found}

    def _answered(self, case: Case, replies: Replies[str, Found]) -> Outcome[Lookup]:
        if case.sha256 in replies.unanswered:
            return Failed(case.task, replies.unanswered[case.sha256])
        try:
            return self._outcome(case.task, self._judged(case, replies.found.get(case.sha256)))
        except FAILED as error:
            return Failed(case.task, error)

    def _outcome(self, task: Task, lookup: Lookup) -> Done[Lookup]:
        version, content = lookup.version, lookup.content
        if lookup.answer is not Answer.FOUND or version is None:
            return Done(task, lookup, is_followed=False)
        before = self.store.remote.version_body(version.id) if content.version_id == version.id else None
        is_changed = content.matched_by is not lookup.match or is_news(before, body_to_keep(version))
        return Done(task, lookup, is_followed=is_changed)

    def _preferred(self, content: Content) -> tuple[int, ...]:
        """Give the versions that a person, or who wrote the files beside it, says that these bytes are; else what they were."""
        if content.pinned_version_id is not None:
            return (content.pinned_version_id,)
        facts = [fact for file in self.store.files.of_content(content.id) for fact in self.store.facts.of_file(file.id)]
        said = [fact.value for fact in facts if fact.field is Field.VERSION_ID and fact.source not in _OF_OURS]
        current = (content.version_id,) if content.version_id is not None and is_known_by_its_bytes(content) else ()
        return tuple(dict.fromkeys(each for each in said if isinstance(each, int))) or current

    def _judged(self, case: Case, found: Found | None) -> Lookup:
        """Believe what a person chose, or else a version whose file has the content's size."""
        content = case.content
        pinned = content.pinned_version_id
        if pinned is not None and (found is None or found.version.id != pinned):
            version = self.client.get_model_version(pinned, is_fresh=case.task.is_forced)
            if version is not None:
                return Lookup(content, Answer.FOUND, version, found.alternates if found else (), match=None)
            if content.version_id == pinned:
                return Lookup(content, Answer.ABSENT)
        if found is None and is_known_by_its_bytes(content):
            found = ask_alone(self.client, content.hashes.sha256)
        if found is None:
            return Lookup(content, Answer.ABSENT if is_known_by_its_bytes(content) else Answer.UNKNOWN)
        found = self._held_on_to(case, found)
        contradiction = _contradiction(content, found.version)
        if contradiction is None or found.version.id == pinned:
            return Lookup(content, Answer.FOUND, found.version, found.alternates)
        believable = self._believable(content, found.alternates)
        if believable is not None:
            others = tuple(each for each in found.alternates if each.version_id != believable.id)
            return Lookup(content, Answer.FOUND, believable, others)
        return Lookup(content, Answer.QUESTIONED, found.version, found.alternates, contradiction=contradiction)

    def _held_on_to(self, case: Case, found: Found) -> Found:
        """Give the version that goes before the oldest although a list has left it out: it is left only after its own 404."""
        content, others = case.content, {each.version_id for each in found.alternates}
        current = content.version_id if is_known_by_its_bytes(content) else None
        wanted = dict.fromkeys((*self._preferred(content), current))
        left_out = [each for each in wanted if each is not None and (each == current or each in others)]
        for version_id in left_out if found.version.id not in wanted else ():
            version = self.client.get_model_version(version_id, is_fresh=True)
            if version is not None and (lists_hash(version, "SHA256", case.sha256) or not version.files):
                instead = Alternate(found.version.id, found.version.model_id, found.version.published_at)
                return Found(version, (instead, *(each for each in found.alternates if each.version_id != version.id)))
        return found

    def _believable(self, content: Content, alternates: Sequence[Alternate]) -> ModelVersion | None:
        sha256 = content.hashes.sha256
        for alternate in alternates[:MOST_ALTERNATES]:
            version = self.client.get_model_version(alternate.version_id)
            is_fitting = version is not None and lists_hash(version, "SHA256", sha256)
            if version is not None and is_fitting and _contradiction(content, version) is None:
                return version
        return None

    def record(self, done: Sequence[Done[Lookup]]) -> list[NewTask]:
        """Keep what was received; a miss never takes anything away from what is known."""
        now, chance = self.clock.now(), self.chance()
        new: list[NewTask] = []
        file_ids: list[int] = []
        for each in done:
            new += _Recorder(self.store, each.task, each.result, now, chance).record()
            file_ids += [file.id for file in self.store.files.of_content(each.result.content.id)]
        self.store.entries.refresh(file_ids)
        return new


@dataclass(frozen=True, slots=True)
class _Recorder:
    """Writes one lookup down. `chance` in [0, 1) is the same for a whole batch, so that it is asked for together again."""

    store: Store
    task: Task
    lookup: Lookup
    now: datetime
    chance: float

    def record(self) -> list[NewTask]:
        """Keep the answer; gives what follows beyond the kind's successors."""
        content = self.lookup.content
        match self.lookup.answer:
            case Answer.FOUND if self.lookup.version is not None:
                return self._record_hit(self.lookup.version)
            case Answer.STILL_KNOWN:
                self._record_still_known()
            case Answer.ABSENT:
                return self._record_absence()
            case Answer.UNCLEAR:
                self.store.contents.put_off(content.id, self._in(CONFIRM_AFTER))
            case _:
                return self._record_miss()
        return []

    def _record_hit(self, version: ModelVersion) -> list[NewTask]:
        content, store = self.lookup.content, self.store
        store.contents.record_hit(content.id, version.id, self.now, self._in(LOOK_AFTER), self.lookup.match)
        store.alternates.replace(content.id, self.lookup.alternates)
        keep_match(store, content.id, version, self.lookup.match, self.now)
        if content.version_id is None:
            self._tell("content_identified")
        if content.gone_since is not None:
            log.info("content_came_back", sha256=content.hashes.sha256, version_id=version.id)
            self._tell("content_came_back")
        if content.version_id != version.id:
            log.info("content_identified", sha256=content.hashes.sha256, version_id=version.id, name=version.model_name)
        pages = self._pages() if content.gone_since is not None else []
        return pages + (
            self._asked_for_again(version) if self.task.is_forced and content.version_id is not None else []
        )

    def _asked_for_again(self, version: ModelVersion) -> list[NewTask]:
        """Ask for the model above it again, too, and for a picture where it has gone; its sidecars were looked at already."""
        priority = self.task.priority
        pictures = [NewTask(TaskKind.FETCH_PREVIEWS, str(each), priority=priority) for each in self._file_ids()]
        if version.model_id is None:
            return pictures
        return [NewTask(TaskKind.ENRICH_MODEL, str(version.model_id), priority=priority, is_forced=True), *pictures]

    def _record_still_known(self) -> None:
        """Keep the alternates, too; ids alone do not say when they were published, which may be known."""
        content = self.lookup.content
        self.store.contents.record_still_known(content.id, self.now, self._in(LOOK_AFTER))
        kept = {each.version_id: each for each in self.store.alternates.of_content(content.id)}
        self.store.alternates.replace(content.id, [kept.get(each.version_id, each) for each in self.lookup.alternates])

    def _record_absence(self) -> list[NewTask]:
        content = self.lookup.content
        is_gone = content.absent_since is not None and self.now - content.absent_since >= CONFIRM_AFTER
        next_at = self._in(LOOK_AFTER) if is_gone else self.now + CONFIRM_AFTER * (1 + self.chance / 10)
        self.store.contents.record_absence(content.id, self.now, next_at, is_gone=is_gone)
        if not is_gone or content.gone_since is not None:
            return []
        log.warning("content_gone", sha256=content.hashes.sha256, version_id=content.version_id)
        self._tell("content_gone", {"version_id": content.version_id})
        return self._pages()

    def _record_miss(self) -> list[NewTask]:
        content, questioned = self.lookup.content, self.lookup.version
        count = 0 if self.task.is_forced else content.lookup_count
        is_settled = content.version_id is not None and questioned is not None
        delay = LOOK_AFTER if is_settled else ASK_AGAIN_AFTER[min(count, len(ASK_AGAIN_AFTER) - 1)]
        next_at = self._in(delay)
        miss = Miss(count + 1, questioned.id if questioned else None)
        self.store.contents.record_miss(content.id, self.now, next_at, miss)
        self.store.contents.owe_weights(content.id, self.now + WEIGHTS_AFTER, is_again=self.task.is_forced)
        log.info("content_not_found", sha256=content.hashes.sha256, asked_again_at=next_at.isoformat())
        if questioned is not None and questioned.id != content.questioned_version_id:
            self._question(questioned)
        elif content.looked_up_at is not None:
            return []
        return self._pages()

    def _pages(self) -> list[NewTask]:
        """Have the pages say so."""
        return [NewTask(TaskKind.RENDER_PAGE, str(each), priority=self.task.priority) for each in self._file_ids()]

    def _question(self, version: ModelVersion) -> None:
        content = self.lookup.content
        reason = self.lookup.contradiction
        log.warning("match_questioned", sha256=content.hashes.sha256, version_id=version.id, reason=reason)
        self._tell("match_questioned", {"version_id": version.id, "reason": reason})

    def _tell(self, event: str, details: JsonObject | None = None) -> None:
        for file_id in self._file_ids():
            self.store.events.add(event, self.now, file_id=file_id, details=details)

    def _file_ids(self) -> list[int]:
        return [file.id for file in self.store.files.of_content(self.lookup.content.id)]

    def _in(self, delay: timedelta) -> datetime:
        return self.now + delay * (1 - self.chance / 10)


def _is_doubted(case: Case, replies: Replies[str, Found]) -> bool:
    """Tell whether a content is about to be unknown for the second time."""
    is_missing = case.sha256 not in replies.found and case.sha256 not in replies.unanswered
    return is_missing and case.content.version_id is None and case.content.lookup_count == 1


def _contradiction(content: Content, version: ModelVersion) -> str | None:
    """Give why the record of a version cannot be about a content; a SHA256 that another program told is doubted more."""
    sha256 = content.hashes.sha256
    listed_bytes = contradicting_size(version, sha256, content.size_bytes)
    if listed_bytes is not None:
        return f"Civitai lists {listed_bytes} bytes for it, and it has {content.size_bytes}"
    autov1 = None if content.is_read else contradicting_autov1(version, sha256, content.hashes.autov1)
    if autov1 is not None:
        return f"Civitai lists AutoV1 {autov1} for the hash that was told, and it has {content.hashes.autov1}"
    return None


def is_known_by_its_bytes(content: Content) -> bool:
    """Tell whether Civitai once knew these very bytes: it may then be gone, but never unknown."""
    return content.version_id is not None and content.matched_by is Match.FILE
