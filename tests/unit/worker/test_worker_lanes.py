from __future__ import annotations

import threading

from modelshelf.worker.lanes import NO_DEVICE, DeviceLanes
from modelshelf.worker.wake import Bell


def two_devices() -> dict[str, frozenset[str]]:
    return {"8:1": frozenset({"loras"}), "8:2": frozenset({"checkpoints", "vae"})}


def test_a_worker_works_for_the_folders_on_its_device() -> None:
    lanes = DeviceLanes(two_devices)
    assert lanes.folders_on("8:2") == {"checkpoints", "vae"}
    assert lanes.folders_on("8:3") == lanes.folders_on(NO_DEVICE) == set()
    assert lanes.folders() == {"loras", "checkpoints", "vae"}


def test_where_folders_lie_is_looked_up_each_time() -> None:
    devices = two_devices()
    lanes = DeviceLanes(lambda: devices)
    devices["8:3"] = frozenset({"late"})
    assert "late" in lanes.folders()
    assert lanes.folders_on("8:3") == {"late"}


def test_a_ring_between_look_and_wait_is_heard() -> None:
    bell = Bell()
    heard = bell.rings
    bell.ring()
    bell.wait(heard, None)  # would sleep for ever if the ring were lost


def test_a_wait_ends_when_its_time_is_over() -> None:
    bell = Bell()
    bell.wait(bell.rings, 0.001)
    assert bell.rings == 0


def test_every_sleeper_wakes() -> None:
    bell = Bell()
    heard = bell.rings
    sleepers = [threading.Thread(target=bell.wait, args=(heard, 30)) for _ in range(3)]
    for sleeper in sleepers:
        sleeper.start()
    bell.ring()
    for sleeper in sleepers:
        sleeper.join(timeout=10)
    assert not any(sleeper.is_alive() for sleeper in sleepers)
