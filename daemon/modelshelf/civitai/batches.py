"""Many hashes at once: first which of them Civitai knows at all, then the bodies of those, and alone what only that tells.

One hash that the server dislikes spoils a whole batch, so one that is refused, or fails a second time, is asked in halves.
The answer to one question of ids covers what will be asked next, too: ten thousand files need ten of them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from modelshelf.civitai.answers import NotAsked, QuestionRefused
from modelshelf.civitai.batch_size import BatchSize
from modelshelf.civitai.lenient import as_object
from modelshelf.civitai.matching import found_among, lists_hash, named_versions, parsed_versions
from modelshelf.civitai.payload import parse_version
from modelshelf.civitai.replies import FAILED, Replies, ask_each
from modelshelf.domain.civitai import Alternate, Found
from modelshelf.errors import CivitaiRateLimited, CivitaiUnavailable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from modelshelf.civitai.asking import Asker
    from modelshelf.civitai.settings import AdaptiveBatch
    from modelshelf.clock import Clock
    from modelshelf.domain.civitai import ModelVersion
    from modelshelf.domain.jsontypes import JsonValue
    from modelshelf.errors import ModelshelfError

    Known = dict[str, tuple[Alternate, ...]]

BY_HASH = "model-versions/by-hash"
_IDS = f"{BY_HASH}/ids"

IDS_LIMIT = 1_000
"""Hashes in one question of ids. Civitai takes ten times as many, in a body that is then close to its limit."""

SINGLE_LIMIT = 5
"""So many are asked for one by one before their answers are recorded; a stop then loses seconds of work, not minutes."""

REMEMBERED_SECONDS = 600.0
"""For so long an answer of ids waits for its hash to be asked for."""

MOST_FAILED = 20 * IDS_LIMIT
"""So many hashes are kept in mind whose batch has failed; above that they count as not tried."""


class Batches:
    """Asks for hashes, which are 64 digits in UPPERCASE, each once."""

    def __init__(self, asker: Asker, limits: AdaptiveBatch, clock: Clock) -> None:
        self._asker = asker
        self._size = BatchSize(limits)
        self._remembered = _Remembered(clock)
        self._failed: dict[str, set[str]] = {_IDS: set(), BY_HASH: set()}
        self._has_batches = False

    @property
    def most_at_once(self) -> int:
        """How many hashes to ask for at a time: few until the server has shown that it answers many in one request."""
        return self._size.size if self._has_batches else SINGLE_LIMIT

    def known_ids(self, sha256s: Sequence[str]) -> Known:
        """Give the versions that hold each hash, by their ids; unknown hashes are absent."""
        known, suspects = self._look_up(sha256s)
        alone = ask_each(suspects, self.version).complete()
        return known | {each: (Alternate(of.id, of.model_id, of.published_at),) for each, of in alone.items()}

    def version(self, digits: str, *, is_fresh: bool = False) -> ModelVersion | None:
        """Give the version that a hash of any type is answered with when it is asked for alone: the oldest published."""
        body = self._asker.ask(f"{BY_HASH}/{digits}", is_fresh=is_fresh)
        return None if body is None else parse_version(body)

    def versions(
        self,
        sha256s: Sequence[str],
        preferred: Mapping[str, Collection[int]],
        ahead: Sequence[str],
        *,
        is_fresh: bool,
    ) -> Replies[str, Found]:
        """Give the version behind each hash; ids of the hashes `ahead` are asked for along with any others."""
        if is_fresh:
            self._remembered.forget(sha256s)
        is_single = len(sha256s) == 1 and not preferred.get(sha256s[0]) and not self._remembered.has(sha256s[0])
        known, suspects = ({}, [*sha256s]) if is_single else self._look_up(sha256s, ahead, is_probed=True)
        bodies, unanswered = self._bodies(known)
        asked = {each: named for each, named in known.items() if each not in unanswered}
        found = found_among(bodies, asked, preferred)
        settled = {each for each in found if _is_settled(found[each], known[each], bodies, preferred.get(each, ()))}
        rest = [*(each for each in asked if each not in settled), *suspects]
        alone = ask_each(rest, partial(self._own_version, known=known, is_fresh=is_fresh))
        named_too = self._named([*alone.found]) if is_single else known
        for each, version in alone.found.items():
            named = (*named_too.get(each, ()), Alternate(version.id, version.model_id, version.published_at))
            found |= found_among({**bodies, version.id: version}, {each: named}, preferred)
        unanswered |= alone.unanswered
        self._remembered.forget([each for each in sha256s if each not in unanswered])
        told = {each: version for each, version in found.items() if each not in unanswered}
        return Replies(told, unanswered).required(sha256s)

    def _own_version(self, sha256: str, *, known: Known, is_fresh: bool) -> ModelVersion | None:
        """Give the version of a hash asked for alone: one that lists it or is named for it, CivitaiUnavailable over others."""
        version = self.version(sha256, is_fresh=is_fresh)
        if version is None or lists_hash(version, "SHA256", sha256):
            return version
        named = known.get(sha256) or self._look_up([sha256])[0].get(sha256, ())
        if version.id not in {each.version_id for each in named}:
            raise CivitaiUnavailable(f"the server answered {sha256} with version {version.id}, which has other files")
        return version

    def _named(self, sha256s: Sequence[str]) -> Known:
        """Give what else holds hashes that are known already, as far as that can be learnt now."""
        try:
            return self._look_up(sha256s)[0]
        except FAILED:
            return {}

    def _look_up(
        self, sha256s: Sequence[str], ahead: Sequence[str] = (), *, is_probed: bool = False
    ) -> tuple[Known, list[str]]:
        """Give what versions hold each hash that is known, and the hashes for which that could not be learnt this way.

        `is_probed`: a list that knows nothing, or holds junk, is believed only after a 404 for one that it leaves out.
        """
        missing = [each for each in sha256s if not self._remembered.has(each)]
        known = self._remembered.known(sha256s)
        coming = [each for each in ahead if missing and each not in sha256s and not self._remembered.has(each)]
        wanted, suspects = frozenset(missing), list[str]()
        for group in _groups([*missing, *coming][: max(len(missing), IDS_LIMIT)], IDS_LIMIT):
            elements, refused = self._ask(_IDS, group)
            named = named_versions(elements, frozenset(group))
            left_out = [each for each in group if each in wanted and each not in named and each not in refused]
            is_odd = is_probed and len(group) > 1 and not (named and all(map(_is_entry, elements)))
            if is_odd and self._is_any_there(left_out[:1]):
                refused = [each for each in group if each not in named]
            known |= named
            self._remembered.put([each for each in group if each not in refused], named)
            suspects += refused
        return {each: known[each] for each in sha256s if each in known}, [each for each in suspects if each in wanted]

    def _is_any_there(self, sha256s: Sequence[str]) -> bool:
        """Tell whether hashes that a list has left out are known all the same, or may be."""
        replies = ask_each(sha256s, partial(self.version, is_fresh=True))
        return bool(replies.found or replies.unanswered)

    def _bodies(self, known: Known) -> tuple[dict[int, ModelVersion], dict[str, ModelshelfError]]:
        """Give the versions that batches tell of known hashes, and which of these were not answered."""
        bodies: dict[int, ModelVersion] = {}
        unanswered: dict[str, ModelshelfError] = {}
        waiting = [*known]
        while waiting:
            group, waiting = waiting[: self._size.size], waiting[self._size.size :]
            try:
                elements, _ = self._ask(BY_HASH, group)
            except FAILED as error:
                unanswered = dict.fromkeys([*group, *waiting], error)
                break
            bodies |= parsed_versions(elements)
        return bodies, unanswered

    def _ask(self, path: str, sha256s: list[str]) -> tuple[list[JsonValue], list[str]]:
        """Give the elements of an answer, and the hashes that must be asked for alone."""
        answered = self._elements(path, sha256s)
        elements, suspects = answered or [], sha256s if answered is None else []
        while len(suspects) > SINGLE_LIMIT:
            halves = suspects[: len(suspects) // 2], suspects[len(suspects) // 2 :]
            answers = [self._elements(path, each) for each in halves]
            elements += [element for answer in answers for element in answer or ()]
            refused = [half for half, answer in zip(halves, answers, strict=True) if answer is None]
            suspects = [each for half in refused for each in half]
            if len(refused) == len(halves):
                break
        return elements, suspects

    def _elements(self, path: str, sha256s: list[str]) -> list[JsonValue] | None:
        """Give an answer's elements; None for a refusal, for what fails a second time, and for a server without this route."""
        try:
            listed = self._asker.ask_list(path, [*sha256s])
        except QuestionRefused as error:
            self._count_failure(path, error)
            return None
        except CivitaiUnavailable as error:
            self._count_failure(path, error)
            if self._has_failed_before(path, sha256s, error):
                return None
            raise
        self._failed[path].difference_update(sha256s)
        if listed is None:
            self._doubt(path)
            return None
        self._has_batches = True
        if path == BY_HASH:
            self._size.count_answer(listed.size_bytes)
        return listed.items

    def _count_failure(self, path: str, error: ModelshelfError) -> None:
        if path == BY_HASH:
            self._size.count_failure(error)

    def _has_failed_before(self, path: str, sha256s: Sequence[str], error: CivitaiUnavailable) -> bool:
        """Tell whether this may be the fault of one of the hashes: a first failure, and a server that asks to wait, are not."""
        if isinstance(error, NotAsked | CivitaiRateLimited) or error.retry_after_seconds is not None:
            return False
        failed = self._failed[path]
        has_failed = not failed.isdisjoint(sha256s)
        if len(failed) > MOST_FAILED:
            failed.clear()
        failed.update(sha256s)
        return has_failed

    def _doubt(self, path: str) -> None:
        """Raise CivitaiUnavailable over a server that had this route and has lost it; by the next time it has changed."""
        had_batches, self._has_batches = self._has_batches, False
        if had_batches:
            raise CivitaiUnavailable(f"the server does not know its own address {path} any more")


class _Remembered:
    """What ids were answered for hashes whose bodies are yet to be asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, tuple[Alternate, ...] | None]] = {}

    def has(self, sha256: str) -> bool:
        """Tell whether an answer is there that is fresh enough."""
        kept_at, _ = self._kept.get(sha256, (float("-inf"), None))
        return self._clock.monotonic() - kept_at < REMEMBERED_SECONDS

    def put(self, sha256s: Sequence[str], known: Known) -> None:
        """Remember the answer for each hash, in place of the oldest ones."""
        now = self._clock.monotonic()
        self._kept |= {each: (now, known.get(each)) for each in sha256s}
        self.forget([*self._kept][: -2 * IDS_LIMIT])

    def known(self, sha256s: Sequence[str]) -> Known:
        """Give the versions of those that are known, as far as that is fresh."""
        answers = {each: self._kept.get(each, (0.0, None))[1] for each in sha256s if self.has(each)}
        return {each: versions for each, versions in answers.items() if versions is not None}

    def forget(self, sha256s: Sequence[str]) -> None:
        """Have these asked for again."""
        for each in sha256s:
            self._kept.pop(each, None)


def _is_settled(found: Found, named: Sequence[Alternate], bodies: Collection[int], preferred: Collection[int]) -> bool:
    """Tell whether nothing that a list has left out could be chosen instead."""
    return found.version.id in preferred or all(each.version_id in bodies for each in named)


def _is_entry(element: JsonValue) -> bool:
    return isinstance(as_object(element).get("hash"), str)


def _groups(sha256s: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(sha256s), size):
        yield sha256s[start : start + size]
