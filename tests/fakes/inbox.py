"""A server on loopback that takes what apprise posts to `json://`, or will not."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Inbox:
    """Keeps subject and body of every message; answers with `status`, or not at all while `is_silent`."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.status = 200
        self.is_silent = False
        self.visits = 0
        self._is_over = threading.Event()
        self._server = _server_of(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="inbox", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def target(self) -> str:
        """Its address as apprise has it, with secrets in it."""
        return f"json://someone:passw0rd@127.0.0.1:{self.port}/a-secret-path"

    def receive(self, body: bytes) -> int | None:
        """Take a message; gives the status to answer, None for silence."""
        self.visits += 1
        if self.is_silent:
            self._is_over.wait(60)
            return None
        if self.status == 200:
            told = json.loads(body)
            self.messages.append((told["title"], told["message"]))
        return self.status

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and let go of whoever waits for an answer."""
        self._is_over.set()
        self._server.shutdown()
        self._server.server_close()


def _server_of(inbox: Inbox) -> ThreadingHTTPServer:
    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = inbox.receive(self.rfile.read(int(self.headers["Content-Length"])))
            if status is not None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Who was killed does not listen."""

    return Server(("127.0.0.1", 0), Door)
