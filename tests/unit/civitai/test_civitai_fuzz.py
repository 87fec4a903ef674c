"""Hostile JSON: whatever comes, the answer is a noun or CivitaiUnavailable, and every noun can be stored."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from modelshelf.civitai.answers import LONGEST_RETRY_AFTER_SECONDS, Answer, read, retry_after
from modelshelf.civitai.edge import thumbnail_url
from modelshelf.civitai.lasting import completed
from modelshelf.civitai.payload import model_facts, parse_model, parse_version, slim, version_facts
from modelshelf.domain.civitai import RemoteImage
from modelshelf.domain.fact import Field, Source, is_known
from modelshelf.errors import ModelshelfError

if TYPE_CHECKING:
    from modelshelf.domain.fact import Fact
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

NOW = datetime(2026, 8, 8, tzinfo=UTC)
texts = st.text(st.characters(), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
anything = st.recursive(
    scalars, lambda each: st.lists(each, max_size=3) | st.dictionaries(texts, each, max_size=3), max_leaves=6
)
KEYS = [
    "modelId",
    "name",
    "baseModel",
    "model",
    "type",
    "nsfw",
    "nsfwLevel",
    "description",
    "trainedWords",
    "tags",
    "creator",
    "username",
    "mode",
    "stats",
    "files",
    "images",
    "url",
    "hashes",
    "SHA256",
    "AutoV3",
    "sizeKB",
    "primary",
    "downloadUrl",
    "metadata",
    "format",
    "meta",
    "prompt",
    "width",
    "modelVersions",
    "allowCommercialUse",
    "allowNoCredit",
    "publishedAt",
    "air",
]
plausible = st.recursive(
    scalars,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(KEYS), each, max_size=6),
    max_leaves=20,
)
records = st.builds(
    lambda identifier, fields: {**fields, "id": identifier},
    st.integers() | scalars,
    st.dictionaries(st.sampled_from(KEYS), plausible | anything, max_size=10),
)


def assert_storable(facts: list[Fact]) -> None:
    for fact in facts:
        assert is_known(fact.value)
        if isinstance(fact.value, str | int):
            assert sqlite3.connect(":memory:").execute("SELECT ?", (fact.value,)).fetchone() == (fact.value,)


def fields_of(body: JsonObject) -> set[Field]:
    facts = version_facts(parse_version(body), Source.CIVITAI_API)
    return {fact.field for fact in facts + model_facts(parse_model(body), Source.CIVITAI_API)}


@given(records | anything)
def test_any_json_is_a_version_or_unavailable(body: JsonValue) -> None:
    try:
        version = parse_version(body)
    except ModelshelfError:
        return
    assert_storable(version_facts(version, Source.CIVITAI_JSON))
    assert all(file.size_bytes is None or file.size_bytes >= 0 for file in version.files)
    assert all(image.nsfw_level >= 0 for image in version.images)
    assert version.body is body


@given(records | anything)
def test_any_json_is_a_model_or_unavailable(body: JsonValue) -> None:
    try:
        model = parse_model(body)
    except ModelshelfError:
        return
    assert_storable(model_facts(model, Source.CIVITAI_JSON))


@given(records, records)
def test_whatever_is_said_later_no_fact_is_lost(former: JsonObject, later: JsonObject) -> None:
    former, later = {**former, "id": 7}, {**later, "id": 7}
    before, after = fields_of(former), fields_of(completed(later, former))
    assert before - after <= {Field.MODE, Field.LICENSE}, "a state may be over, and a licence withdrawn"


@given(st.dictionaries(st.sampled_from(["id", "images"]), plausible | anything, max_size=2))
def test_slimming_any_object_keeps_its_shape(body: JsonObject) -> None:
    slimmed = slim(body)
    assert slimmed.keys() == body.keys()
    assert json.dumps(slimmed) == json.dumps(body)


@given(
    st.integers(100, 599),
    st.dictionaries(st.sampled_from(["Content-Type", "Retry-After", "cf-mitigated"]), texts),
    st.binary(),
)
def test_any_answer_is_json_a_miss_or_an_error_of_ours(status: int, headers: dict[str, str], content: bytes) -> None:
    try:
        body = read(Answer("civitai.com", status, headers, content), NOW)
    except ModelshelfError:
        return
    assert isinstance(body, dict | list) or (body is None and status == 404)


@given(st.text() | st.text("0123456789:.,- +GMTSunJanFeb", max_size=40))
def test_any_retry_after_is_a_bounded_delay_or_none(value: str) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER_SECONDS


@given(st.text() | st.text("htps:/[].com=,width?#450", max_size=40), st.sampled_from(["image", "video", "audio", "x"]))
def test_any_address_has_a_thumbnail_address(url: str, kind: str) -> None:
    assert isinstance(thumbnail_url(RemoteImage(url, kind, 1), 450), str)
