"""What a person decides takes effect everywhere by itself, and outlasts every look-up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.cli.deciding import Meant, decided, owe_again, owe_lookup
from modelshelf.cli.pin import believe_hashes
from modelshelf.domain.decision import IGNORE, PIN
from modelshelf.domain.fact import Field
from modelshelf.domain.task import TaskKind
from tests import builders
from tests.fakes import civitai_moods as moods
from tests.unit.steps.step_shelf import introduce

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

NAME = "ink.safetensors"
CONTENT = builders.lora(60)
MONTHS = 100 * 86_400.0


@pytest.fixture(autouse=True)
def _one_clock(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the commands live at the time of the shelf."""
    monkeypatch.setattr("modelshelf.cli.deciding.SystemClock", lambda: shelf.clock)


def meant(shelf: StepShelf) -> Meant:
    return Meant(shelf.content(NAME), [shelf.file(NAME)])


def decide(shelf: StepShelf, matter: str, value: JsonValue) -> None:
    """Decide as the commands do, and let the daemon do what follows."""
    shelf.store.decisions.keep(meant(shelf).content.id, decided(matter, value))
    if matter == PIN:
        owe_lookup(shelf.store, meant(shelf))
    owe_again(shelf.store, meant(shelf), *([] if matter == IGNORE else [TaskKind.WRITE_SIDECARS]))
    shelf.drain()


def name(shelf: StepShelf) -> str | None:
    return shelf.description(NAME).text(Field.NAME)


def ask_again(shelf: StepShelf) -> None:
    """Have the look-ups that are due in months be due, and done."""
    shelf.clock.advance(MONTHS)
    shelf.look_through(is_forced=True)


def test_a_value_that_a_person_gives_is_in_sidecars_page_and_gallery(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    introduce(civitai, CONTENT, "Theirs")
    shelf.put(NAME, CONTENT)
    shelf.look_through()
    decide(shelf, Field.NAME, "Mine alone")
    decide(shelf, Field.TRAINED_WORDS, ["my word"])
    decide(shelf, Field.NOTES, "my notes")
    assert shelf.json("ink.json")["activation text"] == "my word"
    assert shelf.json("ink.json")["notes"] == "my notes"
    for page in ("ink.html", "gallery.html"):
        assert "Mine alone" in shelf.path(page).read_text()
    ask_again(shelf)
    assert name(shelf) == "Mine alone"
    before = shelf.snapshot()
    shelf.look_through()
    assert shelf.snapshot() == before


def test_a_value_taken_back_leaves_what_the_others_said(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    introduce(civitai, CONTENT, "Theirs")
    shelf.put(NAME, CONTENT)
    shelf.look_through()
    decide(shelf, Field.TRAINED_WORDS, ["my word"])
    assert shelf.store.decisions.take_back(meant(shelf).content.id, Field.TRAINED_WORDS)
    owe_again(shelf.store, meant(shelf), TaskKind.WRITE_SIDECARS)
    shelf.drain()
    assert shelf.json("ink.json")["activation text"] == "Theirs word"


@pytest.mark.parametrize("is_known", [True, False])
def test_a_pinned_file_is_that_version_whatever_its_hashes_say(
    shelf: StepShelf, civitai: CivitaiStandIn, *, is_known: bool
) -> None:
    if is_known:
        introduce(civitai, CONTENT, "By its hash")
    other = introduce(civitai, builders.lora(61), "By a person", images=1)
    shelf.put(NAME, CONTENT)
    shelf.look_through()
    decide(shelf, PIN, other)
    assert name(shelf) == "By a person"
    assert shelf.content(NAME).version_id == other
    assert shelf.json("ink.civitai.info")["id"] == other
    assert "Pinned by you" in shelf.path("ink.html").read_text()
    ask_again(shelf)
    assert shelf.content(NAME).version_id == other


@pytest.mark.parametrize("is_known", [True, False])
def test_a_pin_outlasts_the_day_on_which_its_version_is_gone(
    shelf: StepShelf, civitai: CivitaiStandIn, *, is_known: bool
) -> None:
    if is_known:
        introduce(civitai, CONTENT, "By its hash")
    other = introduce(civitai, builders.lora(61), "By a person")
    shelf.put(NAME, CONTENT)
    shelf.look_through()
    decide(shelf, PIN, other)
    path = f"/model-versions/{other}"
    civitai.mood_for = lambda request: moods.unknown if request.path.endswith(path) else None
    ask_again(shelf)
    assert (shelf.content(NAME).version_id, name(shelf)) == (other, "By a person")
    ask_again(shelf)
    assert (shelf.content(NAME).version_id, name(shelf)) == (other, "By a person")
    assert shelf.content(NAME).gone_since is not None
    assert "Gone from Civitai" in shelf.path("ink.html").read_text()
    civitai.mood_for = None
    ask_again(shelf)
    assert shelf.content(NAME).gone_since is None
    assert "Gone from Civitai" not in shelf.path("ink.html").read_text()


def test_a_sidecar_of_another_version_says_nothing_of_a_pinned_file(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    other = introduce(civitai, builders.lora(61), "By a person")
    theirs = {"id": 5, "modelId": 6, "model": {"name": "By another tool"}, "files": [], "baseModel": "SD 1.5"}
    shelf.put("ink.civitai.info", json.dumps(theirs))
    shelf.put(NAME, CONTENT)
    shelf.look_through()
    assert name(shelf) == "By another tool"
    decide(shelf, PIN, other)
    assert name(shelf) == "By a person"
    assert shelf.description(NAME).value(Field.VERSION_ID) == other
    assert shelf.json("ink.civitai.info")["model"] == theirs["model"], "what others wrote stays"


def test_a_version_that_cannot_be_had_leaves_what_is_known(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    version_id = introduce(civitai, CONTENT, "By its hash")
    shelf.put(NAME, CONTENT)
    shelf.look_through()
    decide(shelf, PIN, 999_999)
    assert (shelf.content(NAME).version_id, name(shelf)) == (version_id, "By its hash")
    assert shelf.content(NAME).pinned_version_id == 999_999


def test_an_unpinned_file_is_again_what_its_hashes_say(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    version_id = introduce(civitai, CONTENT, "By its hash")
    other = introduce(civitai, builders.lora(61), "By a person")
    shelf.put(NAME, CONTENT)
    shelf.look_through()
    decide(shelf, PIN, other)
    assert shelf.store.decisions.take_back(meant(shelf).content.id, PIN)
    believe_hashes(shelf.store, meant(shelf).content.id)
    assert (shelf.content(NAME).version_id, name(shelf)) == (version_id, "By its hash")
    owe_lookup(shelf.store, meant(shelf))
    shelf.drain()
    assert (shelf.content(NAME).version_id, name(shelf)) == (version_id, "By its hash")
    assert "Pinned by you" not in shelf.path("ink.html").read_text()


def asked(civitai: CivitaiStandIn) -> list[str]:
    return [request.path for request in civitai.requests]


def test_what_is_ignored_is_never_asked_about_and_nothing_is_written_beside_it(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    shelf.put(NAME, CONTENT)
    shelf.read(NAME)
    decide(shelf, IGNORE, True)
    shelf.put("another name.safetensors", CONTENT)
    ask_again(shelf)
    ask_again(shelf)
    assert asked(civitai) == []
    assert shelf.names() == {NAME, "another name.safetensors", "gallery.html"}
    assert "another name" in shelf.path("gallery.html").read_text()


def test_what_was_written_beside_it_before_stays(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    introduce(civitai, CONTENT, "Theirs", images=1)
    shelf.put(NAME, CONTENT)
    shelf.look_through()
    names, count = shelf.names(), len(civitai.requests)
    before: dict[str, Any] = {each: shelf.path(each).read_bytes() for each in names - {"gallery.html"}}
    decide(shelf, IGNORE, True)
    shelf.store.decisions.keep(meant(shelf).content.id, decided(Field.NAME, "Mine"))
    ask_again(shelf)
    assert {each: shelf.path(each).read_bytes() for each in names - {"gallery.html"}} == before
    assert "ink.html" in shelf.path("gallery.html").read_text()
    assert asked(civitai)[count:] == []
