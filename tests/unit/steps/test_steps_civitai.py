"""The three steps that ask Civitai."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.content import Match
from modelshelf.domain.fact import Field, Source
from modelshelf.domain.output import ImagesOutput, Output
from modelshelf.domain.task import TaskKind
from modelshelf.errors import CivitaiUnavailable, FileGone
from modelshelf.steps.matched import body_to_keep
from modelshelf.steps.step import Done, Failed
from tests import builders
from tests.fakes import civitai_moods as moods
from tests.fakes.civitai_wire import json_reply
from tests.unit.steps.step_shelf import introduce

if TYPE_CHECKING:
    from modelshelf.domain.content import Content
    from modelshelf.domain.jsontypes import JsonObject
    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import RecordedRequest
    from tests.unit.steps.step_shelf import StepShelf

CONTENT = builders.lora(1)


@pytest.fixture
def content(shelf: StepShelf, civitai: CivitaiStandIn) -> Content:
    """Give the content of a file that is hashed and not yet looked up."""
    shelf.put("model.safetensors", CONTENT)
    shelf.read("model.safetensors")
    return shelf.content("model.safetensors")


def done(outcomes: list[Any]) -> Done[Any]:
    """Give the one outcome, which must be a success."""
    (outcome,) = outcomes
    assert isinstance(outcome, Done)
    return outcome


def _answered_with(record: JsonObject, request: RecordedRequest) -> Mood | None:
    if request.path.endswith("/ids"):
        return None
    return lambda _: json_reply([record] if request.method == "POST" else record)


def test_a_hit_is_followed_and_asked_for_again_in_a_month(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    version_id = introduce(civitai, CONTENT, "Known")
    outcome = done(shelf.perform(TaskKind.IDENTIFY_CONTENT, content.id))
    assert outcome.is_followed
    assert shelf.record([outcome]) == []
    known = shelf.content("model.safetensors")
    assert (known.version_id, known.lookup_count, known.matched_by) == (version_id, 1, Match.FILE)
    assert known.next_lookup_at == shelf.clock.now() + timedelta(days=30)
    assert shelf.description("model.safetensors").text(Field.NAME) == "Known"


def test_a_miss_is_followed_by_nothing_but_the_page(shelf: StepShelf, content: Content) -> None:
    outcome = done(shelf.perform(TaskKind.IDENTIFY_CONTENT, content.id))
    assert not outcome.is_followed
    (page,) = shelf.record([outcome])
    assert page.kind is TaskKind.RENDER_PAGE


def test_a_miss_takes_nothing_away_from_what_is_known(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    version_id = introduce(civitai, CONTENT, "Taken down later")
    shelf.do(TaskKind.IDENTIFY_CONTENT, content.id)
    civitai.records.versions[version_id].body["status"] = "Deleted"
    shelf.do(TaskKind.IDENTIFY_CONTENT, content.id)
    assert shelf.content("model.safetensors").version_id == version_id
    assert shelf.description("model.safetensors").text(Field.NAME) == "Taken down later"


def test_a_known_content_that_a_person_asks_for_again_has_its_model_and_its_picture_asked_for_again(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    introduce(civitai, CONTENT, "Known")
    shelf.do(TaskKind.IDENTIFY_CONTENT, content.id)
    again, picture = shelf.do(TaskKind.IDENTIFY_CONTENT, content.id, is_forced=True)
    assert (again.kind, again.is_forced) == (TaskKind.ENRICH_MODEL, True)
    assert picture.kind is TaskKind.FETCH_PREVIEWS


def test_a_server_that_is_unavailable_fails_the_whole_batch(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    civitai.mood_for = lambda _: moods.crashed
    (outcome,) = shelf.perform(TaskKind.IDENTIFY_CONTENT, content.id)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, CivitaiUnavailable)


def test_a_content_that_is_not_known_is_forgotten(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    (outcome,) = shelf.perform(TaskKind.IDENTIFY_CONTENT, 4711)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, FileGone)


def test_many_contents_are_two_requests(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    for number in range(5):
        introduce(civitai, builders.lora(number), f"Known {number}")
        shelf.put(f"{number}.safetensors", builders.lora(number))
        shelf.read(f"{number}.safetensors")
    shelf.do(TaskKind.IDENTIFY_CONTENT, *(shelf.content(f"{number}.safetensors").id for number in range(5)))
    assert len(civitai.requests) == 2
    kept = shelf.store.remote.version_body(shelf.content("0.safetensors").version_id or 0)
    assert "https://undefined" not in str(kept)


def test_a_thin_record_of_a_version_takes_nothing_away_and_is_no_news(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    version_id = introduce(civitai, CONTENT, "Known")
    shelf.do(TaskKind.IDENTIFY_CONTENT, content.id)
    known = shelf.description("model.safetensors")
    body = shelf.store.remote.version_body(version_id)
    assert body is not None
    silent: JsonObject = {"files": [], "images": [], "trainedWords": None, "baseModel": "", "model": {"poi": False}}
    thin: list[tuple[JsonObject, bool]] = [({**body, **silent}, False), ({"id": version_id}, True)]
    for record, is_followed in thin:
        civitai.mood_for = partial(_answered_with, record)
        outcome = done(shelf.perform(TaskKind.IDENTIFY_CONTENT, content.id, is_forced=True))
        assert outcome.is_followed is is_followed
        shelf.record([outcome])
        after = shelf.description("model.safetensors")
        assert after.facts == known.facts
        assert known.version is not None
        assert after.version is not None
        assert replace(after.version, body={}) == replace(known.version, body={})


def test_an_archived_model_keeps_the_files_and_the_address_it_had(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    version_id = introduce(civitai, CONTENT, "Known", model_id=5)
    shelf.do(TaskKind.IDENTIFY_CONTENT, content.id)
    known = shelf.description("model.safetensors").version
    record: Any = civitai.records.versions[version_id].body
    for mode in ("Archived", None):
        civitai.records.models[5].body["mode"] = record["model"]["mode"] = mode
        shelf.do(TaskKind.IDENTIFY_CONTENT, content.id, is_forced=True)
        after = shelf.description("model.safetensors")
        assert known is not None
        assert after.version is not None
        assert (after.version.files, after.version.download_url) == (known.files, known.download_url)
        assert after.text(Field.MODE) == mode


def test_a_body_without_files_is_kept_as_it_came(shelf: StepShelf, civitai: CivitaiStandIn, content: Content) -> None:
    introduce(civitai, CONTENT, "Known")
    version = shelf.client.versions_by_hash([content.hashes.sha256]).found[content.hashes.sha256].version
    version.body.pop("files")
    version.body.pop("downloadUrl")
    assert body_to_keep(version) == version.body


def test_a_model_is_asked_for_once_however_many_versions_are_here(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    for number in range(3):
        introduce(civitai, builders.lora(number), "One model", model_id=77)
        shelf.put(f"{number}.safetensors", builders.lora(number))
    shelf.look_through()
    assert len([request for request in civitai.requests if "/models/77" in request.path]) == 1
    assert [shelf.description(f"{number}.safetensors").value(Field.TAGS) for number in range(3)] == [
        ["One model tag"]
    ] * 3


def test_a_model_that_is_known_is_not_asked_for_unless_forced(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    introduce(civitai, CONTENT, "Known", model_id=77)
    shelf.do(TaskKind.IDENTIFY_CONTENT, content.id)
    assert done(shelf.perform(TaskKind.ENRICH_MODEL, 77)).is_followed
    shelf.do(TaskKind.ENRICH_MODEL, 77)
    outcome = done(shelf.perform(TaskKind.ENRICH_MODEL, 77))
    assert not outcome.is_followed
    assert shelf.record([outcome]) == []
    requests = len(civitai.requests)
    assert not done(shelf.perform(TaskKind.ENRICH_MODEL, 77, is_forced=True)).is_followed
    assert len(civitai.requests) == requests + 1


def test_the_model_knows_better_than_its_version(shelf: StepShelf, civitai: CivitaiStandIn, content: Content) -> None:
    version_id = introduce(civitai, CONTENT, "Old name", model_id=77)
    shelf.do(TaskKind.IDENTIFY_CONTENT, content.id)
    civitai.records.versions[version_id].model.body["name"] = "New name"
    shelf.do(TaskKind.ENRICH_MODEL, 77)
    assert shelf.description("model.safetensors").text(Field.NAME) == "New name"
    shelf.do(TaskKind.IDENTIFY_CONTENT, content.id)
    assert shelf.description("model.safetensors").text(Field.NAME) == "New name"


def test_facts_of_a_model_reach_only_contents_whose_version_is_kept(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    introduce(civitai, CONTENT, "Known", model_id=77)
    shelf.do(TaskKind.IDENTIFY_CONTENT, content.id)
    outcomes = shelf.perform(TaskKind.ENRICH_MODEL, 77)
    shelf.store.database.execute("UPDATE contents SET version_id = NULL")
    shelf.record(outcomes)
    assert shelf.store.remote.model_body(77) is not None
    sources = {fact.source for fact in shelf.store.facts.of_file(shelf.file("model.safetensors").id)}
    assert Field.TAGS not in shelf.description("model.safetensors").facts
    assert Source.CIVITAI_API in sources


def test_one_model_that_cannot_be_fetched_fails_alone(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    introduce(civitai, CONTENT, "Known", model_id=77)
    civitai.mood_for = lambda request: moods.crashed if request.path.endswith("/78") else None
    outcomes = shelf.perform(TaskKind.ENRICH_MODEL, 78, 77)
    assert [type(outcome) for outcome in outcomes] == [Failed, Done]


def test_no_picture_is_fetched_for_a_file_that_is_not_identified(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    assert not done(shelf.perform(TaskKind.FETCH_PREVIEWS, "model.safetensors")).is_followed
    assert not civitai.requests


def test_the_picture_of_a_stem_is_its_owner_s(shelf: StepShelf, civitai: CivitaiStandIn, content: Content) -> None:
    introduce(civitai, CONTENT, "Second by name")
    shelf.put("model.ckpt", builders.torch_zip(2))
    shelf.read("model.ckpt")
    shelf.do(TaskKind.IDENTIFY_CONTENT, content.id)
    assert not done(shelf.perform(TaskKind.FETCH_PREVIEWS, "model.safetensors")).is_followed


def test_a_picture_of_a_file_that_went_meanwhile_is_nobody_s(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    introduce(civitai, CONTENT, "Known")
    shelf.do(TaskKind.IDENTIFY_CONTENT, content.id)
    outcomes = shelf.perform(TaskKind.FETCH_PREVIEWS, "model.safetensors")
    shelf.store.database.execute("DELETE FROM files")
    assert shelf.record(outcomes) == []


def test_a_picture_goes_nowhere_while_the_folder_s_own_place_is_away(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    introduce(civitai, CONTENT, "Known")
    shelf.do(TaskKind.IDENTIFY_CONTENT, content.id)
    blocked = shelf.root / "blocked"
    blocked.write_text("a file where a directory should be")
    shelf.set_output(Output(images=ImagesOutput(path=str(blocked / "pictures"))))
    outcome = done(shelf.perform(TaskKind.FETCH_PREVIEWS, "model.safetensors"))
    assert not outcome.is_followed
