"""Reading by a cluster: a Dask scheduler and workers as real processes on loopback, of which some are killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.config import load_config
from modelshelf.daemon import House
from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.task import Lane, NewTask, TaskKind, TaskState
from modelshelf.errors import ReaderDied, ReaderLost
from modelshelf.formats.hashes import blake3_file, hash_file
from modelshelf.formats.inspect import read_header
from modelshelf.steps.step import Interrupted
from modelshelf.store.store import Store
from modelshelf.worker import cluster_line
from modelshelf.worker.cluster_reader import Cluster, ClusterReader
from modelshelf.worker.outputs import Outputs
from modelshelf.worker.worker import DERIVED_FROM_FILES, Worker
from tests import builders
from tests.fakes import poison
from tests.fakes.clock import FakeClock
from tests.fakes.dask_cluster import START_SECONDS, DaskCluster
from tests.logged import logged
from tests.unit.steps.step_shelf import TRAITS, StepShelf
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelshelf.domain.task import Task

pytest.importorskip("distributed", reason="no Dask: pip install 'modelshelf[cluster]'")

STALL_SECONDS = 60.0


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory in which a shelf has one name here and other ones on two hosts."""
    made = tmp_path_factory.mktemp("ground")
    (made / "shelf").mkdir()
    for host in "ab":
        (made / host).symlink_to("shelf")
    return made


@pytest.fixture(scope="module")
def dask(ground: Path) -> Iterator[DaskCluster]:
    with DaskCluster(ground / "dask") as cluster:
        for host in "ab":
            cluster.add_worker(f"nas={ground / host}")
        cluster.wait_for_workers(2)
        yield cluster


def cluster_of(
    dask: DaskCluster, root: Path, is_held: Callable[[str], bool] = lambda _: False, folder_id: str = "loras"
) -> Cluster:
    outputs = Outputs(root.parent / "outputs", FakeClock())
    return Cluster(dask.address, lambda: {folder_id: root}, is_held, outputs, STALL_SECONDS)


@pytest.fixture
def held() -> set[str]:
    return set()


@pytest.fixture
def reader(dask: DaskCluster, ground: Path, held: set[str]) -> Iterator[ClusterReader]:
    made = ClusterReader(cluster_of(dask, ground / "shelf", held.__contains__, "nas"))
    yield made
    made.close()


@pytest.fixture
def model(ground: Path) -> Path:
    path = ground / "shelf" / "a.safetensors"
    path.write_bytes(builders.lora(1, padding_bytes=30_000_000))
    return path


def go_on() -> None:
    """Pull no reins."""


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and ") Z" not in Path(f"/proc/{pid}/stat").read_text()


def test_what_a_host_reads_is_what_is_read_here(reader: ClusterReader, model: Path) -> None:
    assert reader.read(read_header, (model,), {}, go_on) == read_header(model)
    options = {"is_honest": True, "is_dropped_behind": True}
    assert reader.read(hash_file, (model,), options, go_on) == hash_file(model)
    assert reader.read(blake3_file, (model,), {"is_honest": True}, go_on) == blake3_file(model)


def test_a_host_tells_how_far_it_has_come(reader: ClusterReader, model: Path) -> None:
    told: list[int] = []

    def is_told() -> bool:
        reader.read(hash_file, (model,), {"on_progress": told.append, "is_honest": True}, go_on)
        return bool(told)

    wait_until(is_told)
    assert {each % (4 * 1024**2) for each in told} == {0}


def test_each_host_reads_a_folder_where_it_has_it(dask: DaskCluster, ground: Path, model: Path) -> None:
    readers = [ClusterReader(cluster_of(dask, ground / "shelf", folder_id="nas")) for _ in range(2)]
    found: set[str] = set()

    def read(reader: ClusterReader) -> None:
        while len(found) < 2:
            found.add(reader.read(poison.where, (model,), {}, go_on))
        reader.close()

    threads = [threading.Thread(target=read, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == {str(ground / host / model.name) for host in "ab"}


@pytest.mark.parametrize("how", ["stopped", "held"])
def test_a_read_that_is_given_up_ends_on_its_host(
    how: str, reader: ClusterReader, held: set[str], ground: Path
) -> None:
    path = ground / "shelf" / f"{how} and held.pt"
    path.write_bytes(b"x")
    began = ground / f"began {path.name}"
    child: list[int] = []

    def stop() -> None:
        if began.exists():
            child.extend(children_of(int(began.read_text())))
            held.update({"nas"} if how == "held" else ())
            if how == "stopped":
                raise Interrupted

    with pytest.raises(Interrupted):
        reader.read(poison.hash_under_attack, (path,), {}, stop)
    assert child
    wait_until(lambda: not any(is_alive(each) for each in child))
    held.clear()
    assert reader.read(poison.hash_under_attack, (path,), {}, go_on) == hash_file(path)


def children_of(pid: int) -> list[int]:
    return [int(each) for path in Path(f"/proc/{pid}/task").glob("*/children") for each in path.read_text().split()]


def test_a_file_that_kills_costs_a_child_of_its_host_alone(reader: ClusterReader, ground: Path) -> None:
    path = ground / "shelf" / "crash.pt"
    path.write_bytes(b"x")
    with pytest.raises(ReaderDied, match=r"exit status 3; its last words: none \(on .+\); its whole output: "):
        reader.read(poison.hash_or_die, (path,), {}, go_on)
    [kept] = (ground / "outputs").iterdir()
    assert b"exit status 3" in kept.read_bytes()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StepShelf]:
    monkeypatch.setattr("modelshelf.steps.hash_file.hash_file", poison.hash_under_attack)
    made = StepShelf(tmp_path)
    yield made
    made.close()


def let_read(shelf: StepShelf, dask: DaskCluster) -> None:
    root = shelf.places["loras"].root
    shelf.hall = replace(shelf.hall, new_reader=lambda: ClusterReader(cluster_of(dask, root)))


def put_six(shelf: StepShelf, *names: str) -> dict[str, Path]:
    names = (*names, *(f"{number}.safetensors" for number in range(6 - len(names))))
    return {name: shelf.put(name, builders.lora(seed)) for seed, name in enumerate(names)}


def hashes_of(shelf: StepShelf, names: Any) -> dict[str, Any]:
    return {name: shelf.content(name).hashes for name in names}


def owe(shelf: StepShelf) -> None:
    """Scan; what is found there nobody waits for."""
    shelf.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], shelf.clock.now())
    take_turns(shelf, Lane.DESK)


def take_turns(shelf: StepShelf, lane: Lane = Lane.DISK) -> None:
    """Let one worker do what is due, a minute after somebody did so before."""
    shelf.clock.advance(60)
    worker = Worker(lane, shelf.hall, TRAITS.id)
    while worker.turn():
        pass
    if worker._bulk is not None:
        worker._bulk.close()


def tried_in_vain(shelf: StepShelf) -> list[Task]:
    return [task for task in shelf.tasks() if task.kind in DERIVED_FROM_FILES and task.attempts]


def kill_when_it_began(began: Path, pid: int | None = None) -> threading.Thread:
    """Kill whoever reads a file, or another process, once it is read."""

    def kill() -> None:
        wait_until(began.exists, START_SECONDS)
        os.kill(pid or int(began.read_text()), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_host_that_is_lost_mid_chunk_costs_the_time_of_the_file_in_hand(
    shelf: StepShelf, dask: DaskCluster, tmp_path: Path
) -> None:
    paths = put_six(shelf, "held.safetensors")
    let_read(shelf, dask)
    killer = kill_when_it_began(tmp_path / "began held.safetensors")
    owe(shelf)
    began_at = time.monotonic()
    take_turns(shelf)
    seconds = time.monotonic() - began_at
    killer.join()
    dask.add_worker()  # for the tests to come
    assert hashes_of(shelf, paths) == {name: hash_file(path).hashes for name, path in paths.items()}
    assert tried_in_vain(shelf) == []
    assert shelf.hall.read_in_vain == set()
    assert seconds < STALL_SECONDS / 2, "nobody waited until the lost host was missed"


CONFIG = """
input_paths: {{nas: {{path: "{models}", type: LORA}}}}
store: {{directory: "{state}"}}
offline: true
deep_scan: {{engine: dask, scheduler: "{scheduler}"}}
"""


def test_a_daemon_has_its_shelf_read_by_the_cluster_of_its_configuration(
    dask: DaskCluster, ground: Path, model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "modelshelf.yaml"
    path.write_text(CONFIG.format(models=ground / "shelf", state=tmp_path / "state", scheduler=dask.address))
    os.utime(model, (1, 1))
    store = Store.open(tmp_path / "state" / "modelshelf.db")
    house = House(load_config(path, {"HOME": str(tmp_path)}), store)

    def is_read() -> bool:
        file = store.files.at("nas", os.fsencode(model.name))
        return file is not None and file.scan_phase is ScanPhase.DEEP

    with logged() as said:
        house.open()
        wait_until(is_read, START_SECONDS)
        stuck = house.close()
    store.close()
    assert "cluster_joined" in {each["event"] for each in said}
    assert stuck == []


def test_a_file_that_kills_whole_workers_is_given_up_and_the_others_are_read(shelf: StepShelf, tmp_path: Path) -> None:
    paths = put_six(shelf, "kill.safetensors")
    with DaskCluster(tmp_path / "dask", allowed_failures=0) as dask:
        dask.add_worker(has_nanny=True)
        dask.wait_for_workers(1)
        let_read(shelf, dask)
        owe(shelf)
        take_turns(shelf)
        dask.wait_for_workers(1)
        take_turns(shelf)
    [failed] = [task for task in shelf.tasks() if task.state is TaskState.FAILED]
    assert (failed.kind, failed.subject) == (TaskKind.HASH_FILE, str(shelf.file("kill.safetensors").id))
    assert "1 workers of the cluster died, one after another, while they read it" in str(failed)
    others = [name for name in paths if name != "kill.safetensors"]
    assert hashes_of(shelf, others) == {name: hash_file(paths[name]).hashes for name in others}


def test_work_stays_owed_while_the_scheduler_is_lost(
    shelf: StepShelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = put_six(shelf, "held.safetensors")
    with DaskCluster(tmp_path / "dask") as dask:
        dask.add_worker()
        dask.wait_for_workers(1)
        let_read(shelf, dask)
        killer = kill_when_it_began(tmp_path / "began held.safetensors", dask.scheduler.pid)
        owe(shelf)
        monkeypatch.setattr(cluster_line, "ANSWER_SECONDS", 1.0)
        with logged() as said:
            take_turns(shelf)
            take_turns(shelf)
        killer.join()
    reasons = [str(each["reason"]) for each in said if each["event"] in {"reader_died", "reader_not_started"}]
    assert [" ".join(each.split()[3:6]) for each in reasons] == ["was lost", "cannot be reached:", "cannot be reached:"]
    assert tried_in_vain(shelf) == []
    assert shelf.file("held.safetensors").scan_phase is ScanPhase.INDEXED
    assert not [each for each in threading.enumerate() if each.name in {"IO loop", "cluster-line"}]
    monkeypatch.setattr(cluster_line, "ANSWER_SECONDS", 10.0)
    with DaskCluster(tmp_path / "again") as dask:
        dask.add_worker()
        dask.wait_for_workers(1)
        let_read(shelf, dask)
        take_turns(shelf)
    assert hashes_of(shelf, paths) == {name: hash_file(path).hashes for name, path in paths.items()}


def test_a_scheduler_that_is_open_to_the_network_is_not_talked_to(tmp_path: Path) -> None:
    with DaskCluster(tmp_path / "dask", host="") as dask:
        way_round = replace(cluster_of(dask, tmp_path), scheduler=f"tcp://127.0.0.1:{dask.address.rpartition(':')[2]}")
        reader = ClusterReader(way_round)
        with pytest.raises(ReaderLost, match=r"deep_scan\.scheduler: tcp://.* is open to the network"):
            reader.open(go_on)
        reader.close()


def test_a_cluster_without_workers_or_without_modelshelf_reads_nothing(tmp_path: Path) -> None:
    with DaskCluster(tmp_path / "dask") as dask:
        reader = ClusterReader(cluster_of(dask, tmp_path))
        with pytest.raises(ReaderLost, match="nobody has joined it"):
            reader.open(go_on)
        worker = dask.add_worker("nonsense")
        dask.wait_for_workers(1)
        with pytest.raises(ReaderLost, match="'nonsense' must be FOLDER_ID="):
            reader.open(go_on)
        worker.kill()
