"""The stand-in's lists, caches and strange records keep the rules of the real server."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.fakes import civitai_moods as moods
from tests.fakes import civitai_odd_records as odd
from tests.fakes.civitai_chance import Chance
from tests.fakes.civitai_edge import EdgeCache
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn

A, B = "A" * 64, "B" * 64
BY_HASH = "model-versions/by-hash"


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


@pytest.fixture
def ask(civitai: CivitaiStandIn, session: requests.Session) -> Any:
    def get(path: str, **headers: str) -> requests.Response:
        url = path if path.startswith("http") else f"{civitai.base_url}/{path}"
        return session.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()}, timeout=5)

    return get


def test_a_search_goes_by_words_and_type_with_a_cursor_that_is_no_number(civitai: CivitaiStandIn, ask: Any) -> None:
    for number in range(5):
        civitai.add_file(f"{number:064X}", 1024, name=f"Ink of number {number}", model_id=number + 1)
    civitai.add_file(A, 1024, name="Inkless", model_type="Checkpoint", model_id=9)
    first = ask("models?query=ink%20NUMBER&limit=3").json()
    assert [each["id"] for each in first["items"]] == [1, 2, 3]
    cursor = first["metadata"]["nextCursor"]
    assert not str(cursor).isdecimal()
    last = ask(f"models?query=ink%20number&limit=3&cursor={cursor}").json()
    assert [each["id"] for each in last["items"]] == [4, 5]
    assert "nextCursor" not in last["metadata"]
    assert [each["id"] for each in ask("models?query=ink&types=Checkpoint").json()["items"]] == [9]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=101", 400),
        ("limit=x", 400),
        ("query=a&page=1", 400),
        ("page=11&limit=100", 429),
        ("favorites=true", 401),
    ],
)
def test_a_list_refuses_what_the_real_one_refuses(ask: Any, query: str, status: int) -> None:
    answer = ask(f"models?{query}")
    assert answer.status_code == status
    assert "Retry-After" not in answer.headers
    assert "error" in answer.json()


def test_pages_by_number_say_where_they_are(civitai: CivitaiStandIn, ask: Any) -> None:
    for number in range(3):
        civitai.add_file(f"{number:064X}", 1024, model_id=number + 1)
    page = ask("models?page=2&limit=2").json()
    assert [each["id"] for each in page["items"]] == [3]
    assert page["metadata"] == {"currentPage": 2, "pageSize": 2}


def test_images_are_tame_unless_more_is_asked_for(civitai: CivitaiStandIn, ask: Any) -> None:
    version_id = civitai.add_file(A, 1024, images=5, image_levels=[1, 4, 16, 2])

    def levels(query: str) -> list[tuple[str, int]]:
        items = ask(f"images?modelVersionId={version_id}{query}").json()["items"]
        return [(each["nsfwLevel"], each["browsingLevel"]) for each in items]

    assert levels("") == [("None", 1), ("None", 1)]
    assert levels("&nsfw=Soft") == [("None", 1), ("Soft", 2), ("None", 1)]
    assert len(levels("&nsfw=Mature")) == 4
    assert ("X", 16) in levels("&nsfw=X")
    assert ask("images?modelVersionId=77").json()["items"] == []
    assert ask("images?limit=201").status_code == 400


def test_images_come_page_by_page_and_with_prompts_only_on_request(civitai: CivitaiStandIn, ask: Any) -> None:
    version_id = civitai.add_file(A, 1024, images=12, videos=1)
    found: list[dict[str, Any]] = []
    cursor: str | None = "0"
    while cursor is not None:
        answer = ask(f"images?modelVersionId={version_id}&limit=5&withMeta=true&cursor={cursor}").json()
        found += answer["items"]
        cursor = answer["metadata"].get("nextCursor")
    assert len({each["id"] for each in found}) == 13
    assert found[0]["meta"]["prompt"]
    assert ask(f"images?modelVersionId={version_id}").json()["items"][0]["meta"] is None


def test_who_has_an_answer_already_gets_none(civitai: CivitaiStandIn, ask: Any) -> None:
    civitai.add_file(A, 1024)
    first = ask(f"{BY_HASH}/{A}")
    again = ask(f"{BY_HASH}/{A}", If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert ask(f"{BY_HASH}/{A}", If_None_Match='"another"').content == first.content


def test_a_picture_may_be_asked_for_from_a_byte_on(civitai: CivitaiStandIn, ask: Any) -> None:
    civitai.add_file(A, 1024, images=1)
    url = ask(f"{BY_HASH}/{A}").json()["images"][0]["url"]
    whole = ask(url)
    etag, size = whole.headers["ETag"], len(whole.content)
    rest = ask(url, Range="bytes=100-", If_Range=etag)
    assert (rest.status_code, rest.headers["Content-Range"]) == (206, f"bytes 100-{size - 1}/{size}")
    assert whole.content[:100] + rest.content == whole.content
    assert ask(url, Range="bytes=100-", If_Range='"older"').status_code == 200
    assert ask(url, Range=f"bytes={size}-").status_code == 416
    civitai.has_ranges = False
    assert ask(url, Range="bytes=100-", If_Range=etag).content == whole.content


def test_the_edge_keeps_a_miss_for_each_spelling_and_forgets_two_of_them(civitai: CivitaiStandIn, ask: Any) -> None:
    clock = FakeClock()
    civitai.edge = EdgeCache(clock)
    spellings = [A, A.lower(), f"aA{A[2:]}"]

    def statuses() -> list[int]:
        return [ask(f"{BY_HASH}/{each}").status_code for each in spellings]

    assert statuses() == [404, 404, 404]
    civitai.add_file(A, 1024)
    assert statuses() == [404, 404, 404]
    civitai.edge.purge(A)
    assert statuses() == [200, 200, 404]
    clock.advance(3600)
    assert statuses() == [200, 200, 404], "stale, while it is asked for anew"
    assert statuses() == [200, 200, 200]


def test_an_answer_to_somebody_known_is_kept_by_nobody(civitai: CivitaiStandIn, ask: Any) -> None:
    civitai.add_file(A, 1024, model_id=5)
    assert ask("models?ids=5", Authorization="Bearer stand-in-key").headers["Cache-Control"].startswith("max-age=0")
    assert ask("models?ids=5", Authorization="Bearer expired").headers["Cache-Control"].startswith("public")
    assert ask("models/5", Authorization="Bearer stand-in-key").headers["Cache-Control"].startswith("public")


@pytest.mark.parametrize(
    ("mood", "found"),
    [
        (odd.unknown_enums, ("baseModel", "Modell 9000 (preview)")),
        (odd.hidden_downloads, ("stats", {"downloadCount": None, "thumbsUpCount": 10})),
        (moods.content, ("baseModel", "SDXL 1.0")),
    ],
)
def test_odd_records_are_odd(civitai: CivitaiStandIn, ask: Any, mood: Mood, found: tuple[str, Any]) -> None:
    civitai.add_file(A, 1024)
    civitai.mood_for = lambda _: mood
    assert ask(f"{BY_HASH}/{A}").json()[found[0]] == found[1]


def test_a_legacy_autov3_is_long_and_found_by_its_beginning(civitai: CivitaiStandIn, ask: Any) -> None:
    civitai.add_file({"sha256": A, "autov3": "ABCDEF123456"}, 1024)
    civitai.mood_for = lambda _: odd.legacy_autov3
    assert ask(f"{BY_HASH}/abcdef123456").json()["files"][0]["hashes"]["AutoV3"] == "ABCDEF123456" + "0" * 52


def test_some_parents_are_missing_from_lists_alone(civitai: CivitaiStandIn, ask: Any) -> None:
    for model_id in range(1, 7):
        civitai.add_file(f"{model_id:064X}", 1024, model_id=model_id)
    civitai.mood_for = lambda _: odd.drops_parents(3)
    assert [each["id"] for each in ask("models?ids=1,2,3,4,5,6").json()["items"]] == [1, 2, 4, 5]
    assert ask("models/3").json()["id"] == 3


def test_a_chance_is_the_same_for_the_same_seed() -> None:
    def thrown(seed: int) -> list[object]:
        chance = Chance(0.5, seed)
        return [chance(None) for _ in range(50)]  # type: ignore[arg-type]

    assert thrown(1) == thrown(1) != thrown(2)
    assert 10 < sum(each is not None for each in thrown(1)) < 40


def test_requests_are_counted_by_what_they_ask_for(
    civitai: CivitaiStandIn, ask: Any, session: requests.Session
) -> None:
    for path in (f"{BY_HASH}/{A}", f"{BY_HASH}/{A[:12]}", "models?nsfw=true&ids=1", "models/1", "model-versions/1"):
        ask(path)
    for path in ("images?limit=1", "models?query=x", "nowhere"):
        ask(path)
    for path in (BY_HASH, f"{BY_HASH}/ids"):
        session.post(f"{civitai.base_url}/{path}", json=[], timeout=5)
    assert civitai.asked() == Counter(
        [
            "GET by-hash, SHA256",
            "GET by-hash, AutoV3",
            "GET models?ids",
            "GET models/ID",
            "GET model-versions/ID",
            "GET images",
            "GET models?query",
            "GET /api/v1/nowhere",
            "POST by-hash",
            "POST by-hash/ids",
        ]
    )
