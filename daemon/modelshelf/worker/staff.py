"""The staff: workers for each device on each lane, so that one that does not answer costs its own workers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.task import Lane
from modelshelf.logs import get_log
from modelshelf.worker.lanes import NO_DEVICE
from modelshelf.worker.worker import Place, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from modelshelf.worker.hall import Hall

log = get_log(__name__)

PER_DEVICE = {Lane.DESK: 1, Lane.DISK: 1, Lane.NETWORK: 2}
"""Two that read from one disk would hold each other up; whoever fetches pictures waits for a server most of the time."""

SILENT_SECONDS = 10.0
"""A worker that gave no sign of life for so long may be held by a disk or a server that does not answer."""


class Staff:
    """Hires, replaces and dismisses workers as devices come and go. `devices` are those that a folder lies on now."""

    def __init__(self, hall: Hall, devices: Callable[[], Collection[str]], lanes: Collection[Lane]) -> None:
        self._hall = hall
        self._devices = devices
        self._lanes = lanes
        self.workers: list[Worker] = []

    def renew(self) -> None:
        """See that every place has its worker; one whose device is gone ends as soon as it lets go of it.

        Where the device is back before that, nobody else is hired until then: two would read from one disk at once.
        """
        places = self._places()
        for worker in self.workers:
            if worker.place not in places:
                worker.dismiss()
            elif not worker.is_alive() and not worker.is_dismissed:
                log.error("worker_replaced", worker=worker.name)
        self.workers = [worker for worker in self.workers if worker.is_alive()]
        taken = {worker.place for worker in self.workers}
        self.workers += [self._hire(*place) for place in places if place not in taken]

    def is_alive(self) -> bool:
        """Tell whether everyone lives who was not let go; whoever is held by a device lives too."""
        return all(worker.is_alive() or worker.is_dismissed for worker in self.workers)

    def silent_devices(self) -> set[str]:
        """Give the devices whose workers have been at something for long without a sign of life."""
        return {worker.device for worker in self.workers if worker.silent_seconds() > SILENT_SECONDS} - {NO_DEVICE}

    def _places(self) -> list[Place]:
        devices = sorted(self._devices())
        places = [
            (lane, each, number) for lane in self._lanes for each in devices for number in range(PER_DEVICE[lane])
        ]
        return [*places, (Lane.NETWORK, NO_DEVICE, 0)] if Lane.NETWORK in self._lanes else places

    def _hire(self, lane: Lane, device: str, number: int) -> Worker:
        worker = Worker(lane, self._hall, device, number)
        worker.start()
        return worker
