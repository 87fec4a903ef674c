"""Whatever mixture of moods a server goes through, and whatever records it has: once it is well, all is as if it always was."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench.collection import end_state
from modelshelf.domain.output import HtmlOutput, Output
from tests import builders
from tests.fakes import civitai_moods as moods
from tests.fakes import civitai_odd_records as odd
from tests.fakes.civitai_chance import PASSING
from tests.fakes.civitai_server import CivitaiStandIn
from tests.unit.steps.step_shelf import HOUR, StepShelf, introduce, sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_wire import RecordedRequest

OF_BATCHES = (moods.malformed, moods.too_large, moods.method_not_allowed)
"""Refusals that a batch may meet, and no question about one hash alone."""

MOODS: tuple[Mood | None, ...] = (*PASSING, moods.redirect_loop, *OF_BATCHES, None, None)
ODDITIES: tuple[Mood | None, ...] = (
    None,
    moods.lower_case_hashes,
    moods.without_hashes,
    odd.unknown_enums,
    odd.hidden_downloads,
    odd.legacy_autov3,
    odd.drops_parents(2),
)
DETAILS: dict[str, dict[str, Any]] = {
    "sibling": {"model_id": 99},
    "hidden": {"is_hidden": True},
    "replaced": {"is_replaced": True},
    "archived": {"mode": "Archived"},
    "private": {"availability": "Private"},
    "minor": {"minor": True},
}
KINDS = ("plain", "unknown", "twice", "weights", *DETAILS)


@dataclass(frozen=True)
class Trouble:
    """Which files lie there, how odd the records are, and what the server goes through while it is asked."""

    kinds: tuple[str, ...]
    oddity: Mood | None
    moods: tuple[Mood | None, ...]


troubles = st.builds(
    Trouble,
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=7).map(tuple),
    st.sampled_from(ODDITIES),
    st.lists(st.sampled_from(MOODS), min_size=1, max_size=12).map(tuple),
)


def content_of(number: int) -> bytes:
    return builders.lora(number, base="SD1")


def stock(civitai: CivitaiStandIn, kinds: Sequence[str]) -> None:
    """Let the stand-in know each file as its kind says; ids follow from the place alone."""
    for number, kind in enumerate(kinds):
        content = content_of(number)
        details: dict[str, Any] = {"model_id": 100 + number, "version_id": 1000 + number, "images": 1}
        details |= DETAILS.get(kind, {})
        if kind == "weights":
            autov3 = _autov3(content)
            civitai.add_file({"sha256": f"{number:064X}", "autov3": autov3}, len(content) + 8, **details)
        elif kind != "unknown":
            introduce(civitai, content, f"Number {number}", **details)
        if kind == "twice":
            details |= {"model_id": 200 + number, "version_id": 2000 + number}
            introduce(civitai, content, "Copied", published_at="2026-01-01T00:00:00.000Z", **details)


def _autov3(content: bytes) -> str:
    return sha256(content[8 + int.from_bytes(content[:8], "little") :])[:12]


class Server:
    """Stands as `mood_for`: goes through the moods once for each request, then is as odd as it is and well."""

    def __init__(self, trouble: Trouble) -> None:
        self._left = list(trouble.moods)
        self._oddity = trouble.oddity

    def __call__(self, request: RecordedRequest) -> Mood | None:
        mood = self._left.pop(0) if self._left else None
        is_picture = request.path.startswith("/images/")
        if mood in OF_BATCHES and request.method == "GET":
            mood = None
        return mood or (None if is_picture else self._oddity)


def known_in_the_end(civitai: CivitaiStandIn, trouble: Trouble, root: Path) -> dict[str, Any]:
    """Work until everything has come, and give what is known and what lies there."""
    civitai.mood_for = Server(trouble)
    root.mkdir()
    shelf = StepShelf(root, civitai)
    try:
        shelf.set_output(Output(html=HtmlOutput(is_enabled=False, is_gallery_generated=False)))
        for number in range(len(trouble.kinds)):
            shelf.put(f"{number}.safetensors", content_of(number))
        shelf.look_through()
        for _ in range(48):
            shelf.clock.advance(1.5 * HOUR)
            shelf.drain()
        owed = [task.kind for task in shelf.tasks()]
        return {"state": end_state(shelf.store), "names": shelf.names(), "owed": owed}
    finally:
        shelf.close()


@settings(
    max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, phases=[Phase.generate]
)
@given(troubles)
def test_after_any_mixture_of_moods_all_is_as_if_the_server_had_always_been_well(trouble: Trouble) -> None:
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        civitai = stack.enter_context(CivitaiStandIn())
        stock(civitai, trouble.kinds)
        well = known_in_the_end(civitai, Trouble(trouble.kinds, trouble.oddity, ()), root / "well")
        ill = known_in_the_end(civitai, trouble, root / "ill")
    assert ill == well
    assert not well["owed"]
