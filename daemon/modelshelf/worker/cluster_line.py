"""A line to a Dask scheduler: all that is said to the library stands here. It is loaded with the first line, and not before.

Whoever reaches a scheduler or a Dask worker has it run any program, for what is sent are pickles. So only those are dealt with
that listen on loopback alone, or ask for certificates.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import threading
import time
from concurrent.futures import CancelledError, Future
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from modelshelf import __version__
from modelshelf.errors import ReaderDied, ReaderLost
from modelshelf.logs import get_log
from modelshelf.worker.cluster_worker import TOPIC, Report, fulfil, introduce

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from modelshelf.worker.cluster_worker import Order

log = get_log(__name__)

ANSWER_SECONDS = 3.0
"""How long scheduler and workers may take to answer; a stop must not wait for them for long."""

CHECK_SECONDS = 0.5
HOSTS_SECONDS = 10.0
"""A read of which nothing was heard for so long may have nobody left to do it: then Dask would wait for ever."""

_NOTHING = -1
_DONE = -2


class Line:
    """One connection, for one thread, which has one file read at a time."""

    def __init__(self, scheduler: str) -> None:
        """Connect; ReaderLost where nobody answers, or nobody may be trusted with pickles, or can read."""
        self._library: Any = import_module("distributed")
        logging.getLogger("distributed").setLevel(logging.WARNING)
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # it tells as news what is raised here
        self._scheduler = scheduler
        self._in_hand: tuple[str, SimpleQueue[int]] = ("", SimpleQueue())
        self._client: Any = None
        self._loop = _Loop()
        try:
            self._client = self._begin()
            self._unable = self._examine()
        except ReaderLost:
            self.close()
            raise
        self._client.subscribe_topic(TOPIC, self._hear)
        log.info("cluster_joined", scheduler=scheduler, workers=len(self.workers()))

    def _begin(self) -> Any:
        options = {"loop": self._loop.loop, "timeout": ANSWER_SECONDS, "set_as_default": False}
        try:
            return self._library.Client(self._scheduler, **options)
        except (OSError, TypeError, ValueError) as error:
            raise ReaderLost(f"the scheduler {self._scheduler} cannot be reached: {error}") from error

    def _hear(self, event: tuple[float, Any]) -> None:
        task, done_bytes = event[1]
        in_hand, told = self._in_hand
        if task == in_hand:
            told.put(done_bytes)

    def _examine(self) -> frozenset[str]:
        """See who is there, and give who cannot read for us."""
        identity = self._identity()
        addresses = [identity["address"], *identity["workers"]]
        open_ones = [each for each in addresses if not is_closed(each)]
        if open_ones:
            raise ReaderLost(
                f"deep_scan.scheduler: {open_ones[0]} is open to the network, and whoever reaches it has it run any program: "
                "start it with --host 127.0.0.1, or with tls:// and certificates"
            )
        answers = self._answer_of(self._client.run, introduce, on_error="return")
        unable = {address: told for address, told in answers.items() if told != __version__}
        if len(unable) == len(answers):
            told = next(iter(unable.values()), "nobody has joined it")
            raise ReaderLost(f"no worker of {self._scheduler} has modelshelf {__version__}: {told}")
        for address, told in unable.items():
            log.warning("cluster_worker_refused", worker=address, reason=str(told))
        return frozenset(unable)

    def _identity(self) -> dict[str, Any]:
        identity: dict[str, Any] = self._answer_of(self._client.scheduler.identity, n_workers=-1)
        return identity

    def _answer_of(self, ask: Callable[..., Any], *args: Any, **options: Any) -> Any:
        try:
            return self._client.sync(ask, *args, callback_timeout=ANSWER_SECONDS, **options)
        except (OSError, RuntimeError, CancelledError) as error:
            raise ReaderLost(f"the scheduler {self._scheduler} does not answer: {error or 'in time'}") from error

    @property
    def is_alive(self) -> bool:
        """Whether there is a connection still."""
        return bool(self._client.status == "running")

    def workers(self) -> set[str]:
        """Give the addresses of those who can read now."""
        return {*self._identity()["workers"]} - self._unable

    def read(
        self, order: Order, workers: Collection[str], check: Callable[[], None], on_progress: Callable[[int], None]
    ) -> Report:
        """Have one of these Dask workers fulfil an order, and wait for it; ReaderLost where nobody is there to do so any more.

        A worker that is lost meanwhile costs what it had read: Dask gives the order to another one. Whoever loses too many
        (`allowed-failures`) is ReaderDied. What `check` or `on_progress` raises takes the order back and passes through.
        """
        key, told = f"{TOPIC}-{uuid4().hex}", SimpleQueue[int]()
        self._in_hand = (key, told)
        future = self._client.submit(fulfil, order, key=key, pure=False, workers=[*workers], allow_other_workers=False)
        future.add_done_callback(lambda _: told.put(_DONE))
        heard_at = time.monotonic()
        try:
            while True:
                done_bytes = _next(told)
                check()
                if (report := self._report_of(future)) is not None:
                    return report
                if done_bytes > 0:
                    on_progress(done_bytes)
                if done_bytes != _NOTHING:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > HOSTS_SECONDS:
                    heard_at = time.monotonic()
                    self._demand_one_of(workers)
        finally:
            future.release()

    def _demand_one_of(self, workers: Collection[str]) -> None:
        if self.workers().isdisjoint(workers):
            raise ReaderLost(f"all workers of {self._scheduler} that could read it are gone")

    def _report_of(self, future: Any) -> Report | None:
        """Give what came of it; None while it goes on, or is done again because whoever had it is gone."""
        if not self.is_alive:
            raise ReaderLost(f"the scheduler {self._scheduler} was lost")
        if not future.done():
            return None
        try:
            error = future.exception(timeout=ANSWER_SECONDS)
            if error is None:
                report: Report = future.result(timeout=ANSWER_SECONDS)
                return report
        except TimeoutError:
            return None
        except CancelledError as cancelled:
            raise ReaderLost(f"the scheduler {self._scheduler} was lost: {cancelled}") from cancelled
        if isinstance(error, self._library.KilledWorker):
            many, last = error.allowed_failures + 1, error.last_worker.address
            raise ReaderDied(
                f"{many} workers of the cluster died, one after another, while they read it; the last was {last}"
            )
        raise ReaderLost(f"a worker of {self._scheduler} could not take the order: {type(error).__name__}: {error}")

    def close(self) -> None:
        """Hang up; what was asked for and is not done yet is taken back."""
        if self._client is not None:
            self._client.close(timeout=ANSWER_SECONDS)
        self._loop.close()


class _Loop:
    """An event loop in a thread of its own, for one line: a client that cannot connect would leave a thread of Dask's behind."""

    def __init__(self) -> None:
        self._leave = asyncio.Event()
        begun: Future[Any] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._stay(begun)), name="cluster-line", daemon=True)
        self._thread.start()
        self.loop = begun.result()

    async def _stay(self, begun: Future[Any]) -> None:
        begun.set_result(import_module("tornado.ioloop").IOLoop.current())
        await self._leave.wait()

    def close(self) -> None:
        self.loop.asyncio_loop.call_soon_threadsafe(self._leave.set)
        self._thread.join(ANSWER_SECONDS)


def _next(told: SimpleQueue[int]) -> int:
    try:
        return told.get(timeout=CHECK_SECONDS)
    except Empty:
        return _NOTHING


def is_closed(address: str) -> bool:
    """Tell whether an address of Dask's keeps strangers out: by certificates, or because nobody else reaches it."""
    scheme, _, place = address.partition("://")
    host = place.rpartition(":")[0].strip("[]")
    if scheme == "tls":
        return True
    try:
        return scheme == "tcp" and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
