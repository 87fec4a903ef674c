from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.errors import FileChanged, FileGone, FileUnreadable, FolderOffline, ReaderDied, ReaderLost
from modelshelf.formats.hashes import blake3_file, hash_file
from modelshelf.formats.inspect import read_header
from modelshelf.steps.step import Interrupted
from modelshelf.worker import cluster_reader as room
from modelshelf.worker.cluster_line import is_closed
from modelshelf.worker.cluster_reader import Cluster, ClusterReader
from modelshelf.worker.cluster_worker import Report
from modelshelf.worker.outputs import Outputs
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from modelshelf.worker.cluster_worker import Order

ADDRESS = "tcp://127.0.0.1:8786"


def go_on() -> None:
    """Pull no reins."""


def stop_at(number: int) -> Callable[[], None]:
    """Give reins that are pulled when they are asked for the time of this number."""
    asked = iter(range(1, number + 1))

    def check() -> None:
        if next(asked) == number:
            raise Interrupted

    return check


class FakeLine:
    """A line to workers that do with an order what a bench says, the first of them in the alphabet first."""

    def __init__(self, bench: Bench) -> None:
        self.is_alive = True
        self.is_closed = False
        self.asked: list[tuple[str, Order]] = []
        self._bench = bench

    def workers(self) -> set[str]:
        return set(self._bench.workers)

    def read(
        self, order: Order, workers: Collection[str], check: Callable[[], None], on_progress: Callable[[int], None]
    ) -> Report:
        address = min(workers)
        self.asked.append((address, order))
        check()
        on_progress(5)
        answer = self._bench.answer(address, order)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.is_closed = True


class Bench:
    """A reader over a shelf of two folders, one in the other, and its lines, the last one last."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workers = {"a", "b"}
        self.held: set[str] = set()
        self.lines: list[FakeLine] = []
        self.loras = root / "loras"
        self.new = self.loras / "new"
        self.new.mkdir(parents=True)
        self.answer: Callable[[str, Order], Report | Exception] = self.done
        monkeypatch.setattr(room, "Line", self.new_line)
        cluster = Cluster(
            ADDRESS,
            lambda: {"loras": self.loras, "new": self.new},
            self.held.__contains__,
            Outputs(root / "outputs", FakeClock()),
            300.0,
        )
        self.reader = ClusterReader(cluster)

    def new_line(self, scheduler: str) -> FakeLine:
        assert scheduler == ADDRESS
        self.lines.append(FakeLine(self))
        return self.lines[-1]

    def put(self, name: str = "a.safetensors") -> Path:
        path = self.loras / name
        path.write_bytes(b"0123456789")
        return path

    def done(self, address: str, order: Order) -> Report:
        """Read it as a host does: what the host says of inode and ctime is its own."""
        path = order.root / os.fsdecode(order.relative_path)
        value: Any = order.function(path, *order.args, **order.options)
        status = path.stat()
        return Report(address, f"host-{address}", value, status.st_size, status.st_mtime_ns)

    def read(self, path: Path, function: Callable[..., Any] = read_header, **options: Any) -> Any:
        return self.reader.read(function, (path,), options, go_on)

    def asked(self) -> list[str]:
        return [address for line in self.lines for address, _ in line.asked]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, monkeypatch)
    yield made
    made.reader.close()
    assert all(line.is_closed for line in made.lines)


def lacking(folder: str = "") -> Callable[[str, Order], Report]:
    def answer(address: str, _: Order) -> Report:
        return Report(address, f"host-{address}", lack=folder or "no such file", lacks_folder=bool(folder))

    return answer


def foreign(value: Any) -> Any:
    """Give what was found with the fingerprint of another host's."""
    if isinstance(value, tuple):
        return (value[0], value[1]._replace(inode=1, ctime_ns=2))
    return replace(value, fingerprint=value.fingerprint._replace(inode=1, ctime_ns=2))


@pytest.mark.parametrize("function", [hash_file, blake3_file])
def test_a_file_has_the_fingerprint_that_it_has_here(function: Callable[..., Any], bench: Bench) -> None:
    def answer(address: str, order: Order) -> Report:
        assert order.options == {"is_honest": False, "is_dropped_behind": True}
        report = bench.done(address, order)
        return Report(address, "host", foreign(report.value), report.size_bytes, report.mtime_ns)

    bench.answer = answer
    path, told = bench.put(), list[int]()
    found = bench.read(path, function, is_honest=True, is_dropped_behind=True, on_progress=told.append)
    assert found == function(path)
    assert told == [5]


def test_an_order_names_the_innermost_folder_and_the_path_in_it(bench: Bench) -> None:
    for name in ("a.pt", "new/\udcff.pt"):
        bench.read(bench.put(name))
    orders = [order for _, order in bench.lines[0].asked]
    assert [(each.folder_id, each.root, each.relative_path) for each in orders] == [
        ("loras", bench.loras, b"a.pt"),
        ("new", bench.new, b"\xff.pt"),
    ]
    assert len(bench.lines) == 1


def test_what_is_in_no_folder_is_read_where_it_is(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"x")
    assert bench.read(path) == read_header(path)
    assert bench.lines[0].asked[0][1].folder_id == ""


def test_who_does_not_have_a_file_is_passed_over(bench: Bench) -> None:
    bench.answer = lambda address, order: lacking()(address, order) if address == "a" else bench.done(address, order)
    for _ in range(2):
        bench.read(bench.put())
    assert bench.asked() == ["a", "b", "a", "b"]


def test_who_does_not_have_a_folder_is_not_asked_again(bench: Bench) -> None:
    none = lacking("/mnt is not there")
    bench.answer = lambda address, order: none(address, order) if address == "a" else bench.done(address, order)
    for _ in range(2):
        bench.read(bench.put())
    assert bench.asked() == ["a", "b", "b"]


def test_a_file_that_no_host_has_is_not_gone(bench: Bench) -> None:
    bench.answer = lacking()
    text = "no host of the cluster has it, see $MODELSHELF_MAP there: host-a: no such file; host-b: no such file"
    with pytest.raises(FolderOffline) as caught:
        bench.read(bench.put())
    assert str(caught.value) == text
    bench.reader.open(go_on)


def test_a_folder_that_no_host_has_stops_the_reading_and_not_for_ever(bench: Bench) -> None:
    bench.answer = lacking("/mnt is not there")
    with pytest.raises(FolderOffline, match="host-a: /mnt is not there"):
        bench.read(bench.put())
    with pytest.raises(ReaderLost, match="host-a: /mnt is not there"):
        bench.reader.open(go_on)
    bench.answer = bench.done
    bench.reader.open(go_on)
    bench.read(bench.put())


def test_another_file_of_that_name_is_not_the_file(bench: Bench) -> None:
    path = bench.put()
    os.utime(
        path, ns=(2 * (1_700_000_000_123_456_789,))
    )  # told to the nanosecond: a rounder one may be a coarser clock's

    def answer(address: str, order: Order) -> Report:
        report = bench.done(address, order)
        size_bytes = report.size_bytes + (address == "a")
        return Report(address, "host", report.value, size_bytes, report.mtime_ns - (address == "b"))

    bench.answer = answer
    with pytest.raises(FolderOffline, match=r"host: another file of that name$"):
        bench.read(path)
    assert bench.asked() == ["a", "b"]


@pytest.mark.parametrize("granule_ns", [100, 1000, 10**9])
@pytest.mark.parametrize("is_coarse_here", [True, False])
def test_an_mtime_is_compared_as_finely_as_both_hosts_have_it(
    granule_ns: int, bench: Bench, *, is_coarse_here: bool
) -> None:
    path = bench.put()
    fine, coarse = 1_700_000_000_123_456_789, 1_700_000_000_123_456_789 // granule_ns * granule_ns
    here, there = (coarse, fine) if is_coarse_here else (fine, coarse)
    os.utime(path, ns=(here, here))
    bench.answer = lambda address, _: Report(address, "host", "read", 10, there)
    assert bench.read(path) == "read"
    bench.answer = lambda address, _: Report(address, "host", "read", 10, there - 2 * granule_ns)
    with pytest.raises(FolderOffline):
        bench.read(path)


@pytest.mark.parametrize("is_lacking", [True, False])
def test_a_file_that_changes_here_meanwhile_was_not_read(bench: Bench, *, is_lacking: bool) -> None:
    path = bench.put()

    def answer(address: str, order: Order) -> Report:
        report = lacking()(address, order) if is_lacking else bench.done(address, order)
        path.write_bytes(b"more than that")
        return report

    bench.answer = answer
    with pytest.raises(FileChanged, match=r"a\.safetensors changed while it was read"):
        bench.read(path)
    assert bench.asked() == ["a"]


def test_where_the_file_system_is_honest_a_change_of_the_ctime_is_one(bench: Bench) -> None:
    path = bench.put()

    def answer(address: str, order: Order) -> Report:
        report = bench.done(address, order)
        path.chmod(0o600 if path.stat().st_mode & 0o777 != 0o600 else 0o644)
        return report

    bench.answer = answer
    bench.read(path, hash_file, is_honest=False)
    with pytest.raises(FileChanged):
        bench.read(path, hash_file, is_honest=True)


def test_what_is_gone_here_is_gone(bench: Bench) -> None:
    with pytest.raises(FileGone):
        bench.read(bench.loras / "gone.pt")
    assert bench.lines == []


def test_an_error_names_its_host(bench: Bench) -> None:
    error = FileUnreadable("cannot read /mnt/a.pt", errno=13)
    bench.answer = lambda address, _: Report(address, "host-a", error=error)
    with pytest.raises(FileUnreadable, match=r"^cannot read /mnt/a\.pt \(on host-a\)$"):
        bench.read(bench.put())


def test_all_that_a_child_said_before_it_died_is_kept_here(bench: Bench, tmp_path: Path) -> None:
    error = ReaderDied("died: exit status 3")
    bench.answer = lambda address, _: Report(address, "host-a", error=error, output=b"oh dear")
    with pytest.raises(ReaderDied, match=r"exit status 3 \(on host-a\); its whole output: ") as caught:
        bench.read(bench.put())
    [kept] = (tmp_path / "outputs").iterdir()
    assert kept.read_bytes() == b"oh dear"
    assert str(kept) in str(caught.value)


def test_nothing_is_submitted_while_the_folder_has_to_wait(bench: Bench) -> None:
    path = bench.put()
    bench.held.add("loras")
    with pytest.raises(Interrupted):
        bench.read(path)
    assert bench.lines == []
    bench.held.clear()
    assert bench.read(path) == read_header(path)


def test_where_nobody_is_left_no_file_is_begun(bench: Bench) -> None:
    bench.reader.open(go_on)
    bench.workers.clear()
    with pytest.raises(ReaderLost, match="nobody is left in the cluster"):
        bench.reader.open(go_on)
    assert bench.lines[0].is_closed


def test_a_stop_passes_through_before_a_line_is_had_and_after(bench: Bench) -> None:
    with pytest.raises(Interrupted):
        bench.reader.open(stop_at(1))
    assert bench.lines == []
    with pytest.raises(Interrupted):
        bench.reader.open(stop_at(2))
    bench.reader.open(go_on)
    assert len(bench.lines) == 1


@pytest.mark.parametrize("how", ["lost while it read", "lost since"])
def test_after_a_line_was_lost_there_is_another_one(how: str, bench: Bench) -> None:
    path = bench.put()
    bench.reader.open(go_on)
    if how == "lost since":
        bench.lines[0].is_alive = False
    else:
        bench.answer = lambda *_: ReaderLost("lost")
        with pytest.raises(ReaderLost, match="lost"):
            bench.read(path)
    bench.answer, bench.workers = bench.done, {"c"}
    bench.reader.open(go_on)
    bench.read(path)
    assert [line.is_closed for line in bench.lines] == [True, False]
    assert bench.asked()[-1] == "c"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("tcp://127.0.0.1:8786", True),
        ("tcp://[::1]:8786", True),
        ("tls://192.0.2.7:8786", True),
        ("tcp://192.0.2.7:8786", False),
        ("tcp://0.0.0.0:8786", False),
        ("tcp://nas.lan:8786", False),
        ("ws://127.0.0.1:8786", False),
        ("127.0.0.1:8786", False),
    ],
)
def test_an_address_is_closed_to_strangers_or_it_is_not(address: str, *, expected: bool) -> None:
    assert is_closed(address) is expected
