from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelshelf.gallery import sanitise
from modelshelf.gallery.sanitise import PROSE_LIMIT, prose, without_unfit
from tests.unit.gallery.gallery_builders import ATTACKS, read

if TYPE_CHECKING:
    from pathlib import Path


@given(st.lists(st.one_of(st.sampled_from([*ATTACKS, "<p>", "</p>", "<a href='", "'>"]), st.text())).map("".join))
def test_whatever_comes_in_only_formatting_comes_out(text: str) -> None:
    document = read(prose(text))

    assert set(document.tags) <= sanitise._TAGS
    for element in document.elements:
        allowed = {"a": {"href", "rel"}, "div": {"class"}}.get(element.tag, set())
        assert set(element.attributes) <= allowed
    assert all(address.startswith(("http://", "https://")) for address in document.addresses)


def test_nothing_that_loads_runs_or_dresses_up_is_formatting() -> None:
    assert not sanitise._TAGS & {
        "script",
        "style",
        "img",
        "iframe",
        "object",
        "embed",
        "form",
        "input",
        "svg",
        "link",
        "base",
        "meta",
    }


def test_formatting_and_links_are_kept() -> None:
    html = '<h3>Use</h3><p><strong>Weight</strong> <code>1</code></p><ul><li><a href="https://x.example/?a=1&amp;b">x</a></li></ul>'

    assert prose(html) == html.replace('b">', 'b" rel="noopener noreferrer nofollow">')


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//evil.example",
        "/x",
        "x.html",
        "mailto:a@b.c",
        "#a",
    ],
)
def test_a_link_that_does_not_lead_to_the_web_loses_its_address(href: str) -> None:
    link = read(prose(f'<a href="{href}">x</a>')).one("a")

    assert "href" not in link.attributes
    assert link.text == "x"


def test_pictures_styles_and_frames_go_and_the_text_stays() -> None:
    html = prose(
        '<p style="color:red" class="x" id="y">a<img src="https://x.example/i.png"><span>b</span></p><iframe>c</iframe>'
    )

    assert html == "<p>ab</p>"


def test_plain_text_keeps_its_brackets_and_line_breaks() -> None:
    assert (
        prose("use <lora:x:1> & smile\nor not") == '<div class="plain">use &lt;lora:x:1&gt; &amp; smile\nor not</div>'
    )


def test_what_no_file_can_hold_is_replaced() -> None:
    assert without_unfit("a\ud800\x00\x1b\tb\n") == "a\ufffd\ufffd\ufffd\tb\n"
    assert prose("<p>a\udcff</p>") == "<p>a\ufffd</p>"


def test_a_description_without_end_is_cut_and_says_so() -> None:
    html = prose("<p>" + "x" * PROSE_LIMIT + "secret</p>")

    assert "secret" not in html
    assert html.endswith("<p>(The rest is left out here.)</p>")


@pytest.mark.parametrize(
    "bomb",
    [
        "<p>" + "".join(f"<b {number}>" for number in range(5000)) + "<p>x" * 5000,
        "<p>" + "".join(f"<FONT/{number}>" for number in range(4000)) + "<p>x" * 5000,
        "<p>" + "<b><i><u><s><em><strong><code><small>" * 3 + "<p>x" * 12_000,
        "<ul><li>" * 6000,
    ],
    ids=["attributes", "slashes", "paragraphs", "depth"],
)
def test_html_that_grows_when_parsed_stays_small(bomb: str) -> None:
    assert len(prose(bomb)) <= 5 * PROSE_LIMIT + 200


def test_real_descriptions_keep_their_text(recordings: Path) -> None:
    for file in sorted((recordings / "civitai" / "model_2023").glob("*.json")):
        text = json.loads(file.read_text("utf-8")).get("description") or ""
        html = prose(text)
        assert "<script" not in html
        assert "".join(read(html).text.split())[:40] == "".join(read(text).text.split())[:40]
