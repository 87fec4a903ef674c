"""What an HTTP answer means: JSON, a miss, or which of our errors.

Decided by status; the body is only a hint, for Civitai and the proxies before it answer with pages of HTML under any
status. Only a 404 whose JSON says "error" is a miss: everything else that is no answer may be one later.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from modelshelf.civitai.lenient import as_list
from modelshelf.errors import CivitaiForbids, CivitaiRateLimited, CivitaiRefused, CivitaiUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.errors import ModelshelfError

LONGEST_RETRY_AFTER_SECONDS = 24 * 3600.0

MOST_COMMAS = 1_000_000
"""Bounds the memory that short values take. Civitai writes one in 40 bytes; `[],` over and over needs 25 times its size."""

MOST_LEVELS = 100
"""Lists and objects within each other. Records have a dozen, and what is near the interpreter's limit can only be read."""

_CONTAINERS = (dict, list)
_NUMBER = re.compile(r"[ \t]*[0-9]+(\.[0-9]+)?[ \t]*")

_REFUSALS: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "it finds this request malformed",
    HTTPStatus.UNAUTHORIZED: "the API key is missing or not accepted",
    HTTPStatus.FORBIDDEN: "it forbids this",
    HTTPStatus.GONE: "this has been withdrawn",
    HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS: "it is blocked in this region for legal reasons",
}

_AILMENTS: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "a gatekeeper stands before it",
    HTTPStatus.NOT_FOUND: "not Civitai's own 404: the address is wrong or something stands between",
    HTTPStatus.REQUEST_TIMEOUT: "it gave up waiting",
    HTTPStatus.INTERNAL_SERVER_ERROR: "it crashed over this request",
    HTTPStatus.SERVICE_UNAVAILABLE: "it is overloaded",
}

_FAULTS_OF_THE_QUESTION = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}


_FORBIDDING = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS}


class QuestionRefused(CivitaiRefused):
    """Civitai refuses this one question; others may be answered."""


class AnswerTooLarge(QuestionRefused):
    """The answer is larger than we are ready to hold in memory."""


class NotAsked(CivitaiUnavailable):
    """Nothing was sent: it is forbidden here, pointless for now, or modelshelf is about to stop."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer; `headers` may be asked in any case."""

    host: str
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_page(self) -> bool:
        """HTML, whatever the status promised."""
        is_declared = "html" in self.headers.get("Content-Type", "").lower()
        return is_declared or self.content[:512].lstrip().lower().startswith((b"<!doctype", b"<html"))


def read(answer: Answer, now: datetime) -> JsonObject | list[JsonValue] | None:
    """Give the JSON of an answer, None for a miss; raise what any other answer means."""
    if answer.status == HTTPStatus.OK:
        return _json(answer)
    if answer.status == HTTPStatus.NOT_FOUND and _is_miss(answer):
        return None
    raise failure(answer, now)


def failure(answer: Answer, now: datetime) -> ModelshelfError:
    """Name the error that an answer other than 200 means."""
    retry_after_seconds = retry_after(answer.headers.get("Retry-After"), now)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _slow_down(answer, retry_after_seconds)
    if _may_pass(answer):
        meaning = _AILMENTS.get(answer.status, "this is no answer")
        return CivitaiUnavailable(
            f"{answer.host} answered {answer.status}: {meaning}", retry_after_seconds=retry_after_seconds
        )
    meaning = _REFUSALS.get(answer.status, "it refuses this request")
    message = f"{answer.host} answered {answer.status}: {meaning}"
    if answer.status in _FORBIDDING:
        return CivitaiForbids(message)
    return QuestionRefused(message) if answer.status in _FAULTS_OF_THE_QUESTION else CivitaiRefused(message)


def picture_failure(answer: Answer, now: datetime) -> ModelshelfError:
    """Name the error for a picture: there a 404 of any kind means that it is gone."""
    if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return QuestionRefused(f"{answer.host} answered {answer.status}: this picture is gone")
    return failure(answer, now)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Give the seconds that a Retry-After header asks for, as a number or an HTTP date; a day at most."""
    if value is None:
        return None
    seconds = float(value) if _NUMBER.fullmatch(value) else _seconds_until(value, now)
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _may_pass(answer: Answer) -> bool:
    """Tell whether the same request may be answered later: the server is ill, or it was not the server who spoke."""
    if answer.status == HTTPStatus.FORBIDDEN:
        return answer.is_page or "cf-mitigated" in answer.headers
    is_fault_of_ours = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return not is_fault_of_ours or answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_TIMEOUT}


def _seconds_until(date: str, now: datetime) -> float | None:
    try:
        then = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() - now.timestamp()


def _slow_down(answer: Answer, retry_after_seconds: float | None) -> ModelshelfError:
    """Part the throttle from the paging cap, which is a 429 for ever ("please use cursors instead")."""
    if b"use cursors" in answer.content:
        return QuestionRefused(f"{answer.host} answered 429: too many pages were asked for")
    said = "" if retry_after_seconds is None else f" for {retry_after_seconds:.0f} seconds"
    return CivitaiRateLimited(
        f"{answer.host} answered 429: it asks to slow down{said}", retry_after_seconds=retry_after_seconds
    )


def _is_miss(answer: Answer) -> bool:
    try:
        body = _json(answer)
    except CivitaiUnavailable:
        return False
    return isinstance(body, dict) and "error" in body


def _json(answer: Answer) -> JsonObject | list[JsonValue]:
    """Parse leniently: real bodies have held raw control characters (civitai/cli issue 525)."""
    body: JsonValue = None
    if answer.content.count(b",") > MOST_COMMAS:
        raise AnswerTooLarge(f"{answer.host} answered {answer.status} with more values than any record has")
    if not answer.is_page:
        try:
            document = answer.content.decode("utf-8-sig", "replace")
            body = json.loads(document, strict=False, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            body = None
    if not isinstance(body, dict | list):
        raise CivitaiUnavailable(f"{answer.host} answered {answer.status} with something that is not JSON")
    if _is_deep(body):
        raise CivitaiUnavailable(f"{answer.host} answered {answer.status} with deeper lists than any record has")
    return body


def _is_deep(body: JsonValue) -> bool:
    level = [body]
    for _ in range(MOST_LEVELS):
        inner = (each.values() if isinstance(each, dict) else as_list(each) for each in level)
        level = [value for values in inner for value in values if isinstance(value, _CONTAINERS)]
    return bool(level)
