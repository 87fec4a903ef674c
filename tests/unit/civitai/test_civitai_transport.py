"""Exchanges with servers that HTTP libraries do not expect."""

from __future__ import annotations

import socket
import threading
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests
import urllib3

from modelshelf.civitai.answers import AnswerTooLarge, QuestionRefused
from modelshelf.civitai.question import Question
from modelshelf.civitai.settings import ClientSettings
from modelshelf.civitai.transport import Transport, _is_same_host
from modelshelf.clock import SystemClock
from modelshelf.errors import CivitaiUnavailable
from tests.fakes import civitai_moods as moods
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import RecordedRequest

HERE = "http://127.0.0.1/api/v1"
LIMIT = 100_000


@contextmanager
def raw_server(*pieces: bytes) -> Iterator[str]:
    """Send the pieces to whoever connects, one after another, for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)
                    while pieces[-1]:
                        connection.sendall(pieces[-1])
            except OSError:
                return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            listener.close()
            thread.join()


class HastyClock(FakeClock):
    """Says that a minute has passed whenever it is asked."""

    def monotonic(self) -> float:
        self.advance(60)
        return super().monotonic()


def exchange(url: str, settings: ClientSettings | None = None, clock: FakeClock | SystemClock | None = None) -> bytes:
    transport = Transport(settings or ClientSettings(base_url=HERE, timeout_seconds=5), clock or SystemClock())
    try:
        return transport.exchange(Question(url), LIMIT).content
    finally:
        transport.close()


def test_a_body_without_end_is_cut_at_the_limit() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096) as url, pytest.raises(AnswerTooLarge):
        exchange(url)


def test_a_body_that_drips_for_ever_is_cut_at_the_deadline() -> None:
    with (
        raw_server(b"HTTP/1.1 200 OK\r\n\r\n", b"x") as url,
        pytest.raises(CivitaiUnavailable, match="longer than 120"),
    ):
        exchange(url, ClientSettings(base_url=HERE, timeout_seconds=5, deadline_seconds=120), HastyClock())


def test_a_redirect_with_a_body_without_end_is_not_read() -> None:
    with (
        raw_server(b"HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\n\r\n", b"x" * 4096) as url,
        pytest.raises(QuestionRefused),
    ):
        exchange(url)


def test_a_compressed_bomb_is_cut_at_the_limit() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(b"\0" * 50_000_000) + packer.flush()
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    with raw_server(head + bomb, b"") as url, pytest.raises(AnswerTooLarge):
        exchange(url)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 " + b"9" * 70_000,
    ],
)
def test_an_answer_that_is_not_whole_is_no_answer(head: bytes) -> None:
    with raw_server(head, b"") as url, pytest.raises(CivitaiUnavailable):
        exchange(url)


def test_redirects_lengthen_no_deadline(stand_in: CivitaiStandIn) -> None:
    clock = FakeClock()

    def late(request: RecordedRequest) -> Mood:
        clock.advance(50)
        return moods.redirected(f"/{len(stand_in.requests)}")

    stand_in.mood_for = late
    with pytest.raises(CivitaiUnavailable, match="longer than 120"):
        exchange(f"{stand_in.origin}/0", ClientSettings(base_url=HERE, timeout_seconds=5, deadline_seconds=120), clock)
    assert len(stand_in.requests) == 3


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("http://a.example/x", "https://a.example/y", True),
        ("https://a.example:443/", "https://A.example", True),
        ("http://a.example:8080/", "http://a.example:8081/", False),
        ("http://a.example:8080/", "https://a.example/", False),
        ("https://a.example/", "https://b.a.example/", False),
        ("https://a.example/", "ftp://a.example/", False),
    ],
)
def test_one_host_is_told_from_another(first: str, second: str, *, is_same: bool) -> None:
    assert _is_same_host(first, second) is is_same


def test_chunks_are_put_together() -> None:
    with raw_server(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b""
    ) as url:
        assert exchange(url) == b"abcde"


def test_a_proxy_of_the_environment_is_used(stand_in: CivitaiStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", stand_in.origin)
    assert (
        b"Model not found" in exchange("http://civitai.invalid/api/v1/model-versions/by-hash/AB") or stand_in.requests
    )
    assert stand_in.requests[0].path == "http://civitai.invalid/api/v1/model-versions/by-hash/AB"


def test_no_proxy_is_heeded(stand_in: CivitaiStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert b"No model with id 1" in exchange(f"{stand_in.base_url}/models/1")


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:hunter2@127.0.0.1:9")
    with pytest.raises(CivitaiUnavailable, match="proxy") as caught:
        exchange("http://civitai.invalid/")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (requests.exceptions.SSLError("x"), CivitaiUnavailable, "certificate"),
        (requests.exceptions.InvalidProxyURL("x"), CivitaiUnavailable, "proxy"),
        (requests.exceptions.ConnectTimeout("x"), CivitaiUnavailable, "did not answer within 30 seconds"),
        (requests.exceptions.InvalidHeader("x"), QuestionRefused, "malformed"),
        (urllib3.exceptions.LocationParseError("x"), QuestionRefused, "malformed"),
        (urllib3.exceptions.HTTPError("x"), CivitaiUnavailable, "HTTPError"),
        (OSError("x"), CivitaiUnavailable, "OSError"),
    ],
)
def test_every_failure_of_the_library_gets_a_name(error: Exception, kind: type[Exception], words: str) -> None:
    transport = Transport(ClientSettings(), FakeClock())
    translated = transport._translated(error, "https://civitai.com/x")
    transport.close()
    assert isinstance(translated, kind)
    assert str(translated).startswith("civitai.com ")
    assert words in str(translated)


def test_a_user_agent_with_a_line_break_is_refused_and_not_sent(stand_in: CivitaiStandIn) -> None:
    with pytest.raises(QuestionRefused, match="malformed"):
        exchange(f"{stand_in.base_url}/models/1", ClientSettings(base_url=HERE, user_agent="a\r\nX: 1"))
    assert stand_in.requests == []
