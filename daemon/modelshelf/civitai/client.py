"""Calls to Civitai's public REST API: which version stands behind a hash, the model above it, its pictures."""

from __future__ import annotations

import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

from modelshelf.civitai.answers import AnswerTooLarge, QuestionRefused, picture_failure, read
from modelshelf.civitai.edge import thumbnail_url
from modelshelf.civitai.lenient import as_object, integer
from modelshelf.civitai.matching import by_hash, has_unexplained
from modelshelf.civitai.pacing import Pacing
from modelshelf.civitai.payload import parse_model, parse_version
from modelshelf.civitai.settings import ClientSettings
from modelshelf.civitai.transport import Question, Transport
from modelshelf.clock import SystemClock
from modelshelf.errors import CivitaiRateLimited, CivitaiUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelshelf.civitai.answers import Answer
    from modelshelf.clock import Clock
    from modelshelf.domain.civitai import Model, ModelVersion, RemoteImage
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.errors import ModelshelfError

__all__ = ["CivitaiClient", "ClientSettings"]

SINGLE_LIMIT = 5
"""So many are asked for one by one before their answers are recorded; a stop then loses seconds of work, not minutes."""

BATCH_LIMIT = 100
"""Most hashes that POST by-hash takes."""

_SHA256 = re.compile("[0-9A-F]{64}")
_BATCH = "model-versions/by-hash"
_BATCH_OF_IDS = "model-versions/by-hash/ids"
_NO_BATCH = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.NOT_IMPLEMENTED,
}
"""POST answered so: one hash spoils the batch, or this server speaks GET only. Each hash is then asked for alone."""

_FORBIDDEN_RETRY_SECONDS = 3600.0


class CivitaiClient:
    """Asks Civitai and gives our nouns; "not on Civitai" is None or absent, every other non-answer an error.

    Safe for several threads: they share the connections, the rate limit and the pause after a 429.
    """

    def __init__(
        self, settings: ClientSettings, clock: Clock | None = None, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._transport = Transport(settings, self._clock)
        self._pacing = Pacing(settings.rate_limit_per_minute, self._clock, sleep)
        self._picture_pacing = Pacing(None, self._clock, sleep)
        self._has_batches = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let nothing leave any more, and close the connections kept alive; a request under way is not broken off."""
        self._pacing.close()
        self._picture_pacing.close()
        self._transport.close()

    @property
    def most_at_once(self) -> int:
        """How many hashes to ask for at a time: few until the server has shown that it answers many in one request."""
        return BATCH_LIMIT if self._has_batches else SINGLE_LIMIT

    def versions_by_hash(self, sha256s: Sequence[str]) -> dict[str, ModelVersion]:
        """Give the version behind each SHA256, keyed as it was asked for; unknown and malformed ones are absent.

        A hash that several versions hold belongs to the one published first.
        """
        wanted = list(dict.fromkeys(each.upper() for each in sha256s if _SHA256.fullmatch(each.upper())))
        found: dict[str, ModelVersion] = {}
        for start in range(0, len(wanted), BATCH_LIMIT):
            found |= self._batch(wanted[start : start + BATCH_LIMIT])
        return {each: found[each.upper()] for each in sha256s if each.upper() in found}

    def model(self, model_id: int) -> Model | None:
        """Give the model of this id, None where Civitai shows none: it may be private, and its versions still be found."""
        body = self._read(self._ask(f"models/{model_id}"))
        return None if body is None else parse_model(body)

    def picture(self, url: str, max_bytes: int) -> bytes:
        """Give the bytes at an image's address; QuestionRefused if it is gone, larger than `max_bytes` or no address."""
        self._refuse_if_forbidden()
        self._picture_pacing.take_turn()
        answer = self._transport.exchange(
            Question(url, has_key=False, accept="image/*,video/*;q=0.9,*/*;q=0.5"), max_bytes
        )
        if answer.status != HTTPStatus.OK:
            raise self._heeded(picture_failure(answer, self._clock.now()), self._picture_pacing)
        if answer.is_page or not answer.content:
            raise CivitaiUnavailable(f"{answer.host} answered 200 with something that is no picture")
        return answer.content

    @staticmethod
    def thumbnail_url(image: RemoteImage, width: int) -> str:
        """Give the address of `image` at `width` pixels, see `edge.thumbnail_url`."""
        return thumbnail_url(image, width)

    def _batch(self, sha256s: list[str]) -> dict[str, ModelVersion]:
        if len(sha256s) == 1:
            return self._singly(sha256s)
        body = self._ask_batch(_BATCH, sha256s)
        self._has_batches = body is not None
        if body is None:
            return self._singly(sha256s)
        versions = [parse_version(each) for each in body if integer(as_object(each).get("id")) is not None]
        found = by_hash(versions, set(sha256s))
        missing = [each for each in sha256s if each not in found]
        if missing and has_unexplained(versions, set(sha256s)):
            found |= self._singly(self._known(missing))
        return found

    def _known(self, sha256s: list[str]) -> list[str]:
        """Give those of the hashes that Civitai knows at all, all of them where it does not say.

        One cheap question instead of a hundred misses: nearly every batch has a replaced file and many unknown ones.
        """
        if len(sha256s) == 1:
            return sha256s
        body = self._ask_batch(_BATCH_OF_IDS, sha256s)
        if body is None:
            return sha256s
        known = {str(as_object(each).get("hash")).upper() for each in body}
        return [each for each in sha256s if each in known]

    def _singly(self, sha256s: list[str]) -> dict[str, ModelVersion]:
        """Ask for each hash alone. One that is refused counts as unknown for now, unless all of them are."""
        found: dict[str, ModelVersion] = {}
        refusals: list[QuestionRefused] = []
        for sha256 in sha256s:
            try:
                body = self._read(self._ask(f"{_BATCH}/{sha256}"))
            except QuestionRefused as refusal:
                refusals.append(refusal)
                continue
            if body is not None:
                found[sha256] = parse_version(body)
        if refusals and len(refusals) == len(sha256s):
            raise refusals[0]
        return found

    def _ask_batch(self, path: str, sha256s: list[str]) -> list[JsonValue] | None:
        """Give the list that a batch question is answered with, None where the hashes must be asked for singly."""
        try:
            answer = self._ask(path, [*sha256s])
            if answer.status in _NO_BATCH or (answer.status == HTTPStatus.OK and answer.is_page):
                return None
            body = self._read(answer)
        except AnswerTooLarge:
            return None
        if not isinstance(body, list):
            raise CivitaiUnavailable(f"{answer.host} answered {answer.status} with something that is not a list")
        return body

    def _ask(self, path: str, json: JsonValue = None) -> Answer:
        self._refuse_if_forbidden()
        self._pacing.take_turn()
        url = f"{self._settings.base_url.rstrip('/')}/{path}"
        return self._transport.exchange(
            Question(url, "GET" if json is None else "POST", json), self._settings.max_body_bytes
        )

    def _read(self, answer: Answer) -> JsonObject | list[JsonValue] | None:
        try:
            return read(answer, self._clock.now())
        except CivitaiRateLimited as error:
            raise self._heeded(error, self._pacing) from None

    def _heeded(self, error: ModelshelfError, pacing: Pacing) -> ModelshelfError:
        """Keep the pause that a 429 asks for, then give the error back."""
        if isinstance(error, CivitaiRateLimited):
            pacing.pause(error.retry_after_seconds or 0.0)
        return error

    def _refuse_if_forbidden(self) -> None:
        if self._settings.is_outgoing_forbidden:
            raise CivitaiUnavailable(
                "not asked: outgoing requests are forbidden here", retry_after_seconds=_FORBIDDEN_RETRY_SECONDS
            )
