"""Descriptions, pages and galleries for tests, and a reader that tells what a browser would make of the HTML."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from modelshelf.domain.civitai import License, Model, ModelVersion, RemoteImage, Sibling
from modelshelf.domain.description import Description
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.hashes import Hashes
from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.domain.model_file import Fingerprint, ModelFile, ScanPhase
from modelshelf.gallery.content import PageContent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.domain.jsontypes import JsonValue

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
HASHES = Hashes("A" * 64, "B" * 64, "C" * 8, "D" * 10, "E" * 12, "F" * 8)
ATTACKS = (
    "<script>document.title='hacked'</script>",
    "</script><script>document.title='hacked'</script>",
    "</title></style></textarea></noscript></template><script>document.title='hacked'</script>",
    "<img src=x onerror=\"document.title='hacked'\">",
    "<svg onload=\"document.title='hacked'\"><script>document.title='hacked'</script></svg>",
    "<svg><style><img src=x onerror=\"document.title='hacked'\"></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=document.title='hacked'&gt;\">",
    "<a href=\"javascript:document.title='hacked'\" id=attack>x</a>",
    "<a href=\"&#106;ava\nscript:document.title='hacked'\" id=attack>x</a>",
    "<iframe srcdoc=\"<script>parent.document.title='hacked'</script>\"></iframe>",
    '<p style="background:url(https://evil.example/x)" onclick="document.title=\'hacked\'">x</p>',
    '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
    '<base href="https://evil.example/"><form action="https://evil.example/"><input autofocus onfocus=document.title=1></form>',
    '<link rel=stylesheet href="https://evil.example/x.css"><object data="https://evil.example/"></object>',
    "\"' onmouseover=document.title='hacked' autofocus x='",
    "javascript:document.title='hacked'",
    "{{ 7 * 7 }}{% raw %}${1}<!-- -->]]>\u2028\u2029",
    "\ud800\udcff\x00\x1b\u202e",
)


def describe(
    values: Mapping[Field, JsonValue] | None = None,
    source: Source = Source.CIVITAI_API,
    *,
    header: Header | None = None,
    hashes: Hashes | None = None,
    version: ModelVersion | None = None,
    model: Model | None = None,
) -> Description:
    facts = {each: Fact(each, source, value) for each, value in (values or {}).items()}
    return Description(model_file(), header, hashes, facts, version, model)


def model_file(**changes: Any) -> ModelFile:
    values: dict[str, Any] = {
        "id": 1,
        "folder_id": "loras",
        "path": b"style/x.safetensors",
        "fingerprint": Fingerprint(10, 0, 0, 1),
        "scan_phase": ScanPhase.DEEP,
        "is_inspected": True,
        "content_id": 1,
        "first_seen_at": NOON,
        **changes,
    }
    return ModelFile(**values)


def header(verdict: Verdict = Verdict.SOUND, reason: str | None = None) -> Header:
    return Header(Format.SAFETENSORS, verdict, reason, 10, 2364, {"F16": 2048, "F32": 4096}, {}, "LoRA", "SDXL")


def version(*images: RemoteImage, version_id: int = 20, model_id: int | None = 10) -> ModelVersion:
    names = ["name", "base_model", "model_name", "model_type", "is_nsfw", "nsfw_level", "description"]
    nones: dict[str, Any] = dict.fromkeys([*names, "published_at", "air", "mode", "download_url"])
    return ModelVersion(
        id=version_id, model_id=model_id, trained_words=(), stats={}, files=(), images=images, body={}, **nones
    )


def model(*siblings: Sibling, license_: License | None = None) -> Model:
    nones: dict[str, Any] = dict.fromkeys(["name", "type", "description", "is_nsfw", "nsfw_level", "creator", "mode"])
    allowed = license_ or License(None, (), None, None)
    return Model(id=10, tags=(), license=allowed, stats={}, versions=siblings, body={}, **nones)


def page_of(description: Description | None = None, **changes: Any) -> PageContent:
    values: dict[str, Any] = {
        "description": description or describe(),
        "title": "A title",
        "file_name": "x.safetensors",
        "size_bytes": 10,
        "modified_at": NOON,
        **changes,
    }
    return PageContent(**values)


@dataclass
class Element:
    """A start tag as a browser reads it; `text` is what stands directly in it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Document:
    """All elements of an HTML document in their order, and what stands in them for eyes to read."""

    elements: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [each for each in self.elements if each.tag == tag and wanted.items() <= each.attributes.items()]

    def one(self, tag: str, **attributes: str) -> Element:
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def tags(self) -> Counter[str]:
        return Counter(each.tag for each in self.elements)

    @property
    def text(self) -> str:
        return " ".join(self.pieces)

    @property
    def addresses(self) -> list[str]:
        names = ("href", "src", "action", "data", "srcset", "poster", "formaction", "srcdoc")
        return [each.attributes[name] for each in self.elements for name in names if name in each.attributes]


class _Reader(HTMLParser):
    _VOID = frozenset(["meta", "link", "img", "input", "br", "hr"])

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.document = Document()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.document.elements.append(element)
        if tag not in self._VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].text += data
        if not self._open or self._open[-1].tag not in {"script", "style"}:
            self.document.pieces.append(data)


def read(html: str) -> Document:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.document


def cards_of(html: str) -> list[dict[str, Any]]:
    cards: list[dict[str, Any]] = json.loads(read(html).one("script", id="cards").text)["cards"]
    return cards


def is_relative(address: str) -> bool:
    return not re.match(r"[a-z][a-z0-9+.-]*:|/|\\", address, re.IGNORECASE)
