"""How many requests a first run over a large library needs, at a Civitai that is well and at one that fails now and then.

Files are known to the store by their hashes from the beginning: identification and parents are what is counted. Every clock
stands still but for pauses, so the minutes are those that the default rate limit and the pauses ask for.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.collection import Library, asked_about, end_state
from bench.stage import scratch
from bench.table import Row
from tests.fakes import civitai_odd_records as odd
from tests.fakes.civitai_chance import Chance
from tests.fakes.civitai_server import CivitaiStandIn

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_wire import RecordedRequest

TITLE = "requests: a library known by its hashes alone; lists drop 1 % of the parents"

MOST_REQUESTS = 250
MOST_TIMES_AS_MANY = 3.0
FAILING = 0.1
_BY_WEIGHTS = "GET by-hash, AutoV3"
_NEEDED_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Asking:
    """What one run asked for, by route, how long the pace made it last, and what was known in the end."""

    routes: Counter[str]
    minutes: float
    known: dict[str, list[dict[str, Any]]]

    @property
    def requests(self) -> int:
        """All requests but those by AutoV3, which trickle."""
        return sum(self.routes.values()) - self.routes[_BY_WEIGHTS]


class _Dropping:
    """Stands as `mood_for`: lists drop every hundredth parent; what `chance` lets fail fails instead."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._drop = odd.drops_parents(100)

    def __call__(self, request: RecordedRequest) -> Mood:
        return self._chance(request) or self._drop


def compare(directory: Path | None, *, is_quick: bool) -> list[Row]:
    """Ask about 10,000 files twice (1,000 where `is_quick`): well, and with a tenth of the answers failing."""
    library = Library(1_000, 300) if is_quick else Library(10_000, 3_000)
    bound = MOST_REQUESTS * library.files // 10_000
    with scratch(directory, _NEEDED_BYTES) as here:
        well, failing = compare_within(here, library)
    times = failing.requests / well.requests
    return [
        Row("files, models", f"{library.files:,}, {library.models:,}"),
        *[Row(f"  {route}", f"{count}") for route, count in well.routes.most_common()],
        Row("identification and parents", f"{well.requests}", f"<= {bound}", well.requests <= bound, is_ratio=True),
        Row("  minutes at the default rate limit", f"{well.minutes:.1f}"),
        *[Row(f"  {route}, {FAILING:.0%} failing", f"{count}") for route, count in failing.routes.most_common()],
        Row(
            f"with {FAILING:.0%} of the answers failing",
            f"{failing.requests} ({times:.2f} times)",
            f"<= {MOST_TIMES_AS_MANY:g} times",
            times <= MOST_TIMES_AS_MANY,
            is_ratio=True,
        ),
        Row("  minutes", f"{failing.minutes:.1f}"),
        Row("  the same is known in the end", "", "all of it", failing.known == well.known, is_ratio=True),
    ]


def compare_within(directory: Path, library: Library, seed: int = 1) -> tuple[Asking, Asking]:
    """Ask the same stand-in twice about the same library: well, then with a tenth of the answers failing."""
    with CivitaiStandIn() as civitai:
        library.introduce(civitai)
        well = _asked(library, directory / "well", civitai, Chance(0.0))
        return well, _asked(library, directory / "failing", civitai, Chance(FAILING, seed))


def _asked(library: Library, root: Path, civitai: CivitaiStandIn, chance: Chance) -> Asking:
    civitai.requests.clear()
    civitai.mood_for = _Dropping(chance)
    random.seed(chance.seed)  # the worker spreads second tries by chance
    with asked_about(library, root, civitai) as shelf:
        return Asking(civitai.asked(), shelf.clock.monotonic() / 60, end_state(shelf.store))
