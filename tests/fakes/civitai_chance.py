"""A stand-in that fails now and then, by a chance that is the same for the same seed; and what was asked, counted by route."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import TYPE_CHECKING

from tests.fakes import civitai_moods as moods

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_wire import RecordedRequest

PASSING: tuple[Mood, ...] = (
    moods.rate_limited("2"),
    moods.rate_limited(),
    moods.overloaded,
    moods.timed_out_at_edge,
    moods.challenged,
    moods.crashed,
    moods.page,
    moods.truncated,
    moods.reset,
    moods.hung_up,
    moods.wrong_address,
)
"""Moods that end by themselves: whoever asks again is answered."""

_ROUTES = (
    ("POST by-hash/ids", re.compile(r"POST /api/v1/model-versions/by-hash/ids")),
    ("POST by-hash", re.compile(r"POST /api/v1/model-versions/by-hash/?")),
    ("GET by-hash, SHA256", re.compile(r"GET /api/v1/model-versions/by-hash/\w{64}")),
    ("GET by-hash, AutoV3", re.compile(r"GET /api/v1/model-versions/by-hash/\w{12}")),
    ("GET model-versions/ID", re.compile(r"GET /api/v1/model-versions/\d+")),
    ("GET models?ids", re.compile(r"GET /api/v1/models/?\?(?:.*&)?ids=.*")),
    ("GET models?query", re.compile(r"GET /api/v1/models/?\?(?:.*&)?query=.*")),
    ("GET models/ID", re.compile(r"GET /api/v1/models/\d+")),
    ("GET images", re.compile(r"GET /api/v1/images.*")),
    ("pictures", re.compile(r"GET /images/.*")),
)


class Chance:
    """Stands as `mood_for`: of all answers `fraction` come in one of `kinds` instead; `failures` counts them."""

    def __init__(self, fraction: float, seed: int = 0, kinds: Sequence[Mood] = PASSING) -> None:
        self.failures = 0
        self.seed = seed
        self._fraction = fraction
        self._kinds = kinds
        self._dice = random.Random(seed)

    def __call__(self, _: RecordedRequest) -> Mood | None:
        """Throw the dice for one answer."""
        if self._dice.random() >= self._fraction:
            return None
        self.failures += 1
        return self._dice.choice(self._kinds)


def by_route(requests: Iterable[RecordedRequest]) -> Counter[str]:
    """Count requests by what they ask for."""
    return Counter(_route(request) for request in requests)


def _route(request: RecordedRequest) -> str:
    line = f"{request.method} {request.path}"
    return next((name for name, pattern in _ROUTES if pattern.fullmatch(line)), line)
