"""The cluster's reader: files are read by whichever Dask worker is free, on whichever host has their folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelshelf.domain.display import readable
from modelshelf.domain.model_file import Fingerprint
from modelshelf.errors import FileChanged, FolderOffline, ReaderLost
from modelshelf.formats.hashes import HashedFile
from modelshelf.formats.regular_file import opened
from modelshelf.steps.step import Interrupted
from modelshelf.worker.cluster_line import Line
from modelshelf.worker.cluster_worker import MAP_VARIABLE, Order
from modelshelf.worker.isolation import WIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelshelf.errors import ModelshelfError
    from modelshelf.worker.cluster_worker import Report
    from modelshelf.worker.isolation import Limits
    from modelshelf.worker.outputs import Keeper

GRANULES_NS = (1, 100, 1000, 1_000_000_000)
"""To what a file system may round an mtime, or what carries it from one host to another: NTFS and SMB, FUSE, SFTP."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What all readers of one cluster share. `roots` gives each folder's place here, `is_held` whether it has to wait now."""

    scheduler: str
    roots: Callable[[], Mapping[str, Path]]
    is_held: Callable[[str], bool]
    outputs: Keeper
    stall_seconds: float


class ClusterReader:
    """A Reader that has a line to the scheduler from its first read until `close`.

    A read cannot be made to wait in the middle, as a child of ours can: where its folder has no leave any more it is given up.
    What a host says of inode and ctime is of its own making, so a file is the same there where size and mtime are; here it is
    looked at before and after.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._line: Line | None = None
        self._workers: set[str] = set()
        self._fault: str | None = None
        self._without: dict[str, dict[str, Report]] = {}

    def open(self, check: Callable[[], None]) -> None:
        """Have a line; ReaderLost where there is none to be had, or no host has the folder that was to be read last.

        `check` is called between two questions, for none is waited for longer than a moment.
        """
        check()
        fault, self._fault = self._fault, None
        if fault is not None:
            raise ReaderLost(fault)
        if self._line is None or not self._line.is_alive:
            self.close()
            self._line = Line(self._cluster.scheduler)
            check()
        self._workers = self._line.workers()
        if not self._workers:
            self.close()
            raise ReaderLost("nobody is left in the cluster to read anything")

    def read(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        options: dict[str, Any],
        check: Callable[[], None],
        limits: Limits = WIDE,
    ) -> Any:
        """Give what `function` gives on a host that has the file; raises as a Reader does.

        Interrupted where its folder has to wait, FolderOffline where no host has the file.
        """
        path = args[0]
        folder_id, root = self._folder_of(path)
        on_progress = options.get("on_progress")
        order = Order(
            folder_id=folder_id,
            root=root,
            relative_path=os.fsencode(path.relative_to(root)),
            function=function,
            args=args[1:],
            options={name: _elsewhere(name, value) for name, value in options.items() if name != "on_progress"},
            limits=limits,
            stall_seconds=self._cluster.stall_seconds,
            is_progress_told=on_progress is not None,
        )
        watch = self._watch(check, folder_id)
        watch()
        sight = _Sight(path, is_honest=bool(options.get("is_honest")))
        if self._line is None:
            self.open(watch)
        report = self._ask(order, sight, watch, on_progress or _pass_over)
        sight.demand_same()
        return _as_seen_here(report.value, sight.fingerprint)

    def _folder_of(self, path: Path) -> tuple[str, Path]:
        """Give the innermost folder in which a path lies."""
        around = [(folder_id, root) for folder_id, root in self._cluster.roots().items() if path.is_relative_to(root)]
        return max(around, key=lambda each: len(each[1].parts), default=("", Path("/")))

    def _watch(self, check: Callable[[], None], folder_id: str) -> Callable[[], None]:
        def watch() -> None:
            check()
            if self._cluster.is_held(folder_id):
                raise Interrupted

        return watch

    def _ask(
        self, order: Order, sight: _Sight, watch: Callable[[], None], on_progress: Callable[[int], None]
    ) -> Report:
        """Ask one worker after another until one has the file; who has nothing of its folder is not asked again."""
        lacking = dict(self._without.get(order.folder_id, {}))
        while True:
            report = self._fulfilled(order, lacking, watch, on_progress)
            if report.error is not None:
                raise self._told_of(report, report.error)
            if report.lack is None and sight.is_of(report):
                return report
            sight.demand_same()
            lacking[report.address] = report
            if report.lacks_folder:
                self._without.setdefault(order.folder_id, {})[report.address] = report

    def _fulfilled(
        self,
        order: Order,
        lacking: Mapping[str, Report],
        watch: Callable[[], None],
        on_progress: Callable[[int], None],
    ) -> Report:
        if self._line is None:
            raise ReaderLost("there is no line to a scheduler")
        workers = self._workers - lacking.keys()
        if not workers:
            raise self._nobody(lacking)
        try:
            return self._line.read(order, workers, watch, on_progress)
        except ReaderLost:
            self.close()
            raise

    def _nobody(self, lacking: Mapping[str, Report]) -> FolderOffline:
        """Give the error of a file that nobody could read; where none has its folder, no other is tried for now."""
        reasons = {f"{each.host}: {each.lack or 'another file of that name'}" for each in lacking.values()}
        text = f"no host of the cluster has it, see ${MAP_VARIABLE} there: {'; '.join(sorted(reasons))}"
        if all(each.lacks_folder for each in lacking.values()):
            self._fault = text
            self._without.clear()
        return FolderOffline(text)

    def _told_of(self, report: Report, error: ModelshelfError) -> ModelshelfError:
        """Say on which host it happened, and where the whole output of the child that died is kept."""
        path = self._cluster.outputs.keep(report.output) if report.output else None
        error.args = (f"{error} (on {report.host})" + (f"; its whole output: {path}" if path else ""),)
        return error

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.close()
        self._line = None
        self._without.clear()


class _Sight:
    """A file as it is seen here, before and after a host read it."""

    def __init__(self, path: Path, *, is_honest: bool) -> None:
        self._path = path
        self._is_honest = is_honest
        self.fingerprint = self._look()

    def _look(self) -> Fingerprint:
        """Opened for that: only then does an NFS client ask its server what is true now."""
        with opened(self._path) as file:
            return Fingerprint.of(file.status)

    def demand_same(self) -> None:
        """Raise FileChanged unless it is still what it was; FileGone where it is gone."""
        if not self._look().is_same(self.fingerprint, is_honest=self._is_honest):
            raise FileChanged(f"{readable(self._path)} changed while it was read")

    def is_of(self, report: Report) -> bool:
        """Tell whether what the host read is this file: of its size, and its mtime as finely as both can tell it."""
        here, there = self.fingerprint.mtime_ns, report.mtime_ns
        is_same_time = any(here // each == there // each and 0 in (here % each, there % each) for each in GRANULES_NS)
        return is_same_time and report.size_bytes == self.fingerprint.size_bytes


def _elsewhere(name: str, value: Any) -> Any:
    """Whether inodes and ctimes can be trusted on a host is not known here; size and mtime tell of a change there."""
    return False if name == "is_honest" else value


def _as_seen_here(value: Any, fingerprint: Fingerprint) -> Any:
    """Give what was found with the fingerprint that the file has here."""
    if isinstance(value, HashedFile):
        return replace(value, fingerprint=fingerprint)
    if type(value) is tuple:
        return tuple(fingerprint if isinstance(each, Fingerprint) else each for each in value)
    return value


def _pass_over(done_bytes: int) -> None:
    """Nobody wants to know how far it has come."""
