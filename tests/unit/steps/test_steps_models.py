"""The model above a version: asked for once a week, and what is newer there than here."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.civitai import Sibling
from modelshelf.domain.fact import Field
from modelshelf.domain.task import TaskKind
from modelshelf.domain.update import Access
from modelshelf.errors import CivitaiUnavailable
from modelshelf.steps.newer_versions import newer_versions
from modelshelf.steps.step import Done, Failed
from tests import builders
from tests.fakes import civitai_moods as moods
from tests.fakes.civitai_wire import json_reply
from tests.unit.steps.step_shelf import introduce

if TYPE_CHECKING:
    from modelshelf.domain.civitai import Model
    from modelshelf.domain.content import Content
    from modelshelf.domain.jsontypes import JsonObject
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

BYTES = builders.lora(1)
WEEK = timedelta(days=7)
MODEL = 77


@pytest.fixture
def content(shelf: StepShelf, civitai: CivitaiStandIn) -> Content:
    """Give the content of a file that is identified, of a model that was not asked for yet."""
    introduce(civitai, BYTES, "Model", model_id=MODEL, published_at="2026-01-01T00:00:00.000Z", version_name="here")
    shelf.put("model.safetensors", BYTES)
    shelf.read("model.safetensors")
    shelf.do(TaskKind.IDENTIFY_CONTENT, shelf.content("model.safetensors").id)
    civitai.requests.clear()
    return shelf.content("model.safetensors")


def publish(civitai: CivitaiStandIn, seed: int, month: int, **details: object) -> int:
    """Publish another version of the model."""
    told = {"model_id": MODEL, "published_at": f"2026-{month:02}-01T00:00:00.000Z", "base_model": "SDXL 1.0"}
    return introduce(civitai, builders.lora(seed), "Model", **{**told, **details})


def ask(shelf: StepShelf, *, is_forced: bool = False) -> bool:
    """Ask for the model; gives whether it said anything new."""
    (outcome,) = shelf.perform(TaskKind.ENRICH_MODEL, MODEL, is_forced=is_forced)
    assert isinstance(outcome, Done)
    shelf.record([outcome])
    return outcome.is_followed


def updates(shelf: StepShelf) -> dict[int, tuple[bool, Access]]:
    """Give what is newer upstream."""
    return {each.version_id: (each.is_same_base, each.access) for each in shelf.store.updates.all()}


def test_a_model_is_asked_for_again_when_its_week_is_over_and_only_news_is_followed(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    assert ask(shelf)
    shelf.clock.advance(WEEK.total_seconds() - 1)
    assert not ask(shelf)
    assert len(civitai.requests) == 1
    shelf.clock.advance(1)
    before = shelf.snapshot().rows
    assert not ask(shelf)
    assert len(civitai.requests) == 2
    after = shelf.snapshot().rows
    assert {name for name in before if before[name] != after[name]} == {"civitai_models"}
    civitai.records.models[MODEL].body["tags"] = ["new"]
    shelf.clock.advance(WEEK.total_seconds())
    assert ask(shelf)
    assert shelf.description("model.safetensors").value(Field.TAGS) == ["new"]


def test_how_often_a_model_was_downloaded_is_no_news(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    ask(shelf)
    civitai.records.models[MODEL].body["stats"] = {"downloadCount": 4711}
    assert not ask(shelf, is_forced=True)
    kept = shelf.store.remote.model_body(MODEL)
    assert kept is not None
    assert kept["stats"] == {"downloadCount": 4711}


def test_a_model_that_is_not_there_is_left_alone_for_a_week_and_keeps_what_was_known(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    ask(shelf)
    civitai.records.models[MODEL].body["availability"] = "Private"
    shelf.clock.advance(WEEK.total_seconds())
    missed_at = shelf.clock.now()
    assert not ask(shelf)
    requests = len(civitai.requests)
    assert not ask(shelf)
    assert len(civitai.requests) == requests
    assert shelf.store.remote.model_gone_since(MODEL) is None
    shelf.clock.advance(WEEK.total_seconds())
    ask(shelf)
    assert shelf.store.remote.model_gone_since(MODEL) == missed_at
    assert shelf.description("model.safetensors").value(Field.TAGS) == ["Model tag"]
    civitai.records.models[MODEL].body["availability"] = "Public"
    ask(shelf, is_forced=True)
    assert shelf.store.remote.model_gone_since(MODEL) is None


@pytest.mark.parametrize("is_full_again", [False, True])
def test_a_thin_record_of_a_model_takes_nothing_away(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content, *, is_full_again: bool
) -> None:
    ask(shelf)
    known = shelf.description("model.safetensors")
    assert {Field.TAGS, Field.CREATOR, Field.LICENSE} <= known.facts.keys()
    civitai.mood_for = lambda _: lambda _: json_reply({"id": MODEL, "creator": {"username": None}, "tags": []})
    assert not ask(shelf, is_forced=True)
    if is_full_again:
        civitai.mood_for = None
        assert not ask(shelf, is_forced=True)
    assert shelf.description("model.safetensors").facts == known.facts


def test_a_model_answered_under_another_id_is_asked_for_again_later(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    civitai.mood_for = lambda _: lambda _: json_reply({"id": MODEL + 1})
    with pytest.raises(CivitaiUnavailable, match="something else"):
        shelf.perform(TaskKind.ENRICH_MODEL, MODEL)
    assert shelf.store.remote.model_body(MODEL + 1) is None
    civitai.mood_for = None
    assert ask(shelf)


def test_the_pictures_of_a_model_s_versions_are_kept_without_giants(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    image: JsonObject = {"url": "https://x.invalid/1.jpeg", "meta": {"comfy": "x" * 100_000, "prompt": "fish"}}
    civitai.mood_for = lambda _: lambda _: json_reply({"id": MODEL, "modelVersions": [{"id": 1, "images": [image]}]})
    ask(shelf)
    slimmed = {**image, "meta": {"prompt": "fish"}}
    assert shelf.store.remote.model_body(MODEL) == {"id": MODEL, "modelVersions": [{"id": 1, "images": [slimmed]}]}


def test_an_outage_is_no_answer(shelf: StepShelf, civitai: CivitaiStandIn, content: Content) -> None:
    ask(shelf)
    shelf.clock.advance(WEEK.total_seconds())
    before = shelf.snapshot().rows
    civitai.mood_for = lambda _: moods.crashed
    with pytest.raises(CivitaiUnavailable):
        shelf.perform(TaskKind.ENRICH_MODEL, MODEL)
    civitai.mood_for = lambda request: moods.crashed if request.route.endswith(f"/{MODEL}") else None
    outcomes = shelf.perform(TaskKind.ENRICH_MODEL, MODEL, MODEL + 1)
    assert [type(outcome) for outcome in outcomes] == [Done, Done]
    civitai.records.models[MODEL].body["mode"] = "Archived"
    outcomes = shelf.perform(TaskKind.ENRICH_MODEL, MODEL, MODEL + 1, is_forced=True)
    assert [type(outcome) for outcome in outcomes] == [Failed, Done]
    assert shelf.snapshot().rows == before


def test_a_newer_version_is_told_of_once(shelf: StepShelf, civitai: CivitaiStandIn, content: Content) -> None:
    same = publish(civitai, 2, 2, version_name="two")
    other = publish(civitai, 3, 3, base_model="Pony", version_name="three")
    publish(civitai, 4, 1, published_at="2025-01-01T00:00:00.000Z")
    ask(shelf)
    assert updates(shelf) == {same: (True, Access.FREE), other: (False, Access.FREE)}
    told = shelf.events("update_available")
    assert [(each["version_id"], each["reason"]) for each in told] == [
        (same, "two, SDXL 1.0, free"),
        (other, "three, Pony, free"),
    ]
    ask(shelf, is_forced=True)
    assert len(shelf.events("update_available")) == 2


def test_a_newer_version_that_lies_on_the_shelf_unasked_for_is_no_news(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    newer = publish(civitai, 2, 3)
    shelf.put("newer.safetensors", builders.lora(2))
    shelf.read("newer.safetensors")
    ask(shelf)
    assert updates(shelf) == {}
    (shelf.root / "loras" / "newer.safetensors").unlink()
    shelf.scan()
    ask(shelf, is_forced=True)
    assert updates(shelf).keys() == {newer}


def test_what_is_muted_is_remembered_and_not_told(shelf: StepShelf, civitai: CivitaiStandIn, content: Content) -> None:
    shelf.store.updates.mute(MODEL)
    newer = publish(civitai, 2, 2)
    ask(shelf)
    assert updates(shelf).keys() == {newer}
    assert not shelf.events("update_available")


def test_a_version_that_came_onto_the_shelf_is_no_update_any_more(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    publish(civitai, 2, 2)
    ask(shelf)
    shelf.put("newer.safetensors", builders.lora(2))
    shelf.read("newer.safetensors")
    shelf.do(TaskKind.IDENTIFY_CONTENT, shelf.content("newer.safetensors").id)
    assert updates(shelf) == {}


def test_a_version_that_the_model_lists_no_more_still_counts_as_here(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    newer = publish(civitai, 2, 2)
    publish(civitai, 3, 1, published_at="2025-12-31T00:00:00.000Z")
    civitai.records.versions[content.version_id or 0].body["status"] = "Deleted"
    ask(shelf)
    assert updates(shelf).keys() == {newer}


def test_a_model_of_which_nothing_is_here_any_more_has_no_updates(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    publish(civitai, 2, 2)
    ask(shelf)
    shelf.store.files.mark_missing([shelf.file("model.safetensors").id], shelf.clock.now())
    ask(shelf, is_forced=True)
    assert updates(shelf) == {}


def model_with(shelf: StepShelf, civitai: CivitaiStandIn, *siblings: Sibling) -> Model:
    """Give a model that lists these versions."""
    from dataclasses import replace  # noqa: PLC0415

    model = shelf.client.get_model(MODEL)
    assert model is not None
    return replace(model, versions=siblings)


@pytest.mark.parametrize(
    ("sibling", "access"),
    [
        (Sibling(2, None, None, "2026-05-01"), Access.FREE),
        (Sibling(2, None, None, "2026-05-01", is_paid=True), Access.PAID),
        (Sibling(2, None, None, "2026-05-01", access_ends_at="2030-01-01T00:00:00Z"), Access.EARLY),
        (Sibling(2, None, None, "2026-05-01", access_ends_at="2026-05-02T00:00:00Z"), Access.FREE),
        (Sibling(2, None, None, "2026-05-01", access_ends_at="some day"), Access.FREE),
        (Sibling(2, None, None, "2025-05-01"), None),
        (Sibling(2, None, None, "2026-01-01"), None),
        (Sibling(2, None, None, None), None),
        (Sibling(2, None, None, "some day"), None),
    ],
)
def test_what_an_update_costs_and_what_is_none(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content, sibling: Sibling, access: Access | None
) -> None:
    here = Sibling(1, None, None, "2026-01-01T00:00:00")
    found = newer_versions(model_with(shelf, civitai, here, sibling), [here], shelf.clock.now())
    assert [each.access for each in found] == ([access] if access else [])
    assert not any(each.is_same_base for each in found)


def test_a_newer_version_of_the_same_base_counts_though_one_of_another_base_is_newer_still(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    shelf_has = [Sibling(1, None, "SD 1.5", "2024-01-01"), Sibling(2, None, "SDXL 1.0", "2026-01-01")]
    between = [Sibling(3, None, "SD 1.5", "2025-01-01"), Sibling(4, None, "Pony", "2025-01-01")]
    model = model_with(shelf, civitai, *shelf_has, *between)
    (found,) = newer_versions(model, shelf_has, shelf.clock.now())
    assert (found.version_id, found.is_same_base) == (3, True)


def test_a_shelf_whose_dates_nobody_knows_has_no_updates(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    here = Sibling(1, None, None, None)
    model = model_with(shelf, civitai, here, Sibling(2, None, None, "2026-01-01"))
    assert newer_versions(model, [here], shelf.clock.now()) == []
