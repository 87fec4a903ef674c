from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from modelshelf.gallery.content import Card, CardState, GalleryContent
from modelshelf.gallery.gallery import STANDING_CARDS, render_gallery
from modelshelf.gallery.sanitise import without_unfit
from modelshelf.gallery.units import shortened
from tests.unit.gallery.gallery_builders import ATTACKS, NOON, cards_of, is_relative, read

_HOSTILE = st.lists(st.one_of(st.sampled_from(ATTACKS), st.text(max_size=40)), max_size=2).map("".join)


def _shown(text: str) -> str:
    return without_unfit(shortened(text, 300))


def _render(*cards: Card, **changes: Any) -> str:
    return render_gallery(GalleryContent("Shelf", cards, **changes))


@settings(max_examples=60, deadline=None)
@given(_HOSTILE, _HOSTILE)
def test_no_text_of_a_stranger_becomes_markup(one: str, other: str) -> None:
    card = Card(
        name=one,
        version_name=other,
        model_type=one,
        base_model=other,
        creator=one,
        words=(one, other),
        tags=(other,),
        page_href="x.html",
        preview_href="x.png",
        nsfw_level=4,
        folder=one,
        state=CardState.BROKEN,
        reason=other,
    )

    html = render_gallery(GalleryContent(one, (card,), {other: 1}))
    page = read(html)

    html.encode("utf-8")
    assert page.tags["script"] == 2
    assert page.tags["img"] == page.tags["h2"] == page.tags["article"] == 1
    assert not {"iframe", "object", "embed", "base", "form", "svg", "math"} & set(page.tags)
    assert not [name for each in page.elements for name in each.attributes if name.startswith("on") or name == "style"]
    assert all(is_relative(address) for address in page.addresses if not address.startswith("data:image/svg"))
    shown_name = _shown(one)
    assert [each.text for each in page.all("a", href="x.html")][-1] == shown_name
    assert page.one("h1").text == shown_name


@settings(max_examples=60, deadline=None)
@given(_HOSTILE)
def test_the_cards_as_json_hold_nothing_that_looks_like_markup(text: str) -> None:
    html = _render(Card(text, words=(text,)))
    block = read(html).one("script", id="cards").text

    assert not set(block) & set("<>&\u2028\u2029")
    assert block.isascii()
    assert cards_of(html)[0].get("name", "") == _shown(text)


def test_the_same_cards_give_the_same_bytes_in_whatever_order_they_come() -> None:
    cards = [Card("b", size_bytes=2), Card("a", folder="z"), Card("A", folder="y"), Card("b", size_bytes=1)]

    assert _render(*cards) == _render(*reversed(cards))
    assert [card["name"] for card in cards_of(_render(*cards))] == ["A", "a", "b", "b"]


def test_ten_thousand_cards_stay_light() -> None:
    cards = [
        Card(
            f"Model {number}",
            "v1",
            "LORA",
            "SDXL 1.0",
            "someone",
            ("word",),
            ("tag",),
            f"{number}.html",
            f"{number}.png",
        )
        for number in range(10_000)
    ]

    html = _render(*cards)

    assert len(html) < 6_000_000
    assert read(html).tags["article"] == STANDING_CARDS
    assert len(cards_of(html)) == 10_000


def test_without_a_script_every_model_can_still_be_reached() -> None:
    html = _render(
        *(Card(f"{number:04}", page_href=f"{number}.html", folder="x") for number in range(STANDING_CARDS + 50))
    )

    reachable = {each.attributes["href"] for each in read(html).all("a")}

    assert {f"{number}.html" for number in range(STANDING_CARDS + 50)} <= reachable
    assert "And 50 more models" in html


def test_a_model_without_a_page_is_listed_without_a_link() -> None:
    html = _render(*(Card(f"{number:04}", state=CardState.BROKEN) for number in range(STANDING_CARDS + 1)))

    assert [each.attributes["href"] for each in read(html).all("a")] == ["#models"]


def test_files_that_need_attention_say_why() -> None:
    html = _render(
        Card("good"),
        Card("bad", state=CardState.BROKEN, reason="It is a web page."),
        Card("half", state=CardState.INCOMPLETE, folder="sub"),
        Card("late", state=CardState.WAITING, reason="grows"),
    )
    page = read(html)

    assert [each.text for each in page.all("span", class_="why")] == ["It is a web page.", "No reason is known."]
    assert "Needs attention" in page.text


def test_with_nothing_wrong_there_is_no_such_section() -> None:
    assert "Needs attention" not in _render(Card("good"))


def test_thousands_of_broken_files_are_counted() -> None:
    html = _render(*(Card(f"{number}", state=CardState.BROKEN) for number in range(150)))

    assert len(read(html).all("span", class_="why")) == 100
    assert "And 50 more." in html


def test_pictures_from_rated_r_on_are_veiled() -> None:
    cards = [Card(f"{level:02}", preview_href="x.png", nsfw_level=level) for level in (0, 1, 3, 4, 8, 31)]

    html = _render(*cards)

    assert [card.get("veiled", False) for card in cards_of(html)] == [False, False, False, True, True, True]
    assert len(read(html).all("article", class_="card veiled")) == 3


def test_a_card_without_a_picture_has_nothing_to_veil() -> None:
    html = _render(Card("x", nsfw_level=31))

    assert len(read(html).all("article", class_="card")) == 1


def test_a_clip_waits_muted_until_someone_looks() -> None:
    clip = read(_render(Card("x", preview_href="x.mp4", is_video=True))).one("video")

    assert {"muted", "loop", "playsinline"} <= set(clip.attributes)
    assert clip.attributes["preload"] == "none"


def test_pictures_load_lazily() -> None:
    assert read(_render(Card("x", preview_href="x.png"))).one("img").attributes["loading"] == "lazy"


def test_names_that_are_not_utf8_are_linked_byte_for_byte() -> None:
    name = os.fsdecode(b"\xff#?.html")

    html = _render(Card("x", page_href=name, preview_href=name))

    assert read(html).one("img").attributes["src"] == cards_of(html)[0]["page"] == "%FF%23%3F.html"


def test_the_head_line_counts() -> None:
    html = _render(Card("a", size_bytes=1024), Card("b", size_bytes=1024), counts={"not hashed yet": 1200})

    assert "2 models · 2.0 KiB · 1,200 not hashed yet" in html


def test_an_empty_gallery_says_so() -> None:
    assert "No models here yet." in read(_render()).text


def test_when_it_was_added_is_kept_for_sorting_and_shown_as_a_day() -> None:
    card = cards_of(_render(Card("x", added_at=NOON + timedelta(days=1))))[0]

    assert (card["added"], card["day"]) == ((NOON + timedelta(days=1)).timestamp(), "2026-11-02")


def test_words_without_end_are_bounded() -> None:
    html = _render(Card("x", words=tuple("w" * 1_000 for _ in range(10_000))))

    assert len(cards_of(html)[0]["words"]) == 100
    assert len(html) < 200_000
