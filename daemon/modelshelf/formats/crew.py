"""A crew of threads that feeds the blocks of one file to several streams at once, each stream in order.

A thread per stream would be shorter, but on two cores the kernel leaves the light streams beside one of the heavy ones and
the other core idles a third of the time (measured: 0.78 of the speed of `openssl dgst -sha256`).

The threads are daemons and no ThreadPoolExecutor: that one's are waited for when the interpreter ends, so a read held by a
dead mount would hold the process for ever.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BlockT = TypeVar("BlockT")


@contextmanager
def crew(feeds: Sequence[Callable[[BlockT], None]], *, size: int, window: int) -> Iterator[Callable[[BlockT], None]]:
    """Give a function that hands a block to every feed and returns when fewer than `window` blocks are still in use.

    So the memory of `window` blocks is enough, used in turn. Leaving the context waits until all is fed; leaving it by an
    exception drops what nobody has begun. Either way no thread is left. What a feed raises is raised here, at the end.
    """
    board = _Board(feeds, window)
    threads = [threading.Thread(target=board.work, name=f"hash-stream-{number}", daemon=True) for number in range(size)]
    started: list[threading.Thread] = []
    try:
        for thread in threads:
            thread.start()
            started.append(thread)
        yield board.put
        board.finish()
    finally:
        board.dismiss(size)
        for thread in started:
            thread.join()
    board.raise_failure()


class _Board(Generic[BlockT]):
    """Which stream has eaten how many blocks, and which streams wait for a worker, in turn.

    Two plain queues carry the waiting: with blocks of a third of a millisecond, a condition variable costs a twentieth.
    """

    def __init__(self, feeds: Sequence[Callable[[BlockT], None]], window: int) -> None:
        self._feeds = feeds
        self._blocks: dict[int, BlockT] = {}
        self._given = 0
        self._eaten = [0] * len(feeds)
        self._spare = window - 1
        self._is_over = False
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self._waiting: SimpleQueue[int | None] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()
        self._make_room(self._spare)

    def put(self, block: BlockT) -> None:
        with self._lock:
            idle = [stream for stream, eaten in enumerate(self._eaten) if eaten == self._given]
            self._blocks[self._given] = block
            self._given += 1
        for stream in idle:
            self._waiting.put(stream)
        self._take_room()

    def finish(self) -> None:
        """Wait until everything put is eaten."""
        for _ in range(self._spare):
            self._take_room()

    def dismiss(self, size: int) -> None:
        """Send `size` workers home, after the block in their hands."""
        self._is_over = True
        for _ in range(size):
            self._waiting.put(None)

    def work(self) -> None:
        """Feed until sent home; what a feed raises is kept for the thread that gives."""
        with self:
            while (stream := self._waiting.get()) is not None and not self._is_over:
                self._feeds[stream](self._blocks[self._eaten[stream]])
                self._settle(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if error is not None:
            self._failure = error
            self._is_over = True
            self._make_room(self._spare + 1)
        return error is not None

    def raise_failure(self) -> None:
        """Raise what a feed raised, if one did."""
        if self._failure is not None:
            raise self._failure

    def _settle(self, stream: int) -> None:
        with self._lock:
            index = self._eaten[stream]
            self._eaten[stream] += 1
            has_more = self._eaten[stream] < self._given
            is_eaten = min(self._eaten) > index
            if is_eaten:
                del self._blocks[index]
        if has_more:
            self._waiting.put(stream)
        if is_eaten:
            self._make_room(1)

    def _make_room(self, count: int) -> None:
        for _ in range(count):
            self._room.put(None)

    def _take_room(self) -> None:
        if not self._is_over:
            self._room.get()
