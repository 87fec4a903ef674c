from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf import __version__
from modelshelf.errors import FileChanged, ReaderDied, UsageError
from modelshelf.formats.hashes import hash_file
from modelshelf.worker import cluster_worker as room
from modelshelf.worker.cluster_worker import NotWanted, Order, introduce, mounts_of
from modelshelf.worker.isolation import WIDE
from tests import builders
from tests.fakes import poison

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelshelf.worker.cluster_worker import Report


@pytest.fixture(autouse=True)
def _bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PYTHONPATH", str(poison.REPOSITORY))
    monkeypatch.delenv(room.MAP_VARIABLE, raising=False)
    bench = room._Bench()
    monkeypatch.setattr(room, "_bench", bench)
    yield
    bench.reader(1.0).close()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "a.safetensors"
    path.write_bytes(builders.lora(1, padding_bytes=9_000_000))
    return path


def order(path: Path, function: Callable[..., Any] = hash_file, **options: Any) -> Order:
    return Order("loras", path.parent, os.fsencode(path.name), function, (), options, WIDE, 60.0, is_progress_told=True)


def run(
    wanted: Order, is_wanted: Callable[[], bool] = lambda: True, tell: Callable[[int], object] = lambda _: None
) -> Report:
    return room._Errand(wanted, is_wanted, tell).run("tcp://127.0.0.1:1", "host")


def test_a_map_says_where_folders_are_on_this_host() -> None:
    text = "loras=/mnt/nas/loras:checkpoints=/data/c=k"
    assert mounts_of({"MODELSHELF_MAP": text}) == {"loras": Path("/mnt/nas/loras"), "checkpoints": Path("/data/c=k")}
    assert mounts_of({}) == mounts_of({"MODELSHELF_MAP": ""}) == {}


@pytest.mark.parametrize("text", ["loras", "loras=", "=/mnt", "loras=mnt", "a=/b:c"])
def test_a_map_that_is_none_is_told_of(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSHELF_MAP", text)
    with pytest.raises(UsageError, match=r"\$MODELSHELF_MAP: '.+' must be FOLDER_ID=/an/absolute/path"):
        introduce()


def test_whoever_reads_says_of_which_version_it_is() -> None:
    assert introduce() == __version__


def test_what_is_read_on_a_host_is_what_is_read_here(model: Path) -> None:
    told: list[int] = []
    report = run(order(model), tell=told.append)
    assert report.value == hash_file(model)
    assert (report.size_bytes, report.mtime_ns) == (model.stat().st_size, model.stat().st_mtime_ns)
    assert (report.host, report.error, report.lack, report.output) == ("host", None, None, b"")
    assert told == [4 * 1024**2], "once a second is enough"


def test_a_folder_is_read_where_the_map_says(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSHELF_MAP", f"loras={model.parent}")
    wanted = Order("loras", Path("/nowhere"), b"a.safetensors", hash_file, (), {}, WIDE, 60.0, is_progress_told=False)
    assert run(wanted).value == hash_file(model)


def test_a_file_that_a_host_does_not_have_is_lacking_there_and_never_gone(tmp_path: Path) -> None:
    report = run(order(tmp_path / "a.safetensors"))
    assert report.lack is not None
    assert "a.safetensors: No such file" in report.lack
    assert (report.error, report.lacks_folder) == (None, False)


@pytest.mark.parametrize("text", ["loras=/nowhere", "nonsense"])
def test_a_host_without_the_folder_says_so(text: str, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSHELF_MAP", text)
    report = run(order(model))
    assert report.lack
    assert report.lacks_folder


def test_a_file_that_kills_costs_the_child_alone_and_all_that_it_said_comes_along(tmp_path: Path) -> None:
    path = tmp_path / "crash.pt"
    path.write_bytes(b"x")
    report = run(order(path, poison.hash_or_die))
    assert isinstance(report.error, ReaderDied)
    assert report.output.startswith(b"the process that read it, and nothing else, died: exit status 3")
    (tmp_path / "sound.pt").write_bytes(b"x")
    report = run(order(tmp_path / "sound.pt", poison.hash_or_die))
    assert (report.error, report.output) == (None, b"")


def test_the_child_stays_for_the_next_order_and_goes_with_its_patience(model: Path) -> None:
    first = room._bench.reader(60.0)
    run(order(model))
    assert room._bench.reader(60.0) is first
    assert first._line is not None
    assert room._bench.reader(30.0) is not first
    assert first._line is None


def test_what_changes_while_it_is_read_is_told_as_changed(model: Path) -> None:
    def touch(_: int) -> None:
        os.utime(model, ns=(1, 1))

    report = run(order(model, poison.tell_and_read), tell=touch)
    assert isinstance(report.error, FileChanged)


def test_an_order_that_was_taken_back_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "hang.pt"
    path.write_bytes(b"x")
    answers = iter([True, False])
    with pytest.raises(NotWanted):
        run(order(path, poison.hash_or_die), is_wanted=lambda: next(answers))
    assert room._bench.reader(60.0)._line is None


class FakeTask:
    def __init__(self, state: str) -> None:
        self.state = state


class FakeWorker:
    """As much of a Dask worker as is asked for."""

    def __init__(self, state: str | None, status: str = "running") -> None:
        self.status = FakeStatus(status)
        self.state = FakeState({} if state is None else {"task": FakeTask(state)})


class FakeStatus:
    def __init__(self, name: str) -> None:
        self.name = name


class FakeState:
    def __init__(self, tasks: dict[str, FakeTask]) -> None:
        self.tasks = tasks


@pytest.mark.parametrize(
    ("worker", "expected"),
    [
        (FakeWorker("executing"), True),
        (FakeWorker("executing", "paused"), True),
        (FakeWorker("cancelled"), False),
        (FakeWorker(None), False),
        (FakeWorker("executing", "closing"), False),
    ],
)
def test_an_order_is_wanted_as_long_as_dask_has_it_and_the_worker_lives(worker: FakeWorker, *, expected: bool) -> None:
    assert room._is_wanted(worker, "task") is expected


def test_nothing_of_dask_is_loaded_before_it_is_needed() -> None:
    code = "import sys, modelshelf.daemon; print([each for each in sys.modules if each.startswith(('dask', 'distributed'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
