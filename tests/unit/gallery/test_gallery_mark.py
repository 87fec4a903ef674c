from __future__ import annotations

import pytest

from modelshelf.gallery.content import GalleryContent
from modelshelf.gallery.gallery import render_gallery
from modelshelf.gallery.mark import MARK, MARK_REACH_BYTES, is_ours
from modelshelf.gallery.page import render_page
from tests.unit.gallery.gallery_builders import page_of


def test_our_page_and_our_gallery_are_ours() -> None:
    for html in (render_page(page_of()), render_gallery(GalleryContent("x", ()))):
        assert is_ours(html.encode()[:MARK_REACH_BYTES])


def test_a_page_of_another_version_of_ours_is_ours() -> None:
    html = render_page(page_of(generated_by="0.0.7"))

    assert '<meta name="generator" content="modelshelf 0.0.7">' in html
    assert is_ours(html.encode())


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<!doctype html><title>modelshelf</title>",
        b'<meta name="generator" content="Hugo 0.120">',
        b'<meta name="generator" content="modelshelfish">',
        b" " * MARK_REACH_BYTES + MARK.encode(),
        b"\xff\xfe\x00binary",
    ],
)
def test_anybody_elses_file_is_not_ours(head: bytes) -> None:
    assert not is_ours(head)


def test_a_hostile_title_cannot_push_the_mark_out_of_reach() -> None:
    html = render_page(page_of(title="é" * 100_000))

    assert is_ours(html.encode()[:MARK_REACH_BYTES])


def test_a_version_cannot_break_out_of_the_mark() -> None:
    html = render_page(page_of(generated_by='1"><script>'))

    assert '"><script>' not in html[:MARK_REACH_BYTES]
