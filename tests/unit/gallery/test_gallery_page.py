from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelshelf.domain.civitai import RemoteImage, Sibling
from modelshelf.domain.fact import Field
from modelshelf.domain.header import Verdict
from modelshelf.gallery.content import Sites
from modelshelf.gallery.page import render_page
from modelshelf.gallery.sanitise import without_unfit
from modelshelf.gallery.units import shortened
from tests.unit.gallery.gallery_builders import (
    ATTACKS,
    HASHES,
    NOON,
    Document,
    describe,
    header,
    is_relative,
    model,
    page_of,
    read,
    version,
)

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue

_HOSTILE = st.lists(st.one_of(st.sampled_from(ATTACKS), st.text(max_size=40)), max_size=4).map("".join)
_OUR_TAGS = read(render_page(page_of())).tags


def _copied(page: Document) -> list[str]:
    return [each.attributes["data-copy"] for each in page.all("button")]


@settings(max_examples=60, deadline=None)
@given(_HOSTILE, _HOSTILE)
def test_no_text_of_a_stranger_becomes_markup(one: str, other: str) -> None:
    texts = (one, other)
    listed: list[JsonValue] = [*texts, one + other]
    values: dict[Field, JsonValue] = dict.fromkeys(Field, one or "x")
    values |= {Field.TRAINED_WORDS: listed, Field.TAGS: listed, Field.TRAINING_TAGS: {one: 1, other: 2}}
    values |= {Field.STATS: {one: other}, Field.DESCRIPTION: other, Field.LICENSE: other}
    description = describe(
        values,
        header=header(Verdict.BROKEN, one),
        version=version(RemoteImage("u", "image", 1, prompt=one, negative_prompt=other)),
        model=model(Sibling(7, one, other, None)),
    )

    html = render_page(page_of(description, title=one, file_name=other, generated_by="1"))
    page = read(html)

    html.encode("utf-8")
    assert page.tags["script"] == page.tags["style"] == page.tags["title"] == 1
    assert not {"iframe", "object", "embed", "base", "form", "svg", "math", "img", "input"} & set(page.tags)
    assert not [name for each in page.elements for name in each.attributes if name.startswith("on") or name == "style"]
    assert page.one("h1").text == without_unfit(shortened(one or "x", 300))
    assert page.one("title").text == without_unfit(shortened(one, 300))
    assert without_unfit(", ".join(str(word) for word in listed)) in _copied(page)
    assert all(address.startswith(("https://", "http://", "data:image/svg+xml,")) for address in page.addresses)


@given(st.binary(min_size=1).filter(lambda path: not path.startswith(b"/")))
@settings(max_examples=50, deadline=None)
def test_pictures_are_linked_relative_to_the_page_whatever_their_names(name: bytes) -> None:
    page = read(render_page(page_of(previews=(os.fsdecode(name) + ".png",), gallery_href=os.fsdecode(name))))

    assert page.tags["img"] == 1
    assert all(is_relative(address) for address in page.addresses if not address.startswith("data:image/svg"))


def test_the_same_content_gives_the_same_bytes() -> None:
    assert render_page(page_of()) == render_page(page_of())


def test_a_clip_is_a_muted_loop_and_a_picture_a_picture() -> None:
    page = read(render_page(page_of(previews=("a.mp4", "b.png", "c.webm"))))

    clips = page.all("video")
    assert [clip.attributes["src"] for clip in clips] == ["a.mp4", "c.webm"]
    assert all({"muted", "loop", "playsinline"} <= set(clip.attributes) for clip in clips)
    assert [picture.attributes["src"] for picture in page.all("img")] == ["b.png"]


def test_trigger_words_can_be_copied_one_by_one_and_all_at_once() -> None:
    page = read(render_page(page_of(describe({Field.TRAINED_WORDS: ["one", 'two "2"']}))))

    assert _copied(page) == ['one, two "2"', "one", 'two "2"']


def test_hashes_can_be_copied() -> None:
    assert HASHES.sha256 in _copied(read(render_page(page_of(describe(hashes=HASHES)))))


def test_facts_are_told_with_their_sources() -> None:
    page = read(render_page(page_of(describe({Field.BASE_MODEL: "Pony"}))))

    assert [each.text for each in page.all("td")] == ["Pony", "from Civitai"]


def test_the_page_leads_to_civitai_and_back_to_the_gallery() -> None:
    description = describe(
        version=version(), model=model(Sibling(20, "this", None, None), Sibling(21, None, "Pony", None))
    )
    page = read(render_page(page_of(description, gallery_href="../gallery.html")))

    assert [each.attributes["href"] for each in page.all("a")] == [
        "../gallery.html",
        "https://civitai.com/models/10?modelVersionId=20",
        "https://civitai.com/models/10?modelVersionId=21",
    ]


@pytest.mark.parametrize(
    ("values", "host"),
    [
        ({}, "all.example"),
        ({Field.NSFW_LEVEL: 3}, "all.example"),
        ({Field.NSFW_LEVEL: 4}, "mature.example"),
        ({Field.NSFW_LEVEL: 1, Field.NSFW: True}, "mature.example"),
    ],
)
def test_the_page_leads_to_the_site_that_shows_the_model(values: dict[Field, JsonValue], host: str) -> None:
    description = describe(values, version=version(), model=model(Sibling(21, None, "Pony", None)))
    page = read(render_page(page_of(description, sites=Sites("all.example", "mature.example"))))
    assert [each.attributes["href"].split("/")[2] for each in page.all("a")] == [host, host]


def test_an_unknown_file_has_a_page_that_says_so() -> None:
    page = read(render_page(page_of(modified_at=NOON)))

    assert page.one("h1").text == "A title"
    assert "Nobody has described this model yet." in page.text
    assert "Not looked up yet" in page.text


def test_why_a_file_is_broken_stands_in_a_box() -> None:
    page = read(render_page(page_of(describe(header=header(Verdict.BROKEN, "It is a web page.")))))

    assert page.one("strong").text == "This file is broken"
    assert "It is a web page." in page.text


def test_lists_without_end_are_counted_not_shown() -> None:
    many: list[JsonValue] = [f"word{number}" for number in range(5_000)]
    values: dict[Field, JsonValue] = {Field.TRAINED_WORDS: many, Field.TAGS: many, Field.TRAINING_TAGS: many}

    html = render_page(page_of(describe(values), previews=tuple(f"{number}.png" for number in range(5_000))))

    assert html.count("and 4800 more") == 3
    assert len(html) < 150_000


def test_an_empty_page_has_nothing_in_it_that_is_not_ours() -> None:
    assert _OUR_TAGS["img"] == _OUR_TAGS["a"] == _OUR_TAGS["table"] == _OUR_TAGS["button"] == 0
