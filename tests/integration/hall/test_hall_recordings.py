"""Every recorded body of Civitai, through the whole hall: nothing that it says of a model is lost on the way to the page."""

from __future__ import annotations

import copy
import html
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.fact import Field
from tests import builders
from tests.unit.steps.step_shelf import sha256

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import Reply
    from tests.unit.steps.step_shelf import StepShelf

IMAGES_BY_HASH = 10
"""An answer to a hash carries no more images, whatever the model's own record has."""

HOSTILE = {
    "script": "<script>alert(document.cookie)</script><img src=x onerror=alert(1)>",
    "breakout": "</textarea></script></style><!-- ]]> <svg onload=alert(2)>",
    "surrogate": "half a pair HALF-A-PAIR and \x00 zero \x1b[31m red",
    "bidi": "\u202egnp.exe\u202c",
    "deep": "<div>" * 3000 + "deep" + "</div>" * 3000,
    "huge": "<p>word</p>" * 200_000,
    "template": "{{ config }} {% raw %} ${process.env} %(name)s {0}",
}


def recorded_bodies(recordings: Path) -> list[dict[str, Any]]:
    """Give every recorded model and version that has a file which could lie on a shelf."""
    found: list[dict[str, Any]] = []
    for path in sorted((recordings / "civitai").rglob("*.json")):
        recorded = json.loads(path.read_bytes())
        items = recorded.get("items", [recorded]) if isinstance(recorded, dict) else recorded
        found += [each for each in items if "id" in each and ("modelVersions" in each or "files" in each)]
    return found


class Recorded:
    """One recorded version whose first file is said to be ours, and the model above it if that was recorded too."""

    def __init__(self, version: dict[str, Any], model: dict[str, Any] | None, number: int) -> None:
        self.version = version
        self.model = model
        self.name = f"recorded{number}"
        self.content = builders.lora(1000 + number)
        version["files"][0].setdefault("hashes", {})["SHA256"] = sha256(self.content)
        version["files"][0]["sizeKB"] = len(self.content) / 1024

    @property
    def model_id(self) -> Any:
        """The id of the model above."""
        return self.model["id"] if self.model else self.version.get("modelId")


def dress(shelf: StepShelf, civitai: CivitaiStandIn, bodies: list[dict[str, Any]]) -> list[Recorded]:
    """Put a file on the shelf for each recorded version, and let the stand-in answer with the recording."""
    found: dict[int, Recorded] = {}
    numbers = itertools.count()
    for body in map(copy.deepcopy, bodies):
        model = body if "modelVersions" in body else None
        for version in model["modelVersions"] if model else [body]:
            if version.get("files"):
                found[version["id"]] = Recorded(version, model, next(numbers))
        civitai.add_recording(body)
    for recorded in found.values():
        shelf.put(f"{recorded.name}.safetensors", recorded.content)
    shelf.look_through()
    return list(found.values())


def seen(page: Path) -> str:
    """Give the words of a page as a reader meets them."""
    text = re.sub(r"<(style|script)\b.*?</\1>", " ", page.read_text(), flags=re.DOTALL)
    return flat(html.unescape(re.sub(r"<[^>]+>", " ", text)))


def flat(text: str) -> str:
    """Give text with every run of blanks as one."""
    return " ".join(text.split())


def words(values: list[str] | None) -> list[str]:
    """Give trained words as they are kept: without blanks and commas at their end, each once."""
    return list(dict.fromkeys(word for each in values or [] if (word := each.strip().rstrip(", \t\r\n"))))


def tag_names(tags: list[Any] | None) -> list[str]:
    """Give tags as they are kept: some answers have had objects."""
    return [each["name"] if isinstance(each, dict) else each for each in tags or []]


def values_of(recorded: Recorded) -> dict[Field, Any]:
    """Give what a recording says, as facts should have it."""
    version, model = recorded.version, recorded.model or recorded.version.get("model") or {}
    wanted = {
        Field.VERSION_ID: version["id"],
        Field.MODEL_ID: recorded.model_id,
        Field.NAME: model.get("name"),
        Field.VERSION_NAME: version.get("name"),
        Field.BASE_MODEL: version.get("baseModel"),
        Field.MODEL_TYPE: model.get("type"),
        Field.TRAINED_WORDS: words(version.get("trainedWords")),
        Field.NSFW: model.get("nsfw"),
        Field.PUBLISHED_AT: version.get("publishedAt"),
        Field.STATS: version.get("stats"),
        Field.TAGS: tag_names(model.get("tags")),
        Field.CREATOR: (model.get("creator") or {}).get("username"),
    }
    return {field: value for field, value in wanted.items() if value not in (None, "", [], {})}


@pytest.fixture
def hall(shelf: StepShelf, civitai: CivitaiStandIn, recordings: Path) -> list[Recorded]:
    """Give every recorded version, its file described."""
    found = dress(shelf, civitai, recorded_bodies(recordings))
    assert len(found) >= 60
    return found


def test_every_recording_reaches_facts_sidecar_and_page(shelf: StepShelf, hall: list[Recorded]) -> None:
    assert not shelf.tasks()
    for recorded in hall:
        description = shelf.description(f"{recorded.name}.safetensors")
        wanted = values_of(recorded)
        assert {field: description.value(field) for field in wanted} == wanted
        assert_in_sidecar(recorded, shelf.json(f"{recorded.name}.civitai.info"))
        assert_on_page(wanted, seen(shelf.path(f"{recorded.name}.html")))


def assert_in_sidecar(recorded: Recorded, info: dict[str, Any]) -> None:
    """See that a `.civitai.info` holds what was recorded."""
    version, model = recorded.version, recorded.model
    for key in ("id", "name", "baseModel", "trainedWords", "publishedAt", "stats", "description", "downloadUrl"):
        assert info.get(key) == version.get(key), key
    assert [each["id"] for each in info["files"]] == [each["id"] for each in version["files"]]
    assert len(info["images"]) == min(len(version.get("images") or []), IMAGES_BY_HASH)
    if model is None:
        return
    assert info["modelId"] == model["id"]
    for key in ("name", "type", "nsfw"):
        assert info["model"][key] == model[key], key
    assert info["model"]["tags"] == tag_names(model["tags"])
    for key in ("allowNoCredit", "allowDerivatives", "allowDifferentLicense"):
        assert info["model"].get(key) == model.get(key), key
    if model.get("creator"):
        assert info["creator"]["username"] == model["creator"]["username"]


def assert_on_page(wanted: dict[Field, Any], page: str) -> None:
    """See that a reader of the page meets every value."""
    for field in (Field.VERSION_ID, Field.MODEL_ID, Field.NAME, Field.VERSION_NAME, Field.BASE_MODEL, Field.CREATOR):
        if field in wanted:
            assert flat(str(wanted[field])) in page, field
    for field in (Field.TRAINED_WORDS, Field.TAGS):
        for each in wanted.get(field, []):
            assert flat(each)[:300] in page, field
    assert str(wanted.get(Field.PUBLISHED_AT, ""))[:10] in page
    assert ("NSFW" in page) or not wanted.get(Field.NSFW)
    for count in wanted.get(Field.STATS, {}).values():
        assert str(count) in page, Field.STATS


def acts_of(page: str) -> list[str]:
    """Give what would run by itself on a page beside its own scripts: attributes such as `onload`, scripts as addresses."""
    found: list[str] = []

    class Acts(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(f"{tag} {name}" for name, _ in attrs if name.startswith("on"))
            found.extend(f"{tag} {name}" for name, value in attrs if (value or "").lower().startswith("javascript:"))

    Acts().feed(page)
    return found


def with_half_a_pair(reply: Reply) -> Reply:
    """Escape half of a surrogate pair into the JSON: UTF-8 has none, but JSON's escapes have."""
    return replace(reply, body=reply.body.replace(b"HALF-A-PAIR", b"\\ud83d"))


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_words_change_no_page_and_break_no_step(kind: str, shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    words_of_evil = HOSTILE[kind]
    body = {
        "id": 900,
        "name": words_of_evil[:5000],
        "type": "LORA",
        "nsfw": False,
        "tags": [words_of_evil[:200]],
        "creator": {"username": words_of_evil[:200]},
        "description": words_of_evil,
        "modelVersions": [
            {
                "id": 901,
                "name": words_of_evil[:200],
                "baseModel": words_of_evil[:200],
                "description": words_of_evil,
                "trainedWords": [words_of_evil[:200]],
                "publishedAt": words_of_evil[:200],
                "stats": {words_of_evil[:50]: 1},
                "files": [{"id": 902, "name": words_of_evil[:200], "type": "Model", "sizeKB": 1, "hashes": {}}],
                "images": [],
            }
        ],
    }
    civitai.mood_for = lambda _: with_half_a_pair
    (recorded,) = dress(shelf, civitai, [body])
    assert not shelf.tasks()
    page = shelf.path(f"{recorded.name}.html").read_text()
    gallery = shelf.path("gallery.html").read_text()
    for text in (page, gallery):
        assert text.count("<script") == text.count("</script>") <= 3
        assert not acts_of(text)
    assert shelf.json(f"{recorded.name}.civitai.info")["id"] == 901
    assert shelf.json(f"{recorded.name}.json")
