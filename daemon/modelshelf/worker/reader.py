"""A Reader: who reads in bulk for one worker, somewhere else than in the daemon, so that what kills a reader costs one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from modelshelf.worker.isolation import WIDE

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.worker.isolation import Limits


class Reader(Protocol):
    """Reads one file at a time for the thread that has made it.

    Whether a file holds what its name says, or kills whoever reads it, is known of no file before it was read once.
    """

    def open(self, check: Callable[[], None]) -> None:
        """See that it can read; ReaderLost where it cannot now, which is no fault of any file.

        `check` is called all the while; what it raises ends that and passes through.
        """

    def read(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        options: dict[str, Any],
        check: Callable[[], None],
        limits: Limits = WIDE,
    ) -> Any:
        """Give what `function` gives, called where the reader is; raises what it raises.

        ReaderDied where the file in hand killed the reader, hung it or took more than `limits`; ReaderLost where it was ended
        by somebody else. Either way the next read has a fresh one. An `on_progress` among the options is called here, and
        nothing more is read before it has returned. `check` is called all the while; what either of them raises ends the
        read and passes through.
        """

    def close(self) -> None:
        """Leave nothing behind; the next read begins anew."""


class ReaderHere:
    """Reads in this very thread: for whoever works off a shelf by hand."""

    def open(self, check: Callable[[], None]) -> None:
        """Be ready as ever."""
        check()

    def read(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        options: dict[str, Any],
        check: Callable[[], None],
        limits: Limits = WIDE,
    ) -> Any:
        """Call the function, within no limits."""
        del limits
        check()
        return function(*args, **options)

    def close(self) -> None:
        """Leave nothing behind."""
