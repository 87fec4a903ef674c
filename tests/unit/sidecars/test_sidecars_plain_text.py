"""Rules for HTML that becomes plain text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelshelf.sidecars.plain_text import LONGEST_CHARACTERS, plain_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One &amp; two</p><p>three</p>", "One & two\n\nthree"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
        ("<p>a\nb</p>", "a b"),
        ("<b>bold</b> <a href='javascript:x'>link</a>", "bold link"),
        ("x<script>alert('<b>')</script>y<STYLE>p {}</STYLE>z", "xyz"),
        ("<!-- gone --><p>kept</p>", "kept"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "alert(1)"),
        ("<p>use &lt;lora:foo:0.8&gt;</p>", "use <lora:foo:0.8>"),
        ("use <lora:foo:0.8>", "use <lora:foo:0.8>"),
        ("plain\r\ntext  with\tblanks \n\n\n\nand lines", "plain\ntext with blanks\n\nand lines"),
        ("weight <0.8 and > 0.2", "weight <0.8 and > 0.2"),
        ("Q&amp;A\nlines stay", "Q&A\nlines stay"),
        ("non&nbsp;breaking", "non breaking"),
        ("<p></p>", ""),
        ("", ""),
        ("half \ud83d", "half ?"),
        ("<p>&#" + "1" * 5000 + ";&#65;&#x42;", "\ufffdAB"),
        ("&#x" + "f" * 5000 + "; &amp;", "\ufffd &"),
    ],
)
def test_html_becomes_the_words_a_person_reads(markup: str, text: str) -> None:
    assert plain_text(markup) == text


def test_a_huge_description_is_shortened() -> None:
    text = plain_text("<p>" + "word " * 1_000_000 + "</p>")
    assert len(text) <= LONGEST_CHARACTERS
    assert text.endswith("…")


@pytest.mark.parametrize("attack", ["<div>", "<", "<!--", "&", "<a ", "<script>", "\n ", "&lt;", "<li>"])
def test_no_markup_takes_long(attack: str) -> None:
    started = time.process_time()
    plain_text(attack * (1_000_000 // len(attack)))
    assert time.process_time() - started < 5


@given(st.text())
def test_no_tag_survives(markup: str) -> None:
    text = plain_text(markup + "<img src=x onerror=alert(1)>&lt;b onclick=x&gt;" + markup)
    assert "<img" not in text
    assert "<b onclick" not in text
