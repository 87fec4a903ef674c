"""What may come of a line to a scheduler besides an answer; with a library that does as it is told."""

from __future__ import annotations

import sys
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf import __version__
from modelshelf.errors import ReaderLost
from modelshelf.worker import cluster_line as room
from modelshelf.worker.cluster_line import Line
from modelshelf.worker.cluster_worker import Order, Report
from modelshelf.worker.isolation import WIDE
from tests.logged import logged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest.importorskip("distributed", reason="no Dask: pip install 'modelshelf[cluster]'")

ADDRESS = "tcp://127.0.0.1:8786"
WORKER, OTHER = "tcp://127.0.0.1:1001", "tcp://127.0.0.1:1002"
ORDER = Order("loras", Path("/loras"), b"a.pt", len, (), {}, WIDE, 60.0, is_progress_told=True)
REPORT = Report(WORKER, "host", "read")


class FakeFuture:
    """Is done when it has an answer; each look at it takes one off, and the last one stays."""

    def __init__(self, key: str, answers: list[Any]) -> None:
        self.key = key
        self.is_released = False
        self._answers = answers

    def done(self) -> bool:
        return bool(self._answers)

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        if self.done():
            call(self)

    def exception(self, timeout: float) -> Exception | None:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, TimeoutError | CancelledError):
            raise answer
        return answer if isinstance(answer, Exception) else None

    def result(self, timeout: float) -> Any:
        return self._answers[0]

    def release(self) -> None:
        self.is_released = True


class FakeClient:
    """The client of a library: `answers` are those of each future, `told` what is told of it at once."""

    def __init__(self) -> None:
        self.status = "running"
        self.present = {WORKER, OTHER}
        self.versions: dict[str, Any] = {WORKER: __version__, OTHER: __version__}
        self.answers: list[Any] = [REPORT]
        self.told: list[tuple[str, int]] = []
        self.is_silent = False
        self.is_closed = False
        self.futures: list[FakeFuture] = []
        self.scheduler = SimpleNamespace(identity=self._identity)
        self._hear: Callable[[Any], None] = lambda _: None

    def _identity(self, n_workers: int) -> dict[str, Any]:
        return {"address": ADDRESS, "workers": dict.fromkeys(self.present)}

    def run(self, function: Callable[..., Any], on_error: str) -> dict[str, Any]:
        return self.versions

    def sync(self, ask: Callable[..., Any], *args: Any, callback_timeout: float, **options: Any) -> Any:
        if self.is_silent:
            raise TimeoutError
        return ask(*args, **options)

    def subscribe_topic(self, topic: str, hear: Callable[[Any], None]) -> None:
        self._hear = hear

    def submit(self, function: Callable[..., Any], order: Order, key: str, **options: Any) -> FakeFuture:
        self.futures.append(FakeFuture(key, self.answers))
        for told_key, done_bytes in self.told:
            self._hear((0.0, [told_key or key, done_bytes]))
        return self.futures[-1]

    def close(self, timeout: float) -> None:
        self.is_closed = True


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    made = FakeClient()
    library = SimpleNamespace(Client=lambda *_, **__: made, KilledWorker=KeyError)
    monkeypatch.setitem(sys.modules, "distributed", library)
    monkeypatch.setattr(room, "CHECK_SECONDS", 0.01)
    return made


@pytest.fixture
def line(client: FakeClient) -> Iterator[Line]:
    made = Line(ADDRESS)
    yield made
    made.close()
    assert client.is_closed
    assert all(each.is_released for each in client.futures)


def read(
    line: Line, on_progress: Callable[[int], None] = lambda _: None, check: Callable[[], None] = lambda: None
) -> Report:
    return line.read(ORDER, {WORKER}, check, on_progress)


def test_a_worker_of_another_version_gets_nothing_to_read(client: FakeClient) -> None:
    client.versions[OTHER] = ModuleNotFoundError("No module named 'modelshelf'")
    with logged() as said:
        line = Line(ADDRESS)
    assert line.workers() == {WORKER}
    line.close()
    assert [(each["event"], each.get("worker"), each.get("reason")) for each in said] == [
        ("cluster_worker_refused", OTHER, "No module named 'modelshelf'"),
        ("cluster_joined", None, None),
    ]


def test_where_no_worker_has_our_version_nothing_is_read(client: FakeClient) -> None:
    client.versions = {WORKER: "0.0.1"}
    with pytest.raises(ReaderLost, match=rf"no worker of {ADDRESS} has modelshelf {__version__}: 0\.0\.1"):
        Line(ADDRESS)
    assert client.is_closed


def test_a_worker_that_is_open_to_the_network_is_as_bad_as_a_scheduler(client: FakeClient) -> None:
    client.present.add("tcp://192.0.2.7:1003")
    with pytest.raises(ReaderLost, match=r"deep_scan\.scheduler: tcp://192\.0\.2\.7:1003 is open to the network"):
        Line(ADDRESS)


def test_a_scheduler_that_is_mute_is_lost(line: Line, client: FakeClient) -> None:
    client.is_silent = True
    with pytest.raises(ReaderLost, match=f"the scheduler {ADDRESS} does not answer"):
        line.workers()


def test_what_is_told_of_other_reads_is_passed_over(line: Line, client: FakeClient) -> None:
    client.told = [("another", 4), ("", 8)]
    client.answers = [TimeoutError(), REPORT]
    told: list[int] = []
    assert read(line, told.append) == REPORT
    assert told == [8]


def test_a_result_that_went_with_its_worker_is_waited_for_again(line: Line, client: FakeClient) -> None:
    client.answers = [TimeoutError(), TimeoutError(), REPORT]
    assert read(line) == REPORT


def test_a_read_that_the_scheduler_forgot_is_lost(line: Line, client: FakeClient) -> None:
    client.answers = [CancelledError("scheduler-connection-lost")]
    with pytest.raises(ReaderLost, match="was lost: scheduler-connection-lost"):
        read(line)


def test_an_order_that_no_worker_could_take_says_nothing_of_the_file(line: Line, client: FakeClient) -> None:
    client.answers = [ModuleNotFoundError("No module named 'tests'")]
    with pytest.raises(ReaderLost, match="could not take the order: ModuleNotFoundError: No module named 'tests'"):
        read(line)


def test_a_line_that_breaks_while_it_is_read_is_lost(line: Line, client: FakeClient) -> None:
    client.answers, client.status = [], "connecting"
    assert not line.is_alive
    with pytest.raises(ReaderLost, match=f"the scheduler {ADDRESS} was lost"):
        read(line)


def test_where_all_who_could_read_it_are_gone_nobody_waits_for_ever(
    line: Line, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "HOSTS_SECONDS", 0.05)
    client.answers = []
    checks = iter(range(100))

    def leave() -> None:
        if next(checks) == 20:
            client.present.discard(WORKER)

    with pytest.raises(ReaderLost, match=r"all workers of .+ that could read it are gone"):
        read(line, check=leave)
    assert next(checks) > 20
