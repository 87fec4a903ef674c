"""Who gets to see the API key: the home host, in one header, and nobody else."""

from __future__ import annotations

import base64
import logging
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.client import CivitaiClient, ClientSettings
from modelshelf.civitai.question import Question
from modelshelf.civitai.transport import Transport
from modelshelf.errors import CivitaiUnavailable, ModelshelfError
from tests.fakes import civitai_moods as moods
from tests.fakes.civitai_server import CivitaiStandIn
from tests.unit.civitai.fetching import fetched

if TYPE_CHECKING:
    from tests.fakes.civitai_wire import Reply
    from tests.fakes.clock import FakeClock

SECRET = "0123456789abcdef-secret"
A, B = "A" * 64, "B" * 64


def leaks(stand_in: CivitaiStandIn) -> list[str]:
    encoded = base64.b64encode(SECRET.encode()).decode()[:12]
    seen = [f"{each.path} {sorted(each.headers.items())} {each.body!r}" for each in stand_in.requests]
    return [each for each in seen if SECRET in each or encoded in each or "authorization" in each]


def test_the_key_travels_in_the_header_and_nowhere_else(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    client.versions_by_hash([A])
    client.versions_by_hash([A, B])
    client.get_model(1)
    assert [each.headers["authorization"] for each in stand_in.requests] == [f"Bearer {SECRET}"] * 4
    assert all(SECRET not in each.path and SECRET.encode() not in each.body for each in stand_in.requests)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_never_gets_the_key(
    stand_in: CivitaiStandIn, client: CivitaiClient, status: int
) -> None:
    with CivitaiStandIn() as stranger:
        stranger.add_file(A, 1024)
        stand_in.mood_for = lambda request: moods.redirected(f"{stranger.origin}{request.path}", status)
        assert A in client.versions_by_hash([A]).found
        assert A in client.versions_by_hash([A, B]).found
        assert [each.method for each in stranger.requests] == ["GET", "POST", "POST", "POST"]
        assert leaks(stranger) == []


def test_a_redirect_back_home_gets_the_key_again(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    stand_in.add_file(A, 1024)
    stand_in.moods.append(moods.redirected(f"/api/v1/model-versions/by-hash/{A}"))
    assert A in client.versions_by_hash([A]).found
    assert stand_in.requests[1].headers["authorization"] == f"Bearer {SECRET}"


def test_another_scheme_port_or_host_is_not_home(clock: FakeClock) -> None:
    transport = Transport(ClientSettings(base_url="https://civitai.com/api/v1/", key=SECRET), clock)
    strangers = [
        "http://civitai.com/api/v1/x",
        "https://civitai.com:8443/x",
        "https://civitai.com.evil.example/x",
        "https://civitai.com@evil.example/x",
    ]
    for url in strangers:
        assert "Authorization" not in transport._headers(Question(url), url)
    for url in ("https://civitai.com:443/x", "https://CIVITAI.com/x"):
        assert transport._headers(Question(url), url)["Authorization"] == f"Bearer {SECRET}".encode()
    transport.close()


def test_no_image_host_gets_the_key_not_even_at_home(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    fetched(client, f"{stand_in.origin}/images/u/width=8/1.jpeg", 10_000)
    assert leaks(stand_in) == []


@pytest.mark.parametrize("key", [None, SECRET])
def test_a_netrc_file_is_ignored(stand_in: CivitaiStandIn, monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    netrc = Path("~/.netrc").expanduser()
    netrc.write_text("machine 127.0.0.1 login somebody password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    try:
        with CivitaiStandIn() as stranger, CivitaiClient(ClientSettings(base_url=stand_in.base_url, key=key)) as client:
            stand_in.moods.append(moods.redirected(f"{stranger.base_url}/models/1"))
            with pytest.raises(CivitaiUnavailable, match="sends us to"):
                client.get_model(1)
            client.get_model(1)
            fetched(client, f"{stranger.origin}/images/u/width=8/1.jpeg", 10_000)
            assert leaks(stranger) == []
            expected = [f"Bearer {key}"] * 2 if key else [None] * 2
            assert [each.headers.get("authorization") for each in stand_in.requests] == expected
    finally:
        netrc.unlink()


def test_a_key_pasted_with_blanks_and_strange_letters_harms_nobody(stand_in: CivitaiStandIn) -> None:
    settings = ClientSettings(base_url=stand_in.base_url, key=f" {SECRET}\u2026\r\nX-Injected: 1\n")
    with CivitaiClient(settings) as client:
        client.get_model(1)
    assert "x-injected" not in stand_in.requests[0].headers
    assert SECRET in stand_in.requests[0].headers["authorization"]


@pytest.mark.parametrize(
    "mood",
    [
        moods.region_blocked,
        moods.unauthorized,
        moods.page,
        moods.reset,
        moods.hung_up,
        moods.redirect_loop,
        moods.crashed,
    ],
)
def test_no_error_and_no_log_line_holds_the_key(
    stand_in: CivitaiStandIn, client: CivitaiClient, caplog: pytest.LogCaptureFixture, mood: moods.Mood
) -> None:
    caplog.set_level(logging.DEBUG)
    stand_in.mood_for = lambda _: mood
    with pytest.raises(ModelshelfError) as caught:
        client.versions_by_hash([A, B])
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in caplog.text
    assert SECRET not in repr(ClientSettings(key=SECRET))


def test_cookies_are_not_kept(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    def with_cookie(reply: Reply) -> Reply:
        return replace(reply, headers={"Set-Cookie": "track=1; Path=/"})

    stand_in.moods.append(with_cookie)
    client.get_model(1)
    client.get_model(2)
    assert "cookie" not in stand_in.requests[1].headers


def test_the_agent_says_who_it_is_and_looks_like_no_browser(stand_in: CivitaiStandIn, client: CivitaiClient) -> None:
    client.get_model(1)
    agent = stand_in.requests[0].headers["user-agent"].lower()
    assert agent.startswith("modelshelf/")
    assert not any(word in agent for word in ("mozilla", "chrome", "safari", "firefox", "opera", "edge"))
