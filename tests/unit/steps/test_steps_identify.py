"""What is believed of what Civitai says about a hash, and what becomes of it later."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.civitai import Alternate
from modelshelf.domain.content import Match
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.task import Lane, Priority, TaskKind
from modelshelf.errors import CivitaiUnavailable
from modelshelf.steps import identify_content, roll_call
from modelshelf.steps.step import Done, Failed
from tests import builders
from tests.fakes import civitai_moods as moods
from tests.fakes.civitai_wire import Reply, json_reply
from tests.unit.steps.step_shelf import introduce, sha256

if TYPE_CHECKING:
    from modelshelf.domain.content import Content
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import RecordedRequest
    from tests.unit.steps.step_shelf import StepShelf

BYTES = builders.lora(1)
MONTH = timedelta(days=30)


@pytest.fixture
def content(shelf: StepShelf, civitai: CivitaiStandIn) -> Content:
    """Give the content of a file that is hashed and not yet looked up."""
    shelf.put("model.safetensors", BYTES)
    shelf.read("model.safetensors")
    return shelf.content("model.safetensors")


def look_up(shelf: StepShelf, *content_ids: int, **details: Any) -> Content:
    """Look contents up; gives the model's as it is then known."""
    shelf.do(TaskKind.IDENTIFY_CONTENT, *content_ids, **details)
    return shelf.content("model.safetensors")


def vanish(civitai: CivitaiStandIn, version_id: int, status: str = "Deleted") -> None:
    """Take a version off Civitai, or put it back."""
    civitai.records.versions[version_id].body["status"] = status


def routes(civitai: CivitaiStandIn) -> list[str]:
    """Give what was asked, by method and the end of the route."""
    return [f"{each.method} {each.route.rsplit('/', 1)[1][:7]}" for each in civitai.requests]


def events(shelf: StepShelf) -> list[str]:
    """Give the names of what happened."""
    return [event.name for event in reversed(shelf.store.events.latest(100))]


def say(shelf: StepShelf, source: Source, version_id: int) -> None:
    """Let somebody say which version the model is."""
    file = shelf.file("model.safetensors")
    shelf.store.facts.replace_of_file(file.id, source, [Fact(Field.VERSION_ID, source, version_id)])


def test_one_dropped_file_is_asked_for_within_200_milliseconds_of_its_hash_while_others_are_read(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    version_id = introduce(civitai, BYTES, "Dropped")
    for name, data in (("model", BYTES), *((f"other {number}", builders.lora(number)) for number in range(2, 5))):
        shelf.put(f"{name}.safetensors", data)
    shelf.scan(priority=Priority.REST)
    shelf.store.reading.raise_to("loras", b"model.safetensors", Priority.DROP)
    shelf.do(TaskKind.INSPECT_FILE, "model.safetensors")
    shelf.do(TaskKind.HASH_FILE, "model.safetensors")
    shelf.do(TaskKind.WRITE_SIDECARS, "model.safetensors")
    hashed_at = shelf.content("model.safetensors").hashed_at
    outcomes = shelf.steps[TaskKind.IDENTIFY_CONTENT].perform(
        shelf.store.journal.claim(Lane.NETWORK, hashed_at + timedelta(milliseconds=200)), shelf.reins
    )
    shelf.record(outcomes)
    assert shelf.content("model.safetensors").version_id == version_id
    assert shelf.file("other 2.safetensors").content_id is None


def test_of_several_versions_the_oldest_is_chosen_and_the_others_are_kept(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    later = introduce(civitai, BYTES, "Later", published_at="2026-01-01T00:00:00.000Z")
    first = introduce(civitai, BYTES, "First", published_at="2025-01-01T00:00:00.000Z")
    other = builders.lora(2)
    shelf.put("other.safetensors", other)
    shelf.read("other.safetensors")
    assert look_up(shelf, content.id, shelf.content("other.safetensors").id).version_id == first
    (alternate,) = shelf.store.alternates.of_content(content.id)
    assert (alternate.version_id, alternate.published_at) == (later, "2026-01-01T00:00:00.000Z")


@pytest.mark.parametrize("source", [Source.FORGE, Source.CIVITAI_JSON, Source.USER])
def test_what_a_sidecar_says_is_chosen_before_the_oldest(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content, source: Source
) -> None:
    introduce(civitai, BYTES, "First", published_at="2025-01-01T00:00:00.000Z")
    later = introduce(civitai, BYTES, "Later", published_at="2026-01-01T00:00:00.000Z")
    say(shelf, source, later)
    assert look_up(shelf, content.id).version_id == later


def test_a_sidecar_that_names_a_version_of_other_bytes_is_not_believed(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    first = introduce(civitai, BYTES, "First")
    say(shelf, Source.FORGE, introduce(civitai, builders.lora(2), "Of other bytes"))
    assert look_up(shelf, content.id).version_id == first


def test_a_pin_goes_before_everything_else(shelf: StepShelf, civitai: CivitaiStandIn, content: Content) -> None:
    first = introduce(civitai, BYTES, "First", published_at="2025-01-01T00:00:00.000Z")
    later = introduce(civitai, BYTES, "Later", published_at="2026-01-01T00:00:00.000Z")
    say(shelf, Source.USER, first)
    shelf.store.database.execute("UPDATE contents SET pinned_version_id = ?", (later,))
    found = look_up(shelf, content.id)
    assert (found.version_id, found.matched_by) == (later, Match.FILE)


def test_a_pin_may_name_a_version_of_other_bytes_whose_files_are_then_not_ours(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    elsewhere = introduce(civitai, builders.lora(2), "Chosen")
    shelf.store.database.execute("UPDATE contents SET pinned_version_id = ?", (elsewhere,))
    found = look_up(shelf, content.id)
    assert (found.version_id, found.matched_by) == (elsewhere, None)
    description = shelf.description("model.safetensors")
    assert description.text(Field.NAME) == "Chosen"
    assert description.value(Field.DOWNLOAD_URL) is None
    assert description.version is not None
    assert (description.version.files, description.version.body["files"]) == ((), [])


def test_a_pin_that_nobody_knows_is_not_replaced_by_a_guess(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    shelf.store.database.execute("UPDATE contents SET pinned_version_id = 4711")
    found = look_up(shelf, content.id)
    assert (found.version_id, found.pinned_version_id, found.lookup_count) == (None, 4711, 1)


def test_a_record_whose_file_has_another_size_is_questioned_once_and_not_believed(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    wrong = civitai.add_file(sha256(BYTES), len(BYTES) + 1024, name="Wrong")
    outcomes = shelf.perform(TaskKind.IDENTIFY_CONTENT, content.id)
    (page,) = shelf.record(outcomes)
    found = shelf.content("model.safetensors")
    assert (found.version_id, found.questioned_version_id, page.kind) == (None, wrong, TaskKind.RENDER_PAGE)
    assert found.next_lookup_at == shelf.clock.now() + timedelta(hours=2)
    (details,) = shelf.events("match_questioned")
    assert details["version_id"] == wrong
    assert str(len(BYTES) + 1024) in details["reason"]
    assert look_up(shelf, content.id).lookup_count == 2
    assert events(shelf) == ["match_questioned"]
    assert shelf.description("model.safetensors").facts.get(Field.NAME) is None


def test_a_questioned_record_gives_way_to_another_of_the_right_size(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    wrong = civitai.add_file(sha256(BYTES), len(BYTES) + 1024, name="Wrong", published_at="2023-03-30T00:00:00.000Z")
    right = introduce(civitai, BYTES, "Right")
    say(shelf, Source.FORGE, wrong)
    found = look_up(shelf, content.id)
    assert (found.version_id, found.questioned_version_id) == (right, None)
    assert [each.version_id for each in shelf.store.alternates.of_content(content.id)] == []
    assert events(shelf) == ["content_identified"]


def test_one_questioned_record_gives_way_though_its_hash_was_asked_for_alone(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    civitai.add_file(sha256(BYTES), len(BYTES) + 1024, name="Wrong", published_at="2023-03-30T00:00:00.000Z")
    right = introduce(civitai, BYTES, "Right")
    assert look_up(shelf, content.id).version_id == right


def test_a_record_of_other_bytes_is_not_believed(shelf: StepShelf, civitai: CivitaiStandIn, content: Content) -> None:
    others = introduce(civitai, builders.lora(2), "Of other bytes")

    def foreign(request: RecordedRequest) -> Reply:
        return civitai.routes.answer(replace(request, path=f"/api/v1/model-versions/{others}"))

    civitai.mood_for = lambda request: (lambda _: foreign(request)) if request.method == "GET" else None
    (outcome,) = shelf.perform(TaskKind.IDENTIFY_CONTENT, content.id)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, CivitaiUnavailable)


@pytest.fixture
def twice_published(shelf: StepShelf, civitai: CivitaiStandIn, content: Content) -> tuple[int, list[int]]:
    """Give the version that two files are known as, and their contents; each was published again since."""
    shelf.put("other.safetensors", builders.lora(2))
    shelf.read("other.safetensors")
    ids = [content.id, shelf.content("other.safetensors").id]
    current = introduce(civitai, BYTES, "Current", published_at="2025-01-01T00:00:00.000Z")
    introduce(civitai, builders.lora(2), "Other")
    look_up(shelf, *ids)
    introduce(civitai, BYTES, "Again", published_at="2026-01-01T00:00:00.000Z")
    return current, ids


def leave_out(civitai: CivitaiStandIn, version_id: int) -> None:
    """Have every list lack a version."""

    def mood(reply: Reply) -> Reply:
        elements = json.loads(reply.body)
        kept = [e for e in elements if e and version_id not in {e.get("id"), e.get("modelVersionId")}]
        return json_reply(kept)

    civitai.mood_for = lambda request: mood if request.method == "POST" else None


@pytest.mark.parametrize("is_forced", [True, False])
@pytest.mark.parametrize("said", [None, 4711])
def test_no_list_that_leaves_the_current_version_out_makes_it_another_s(
    shelf: StepShelf,
    civitai: CivitaiStandIn,
    twice_published: tuple[int, list[int]],
    said: int | None,
    *,
    is_forced: bool,
) -> None:
    current, ids = twice_published
    if said is not None:
        say(shelf, Source.FORGE, said)
    leave_out(civitai, current)
    shelf.clock.advance(MONTH.total_seconds())
    assert look_up(shelf, *ids, is_forced=is_forced).version_id == current
    (again,) = shelf.store.alternates.of_content(ids[0])
    assert again.version_id != current


def test_the_current_version_stays_though_an_older_one_appears(
    shelf: StepShelf, civitai: CivitaiStandIn, twice_published: tuple[int, list[int]]
) -> None:
    current, ids = twice_published
    introduce(civitai, BYTES, "Older", published_at="2024-01-01T00:00:00.000Z")
    assert look_up(shelf, *ids, is_forced=True).version_id == current


def test_the_current_version_is_left_after_its_own_404_and_not_for_an_outage(
    shelf: StepShelf, civitai: CivitaiStandIn, twice_published: tuple[int, list[int]]
) -> None:
    current, ids = twice_published
    vanish(civitai, current)
    civitai.mood_for = lambda request: moods.crashed if request.path.endswith(f"/{current}") else None
    outcomes = shelf.perform(TaskKind.IDENTIFY_CONTENT, *ids, is_forced=True)
    assert [type(outcome) for outcome in outcomes] == [Failed, Done]
    civitai.mood_for = None
    assert look_up(shelf, *ids, is_forced=True).version_id not in {None, current}


def test_what_a_sidecar_says_is_chosen_though_a_batch_leaves_it_out(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    introduce(civitai, BYTES, "First", published_at="2025-01-01T00:00:00.000Z")
    later = introduce(civitai, BYTES, "Later", published_at="2026-01-01T00:00:00.000Z", mode="Archived")
    say(shelf, Source.FORGE, later)
    civitai.mood_for = lambda request: (lambda _: json_reply([])) if request.route.endswith("/by-hash") else None
    assert look_up(shelf, content.id).version_id == later


def test_of_many_that_a_list_leaves_out_twice_few_are_asked_for_and_the_others_wait(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identify_content, "MOST_CONFIRMED", 2)
    names = [f"{number}.safetensors" for number in range(2, 6)]
    for number, name in enumerate(names, 2):
        shelf.put(name, builders.lora(number))
        shelf.read(name)
    ids = [content.id, *(shelf.content(name).id for name in names)]
    look_up(shelf, *ids)
    introduce(civitai, builders.lora(5), "Listed")
    known = introduce(civitai, BYTES, "Known")
    leave_out(civitai, known)
    shelf.clock.advance(7200)
    civitai.requests.clear()
    assert look_up(shelf, *ids).version_id == known
    counts = [shelf.content(name).lookup_count for name in names]
    assert (counts, len(civitai.requests)) == ([2, 1, 1, 2], 5)
    assert shelf.content(names[1]).next_lookup_at == shelf.clock.now() + timedelta(hours=2)


def test_an_outage_never_counts_as_a_second_miss(shelf: StepShelf, civitai: CivitaiStandIn, content: Content) -> None:
    shelf.put("other.safetensors", builders.lora(2))
    shelf.read("other.safetensors")
    ids = [content.id, shelf.content("other.safetensors").id]
    introduce(civitai, builders.lora(2), "Known")
    look_up(shelf, *ids)
    civitai.mood_for = lambda request: moods.crashed if request.method == "GET" else None
    outcomes = shelf.perform(TaskKind.IDENTIFY_CONTENT, *ids, is_forced=True)
    assert [type(outcome) for outcome in outcomes] == [Failed, Done]


def test_a_pinned_record_of_another_size_is_believed_all_the_same(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    wrong = civitai.add_file(sha256(BYTES), len(BYTES) + 1024, name="Wrong")
    shelf.store.database.execute("UPDATE contents SET pinned_version_id = ?", (wrong,))
    assert look_up(shelf, content.id).version_id == wrong
    assert events(shelf) == ["content_identified"]


def test_what_was_believed_is_never_replaced_by_a_questioned_record(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    version_id = introduce(civitai, BYTES, "Known")
    look_up(shelf, content.id)
    civitai.records.versions[version_id].body["files"][0]["sizeKB"] = 1  # type: ignore[call-overload, index]
    found = look_up(shelf, content.id, is_forced=True)
    assert (found.version_id, found.questioned_version_id) == (version_id, version_id)
    assert found.next_lookup_at == shelf.clock.now() + MONTH
    assert events(shelf) == ["content_identified", "match_questioned"]


def test_misses_are_asked_again_ever_more_rarely_and_from_the_start_when_forced(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    waits = []
    for is_forced in (False, False, False, False, False, True, False):
        found = look_up(shelf, content.id, is_forced=is_forced)
        assert found.next_lookup_at is not None
        waits.append((found.next_lookup_at - shelf.clock.now()).total_seconds() / 3600)
        shelf.clock.advance(700)
    assert waits == [2, 24, 7 * 24, 30 * 24, 30 * 24, 2, 24]


def test_known_contents_answer_to_one_cheap_question_and_nothing_follows(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    shelf.put("other.safetensors", builders.lora(2))
    shelf.read("other.safetensors")
    ids = (content.id, shelf.content("other.safetensors").id)
    introduce(civitai, BYTES, "Known")
    introduce(civitai, builders.lora(2), "Other")
    look_up(shelf, *ids)
    shelf.clock.advance(MONTH.total_seconds())
    civitai.requests.clear()
    outcomes = shelf.perform(TaskKind.IDENTIFY_CONTENT, *ids)
    assert not any(getattr(outcome, "is_followed", True) for outcome in outcomes)
    assert shelf.record(outcomes) == []
    assert routes(civitai) == ["POST ids"]
    assert shelf.content("model.safetensors").next_lookup_at == shelf.clock.now() + MONTH
    assert events(shelf) == ["content_identified"] * 2


def test_the_roll_call_tells_of_new_alternates_and_forgets_no_date(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    introduce(civitai, BYTES, "Known", published_at="2025-01-01T00:00:00.000Z")
    later = introduce(civitai, BYTES, "Later", published_at="2025-02-01T00:00:00.000Z")
    shelf.put("other.safetensors", builders.lora(2))
    shelf.read("other.safetensors")
    look_up(shelf, content.id, shelf.content("other.safetensors").id)
    latest = introduce(civitai, BYTES, "Latest", published_at="2025-03-01T00:00:00.000Z")
    shelf.clock.advance(MONTH.total_seconds())
    look_up(shelf, content.id)
    kept = {each.version_id: each.published_at for each in shelf.store.alternates.of_content(content.id)}
    assert kept == {later: "2025-02-01T00:00:00.000Z", latest: None}


def test_what_is_gone_is_so_after_two_answers_two_hours_apart_and_keeps_everything(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    version_id = introduce(civitai, BYTES, "Known")
    look_up(shelf, content.id)
    vanish(civitai, version_id)
    shelf.clock.advance(MONTH.total_seconds())
    missed_at = shelf.clock.now()
    found = look_up(shelf, content.id)
    assert (found.absent_since, found.gone_since) == (missed_at, None)
    assert found.next_lookup_at == missed_at + timedelta(hours=2)
    shelf.clock.advance(7100)
    assert look_up(shelf, content.id).gone_since is None
    shelf.clock.advance(700)
    found = look_up(shelf, content.id)
    assert (found.gone_since, found.version_id, found.matched_by) == (missed_at, version_id, Match.FILE)
    assert found.next_lookup_at == shelf.clock.now() + MONTH
    assert shelf.description("model.safetensors").text(Field.NAME) == "Known"
    assert shelf.events("content_gone") == [{"version_id": version_id}]
    shelf.clock.advance(MONTH.total_seconds())
    civitai.requests.clear()
    assert look_up(shelf, content.id).gone_since == missed_at
    assert routes(civitai) == ["POST ids"]
    assert events(shelf) == ["content_identified", "content_gone"]


def test_what_was_gone_and_is_back_is_told_once_and_known_as_before(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    version_id = introduce(civitai, BYTES, "Known")
    look_up(shelf, content.id)
    shelf.store.contents.record_absence(content.id, shelf.clock.now(), shelf.clock.now(), is_gone=True)
    found = look_up(shelf, content.id)
    assert (found.gone_since, found.absent_since, found.version_id) == (None, None, version_id)
    assert events(shelf) == ["content_identified", "content_came_back"]
    look_up(shelf, content.id)
    assert events(shelf) == ["content_identified", "content_came_back"]


def test_a_list_that_leaves_a_content_out_is_no_proof(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    introduce(civitai, BYTES, "Known")
    look_up(shelf, content.id)
    shelf.clock.advance(MONTH.total_seconds())
    civitai.requests.clear()
    civitai.mood_for = lambda request: (lambda _: json_reply([])) if request.route.endswith("/ids") else None
    found = look_up(shelf, content.id)
    assert (found.absent_since, found.gone_since) == (None, None)
    assert found.next_lookup_at == shelf.clock.now() + MONTH
    assert shelf.description("model.safetensors").text(Field.NAME) == "Known"


def test_a_list_that_leaves_out_what_a_person_asks_about_is_no_proof_either(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    shelf.put("other.safetensors", builders.lora(2))
    shelf.read("other.safetensors")
    ids = (content.id, shelf.content("other.safetensors").id)
    version_id = introduce(civitai, BYTES, "Known")
    introduce(civitai, builders.lora(2), "Other")
    look_up(shelf, *ids)
    civitai.mood_for = lambda request: (lambda _: json_reply([])) if request.route.endswith("/ids") else None
    found = look_up(shelf, *ids, is_forced=True)
    assert (found.version_id, found.absent_since) == (version_id, None)


@pytest.mark.parametrize("mood", [moods.crashed, moods.wrong_address, moods.page, moods.truncated, moods.challenged])
def test_an_outage_never_counts_against_a_known_content(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content, mood: moods.Mood
) -> None:
    version_id = introduce(civitai, BYTES, "Known")
    before = look_up(shelf, content.id)
    vanish(civitai, version_id)
    civitai.mood_for = lambda request: mood if request.method == "GET" else None
    (outcome,) = shelf.perform(TaskKind.IDENTIFY_CONTENT, content.id)
    assert isinstance(outcome, Failed)
    assert shelf.content("model.safetensors") == before


def test_a_roll_call_that_is_not_answered_fails_as_a_whole(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    introduce(civitai, BYTES, "Known")
    look_up(shelf, content.id)
    civitai.mood_for = lambda _: moods.crashed
    with pytest.raises(CivitaiUnavailable):
        shelf.perform(TaskKind.IDENTIFY_CONTENT, content.id)


def test_of_many_that_are_missing_at_once_few_are_asked_for_and_the_others_wait(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roll_call, "MOST_CONFIRMED", 1)
    shelf.put("other.safetensors", builders.lora(2))
    shelf.read("other.safetensors")
    other = shelf.content("other.safetensors").id
    for number, data in enumerate((BYTES, builders.lora(2))):
        vanish(civitai, introduce(civitai, data, f"Known {number}"), "Published")
    look_up(shelf, content.id, other)
    for version in civitai.records.versions.values():
        version.body["status"] = "Deleted"
    shelf.clock.advance(MONTH.total_seconds())
    look_up(shelf, content.id, other)
    first, second = shelf.content("model.safetensors"), shelf.content("other.safetensors")
    assert (first.absent_since, second.absent_since) == (shelf.clock.now(), None)
    assert second.next_lookup_at == shelf.clock.now() + timedelta(hours=2)


def test_a_content_that_is_another_version_s_now_is_asked_for_in_full(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    old = introduce(civitai, BYTES, "Old")
    look_up(shelf, content.id)
    vanish(civitai, old)
    new = introduce(civitai, BYTES, "New")
    shelf.clock.advance(MONTH.total_seconds())
    found = look_up(shelf, content.id)
    assert (found.version_id, found.absent_since) == (new, None)
    assert shelf.description("model.safetensors").text(Field.NAME) == "New"


def test_a_known_content_that_a_person_asks_about_and_that_is_missing_is_not_unknown(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    version_id = introduce(civitai, BYTES, "Known")
    look_up(shelf, content.id)
    vanish(civitai, version_id)
    found = look_up(shelf, content.id, is_forced=True)
    assert (found.version_id, found.absent_since, found.gone_since) == (version_id, shelf.clock.now(), None)


def test_the_same_answer_once_more_changes_nothing_but_when_it_is_asked_again(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    version_id = introduce(civitai, BYTES, "Known", model_id=77)
    look_up(shelf, content.id)
    before = shelf.snapshot().rows
    outcomes = shelf.perform(TaskKind.IDENTIFY_CONTENT, content.id, is_forced=True)
    assert not any(getattr(outcome, "is_followed", True) for outcome in outcomes)
    shelf.record(outcomes)
    after = shelf.snapshot().rows
    assert {name for name in before if before[name] != after[name]} == {"contents"}
    civitai.records.versions[version_id].body["stats"] = {"downloadCount": 9999}
    outcomes = shelf.perform(TaskKind.IDENTIFY_CONTENT, content.id, is_forced=True)
    assert not any(getattr(outcome, "is_followed", True) for outcome in outcomes)
    civitai.records.versions[version_id].body["description"] = "new words"
    outcomes = shelf.perform(TaskKind.IDENTIFY_CONTENT, content.id, is_forced=True)
    assert all(getattr(outcome, "is_followed", False) for outcome in outcomes)


def test_one_hash_that_gets_no_answer_costs_the_others_nothing(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    hidden = builders.lora(2)
    shelf.put("other.safetensors", hidden)
    shelf.read("other.safetensors")
    introduce(civitai, BYTES, "Known")
    civitai.add_file(sha256(hidden), len(hidden) + 1024, name="Questioned")
    civitai.add_file(sha256(hidden), len(hidden) + 1024, name="Questioned too")
    civitai.mood_for = lambda request: moods.crashed if request.method == "GET" else None
    outcomes = shelf.perform(TaskKind.IDENTIFY_CONTENT, content.id, shelf.content("other.safetensors").id)
    assert [type(outcome) for outcome in outcomes] == [Done, Failed]


def test_the_next_hashes_are_asked_about_along_with_the_first(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    names = [f"{number}.safetensors" for number in range(2, 5)]
    for number, name in enumerate(names, 2):
        introduce(civitai, builders.lora(number), name)
        shelf.put(name, builders.lora(number))
        shelf.read(name)
        shelf.store.contents.owe_lookup(shelf.content(name).id, shelf.clock.now())
    introduce(civitai, BYTES, "Known")
    look_up(shelf, content.id, shelf.content(names[0]).id)
    look_up(shelf, *(shelf.content(name).id for name in names[1:]))
    assert [each for each in routes(civitai) if each == "POST ids"] == ["POST ids"]


def test_what_is_told_of_a_hash_is_told_of_every_file_that_holds_it(
    shelf: StepShelf, civitai: CivitaiStandIn, content: Content
) -> None:
    introduce(civitai, BYTES, "Known")
    shelf.put("copy.safetensors", BYTES)
    shelf.read("copy.safetensors")
    look_up(shelf, content.id)
    told = {event.file_id for event in shelf.store.events.latest(10) if event.name == "content_identified"}
    assert told == {shelf.file("model.safetensors").id, shelf.file("copy.safetensors").id}
    assert shelf.store.alternates.of_content(content.id) == list[Alternate]()
