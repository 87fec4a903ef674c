from __future__ import annotations

import base64
import hashlib
import subprocess
import sys

import pytest

from modelshelf.gallery import document
from modelshelf.gallery.content import Card, GalleryContent
from modelshelf.gallery.gallery import render_gallery
from modelshelf.gallery.page import render_page
from tests.unit.gallery.gallery_builders import page_of, read

_DOCUMENTS = {"page": render_page(page_of()), "gallery": render_gallery(GalleryContent("x", (Card("a"),)))}


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("html", _DOCUMENTS.values(), ids=_DOCUMENTS)
def test_the_policy_allows_our_own_style_and_script_and_nothing_else(html: str) -> None:
    page = read(html)
    policies = (each.attributes for each in page.all("meta") if "http-equiv" in each.attributes)
    policy = next(policies)["content"]
    script = next(each.text for each in page.all("script") if "type" not in each.attributes)

    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src 'self' data: file:",
        "media-src 'self' file:",
        f"style-src {_digest(page.one('style').text)}",
        f"script-src {_digest(script)}",
        "base-uri 'none'",
        "form-action 'none'",
    ]


@pytest.mark.parametrize("html", _DOCUMENTS.values(), ids=_DOCUMENTS)
def test_the_policy_stands_before_anything_it_rules(html: str) -> None:
    assert html.index("Content-Security-Policy") < html.index("<style>") < html.index("<script")


@pytest.mark.parametrize("html", _DOCUMENTS.values(), ids=_DOCUMENTS)
def test_nothing_is_asked_of_anyone(html: str) -> None:
    page = read(html)

    assert [
        address
        for address in page.addresses
        if not address.startswith(("data:image/svg+xml,", "#", "https://civitai.com/"))
    ] == []
    assert "url(" not in page.one("style").text
    assert "@import" not in page.one("style").text
    assert not [each for each in page.elements if "style" in each.attributes]


def test_our_assets_cannot_end_their_own_element() -> None:
    for asset in (document._ROOM / "assets").iterdir():
        assert "</" not in asset.read_text("utf-8"), asset.name


def test_the_template_library_is_not_loaded_before_the_first_page() -> None:
    code = "import sys, modelshelf.gallery.page, modelshelf.gallery.gallery; sys.exit('jinja2' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
