from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import pytest

from modelshelf.domain.civitai import RemoteImage, Sibling
from modelshelf.domain.fact import Field
from modelshelf.domain.header import Verdict
from modelshelf.gallery import gallery as gallery_module
from modelshelf.gallery.content import Card, CardState, GalleryContent
from modelshelf.gallery.gallery import render_gallery
from modelshelf.gallery.page import render_page
from tests.browser.chromium import REAL, visit
from tests.unit.gallery.gallery_builders import ATTACKS, NOON, describe, header, model, page_of, read, version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.domain.jsontypes import JsonValue

pytestmark = pytest.mark.browser

_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_TITLE = "An honest title"


def _write(directory: Path, html: str, name: str = "x.html") -> str:
    (directory / name).write_text(html, "utf-8")
    return (directory / name).as_uri()


def _with_script(html: str, script: str) -> str:
    """Let the page run one script of the test beside its own, the policy kept."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    html = html.replace("script-src &#39;", f"script-src 'sha256-{digest}' &#39;", 1)
    return html.replace("</body>", f"<script>{script}</script></body>")


def _without_policy(html: str) -> str:
    return re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)


def _hostile_page() -> str:
    everything = " ".join(ATTACKS)
    listed: list[JsonValue] = list(ATTACKS)
    values: dict[Field, JsonValue] = dict.fromkeys(Field, everything)
    values |= {
        Field.TRAINED_WORDS: listed,
        Field.TAGS: listed,
        Field.TRAINING_TAGS: listed,
        Field.STATS: {everything: everything},
    }
    values |= {Field.LICENSE: {"allowCommercialUse": everything}, Field.NAME: None}
    description = describe(
        values,
        header=header(Verdict.BROKEN, everything),
        version=version(RemoteImage("u", "image", 1, prompt=everything, negative_prompt=everything)),
        model=model(Sibling(7, everything, everything, None)),
    )
    return render_page(
        page_of(description, title=_TITLE, file_name=everything, previews=ATTACKS[:16], gallery_href=ATTACKS[15])
    )


def _hostile_gallery() -> str:
    cards = [
        Card(
            text, text, text, text, text, (text,), (text,), text, text, folder=text, state=CardState.BROKEN, reason=text
        )
        for text in ATTACKS[:-1]
    ]
    return render_gallery(GalleryContent(_TITLE, tuple(cards)))


def _shelf(count: int = 12) -> tuple[Card, ...]:
    return tuple(
        Card(
            f"Model {number:05}",
            "v1",
            ("LORA", "Checkpoint", "VAE")[number % 3],
            "Pony" if number % 2 else None,
            "someone",
            (f"word{number}", "shared"),
            (),
            f"{number}.html",
            ("x.png", "x.mp4", None)[number % 3],
            is_video=number % 3 == 1,
            nsfw_level=4 if number % 4 == 0 else 1,
            folder="sub" if number > 9 else "",
            size_bytes=(number * 2719) % 1000,
            added_at=NOON + timedelta(days=(number * 31) % 100),
            state=list(CardState)[number % 5],
            reason="why" if number % 5 == 1 else None,
        )
        for number in range(count)
    )


def _names(html: str) -> list[str]:
    return re.findall(r"<h2><a [^>]*>([^<]*)</a></h2>", html)


@pytest.fixture
def shelf(tmp_path: Path) -> str:
    (tmp_path / "x.png").write_bytes(_PIXEL)
    return _write(tmp_path, render_gallery(GalleryContent("Shelf", _shelf())))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serve the directory; `held.png` keeps a page loading until the page asks for `done.png`."""
    is_done = threading.Event()

    class Server(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/held.png":
                is_done.wait(60)
            if self.path == "/done.png":
                is_done.set()
            super().do_GET()

        def translate_path(self, path: str) -> str:
            return os.path.join(self.directory, os.fsdecode(unquote_to_bytes(path.lstrip("/"))))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    is_done.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("attack", ATTACKS[:4])
def test_the_attacks_do_work_where_nobody_defends(tmp_path: Path, attack: str) -> None:
    page = visit(_write(tmp_path, f"<!doctype html><title>{_TITLE}</title>{attack}"))

    assert "<title>hacked</title>" in page.html


@pytest.mark.parametrize("render", [_hostile_page, _hostile_gallery])
@pytest.mark.parametrize("is_policy_kept", [True, False], ids=["with policy", "by escaping alone"])
def test_no_script_of_a_stranger_runs(tmp_path: Path, render: object, *, is_policy_kept: bool) -> None:
    assert callable(render)
    html = render() if is_policy_kept else _without_policy(render())

    page = visit(_write(tmp_path, html))

    assert f"<title>{_TITLE}</title>" in page.html
    assert not [line for line in page.console if "Security" in line or "Uncaught" in line]


def test_a_page_with_its_pictures_works_from_a_file_and_from_a_server(tmp_path: Path, served: str) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff #%?[x].png"
    Path(os.fsdecode(odd)).write_bytes(_PIXEL)
    (tmp_path / "b.png").write_bytes(_PIXEL)
    html = render_page(
        page_of(describe({Field.TRAINED_WORDS: ["a"]}), previews=(os.fsdecode(os.path.basename(odd)), "b.png"))
    )
    script = """
      const pictures = [...document.images];
      for (const each of pictures) each.loading = "eager";
      Promise.all(pictures.map((each) => each.decode())).then(() => {
        document.title = pictures.map((each) => each.naturalWidth).join();
      });
    """
    address = _write(tmp_path, _with_script(html, script))

    for page in (visit(address), visit(f"{served}/x.html")):
        assert "<title>1,1</title>" in page.html
        assert page.console == []


def test_a_gallery_works_from_a_file_and_from_a_server(shelf: str, served: str, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"")

    for page in (visit(shelf), visit(f"{served}/x.html")):
        assert "12 models" in page.html
        assert page.console == []


def test_the_script_draws_a_card_just_as_it_stands_in_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing = visit(_write(tmp_path, render_gallery(GalleryContent("Shelf", _shelf()))))
    monkeypatch.setattr(gallery_module, "STANDING_CARDS", 0)
    drawn = visit(_write(tmp_path, render_gallery(GalleryContent("Shelf", _shelf()))))

    def cards(html: str) -> list[str]:
        return [
            re.sub(r">\s+<|\s+(?=<h2)", "><", each) for each in re.findall(r"<article.*?</article>", html, re.DOTALL)
        ]

    assert len(cards(standing.html)) == 12
    assert cards(drawn.html) == cards(standing.html)


@pytest.mark.parametrize(
    ("fragment", "names", "result"),
    [
        ("q=WORD3", [3], "1 of 12 models"),
        ("q=shared+00007", [7], "1 of 12 models"),
        ("q=nothing", [], "0 of 12 models"),
        ("type=VAE&base=Pony", [5, 11], "2 of 12 models"),
        ("type=VAE&type=LORA&folder=sub", [11], "1 of 12 models"),
        ("type=LORA&sort=size", [9, 6, 3, 0], "4 of 12 models"),
        ("type=LORA&sort=newest", [3, 6, 9, 0], "4 of 12 models"),
        ("sort=__proto__&type=VAE", [2, 5, 8, 11], "4 of 12 models"),
    ],
)
def test_what_the_address_says_is_shown(shelf: str, fragment: str, names: list[int], result: str) -> None:
    page = visit(f"{shelf}#{fragment}")

    assert _names(page.html) == [f"Model {number:05}" for number in names]
    assert read(page.html).one("p", id="result").text == result
    assert ("hidden" in read(page.html).one("p", id="empty").attributes) is bool(names)


def test_facets_count_what_the_other_facets_leave(shelf: str) -> None:
    page = read(visit(f"{shelf}#type=VAE").html)

    boxes = [
        (each.attributes["data-facet"], each.attributes["value"])
        for each in page.all("input")
        if "data-facet" in each.attributes
    ]
    numbers = [int(each.text) for each in page.all("span", class_="number")][: len(boxes)]
    counts = dict(zip(boxes, numbers, strict=True))
    assert counts["type", "LORA"] == counts["type", "VAE"] == 4
    assert (counts["base", "Pony"], counts["base", ""]) == (2, 2)
    assert (counts["folder", "sub"], counts["folder", ""]) == (1, 3)
    assert [each.text for each in page.all("legend")] == ["Type", "Base model", "Folder", "Status"]


def test_choosing_searching_and_clearing_are_kept_in_the_address(tmp_path: Path) -> None:
    script = """
      const told = [];
      document.querySelector("input[data-facet=type][value=VAE]").click();
      told.push(location.hash);
      const search = document.getElementById("search");
      search.value = "word5";
      search.dispatchEvent(new Event("input"));
      setTimeout(() => {
        told.push(location.hash, document.querySelectorAll("article").length);
        document.getElementById("clear").click();
        told.push(location.hash || "none", document.querySelectorAll("article").length);
        document.title = told.join(" ");
      }, 500);
    """
    page = visit(_write(tmp_path, _with_script(render_gallery(GalleryContent("Shelf", _shelf())), script)))

    assert read(page.html).one("title").text == "#type=VAE #q=word5&type=VAE 1 none 12"


def test_a_veil_is_lifted_one_by_one_or_all_at_once(tmp_path: Path) -> None:
    script = """
      const blurred = () => [...document.querySelectorAll(".picture img, .picture video")]
        .filter((each) => getComputedStyle(each).filter !== "none").length;
      const told = [blurred()];
      document.querySelector(".veil").click();
      told.push(blurred());
      document.getElementById("unveil").click();
      told.push(blurred(), location.hash);
      document.title = told.join(" ");
    """
    page = visit(_write(tmp_path, _with_script(render_gallery(GalleryContent("Shelf", _shelf())), script)))

    assert read(page.html).one("title").text == "2 1 0 #nsfw=show"


@pytest.mark.parametrize("is_secure", [True, False], ids=["by clipboard", "by selection"])
def test_copying_works_with_and_without_a_clipboard(tmp_path: Path, *, is_secure: bool) -> None:
    script = """
      const taken = [];
      document.execCommand = () => { taken.push("selected " + document.activeElement.value); return true; };
      Object.defineProperty(window, "isSecureContext", { value: IS_SECURE });
      Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => { taken.push("written " + text); } } });
      for (const button of document.querySelectorAll(".copy")) button.click();
      setTimeout(() => { document.title = taken.join("|") + "|" + document.querySelector(".copy").textContent; }, 100);
    """.replace("IS_SECURE", str(is_secure).lower())
    html = render_page(page_of(describe({Field.TRAINED_WORDS: ["<one>", "two 'words'"]})))

    page = visit(_write(tmp_path, _with_script(html, script)))

    verb = "written" if is_secure else "selected"
    expected = f"{verb} <one>, two 'words'|{verb} <one>|{verb} two 'words'|Copied"
    assert read(page.html).one("title").text == expected


def test_ten_thousand_cards_are_drawn_as_one_scrolls(tmp_path: Path, served: str) -> None:
    script = """
      const told = [document.querySelectorAll("article").length];
      const scroll = () => {
        scrollTo(0, document.body.scrollHeight);
        if (document.querySelectorAll("article").length < 500) return requestAnimationFrame(scroll);
        document.title = [...told, "then 500"].join(" ");
        new Image().src = "done.png";
      };
      scroll();
    """
    html = _with_script(render_gallery(GalleryContent("Shelf", _shelf(10_000))), script)
    _write(tmp_path, html.replace("</body>", '<img src="held.png"></body>'))

    page = visit(f"{served}/x.html", REAL)

    assert read(page.html).one("title").text == "200 then 500"


def test_without_its_script_the_cards_stand_there_and_the_controls_do_not(tmp_path: Path) -> None:
    html = render_gallery(GalleryContent("Shelf", _shelf())).replace("script-src &#39;", "script-src &#39;x")

    page = visit(_write(tmp_path, html))

    assert any("script-src" in line for line in page.console)
    assert len(_names(page.html)) == 12
    assert "hidden" in read(page.html).one("div", id="controls").attributes


def test_an_empty_gallery_is_quiet(tmp_path: Path) -> None:
    page = visit(_write(tmp_path, render_gallery(GalleryContent("Shelf", ()))))

    assert "No models here yet." in page.html
    assert page.console == []
