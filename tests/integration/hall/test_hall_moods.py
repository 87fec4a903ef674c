"""Whatever Civitai answers: only its own word for "unknown" is taken as one, and the lookup is owed until it succeeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.fakes import civitai_moods as moods
from tests.fakes.civitai_wire import error_reply
from tests.unit.steps.step_shelf import introduce

if TYPE_CHECKING:
    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

BAD = {
    "429": moods.rate_limited("30"),
    "429 without a word": moods.rate_limited(),
    "500": moods.crashed,
    "503": moods.overloaded,
    "524": moods.timed_out_at_edge,
    "html 200": moods.page,
    "html 404": moods.wrong_address,
    "challenge": moods.challenged,
    "half a body": moods.truncated,
    "reset": moods.reset,
    "hung up": moods.hung_up,
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("mood", BAD)
def test_a_server_in_a_bad_mood_puts_the_lookup_off_and_nothing_is_unknown(
    mood: str, count: int, shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    names = [f"asked{number}.safetensors" for number in range(count)]
    for number, name in enumerate(names):
        introduce(civitai, builders.lora(60 + number), f"Known {number}")
        shelf.put(name, builders.lora(60 + number))
    bad: Mood = BAD[mood]
    civitai.mood_for = lambda _: bad
    shelf.look_through()
    for name in names:
        content = shelf.content(name)
        assert (content.lookup_count, content.looked_up_at, content.version_id) == (0, None, None)
        assert "Not looked up yet" in shelf.path(name.replace("safetensors", "html")).read_text()
    owed = shelf.tasks()
    assert len(owed) == count
    assert all(task.last_error and task.failure_kind == "api" and task.due_at > shelf.clock.now() for task in owed)
    civitai.mood_for = None
    shelf.clock.advance(3 * 3600)
    shelf.drain()
    assert all(shelf.content(name).version_id is not None for name in names)
    assert not shelf.tasks()


def test_a_refusal_is_kept_for_a_person_to_see(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    civitai.mood_for = lambda _: moods.region_blocked
    shelf.put("asked.safetensors", builders.lora(63))
    shelf.look_through()
    (failed,) = shelf.store.journal.failures()
    assert failed.failed_at is not None
    assert shelf.content("asked.safetensors").looked_up_at is None


def test_a_hidden_model_leaves_its_version_known(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    introduce(civitai, builders.lora(64), "Hidden above")
    genuine = moods.content
    civitai.mood_for = lambda request: (
        (lambda _: error_reply("No model with id", 404)) if "/models/" in request.path else genuine
    )
    shelf.put("asked.safetensors", builders.lora(64))
    shelf.look_through()
    assert shelf.json("asked.civitai.info")["model"]["name"] == "Hidden above"
    model_id = shelf.json("asked.civitai.info")["modelId"]
    (row,) = shelf.store.database.rows("SELECT absent_since FROM civitai_models WHERE id = ?", (model_id,))
    assert row["absent_since"] is not None
    assert not shelf.tasks()


def test_answers_of_a_server_without_batches_are_kept_as_they_come(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    civitai.mood_for = lambda request: moods.method_not_allowed if request.method == "POST" else None
    for number in range(12):
        introduce(civitai, builders.lora(600 + number), f"Number {number}")
        shelf.put(f"{number}.safetensors", builders.lora(600 + number))
    shelf.look_through()
    asked = [request for request in civitai.requests if request.method == "GET" and "/by-hash/" in request.path]
    assert len(asked) == 12
    assert all(shelf.description(f"{number}.safetensors").version for number in range(12))
