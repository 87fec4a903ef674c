"""One exchange over HTTP, within bounds: of time, of size, of hops, of how far, and of who gets to see the key."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import requests
import urllib3.exceptions
from requests.utils import get_environ_proxies

from modelshelf.civitai.answers import Answer, QuestionRefused
from modelshelf.civitai.question import DEFAULT_PORTS, Question, Stream, host_of, origin_of
from modelshelf.civitai.reach import GuardedAdapter, Reach, TimeLeft
from modelshelf.domain.display import readable
from modelshelf.errors import CivitaiUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.civitai.settings import ClientSettings
    from modelshelf.clock import Clock
    from modelshelf.errors import ModelshelfError

MAX_HOPS = 5
_CHUNK_BYTES = 64 * 1024
_REDIRECTS = {301, 302, 303, 307, 308}


class _Session(requests.Session):
    """Even without `allow_redirects` requests looks for the next address, and reads the whole body on the way."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - the name that requests gives it
        return None


class Transport:
    """Sends a Question and reads its Answer whole.

    Redirects are followed here and not by requests, which reads the body of every hop without a bound. The environment
    counts for proxies and certificates only: `~/.netrc` would replace the key, or send a password along.
    """

    def __init__(self, settings: ClientSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._home = origin_of(settings.base_url)
        self._key = "".join((settings.key or "").split())
        self._session = _Session()
        self._session.trust_env = False
        self._reach = Reach(self._home[1] if self._home else None)
        self._time_left = TimeLeft(settings.deadline_seconds)
        for scheme in DEFAULT_PORTS:
            self._session.mount(f"{scheme}://", GuardedAdapter(self._reach, self._time_left))
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def close(self) -> None:
        """Close the connections kept alive."""
        self._session.close()

    def exchange(self, question: Question, max_body_bytes: int) -> Answer:
        """Give the answer of whatever status; CivitaiUnavailable if there is none, QuestionRefused if it cannot be asked.

        What another host refuses, to which the one that was asked sent us, is refused by nobody who knows: CivitaiUnavailable.
        """
        with self.stream(question) as stream:
            if stream.is_elsewhere and stream.status >= HTTPStatus.BAD_REQUEST:
                raise CivitaiUnavailable(
                    f"{host_of(question.url)} sends us to {stream.host}, which answered {stream.status}"
                )
            return Answer(stream.host, stream.status, stream.headers, stream.read(max_body_bytes))

    @contextmanager
    def stream(self, question: Question) -> Iterator[Stream]:
        """Give the answer that no redirect stands before, its body yet to come; raises like `exchange`, then and there."""
        deadline = self._clock.monotonic() + self._settings.deadline_seconds
        url = question.url
        for _ in range(MAX_HOPS + 1):
            with closing(self._send(question, url, deadline)) as response:
                target = _target(response)
                if target is None:
                    pieces = self._pieces(response, deadline)
                    is_elsewhere = not _is_same_host(url, question.url)
                    yield Stream(
                        host_of(url), response.status_code, response.headers, pieces, is_elsewhere=is_elsewhere
                    )
                    return
            url = _joined(url, target)
        raise CivitaiUnavailable(f"{host_of(question.url)} redirects more than {MAX_HOPS} times")

    def _send(self, question: Question, url: str, deadline: float) -> requests.Response:
        origin = origin_of(url)
        if origin is None:
            raise QuestionRefused(f"{readable(url)[:200]!r} is not a web address")
        self._reach.require_name(origin[1])
        self._time_left.seconds = deadline - self._clock.monotonic()
        if self._time_left.seconds <= 0:
            raise self._too_slow(host_of(url))
        try:
            return self._session.request(
                question.method,
                url,
                json=question.json,
                headers=self._headers(question, url),
                stream=True,
                allow_redirects=False,
                timeout=self._settings.timeout_seconds,
                proxies=get_environ_proxies(url),
                verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
            )
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise self._translated(error, url) from error

    def _headers(self, question: Question, url: str) -> dict[str, str | bytes]:
        headers: dict[str, str | bytes] = {
            "User-Agent": self._settings.user_agent,
            "Accept": question.accept,
            **question.headers,
        }
        if self._key and question.has_key and origin_of(url) == self._home:
            headers["Authorization"] = f"Bearer {self._key}".encode()
        return headers

    def _pieces(self, response: requests.Response, deadline: float) -> Iterator[bytes]:
        """Give the body piece by piece as it arrives, so that neither size nor dripping can hold us up."""
        host = host_of(response.url)
        try:
            while piece := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                yield piece
                if self._clock.monotonic() > deadline:
                    raise self._too_slow(host)
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise CivitaiUnavailable(f"{host} broke off in the middle of its answer") from error

    def _too_slow(self, host: str) -> CivitaiUnavailable:
        return CivitaiUnavailable(f"{host} took longer than {self._settings.deadline_seconds:.0f} seconds")

    def _translated(self, error: Exception, url: str) -> ModelshelfError:
        """Name what went wrong without quoting the library, whose texts may hold addresses and headers."""
        host = host_of(url)
        if isinstance(error, requests.Timeout):
            return CivitaiUnavailable(f"{host} did not answer within {self._settings.timeout_seconds:.0f} seconds")
        if isinstance(error, requests.exceptions.ProxyError | requests.exceptions.InvalidProxyURL):
            return CivitaiUnavailable(f"{host} cannot be reached: the proxy of this machine does not connect")
        if isinstance(error, requests.exceptions.SSLError):
            return CivitaiUnavailable(f"{host} cannot be trusted: its certificate is not valid here")
        if isinstance(error, requests.ConnectionError):
            return CivitaiUnavailable(f"{host} cannot be reached: no such host, no network, or it hung up")
        if isinstance(error, ValueError):
            return QuestionRefused(f"{host} cannot be asked: the address or a header is malformed")
        return CivitaiUnavailable(f"{host} cannot be reached ({type(error).__name__})")


def _is_same_host(url: str, other: str) -> bool:
    """Tell whether two addresses are of one host; plain and secure at their usual ports are."""
    first, second = origin_of(url), origin_of(other)
    if first is None or second is None:
        return False
    ports = {first[2], second[2]}
    return first[1] == second[1] and (len(ports) == 1 or ports == set(DEFAULT_PORTS.values()))


def _target(response: requests.Response) -> str | None:
    """Give where a redirect leads; headers are bytes read as Latin-1, addresses in them UTF-8."""
    location = response.headers.get("Location") if response.status_code in _REDIRECTS else None
    return location.encode("latin-1", "replace").decode("utf-8", "replace") if location else None


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        return target
