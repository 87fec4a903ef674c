"""Rules for the JSON in CivitScraper's manner."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.fact import Field
from modelshelf.sidecars import civitscraper, forge, mark
from modelshelf.sidecars.writer import Planned
from tests.unit.sidecars.sidecar_builders import describe, loaded, model, spoken, unwritten, version, version_body

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject

PATH = Path("foo.json")
ENRICHED = describe(version=version(), model=model())


def test_the_answer_is_written_with_the_parent_model_and_its_versions() -> None:
    planned = civitscraper.compose(ENRICHED, None, {})
    body = spoken(planned.content)
    assert {key: body[key] for key in version_body()} == version_body()
    assert body["parentModel"] == {
        "id": 10,
        "name": "Foo",
        "type": "LORA",
        "nsfw": False,
        "creator": {"username": "anna"},
    }
    assert planned.content is not None
    assert planned.content.startswith(b'{\n  "id": 20,')


def test_the_newest_version_comes_first_and_this_one_is_told() -> None:
    body = spoken(civitscraper.compose(ENRICHED, None, {}).content)
    assert body["siblingVersions"] == [
        {
            "id": 21,
            "name": "v2",
            "baseModel": "Pony",
            "createdAt": "2025-02-01T00:00:00.000Z",
            "publishedAt": None,
            "downloadCount": None,
            "isCurrent": False,
        },
        {
            "id": 20,
            "name": "v1",
            "baseModel": "SDXL 1.0",
            "createdAt": "2025-01-01T00:00:00.000Z",
            "publishedAt": "2025-01-01T01:00:00.000Z",
            "downloadCount": 3,
            "isCurrent": True,
        },
        {
            "id": 22,
            "name": "v0",
            "baseModel": None,
            "createdAt": None,
            "publishedAt": "2024-01-01T00:00:00.000Z",
            "downloadCount": None,
            "isCurrent": False,
        },
    ]


def test_without_the_parent_model_the_answer_stands_alone() -> None:
    assert spoken(civitscraper.compose(describe(version=version()), None, {}).content) == version_body()


def test_a_model_without_versions_in_its_answer_is_fine() -> None:
    known = describe(version=version(), model=model(modelVersions=None))
    assert len(spoken(civitscraper.compose(known, None, {}).content)["siblingVersions"]) == 3  # type: ignore[arg-type]


def test_without_a_version_nothing_is_written() -> None:
    assert civitscraper.compose(describe(model=model()), None, {}).content is None
    assert civitscraper.compose(describe(version=version({})), None, {}).content is None


def test_a_users_a1111_file_in_the_way_is_kept() -> None:
    planned = civitscraper.compose(ENRICHED, unwritten(PATH, {"activation text": "mine", "notes": "mine"}), {})
    assert planned.content is None
    assert "forge" in str(planned.refusal)


@pytest.mark.parametrize("content", [{}, {"hello": 1}, {"id": 1, "modelVersions": []}])
def test_any_foreign_file_in_the_way_is_kept(content: JsonObject) -> None:
    planned = civitscraper.compose(ENRICHED, unwritten(PATH, content), {})
    assert planned.content is None
    assert "left alone" in str(planned.refusal)


def test_what_civitscraper_wrote_for_this_version_is_already_there() -> None:
    planned = civitscraper.compose(ENRICHED, unwritten(PATH, version_body(siblingVersions=[])), {})
    assert (planned.content, planned.refusal) == (None, "already there")


def test_what_civitscraper_wrote_for_another_version_is_kept_and_told() -> None:
    planned = civitscraper.compose(ENRICHED, unwritten(PATH, version_body(id=7)), {})
    assert planned.content is None
    assert "another version" in str(planned.refusal)


def test_our_own_file_is_refreshed_and_edits_stay() -> None:
    content = loaded(civitscraper.compose(describe(version=version()), None, {}).content) | {"name": "edited"}
    body = spoken(civitscraper.compose(ENRICHED, unwritten(PATH, content), {}).content)
    assert body["name"] == "edited"
    assert "parentModel" in body


def test_planned_again_on_its_result_nothing_is_left_to_write() -> None:
    planned = civitscraper.compose(ENRICHED, None, {})
    assert civitscraper.compose(ENRICHED, unwritten(PATH, loaded(planned.content)), {}) == Planned()


def test_our_own_forge_file_makes_room_unless_somebody_added_to_it() -> None:
    content = loaded(forge.compose(describe({Field.DESCRIPTION: "x"}), None, {}).content)
    assert mark.is_marked(content)
    assert "parentModel" in spoken(civitscraper.compose(ENRICHED, unwritten(PATH, content), {}).content)
    kept = civitscraper.compose(ENRICHED, unwritten(PATH, content | {"notes": "mine"}), {})
    assert kept.content is None
