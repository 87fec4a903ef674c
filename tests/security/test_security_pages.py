"""Pages made of strangers' words: whatever they hold, what a browser reads there formats text, and does nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.security.stranger import CONTENT, speak

if TYPE_CHECKING:
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

ATTACKS = {
    "script": "<p>x</p><script>alert(1)</script><SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "breaking out": "\"'></title></style></script></textarea><script>alert(1)</script><!--",
    "in the data": '</script><script>alert(1)</script>"}]};alert(1);//\\u003cscript\\u003e',
    "handlers": "<p onclick=alert(1) onmouseover='x'>x</p><img src=x onerror=alert(1)><body onload=alert(1)>",
    "addresses": '<a href="javascript:alert(1)">x</a><a href=" java\tscript:alert(1)">x</a><a href="data:text/html,x">x</a>',
    "vbscript": '<a href="vbscript:x">x</a><a href="//evil.example">x</a><a href="/etc/passwd">x</a><a href="file:///x">x</a>',
    "entities": '<a href="&#106;avascript:alert(1)">x</a><a href="&#x6A&#x61;vascript&colon;alert(1)">x</a>',
    "style": '<p style="background:url(//evil.example)">x</p><style>@import "//e.example"</style><link rel=stylesheet href=//e>',
    "pictures": '<p>x</p><img src="//evil.example/track.gif" srcset="//e.example 2x"><picture><source srcset=//e></picture>',
    "frames": "<p>x</p><iframe src=//evil.example></iframe><object data=//e></object><embed src=//e><frameset>",
    "svg": '<p>x</p><svg onload=alert(1)><script>alert(1)</script><a xlink:href="javascript:x"/><animate onbegin=x /></svg>',
    "math": '<p>x</p><math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    "noscript": '<p>x</p><noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "forms": "<p>x</p><form action=//evil.example><input name=x autofocus onfocus=alert(1)><button formaction=javascript:x>",
    "base": "<p>x</p><base href=//evil.example><meta http-equiv=refresh content='0;url=//evil.example'>",
    "policy": '<p>x</p><meta http-equiv="Content-Security-Policy" content="script-src *">',
    "template": "<p>x</p><template><script>alert(1)</script></template>{{ 7*7 }}{% raw %}${7*7}",
    "clobber": '<p>x</p><a id="cards" name="cards" href="https://a.example">x</a><p id="found" class="copy" data-copy="x">',
    "comment": "<!--><script>alert(1)</script>--><p>x</p><![CDATA[<script>alert(1)</script>]]>",
    "nul": "<p>x</p><scr\0ipt>alert(1)</scr\0ipt><a href='java\0script:alert(1)'>x</a>",
    "surrogates": "<p>\ud800\udfff</p>\u202e\u2066<script>alert(1)</script>",
}
INERT = {
    "a", "article", "aside", "b", "bdi", "blockquote", "body", "br", "button", "code", "dd", "del", "details", "div", "dl",
    "dt", "em", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "i", "img", "input", "ins",
    "kbd", "label", "li", "link", "main", "mark", "meta", "nav", "noscript", "ol", "option", "p", "pre", "q", "s", "script",
    "section", "select", "small", "span", "strong", "style", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead",
    "title", "tr", "u", "ul", "video",
}  # fmt: skip
ADDRESSES = {"href", "src", "action", "formaction", "data", "poster", "background", "cite", "ping", "xlink:href"}


@dataclass
class Seen(HTMLParser):
    """What a browser would find in a page."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    _within: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._within = tag
        if tag in {"script", "style"}:
            (self.scripts if tag == "script" else self.styles).append("")

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in {"script", "style"}:
            (self.scripts if self._within == "script" else self.styles)[-1] += data

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def seen(html: str) -> Seen:
    found = Seen()
    found.feed(html)
    found.close()
    return found


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def assert_inert(html: str) -> None:
    """Fail unless everything active in the page is our own, and the policy lets nothing else act."""
    page = seen(html)
    assert {tag for tag, _ in page.tags} <= INERT
    names = [name for _, attributes in page.tags for name in attributes]
    assert not [name for name in names if name.startswith("on") or name in {"style", "srcset", "srcdoc"}]
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ADDRESSES]
    assert {urlsplit(each).scheme for each in addresses} <= {"", "http", "https", "data"}
    assert not [each for each in addresses if each.startswith(("//", "/", "data:text"))]
    assert not [each for tag in ("img", "video") for each in page.named(tag) if urlsplit(each["src"]).scheme]
    metas = [each for each in page.named("meta") if "http-equiv" in each]
    assert [each["http-equiv"] for each in metas] == ["Content-Security-Policy"]
    policy = metas[0]["content"]
    acting = [script for script, tag in zip(page.scripts, page.named("script"), strict=True) if "type" not in tag]
    assert len(acting) == len(page.styles) == 1
    assert f"script-src 'sha256-{digest(acting[0])}'" in policy
    assert f"style-src 'sha256-{digest(page.styles[0])}'" in policy
    assert policy.startswith("default-src 'none'; ")
    for tag, text in zip(page.named("script"), page.scripts, strict=True):
        assert tag.get("type", "application/json") == "application/json"
        if "type" in tag:
            json.loads(text)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_a_stranger_says_acts_in_a_page(shelf: StepShelf, civitai: CivitaiStandIn, attack: str) -> None:
    text = ATTACKS[attack]
    speak(civitai, text, f"{civitai.origin}/images/u/width=8/1.jpeg")
    shelf.put("model.safetensors", CONTENT)
    shelf.put("other.safetensors", CONTENT + b"x")
    shelf.put(
        "other.json", json.dumps({"description": text, "notes": text, "activation text": text, "negative text": text})
    )
    shelf.look_through()
    for name in ("model.html", "gallery.html"):
        assert_inert(shelf.path(name).read_text("utf-8"))


@pytest.mark.parametrize(
    "name", ["<script>alert(1)<", "javascript:alert(1)", "\"'><img src=x onerror=1>", "a&b#c?d%e", "//evil"]
)
def test_no_name_of_a_file_acts_in_a_page(shelf: StepShelf, name: str) -> None:
    name = name.replace("/", "\u2215")
    shelf.put(f"{name}.safetensors", CONTENT)
    shelf.put(f"{name}.preview.png", b"\x89PNG\r\n\x1a\n")
    shelf.look_through()
    for path in shelf.path("x").parent.glob("*.html"):
        assert_inert(path.read_text("utf-8"))


def test_what_acts_would_be_found() -> None:
    """The test above can fail: a page that lets a stranger in is told from one that does not."""
    genuine = "<html><head></head><body>{}</body></html>"
    for text in ("<script>alert(1)</script>", "<p onclick=x>", '<a href="javascript:x">', "<iframe>", '<p style="x">'):
        with pytest.raises((AssertionError, IndexError)):
            assert_inert(genuine.format(text))
