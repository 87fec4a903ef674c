"""The staff: workers for each device on each lane, so that one that does not answer costs its own workers alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from modelshelf.domain.task import Lane
from modelshelf.logs import get_log
from modelshelf.worker.lanes import NO_DEVICE
from modelshelf.worker.worker import Post, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from modelshelf.worker.hall import Hall

log = get_log(__name__)

PER_DEVICE = {Lane.DESK: 1, Lane.NETWORK: 2}
"""Whoever fetches pictures waits for a server most of the time. How many are to read of a disk is learned, see `slots.py`."""

SILENT_SECONDS = 10.0
"""A worker that gave no sign of life for so long may be held by a disk or a server that does not answer."""


class Staff:
    """Hires, replaces and dismisses workers as devices come and go. `devices` are those that a folder lies on now."""

    def __init__(self, hall: Hall, devices: Callable[[], Collection[str]], lanes: Collection[Lane]) -> None:
        self._hall = hall
        self._devices = devices
        self._lanes = lanes
        self.workers: list[Worker] = []
        self._lock = threading.Lock()
        hall.speeds.on_change = self._heed_speed

    def _heed_speed(self) -> None:
        if not self._hall.stopping.is_set():
            self.renew()

    def renew(self) -> None:
        """See that every post has its worker; one whose device is gone ends as soon as it lets go of it.

        Where the device is back before that, nobody else is hired until then: two would read from one disk at once.
        """
        with self._lock:
            posts = self._posts()
            for worker in self.workers:
                if worker.post not in posts:
                    worker.dismiss()
                elif not worker.is_alive() and not worker.is_dismissed:
                    log.error("worker_replaced", worker=worker.name)
            workers = [worker for worker in self.workers if worker.is_alive()]
            taken = {worker.post for worker in workers}
            self.workers = workers + [self._hire(*post) for post in posts if post not in taken]

    def is_alive(self) -> bool:
        """Tell whether everyone lives who was not let go; whoever is held by a device lives too."""
        return all(worker.is_alive() or worker.is_dismissed for worker in self.workers)

    def silent_devices(self) -> set[str]:
        """Give the devices whose workers have been at something for long without a sign of life."""
        return {worker.device for worker in self.workers if worker.silent_seconds() > SILENT_SECONDS} - {NO_DEVICE}

    def _posts(self) -> list[Post]:
        devices = sorted(self._devices())
        posts = [
            (lane, each, number)
            for lane in self._lanes
            for each in devices
            for number in range(self._count(lane, each))
        ]
        return [*posts, (Lane.NETWORK, NO_DEVICE, 0)] if Lane.NETWORK in self._lanes else posts

    def _count(self, lane: Lane, device: str) -> int:
        return self._hall.slots(device) if lane is Lane.DISK else PER_DEVICE[lane]

    def _hire(self, lane: Lane, device: str, number: int) -> Worker:
        worker = Worker(lane, self._hall, device, number)
        worker.start()
        return worker
