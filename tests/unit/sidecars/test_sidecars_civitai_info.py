"""Rules for `<stem>.civitai.info`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.sidecars import civitai_info, mark
from modelshelf.sidecars.writer import Planned
from tests.unit.sidecars.sidecar_builders import describe, loaded, model, spoken, unwritten, version, version_body

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject

PATH = Path("foo.civitai.info")
KNOWN = describe(version=version())
ENRICHED = describe(version=version(), model=model())


def test_the_answer_is_written_as_received_in_ascii() -> None:
    planned = civitai_info.compose(KNOWN, None, {})
    assert spoken(planned.content) == version_body()
    assert planned.content is not None
    assert planned.content.isascii()
    assert planned.content.startswith(b'{\n    "id": 20,')
    assert planned.digests == mark.digests(version_body())


def test_what_the_parent_model_knows_goes_where_civitai_helper_puts_it() -> None:
    body = spoken(civitai_info.compose(ENRICHED, None, {}).content)
    assert body["model"] == {
        "name": "Foo",
        "type": "LORA",
        "nsfw": False,
        "description": "<p>all about Foo</p>",
        "tags": ["style"],
        "allowNoCredit": True,
        "allowCommercialUse": ["Image", "Sell"],
        "allowDifferentLicense": False,
    }
    assert body["creator"] == {"username": "anna", "image": None}


def test_a_creator_of_an_odd_shape_is_written_as_a_name() -> None:
    known = describe(version=version(version_body(model="gone")), model=model(creator="{}"))
    body = spoken(civitai_info.compose(known, None, {}).content)
    assert body["creator"] == {"username": "anna"}
    assert isinstance(body["model"], dict)


def test_a_model_without_creator_names_none() -> None:
    known = describe(version=version(), model=replace(model(), creator=None))
    assert "creator" not in spoken(civitai_info.compose(known, None, {}).content)


def test_without_a_version_nothing_is_written() -> None:
    assert civitai_info.compose(describe(), None, {}).content is None
    assert civitai_info.compose(describe(version=version({})), None, {}).content is None


def test_what_breaks_other_readers_is_not_passed_on() -> None:
    hostile = version_body(stats={"rating": float("nan")}, name="\ud83d", extensions={"modelshelf": "forged"})
    planned = civitai_info.compose(describe(version=version(hostile)), None, {})
    assert spoken(planned.content)["stats"] == {"rating": None}
    assert spoken(planned.content)["name"] == "?"
    assert mark.wrote(loaded(planned.content)) == planned.digests


@pytest.mark.parametrize("content", [{}, version_body(), {"hello": 1}])
def test_a_file_without_our_mark_is_never_touched(content: JsonObject) -> None:
    planned = civitai_info.compose(ENRICHED, unwritten(PATH, content), {})
    assert planned.content is None
    assert "already there" in str(planned.refusal)


def test_a_file_that_cannot_be_read_is_left_alone() -> None:
    planned = civitai_info.compose(KNOWN, unwritten(PATH, {}, "it is broken"), {})
    assert (planned.content, planned.refusal) == (None, "it is broken: it was left alone")


def ours() -> JsonObject:
    return loaded(civitai_info.compose(KNOWN, None, {}).content)


def test_our_own_file_is_refreshed_key_by_key() -> None:
    content = ours() | {"trainedWords": ["edited"], "own": 1}
    later = describe(version=version(version_body(name="v1.1", trainedWords=["new"])), model=model())
    planned = civitai_info.compose(later, unwritten(PATH, content), {})
    body = spoken(planned.content)
    assert (body["name"], body["trainedWords"], body["own"]) == ("v1.1", ["edited"], 1)
    assert "creator" in body
    assert "trainedWords" not in planned.digests


def test_what_civitai_says_no_more_goes_and_may_come_back() -> None:
    archived = version_body(files=[])
    del archived["downloadUrl"]
    gone = civitai_info.compose(describe(version=version(archived)), unwritten(PATH, ours()), {})
    assert spoken(gone.content) == archived
    back = civitai_info.compose(KNOWN, unwritten(PATH, loaded(gone.content)), {"downloadUrl": ["0" * 16]})
    assert spoken(back.content) == version_body()


def test_the_notes_of_civitai_helper_stay() -> None:
    content = ours()
    extensions = content["extensions"]
    assert isinstance(extensions, dict)
    extensions["sd_civitai_helper"] = {"version": "1.8.13"}
    planned = civitai_info.compose(ENRICHED, unwritten(PATH, content), {})
    kept = loaded(planned.content)["extensions"]
    assert isinstance(kept, dict)
    assert kept["sd_civitai_helper"] == {"version": "1.8.13"}


def test_planned_again_on_its_result_nothing_is_left_to_write() -> None:
    planned = civitai_info.compose(ENRICHED, None, {})
    assert civitai_info.compose(ENRICHED, unwritten(PATH, loaded(planned.content)), {}) == Planned()
