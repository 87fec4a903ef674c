from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from modelshelf.civitai.answers import QuestionRefused
from modelshelf.civitai.client import CivitaiClient, ClientSettings
from modelshelf.civitai.edge import thumbnail_url
from modelshelf.errors import CivitaiRateLimited, CivitaiUnavailable
from tests.fakes import civitai_moods as moods
from tests.unit.civitai.fetching import fetched

if TYPE_CHECKING:
    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import Reply

A = "A" * 64
LIMIT = 1_000_000


def address(stand_in: CivitaiStandIn, name: str = "1.jpeg") -> str:
    return f"{stand_in.origin}/images/uuid/width=64/{name}"


def test_a_thumbnail_of_the_wanted_width_is_fetched(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024, images=1, videos=1)
    for image in client.versions_by_hash([A]).found[A].version.images:
        picture = Image.open(io.BytesIO(fetched(client, thumbnail_url(image, 96), LIMIT)))
        assert picture.size == (96, 144)


def test_bytes_come_as_they_are_whatever_the_name_says(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    assert fetched(client, address(stand_in, "3.jpeg"), LIMIT).startswith(b"\x89PNG")
    assert fetched(client, address(stand_in, "4.jpeg"), LIMIT).startswith(b"\xff\xd8\xff")
    assert fetched(client, address(stand_in, "4.mp4"), LIMIT)[4:8] == b"ftyp"


def test_a_picture_above_the_limit_is_refused_while_it_streams(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    size_bytes = len(fetched(client, address(stand_in), LIMIT))
    assert len(fetched(client, address(stand_in), size_bytes)) == size_bytes
    with pytest.raises(QuestionRefused, match=f"more than the {size_bytes - 1} bytes"):
        fetched(client, address(stand_in), size_bytes - 1)


def test_five_redirects_are_followed_and_no_sixth(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.moods.extend([moods.redirected("/images/uuid/width=64/1.jpeg")] * 5)
    assert fetched(client, address(stand_in), LIMIT)
    stand_in.moods.extend([moods.redirected("/images/uuid/width=64/1.jpeg")] * 6)
    with pytest.raises(CivitaiUnavailable, match="redirects more than 5 times"):
        fetched(client, address(stand_in), LIMIT)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "data:image/png;base64,AA",
        "//x/y",
        "http://",
        "http://[x/",
        "http://a:b/",
    ],
)
def test_only_web_addresses_are_asked(stand_in: CivitaiStandIn, client: CivitaiClient, url: str) -> None:
    with pytest.raises(QuestionRefused, match="not a web address"):
        fetched(client, url, LIMIT)
    assert stand_in.requests == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:image/png;base64,AA", "http://[x/"])
def test_redirects_lead_to_web_addresses_only(stand_in: CivitaiStandIn, client: CivitaiClient, url: str) -> None:
    stand_in.moods.append(moods.redirected(url))
    with pytest.raises(QuestionRefused, match="not a web address"):
        fetched(client, address(stand_in), LIMIT)


def test_a_redirect_to_a_name_beyond_ascii_is_followed(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    location = "/images/uuid/width=64/水墨.jpeg".encode().decode("latin-1")
    stand_in.moods.append(moods.redirected(location))
    fetched(client, address(stand_in), LIMIT)
    assert stand_in.requests[1].path == "/images/uuid/width=64/%E6%B0%B4%E5%A2%A8.jpeg"


@pytest.mark.parametrize(
    "url", ["http://exa mple.invalid/x", "http://*.invalid/x", "http://.invalid/x", "http://a\u3002\u2024/x"]
)
def test_an_address_that_cannot_be_asked_is_an_error_of_ours(client: CivitaiClient, url: str) -> None:
    with pytest.raises((QuestionRefused, CivitaiUnavailable)):
        fetched(client, url, LIMIT)


def empty(reply: Reply) -> Reply:
    return replace(reply, body=b"")


@pytest.mark.parametrize(
    "mood", [moods.page, moods.challenged, moods.reset, moods.hung_up, moods.crashed, moods.overloaded, empty]
)
def test_what_is_no_picture_may_be_one_later(stand_in: CivitaiStandIn, client: CivitaiClient, mood: Mood) -> None:
    stand_in.moods.append(mood)
    with pytest.raises(CivitaiUnavailable):
        fetched(client, address(stand_in), LIMIT)
    assert fetched(client, address(stand_in), LIMIT)


def test_a_picture_that_is_gone_is_refused_for_good(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    with pytest.raises(QuestionRefused, match="gone"):
        fetched(client, f"{stand_in.origin}/images/nothing", LIMIT)


def test_an_image_host_that_is_asked_too_much_does_not_silence_the_api(
    stand_in: CivitaiStandIn, client: CivitaiClient
) -> None:
    stand_in.moods.append(moods.rate_limited("9"))
    for _ in range(2):
        with pytest.raises(CivitaiRateLimited):
            fetched(client, address(stand_in), LIMIT)
    assert len(stand_in.requests) == 1
    assert client.get_model(1) is None


def test_an_address_with_a_password_does_not_show_it_in_errors() -> None:
    with (
        CivitaiClient(ClientSettings(base_url="http://127.0.0.1/api/v1", timeout_seconds=1)) as client,
        pytest.raises(CivitaiUnavailable) as caught,
    ):
        fetched(client, "http://user:hunter2@127.0.0.1:9/x", LIMIT)
    assert "hunter2" not in str(caught.value)
