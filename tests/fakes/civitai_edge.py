"""The cache before the server: it keeps what it was told to keep, misses too, by the exact spelling of the address."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.clock import Clock
    from tests.fakes.civitai_wire import RecordedRequest, Reply

_BY_HASH = "/api/v1/model-versions/by-hash"
_KEPT = re.compile(r"s-maxage=(\d+), stale-while-revalidate=(\d+)")


class EdgeCache:
    """Answers for as long as `Cache-Control` says, and once more when the answer has gone stale; then asks anew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, float, Reply]] = {}

    def answer(self, request: RecordedRequest, genuine: Callable[[RecordedRequest], Reply]) -> Reply:
        """Give the answer kept for this very address, else the server's."""
        if request.method != "GET":
            return genuine(request)
        now = self._clock.monotonic()
        with self._lock:
            fresh_until, stale_until, kept = self._kept.get(request.path, (0.0, 0.0, None))
        if kept is not None and now < fresh_until:
            return kept
        reply = genuine(request)
        self._keep(request.path, reply, now)
        return kept if kept is not None and now < stale_until else reply

    def purge(self, sha256: str) -> None:
        """Forget the two spellings that the server purges when it publishes: all upper case and all lower case."""
        with self._lock:
            for spelling in (sha256.upper(), sha256.lower()):
                self._kept.pop(f"{_BY_HASH}/{spelling}", None)

    def _keep(self, path: str, reply: Reply, now: float) -> None:
        said = _KEPT.search(reply.headers.get("Cache-Control", ""))
        if said is None:
            return
        fresh_until = now + int(said[1])
        with self._lock:
            self._kept[path] = (fresh_until, fresh_until + int(said[2]), reply)
