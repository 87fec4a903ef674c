"""Civitai's public REST API by the names that CivitScraper gave its calls, in our nouns."""

from __future__ import annotations

import re
import time
from collections import deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Self

from modelshelf.civitai.answers import QuestionRefused
from modelshelf.civitai.asking import Asker
from modelshelf.civitai.batches import Batches
from modelshelf.civitai.downloads import Downloads
from modelshelf.civitai.entries import remote_images
from modelshelf.civitai.lenient import as_object, integer
from modelshelf.civitai.matching import lists_hash
from modelshelf.civitai.pages import listed, pages
from modelshelf.civitai.payload import parse_model, parse_version
from modelshelf.civitai.replies import FAILED, Replies, ask_each
from modelshelf.civitai.settings import ClientSettings
from modelshelf.clock import SystemClock
from modelshelf.domain.hashes import EMPTY_AUTOV3
from modelshelf.errors import CivitaiUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from modelshelf.civitai.downloads import Downloaded
    from modelshelf.civitai.vitals import ApiVitals
    from modelshelf.clock import Clock
    from modelshelf.domain.civitai import Alternate, Found, Model, ModelVersion, RemoteImage
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.errors import ModelshelfError

__all__ = ["CivitaiClient", "ClientSettings"]

LIST_LIMIT = 100
"""Most models on a page of a list."""

_SHA256 = re.compile("[0-9A-Fa-f]{64}")
_AUTOV3 = re.compile("[0-9A-Fa-f]{12}")
_TELLING_HASH = re.compile("[0-9A-Fa-f]{10}|[0-9A-Fa-f]{12}|[0-9A-Fa-f]{64}")
"""AutoV2, AutoV3, SHA256 or BLAKE3. What has 8 digits is AutoV1 or CRC32, which many files share."""

_LARGEST_ID = 2**31 - 1
"""Above this the server crashes instead of answering."""


class CivitaiClient:
    """Asks Civitai and gives our nouns; "not on Civitai" is None or absent, every other non-answer an error.

    Safe for several threads: they share the connections, the rate limit and the pause after a 429.
    """

    def __init__(
        self, settings: ClientSettings, clock: Clock | None = None, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        clock = clock or SystemClock()
        self._asker = Asker(settings, clock, sleep)
        self._batches = Batches(self._asker, settings.adaptive_batch, clock)
        self._downloads = Downloads(self._asker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let nothing leave any more, and close the connections kept alive; a request under way is not broken off."""
        self._asker.close()

    def ask_again(self) -> None:
        """Ask at the next question what failed again and again, or was forbidden; its answer tells how it stands now."""
        self._asker.ask_again()

    def vitals(self) -> ApiVitals:
        """Tell what is not asked now and why, and what was asked so far."""
        return self._asker.vitals()

    @property
    def most_at_once(self) -> int:
        """How many hashes to ask for at a time: a batch, and few until the server has shown that it takes batches."""
        return self._batches.most_at_once

    def known_ids(self, sha256s: Sequence[str]) -> dict[str, tuple[Alternate, ...]]:
        """Give the versions that hold each SHA256, by their ids; unknown and malformed hashes are absent."""
        spelled = _well_formed(sha256s)
        known = self._batches.known_ids([*dict.fromkeys(spelled.values())])
        return {each: known[upper] for each, upper in spelled.items() if upper in known}

    def versions_by_hash(
        self,
        sha256s: Sequence[str],
        preferred: Mapping[str, Collection[int]] | None = None,
        *,
        ahead: Sequence[str] = (),
        is_fresh: bool = False,
    ) -> Replies[str, Found]:
        """Give the version behind each SHA256, keyed as it was asked for; a malformed one is unknown.

        Of several versions a `preferred` one is chosen, if it does hold the hash, then the one published first. `ahead` are
        hashes that will be asked for soon. If nothing at all was answered, that error is raised.
        """
        spelled = _well_formed(sha256s)
        upper_preferred = {each.upper(): ids for each, ids in (preferred or {}).items()}
        wanted, coming = ([*dict.fromkeys(each.values())] for each in (spelled, _well_formed(ahead)))
        replies = self._batches.versions(wanted, upper_preferred, coming, is_fresh=is_fresh)
        return Replies(
            {each: replies.found[upper] for each, upper in spelled.items() if upper in replies.found},
            {each: replies.unanswered[upper] for each, upper in spelled.items() if upper in replies.unanswered},
        )

    def version_by_weights(self, autov3: str) -> ModelVersion | None:
        """Give a version with a file of the same weights under another header; None unless it lists that AutoV3."""
        version = self.get_model_version_by_hash(autov3) if _AUTOV3.fullmatch(autov3) else None
        return version if version is not None and lists_hash(version, "AutoV3", autov3.upper()) else None

    def get_model_version_by_hash(self, any_hash: str) -> ModelVersion | None:
        """Give the oldest version with a file of this SHA256, BLAKE3, AutoV2 or AutoV3; anything else is never asked."""
        if not _TELLING_HASH.fullmatch(any_hash) or any_hash.upper() == EMPTY_AUTOV3:
            return None
        return self._batches.version(any_hash.upper())

    def get_model_version(self, version_id: int, *, is_fresh: bool = False) -> ModelVersion | None:
        """Give the version of this id. It lists replaced files, too, and perhaps a VAE of another version."""
        body = self._record("model-versions", version_id, is_fresh=is_fresh)
        return None if body is None else parse_version(body)

    def get_model(self, model_id: int, *, is_fresh: bool = False) -> Model | None:
        """Give the model of this id, None where Civitai shows none: it may be private, and its versions still be found.

        `is_fresh`, here and elsewhere: what was answered before will not do.
        """
        body = self._record("models", model_id, is_fresh=is_fresh)
        return None if body is None else parse_model(body)

    def get_parent_model_with_versions(self, model_id: int) -> Model | None:
        """Give the model above a version, with all versions beside it, in the creator's order."""
        return self.get_model(model_id)

    def get_model_by_hash(self, any_hash: str) -> Model | None:
        """Give the model above the version behind a hash; None where the hash is unknown or the model hidden."""
        version = self.get_model_version_by_hash(any_hash)
        return None if version is None or version.model_id is None else self.get_model(version.model_id)

    def get_models(self, model_ids: Sequence[int], *, is_fresh: bool = False) -> Replies[int, Model]:
        """Give the models of these ids, by lists of a hundred; if nothing at all was answered, that error is raised.

        A list leaves out archived and private models, and others, without a word: those are asked for alone.
        """
        wanted = [each for each in dict.fromkeys(model_ids) if _is_id(each)]
        replies: Replies[int, Model] = Replies()
        for start in range(0, len(wanted), LIST_LIMIT):
            replies.add(self._models(wanted[start : start + LIST_LIMIT], is_fresh=is_fresh))
        return replies.required(wanted)

    def search_models(self, words: str, *, model_type: str | None = None, limit: int = 20) -> list[Model]:
        """Give models whose names fit the words, in the server's order."""
        parameters = {"query": words, "nsfw": "true", "limit": str(min(limit, LIST_LIMIT))}
        if model_type is not None:
            parameters["types"] = model_type
        found = listed(self._asker, "models", parameters)
        return [parse_model(each) for each in islice(found, limit) if integer(each.get("id")) is not None]

    def get_images(self, version_id: int, *, browsing_level: str = "X", limit: int = 20) -> list[RemoteImage]:
        """Give images that people have posted of a version, up to `browsing_level` (None, Soft, Mature or X)."""
        if not _is_id(version_id):
            return []
        parameters = {
            "modelVersionId": str(version_id),
            "limit": str(min(limit, LIST_LIMIT)),
            "nsfw": browsing_level,
            "withMeta": "true",
        }
        return [*remote_images([*islice(listed(self._asker, "images", parameters), limit)])]

    def download_image(self, url: str, destination: Path, max_bytes: int) -> Downloaded:
        """Put the picture or clip at `url` where nothing is, see `downloads.Downloads.fetch`."""
        return self._downloads.fetch(url, destination, max_bytes)

    def _models(self, model_ids: list[int], *, is_fresh: bool) -> Replies[int, Model]:
        found: dict[int, Model] = {}
        groups = deque([model_ids])
        while groups:
            group = groups.popleft()
            try:
                for models in self._lists(group, is_fresh=is_fresh):
                    found |= models
            except QuestionRefused:
                continue  # one of the ids may spoil the list
            except FAILED as error:
                if not _may_be_over_one(error):
                    return Replies(found, dict.fromkeys((each for each in model_ids if each not in found), error))
                groups += group[: len(group) // 2], group[len(group) // 2 :]
        replies = ask_each(
            [each for each in model_ids if each not in found], partial(self.get_model, is_fresh=is_fresh)
        )
        replies.found |= found
        return replies

    def _lists(self, model_ids: list[int], *, is_fresh: bool) -> Iterator[dict[int, Model]]:
        """Give the models of a list, page by page until all have come or none comes any more; a single one has no list."""
        parameters = {"ids": ",".join(map(str, model_ids)), "nsfw": "true", "limit": str(LIST_LIMIT)}
        missing = set(model_ids) if len(model_ids) > 1 else set()
        for page in pages(self._asker, "models", parameters, is_fresh=is_fresh) if missing else ():
            models = {
                each.id: each
                for each in map(parse_model, (body for body in page if integer(body.get("id")) in missing))
            }
            yield models
            missing -= models.keys()
            if not models or not missing:
                return

    def _record(self, kind: str, wanted_id: int, *, is_fresh: bool) -> JsonObject | None:
        """Give the record of this id, None for a miss; what was kept and is another's, or no record, is asked for again."""
        for is_asked_again in sorted({is_fresh, True}):
            body = self._asker.ask(f"{kind}/{wanted_id}", is_fresh=is_asked_again) if _is_id(wanted_id) else None
            if body is None or integer(as_object(body).get("id")) == wanted_id:
                return None if body is None else as_object(body)
        raise CivitaiUnavailable(f"Civitai answered {kind}/{wanted_id} with something else")


def _well_formed(sha256s: Sequence[str]) -> dict[str, str]:
    """Give those that are 64 hexadecimal digits, as they are spelled, with the one spelling that is ever asked."""
    return {each: each.upper() for each in sha256s if _SHA256.fullmatch(each)}


def _may_be_over_one(error: ModelshelfError) -> bool:
    """Tell whether a server may have failed over one of many questions: it does not say when to ask again."""
    return isinstance(error, CivitaiUnavailable) and error.retry_after_seconds is None


def _is_id(number: int) -> bool:
    return 0 < number <= _LARGEST_ID
