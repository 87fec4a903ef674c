"""A stand-in for Civitai, and clients that speak to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.client import CivitaiClient, ClientSettings
from tests.fakes.civitai_server import CivitaiStandIn
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "0123456789abcdef-secret"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stand_in() -> Iterator[CivitaiStandIn]:
    with CivitaiStandIn() as running:
        yield running


@pytest.fixture
def client(stand_in: CivitaiStandIn, clock: FakeClock) -> Iterator[CivitaiClient]:
    settings = ClientSettings(base_url=stand_in.base_url, key=SECRET, timeout_seconds=5, rate_limit_per_minute=None)
    with CivitaiClient(settings, clock, clock.sleep) as made:
        yield made
