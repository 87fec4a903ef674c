"""One question to Civitai from start to end: is it known already, may it be asked, when, and what does its answer mean."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from cachetools import LRUCache

from modelshelf.civitai.answer_cache import AnswerCache
from modelshelf.civitai.answers import Answer, NotAsked, picture_failure, read
from modelshelf.civitai.breaker import Breaker
from modelshelf.civitai.pacing import Pacing
from modelshelf.civitai.question import Question, host_of
from modelshelf.civitai.vitals import EVERY_ENDPOINT, ApiVitals, Counts
from modelshelf.errors import CivitaiForbids, CivitaiRateLimited, CivitaiRefused, CivitaiUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from modelshelf.civitai.answer_cache import Kept
    from modelshelf.civitai.question import Stream
    from modelshelf.civitai.settings import ClientSettings
    from modelshelf.civitai.transport import Transport
    from modelshelf.clock import Clock
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.errors import ModelshelfError

    Body = JsonObject | list[JsonValue]

Found = TypeVar("Found")

MOST_ENDPOINTS = 256
"""So many breakers and paces of picture hosts are kept, those used last: records name hosts as they like."""

PICTURES_PER_REQUEST = 30
"""So many times as many pictures may be had of one host in a minute as requests may be made of one endpoint."""

_NO_ROUTE = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
"""POST answered so: this server speaks GET only, and each question is asked alone."""

_SAID_TO_ALL = {HTTPStatus.UNAUTHORIZED, HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS}
_ANSWERS_TO_RANGE = {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}

_FORBIDDEN_RETRY_SECONDS = 3600.0
_IDENTITY = re.compile("[0-9]+|[0-9A-Fa-f]{8,}")


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that was answered, and how large it was on the wire's far side: unpacked."""

    items: list[JsonValue]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Known:
    """An answer from before, and what it says."""

    kept: Kept
    body: Body


class Asker:
    """Asks at the pace that the server bears, and nothing that cannot be answered now.

    Safe for several threads, which share connections, rate, pauses, breakers and answers.
    """

    def __init__(self, settings: ClientSettings, clock: Clock, sleep: Callable[[float], object] = time.sleep) -> None:
        self._settings = settings
        self._clock = clock
        self._opened: Transport | None = None
        self._pacing = Pacing(settings.rate_limit_per_minute, clock, sleep)
        self._sleep = sleep
        self._is_closed = False
        self._cache = AnswerCache(settings.cache.directory, settings.cache.memory_count, clock)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._every_endpoint = self._new_breaker(EVERY_ENDPOINT)
        self._breakers: LRUCache[str, Breaker] = LRUCache(MOST_ENDPOINTS)
        self._picture_paces: LRUCache[str, Pacing] = LRUCache(MOST_ENDPOINTS)

    def close(self) -> None:
        """Let nothing leave any more, and close the connections kept alive; a request under way is not broken off."""
        with self._lock:
            self._is_closed = True
            paces, transport = [self._pacing, *self._picture_paces.values()], self._opened
        for each in paces:
            each.close()
        if transport is not None:
            transport.close()

    @property
    def _transport(self) -> Transport:
        """The one transport, made when there is something to ask."""
        from modelshelf.civitai.transport import Transport  # noqa: PLC0415 -- requests takes 30 ms and some megabytes

        with self._lock:
            if self._opened is None:
                self._opened = Transport(self._settings, self._clock)
            return self._opened

    def ask_again(self) -> None:
        """Ask at the next question what was not asked because of how the last ones went. A pause is the server's to end."""
        with self._lock:
            breakers = [self._every_endpoint, *self._breakers.values()]
        for each in breakers:
            each.ask_again()

    def vitals(self) -> ApiVitals:
        """Tell what is not asked now and why, and what was asked so far."""
        with self._lock:
            breakers, counts = [self._every_endpoint, *self._breakers.values()], Counts(**self._counts)
        troubles = tuple(trouble for each in breakers if (trouble := each.trouble) is not None)
        return ApiVitals(self._pacing.paused_until, troubles, counts)

    def ask(
        self,
        path: str,
        json: JsonValue = None,
        *,
        parameters: Mapping[str, str] | None = None,
        is_fresh: bool = False,
    ) -> Body | None:
        """Give what the API answers at `path` (below the base URL), None for a real miss; GET, or POST where `json` is.

        An answer to GET holds for as long as the settings say, and is asked for again with its ETag then; `is_fresh`: only
        what the server says now will do.
        """
        self._refuse_if_forbidden()
        url = self._url(path, parameters)
        if json is not None:
            return self._sent(_endpoint("POST", path), Question(url, "POST", json), self._read)
        known = None if is_fresh else self._known(url)
        if known is not None and self._holds(known.kept, path):
            self._count("from_memory" if known.kept.is_from_memory else "from_disk")
            return known.body
        headers = {"If-None-Match": known.kept.etag} if known is not None and known.kept.etag is not None else {}
        reading = partial(self._read_and_keep, url, known)
        return self._sent(_endpoint("GET", path), Question(url, headers=headers), reading)

    def ask_list(self, path: str, questions: Sequence[JsonValue]) -> Listed | None:
        """Give the list that a POST is answered with, None where this server has no such route.

        QuestionRefused: one of the questions spoils the others, or their answer is too large to be held.
        """
        self._refuse_if_forbidden()
        return self._sent(_endpoint("POST", path), Question(self._url(path), "POST", [*questions]), self._read_list)

    @contextmanager
    def picture_stream(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Stream]:
        """Give the answer of status 200 to a picture's address, while it comes; with a Range in `headers` 206 and 416, too."""
        self._refuse_if_forbidden()
        question = Question(url, has_key=False, accept="image/*,video/*;q=0.9,*/*;q=0.5", headers=headers or {})
        expected = _ANSWERS_TO_RANGE if "Range" in question.headers else {HTTPStatus.OK}
        host = host_of(url)
        breaker, pacing = self._breaker(host), self._picture_pace(host)
        with breaker.passage():
            if self._is_of_home(host):
                self._pacing.require_no_pause()
            pacing.take_turn()
            with self._transport.stream(question) as stream:
                if stream.status not in expected:
                    raise self._picture_failure(stream, breaker, pacing)
                yield stream
            pacing.relax()

    def _picture_failure(self, stream: Stream, breaker: Breaker, pacing: Pacing) -> ModelshelfError:
        """Name what is wrong; what the host that was asked says to everyone is kept in mind, too."""
        answer = Answer(stream.host, stream.status, stream.headers, next(stream.pieces, b""))
        error = picture_failure(answer, self._clock.now())
        if isinstance(error, CivitaiRateLimited):
            error.retry_after_seconds = pacing.pause(error.retry_after_seconds)
        if isinstance(error, CivitaiForbids) and stream.status in _SAID_TO_ALL and not stream.is_elsewhere:
            breaker.forbid(error)
        return error

    def _picture_pace(self, host: str) -> Pacing:
        """Give the pace of a picture host, which no other host's mood slows down."""
        limit = self._settings.rate_limit_per_minute
        with self._lock:
            found = self._picture_paces.get(host)
            if found is None:
                limit_per_minute = None if limit is None else PICTURES_PER_REQUEST * limit
                found = self._picture_paces[host] = Pacing(limit_per_minute, self._clock, self._sleep)
            if self._is_closed:
                found.close()
            return found

    def _is_of_home(self, host: str) -> bool:
        """Tell whether a host is the API's, or one below it: what is too much for the one is too much for the other."""
        home = host_of(self._settings.base_url)
        return host == home or host.endswith(f".{home}")

    def _sent(self, endpoint: str, question: Question, reading: Callable[[Answer], Found]) -> Found:
        """Send a question when its time has come, and give what `reading` makes of the answer."""
        breaker = self._breaker(endpoint)
        try:
            self._pacing.require_no_pause()
            self._every_endpoint.admit()
            with breaker.passage():
                self._pacing.take_turn(endpoint)
                self._count("sent")
                answer = self._transport.exchange(question, self._settings.max_body_bytes)
                found = self._heeded(answer, breaker, reading)
        except CivitaiUnavailable as error:
            error.first_delay_seconds = self._settings.retry_delay_seconds
            raise
        self._pacing.relax()
        self._every_endpoint.close()
        return found

    def _heeded(self, answer: Answer, breaker: Breaker, reading: Callable[[Answer], Found]) -> Found:
        """Read an answer; what it says to everyone is kept in mind: slow down, wrong key, blocked region."""
        try:
            return reading(answer)
        except CivitaiRateLimited as error:
            error.retry_after_seconds = self._pacing.pause(error.retry_after_seconds)
            raise
        except CivitaiForbids as error:
            if answer.status == HTTPStatus.UNAUTHORIZED:
                breaker.forbid(error)
            if answer.status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS:
                self._every_endpoint.forbid(error)
            raise

    def _read(self, answer: Answer) -> Body | None:
        return read(answer, self._clock.now())

    def _read_list(self, answer: Answer) -> Listed | None:
        if answer.status in _NO_ROUTE:
            return None
        items = self._read(answer)
        if not isinstance(items, list):
            raise CivitaiUnavailable(f"{answer.host} answered {answer.status} with something that is not a list")
        return Listed(items, len(answer.content))

    def _read_and_keep(self, url: str, known: _Known | None, answer: Answer) -> Body | None:
        name, etag = self._name(url), answer.headers.get("ETag")
        if answer.status == HTTPStatus.NOT_MODIFIED and known is not None and known.kept.etag is not None:
            self._count("renewed")
            self._cache.keep(name, known.kept.content, etag or known.kept.etag)
            return known.body
        body = self._read(answer)
        if _is_record(body):
            self._cache.keep(name, answer.content, etag)
        elif body is None:
            self._cache.forget(name)
        return body

    def _known(self, url: str) -> _Known | None:
        """Give the answer from before; one that is no JSON was not put there by us, and is forgotten."""
        kept = self._cache.get(self._name(url))
        if kept is None:
            return None
        try:
            body = self._read(Answer(host_of(url), HTTPStatus.OK, {}, kept.content))
        except (CivitaiUnavailable, CivitaiRefused):
            body = None
        if body is None:
            self._cache.forget(self._name(url))
            return None
        return _Known(kept, body)

    def _holds(self, kept: Kept, path: str) -> bool:
        cache = self._settings.cache
        is_of_model = path.startswith("models")
        validity_seconds = cache.model_validity_seconds if is_of_model else cache.validity_seconds
        return 0 <= self._clock.now().timestamp() - kept.checked_at < validity_seconds

    def _name(self, url: str) -> str:
        """Tell the answers apart that a key makes different, without naming the key."""
        return f"{url}#with-key" if self._settings.key else url

    def _url(self, path: str, parameters: Mapping[str, str] | None = None) -> str:
        url = f"{self._settings.base_url.rstrip('/')}/{path}"
        return f"{url}?{urlencode(parameters)}" if parameters else url

    def _breaker(self, endpoint: str) -> Breaker:
        with self._lock:
            found = self._breakers.get(endpoint)
            if found is None:
                found = self._breakers[endpoint] = self._new_breaker(endpoint)
            return found

    def _new_breaker(self, endpoint: str) -> Breaker:
        return Breaker(endpoint, self._settings.breaker, self._clock, self._settings.deadline_seconds)

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def _refuse_if_forbidden(self) -> None:
        if self._settings.is_outgoing_forbidden:
            raise NotAsked(
                "not asked: outgoing requests are forbidden here", retry_after_seconds=_FORBIDDEN_RETRY_SECONDS
            )


def _is_record(body: Body | None) -> bool:
    """Tell whether this is a record or a page of them; a server in trouble has other things to say, not worth a day's memory."""
    return isinstance(body, dict) and ("id" in body or "items" in body)


def _endpoint(method: str, path: str) -> str:
    """Name what is asked, without which one: `GET models/*`."""
    parts = ("*" if _IDENTITY.fullmatch(part) else part for part in path.split("/"))
    return f"{method} {'/'.join(parts)}"
