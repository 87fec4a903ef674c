from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelshelf.domain.fact import Field
from modelshelf.gallery.links import civitai_href, is_video, model_id, relative_href, version_id
from tests.unit.gallery.gallery_builders import describe, is_relative, version

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue


@given(st.binary(min_size=1).filter(lambda path: not path.startswith(b"/")))
def test_every_name_a_disk_can_hold_is_found_again(path: bytes) -> None:
    href = relative_href(os.fsdecode(path))

    assert unquote_to_bytes(href) == path
    assert is_relative(href)
    assert not set(href) & set("\"'<>&#?\n :\\")


@pytest.mark.parametrize(
    ("name", "href"),
    [
        ("a b.html", "a%20b.html"),
        ("50% #1?.html", "50%25%20%231%3F.html"),
        ("[xl] (v2).html", "%5Bxl%5D%20%28v2%29.html"),
        ("a\nb.html", "a%0Ab.html"),
        ("../up/x.html", "../up/x.html"),
        ("javascript:alert(1).html", "javascript%3Aalert%281%29.html"),
        (os.fsdecode(b"\xff\xe9.png"), "%FF%E9.png"),
        ("水.png", "%E6%B0%B4.png"),
    ],
)
def test_odd_names_are_quoted(name: str, href: str) -> None:
    assert relative_href(name) == href


def test_leading_slashes_never_lead_to_another_host() -> None:
    there = urljoin("http://home/models/gallery.html", relative_href("//evil.example/x.html"))

    assert urlsplit(there).netloc == "home"


@pytest.mark.parametrize(("name", "is_clip"), [("a.mp4", True), ("a.WEBM", True), ("mp4", False), ("a.mp4.png", False)])
def test_clips_are_known_by_their_names(*, name: str, is_clip: bool) -> None:
    assert is_video(name) is is_clip


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (12, 12),
        ("12", 12),
        (0, None),
        (-3, None),
        (True, None),
        ("12;x", None),
        ("١٢", None),
        ("9" * 50, None),
        ([1], None),
    ],
)
def test_only_a_number_is_an_id(value: JsonValue, known: int | None) -> None:
    description = describe({Field.MODEL_ID: value, Field.VERSION_ID: value})

    assert (model_id(description), version_id(description)) == (known, known)


def test_ids_come_from_the_record_where_no_fact_knows_them() -> None:
    description = describe(version=version(version_id=20, model_id=10))

    assert (model_id(description), version_id(description)) == (10, 20)


def test_a_fact_goes_before_the_record() -> None:
    description = describe({Field.MODEL_ID: 1, Field.VERSION_ID: 2}, version=version())

    assert (model_id(description), version_id(description)) == (1, 2)


def test_the_address_on_civitai_needs_the_model() -> None:
    assert civitai_href("civitai.red", 10, 20) == "https://civitai.red/models/10?modelVersionId=20"
    assert civitai_href("civitai.com", 10, None) == "https://civitai.com/models/10"
    assert civitai_href("civitai.com", None, 20) is None
