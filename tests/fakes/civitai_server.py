"""A Civitai for one machine: the public REST API and the image edge on loopback, in every mood of the real ones.

Alone: `python -m tests.fakes.civitai_server --port 8310 --recordings DIRECTORY`.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import struct
import sys
import threading
from collections import deque
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

from tests.fakes.civitai_chance import by_route
from tests.fakes.civitai_http import conditional
from tests.fakes.civitai_records import Records
from tests.fakes.civitai_routes import Routes
from tests.fakes.civitai_wire import Cut, RecordedRequest, Reply

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

    from modelshelf.domain.hashes import Hashes
    from modelshelf.domain.jsontypes import JsonObject
    from tests.fakes.civitai_edge import EdgeCache
    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_stored import Details

_IMAGE_HOST = re.compile(rb"https://image[a-z0-9-]*\.civitai\.com/[^/\"]+/")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class CivitaiStandIn:
    """The stand-in, serving from `with` on.

    `moods` is played one per request, then `mood_for` is asked; without either the answer is genuine. Addresses of
    images point here. `requests` holds whatever came in. With `edge` a cache stands before the server, as the real one
    has it; without `has_ranges` pictures are sent whole whatever piece was asked for.
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self.records = Records()
        self.routes = Routes(self.records)
        self.requests: list[RecordedRequest] = []
        self.moods: deque[Mood] = deque()
        self.mood_for: Callable[[RecordedRequest], Mood | None] | None = None
        self.edge: EdgeCache | None = None
        self.has_ranges = True
        self.latency_seconds = 0.0
        self._stopped = threading.Event()
        self._server = _Server((host, port), self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="civitai-stand-in", daemon=True
        )

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host, port = self._server.server_address[:2]
        return f"http://{host if isinstance(host, str) else host.decode()}:{port}"

    @property
    def base_url(self) -> str:
        """What a client calls its base address."""
        return f"{self.origin}/api/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop serving and close every connection."""
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()

    def add_file(
        self, hashes: Hashes | Mapping[str, str | None] | str, size_bytes: int, **details: Unpack[Details]
    ) -> int:
        """Add a file and what stands around it, and give the version's id; see `Records.add_file`."""
        return self.records.add_file(hashes, size_bytes, **details)

    def add_recording(self, body: JsonObject) -> list[int]:
        """Add a recorded model or version, and give the version ids."""
        return self.records.add_recording(body)

    def answer(self, request: RecordedRequest) -> Reply:
        """Record a request and answer it in the mood of the moment."""
        self.requests.append(request)
        self._stopped.wait(self.latency_seconds)
        mood = self._next_mood(request)
        genuine = self.routes.answer
        reply = self.edge.answer(request, genuine) if self.edge else genuine(request)
        reply = mood(reply) if mood else reply
        reply = replace(reply, body=_IMAGE_HOST.sub(f"{self.origin}/images/".encode(), reply.body))
        return conditional(request, reply, has_ranges=self.has_ranges)

    def asked(self) -> Counter[str]:
        """Count what came in by route."""
        return by_route(self.requests)

    def _next_mood(self, request: RecordedRequest) -> Mood | None:
        try:
            return self.moods.popleft()
        except IndexError:
            return self.mood_for(request) if self.mood_for else None


class _Server(ThreadingHTTPServer):
    """Keeps its connections at hand, so that stopping need not wait for idle ones."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], stand_in: CivitaiStandIn) -> None:
        super().__init__(address, _Connection)
        self.stand_in = stand_in
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def close_connections(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Connection(BaseHTTPRequestHandler):
    """One client's connection, kept alive."""

    protocol_version = "HTTP/1.1"
    server: _Server
    wbufsize = -1

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        stand_in = self.server.stand_in
        reply = stand_in.answer(RecordedRequest(self.command, self.path, headers, self.rfile.read(length)))
        if reply.cut is Cut.BEFORE_HEADERS:
            self._reset()
            return
        self._send(reply)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815 - http.server looks methods up by these names

    def _send(self, reply: Reply) -> None:
        body = reply.body
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if reply.cut is Cut.NEVER else body[: len(body) // 2])
        self.wfile.flush()
        self.close_connection |= reply.cut is Cut.HALF_WAY
        if reply.cut is Cut.MID_BODY:
            self._reset()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        """Say nothing."""


def add_recordings(stand_in: CivitaiStandIn, directory: Path) -> int:
    """Add every model and version recorded below `directory`, and give the number of versions."""
    count = 0
    for path in sorted(directory.rglob("*.json")):
        recorded = json.loads(path.read_bytes())
        items = recorded.get("items", [recorded]) if isinstance(recorded, dict) else recorded
        for body in items:
            if isinstance(body, dict) and "id" in body and ("modelVersions" in body or "files" in body):
                count += len(stand_in.add_recording(body))
    return count


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="Serve a stand-in for Civitai on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--recordings", type=Path, help="directory of recorded models and versions")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args(arguments)
    with CivitaiStandIn(options.port) as stand_in:
        stand_in.latency_seconds = options.latency
        count = add_recordings(stand_in, options.recordings) if options.recordings else 0
        sys.stdout.write(f"{stand_in.base_url} knows {count} recorded versions\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
