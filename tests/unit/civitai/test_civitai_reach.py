"""Whose word leads where: no stranger's address leads into the network that this machine stands in."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.answers import QuestionRefused
from modelshelf.civitai.client import CivitaiClient, ClientSettings
from modelshelf.civitai.reach import Reach, is_inner
from modelshelf.errors import CivitaiUnavailable
from tests.fakes import civitai_moods as moods
from tests.fakes.civitai_server import CivitaiStandIn
from tests.unit.civitai.fetching import fetched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_wire import RecordedRequest
    from tests.fakes.clock import FakeClock

INNER = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "198.18.0.5",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a resolver answers: addresses by name, every other name stands for itself."""
    known = {"civitai.example": "8.8.8.8"}
    real = socket.getaddrinfo

    def resolve(host: str | bytes | None, *rest: object, **more: object) -> object:
        text = host.decode() if isinstance(host, bytes) else str(host)
        if text.endswith(".missing"):
            raise socket.gaierror(socket.EAI_NONAME, "no such host")
        return real(known.get(text, text), *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def client_of(base_url: str) -> CivitaiClient:
    return CivitaiClient(ClientSettings(base_url=base_url, timeout_seconds=5, rate_limit_per_minute=None))


@pytest.mark.parametrize("address", INNER)
def test_an_inner_address_is_known_in_every_spelling(address: str) -> None:
    assert is_inner(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_is_not_inner(address: str) -> None:
    assert not is_inner(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "localhost", "x.localhost", "192.168.0.1"])
def test_a_picture_at_an_inner_address_is_never_asked_for(names: dict[str, str], host: str) -> None:
    with client_of("https://civitai.example/api/v1") as client, pytest.raises(QuestionRefused, match="own network"):
        fetched(client, f"http://{host}:9/width=8/1.jpeg", 1000)


@pytest.mark.parametrize("host", ["mylocalhost", "mylocalhost.example", "localhost.example"])
def test_a_name_that_only_looks_like_this_machine_is_no_name_for_it(host: str) -> None:
    Reach("civitai.example").require_name(host)


def test_a_name_that_leads_inside_gets_no_request(names: dict[str, str]) -> None:
    names["pictures.example"] = "127.0.0.1"
    with CivitaiStandIn() as inside, client_of("https://civitai.example/api/v1") as client:
        address = inside.origin.replace("127.0.0.1", "pictures.example")
        with pytest.raises(QuestionRefused, match=r"pictures\.example is not asked"):
            fetched(client, f"{address}/images/u/width=8/1.jpeg", 10_000)
        assert inside.requests == []


def test_a_redirect_leads_no_further_than_an_address(names: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first hop is home, and so permitted; the second is a name that leads elsewhere inside."""
    names.update({"pictures.example": "127.0.0.1", "home.example": "127.0.0.1"})
    monkeypatch.setattr(Reach, "_is_home_inside", lambda _: False)
    with CivitaiStandIn() as home, CivitaiStandIn() as inside:
        home.moods.append(moods.redirected(inside.origin.replace("127.0.0.1", "pictures.example")))
        with (
            client_of(home.base_url.replace("127.0.0.1", "home.example")) as client,
            pytest.raises(QuestionRefused, match=r"pictures\.example"),
        ):
            client.get_model(1)
        assert (len(home.requests), inside.requests) == (1, [])


def test_a_mirror_inside_may_name_pictures_inside(names: dict[str, str]) -> None:
    names["mirror.example"] = "127.0.0.1"
    with CivitaiStandIn() as mirror, CivitaiStandIn() as pictures:
        with client_of(mirror.base_url.replace("127.0.0.1", "mirror.example")) as client:
            assert client.get_model(1) is None
            assert fetched(client, f"{pictures.origin}/images/u/width=8/1.jpeg", 10_000)
        assert (len(mirror.requests), len(pictures.requests)) == (1, 1)


def test_a_home_that_no_resolver_knows_opens_nothing(names: dict[str, str]) -> None:
    with pytest.raises(QuestionRefused):
        Reach("civitai.missing").require_address("pictures.example", "10.0.0.1")
    with pytest.raises(QuestionRefused):
        Reach(None).require_name("10.0.0.1")
    Reach(None).require_name("8.8.8.8")


def test_behind_a_proxy_an_inner_address_is_refused_by_its_name(
    names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with CivitaiStandIn() as proxy, client_of("http://civitai.example/api/v1") as client:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        client.get_model(1)
        with pytest.raises(QuestionRefused):
            fetched(client, "http://10.0.0.1/width=8/1.jpeg", 1000)
        assert [each.path for each in proxy.requests] == ["http://civitai.example/api/v1/models/1"]


@contextmanager
def dripping(piece: bytes) -> Iterator[str]:
    """Serve one connection with `piece` over and over, ten times a second."""
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while not is_over.wait(0.01):
                try:
                    connection.sendall(piece)
                except OSError:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
    finally:
        is_over.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize("piece", [b"HTTP/1.1 100 Continue\r\n\r\n", b"H", b"HTTP/1.1 200 OK\r\nX: "])
def test_an_answer_whose_head_never_ends_is_cut_off(piece: bytes) -> None:
    with dripping(piece) as url:
        settings = ClientSettings(base_url=url, timeout_seconds=5, deadline_seconds=0.3)
        with CivitaiClient(settings) as client, pytest.raises(CivitaiUnavailable):
            client.get_model(1)


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"id": 1, "name": "secure"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        """Say nothing."""


@pytest.fixture
def secure_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve over TLS as mirror.example, with a certificate that is trusted here."""
    openssl = shutil.which("openssl") or pytest.skip("no openssl: apt-get install openssl")
    certificate, key = tmp_path / "certificate", tmp_path / "key"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mirror"
    alternative = ["-addext", "subjectAltName=DNS:mirror.example"]
    subprocess.run(
        [openssl, *words.split(), *alternative, "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_holds_for_plain_connections_holds_for_secure_ones(names: dict[str, str], secure_port: int) -> None:
    names["mirror.example"] = "127.0.0.1"
    with client_of(f"https://mirror.example:{secure_port}/api/v1") as client:
        found = client.get_model(1)
        assert found is not None
        assert found.name == "secure"
    with client_of("https://civitai.example/api/v1") as client, pytest.raises(QuestionRefused):
        fetched(client, f"https://mirror.example:{secure_port}/width=8/1.jpeg", 1000)


def test_a_head_has_no_longer_than_redirects_have_left_it(stand_in: CivitaiStandIn, clock: FakeClock) -> None:
    def late(_: RecordedRequest) -> Mood:
        clock.advance(19.8)
        return moods.redirected(url)

    stand_in.mood_for = late
    settings = ClientSettings(base_url=stand_in.base_url, timeout_seconds=5, deadline_seconds=20)
    with dripping(b"H") as url, CivitaiClient(settings, clock) as client:
        began = time.monotonic()
        with pytest.raises(CivitaiUnavailable):
            client.get_model(1)
        assert time.monotonic() - began < 10
