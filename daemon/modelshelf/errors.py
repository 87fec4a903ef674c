"""Every error that modelshelf raises on purpose.

    ModelshelfError
      ConfigError        a person must mend a file; exit 78, no traceback
      UsageError         a person asked for something that is not there; exit 2
      TransientError     later may help, and may carry ``retry_after_seconds``
        FileChanged, FileUnreadable, FolderOffline, DiskFull, ReaderLost, CivitaiUnavailable, CivitaiRateLimited
      PermanentError     later will not help
        FileGone, BrokenModelFile (and ReaderDied), CivitaiRefused (and CivitaiForbids), WriteRefused, WorkStopped
      StoreError         the journal cannot be trusted: the daemon stops
        StoreDamaged     its file is no sound database any more: the next start sets it aside and takes a backup

Tools translate: ``OSError``, ``requests`` and ``sqlite3`` errors never rise above floor 2. `worker/retry.py` alone decides
what follows from an error.
"""

from __future__ import annotations

import errno as errno_names
from typing import ClassVar

from modelshelf.domain.display import readable
from modelshelf.domain.failure import FailureKind


class ModelshelfError(Exception):
    """Anything that went wrong and has a name; its text says what, where and what to do."""

    kind: ClassVar[FailureKind] = FailureKind.INTERNAL


class ConfigError(ModelshelfError):
    """The configuration has mistakes that a person must mend: every one of them, a line each (file, line, key)."""


class UsageError(ModelshelfError):
    """A person asked for something that does not exist or makes no sense here."""


class StoreError(ModelshelfError):
    """The journal cannot be opened or trusted; the daemon stops."""


class StoreDamaged(StoreError):
    """The store's file is no sound database any more; the daemon's next start sets it aside and goes on with a backup."""


class TransientError(ModelshelfError):
    """Later may help. `retry_after_seconds` is what the other side asked for, or None."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        """Keep the text and how long the other side asked us to wait."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class PermanentError(ModelshelfError):
    """Later will not help."""


class FileChanged(TransientError):
    """A file changed while it was read: nothing learnt of it can be kept."""

    kind = FailureKind.ACCESS


class FileUnreadable(TransientError):
    """A file or directory exists but cannot be read or written now; `errno` is kept."""

    kind = FailureKind.ACCESS

    def __init__(self, message: str, *, errno: int | None = None) -> None:
        """Keep the errno of the failed call."""
        super().__init__(message)
        self.errno = errno


class FolderOffline(TransientError):
    """A watched folder is not there, or is empty where it was full: nothing in it is judged."""

    kind = FailureKind.ACCESS


class DiskFull(TransientError):
    """There is no space left where something must be written."""

    kind = FailureKind.ACCESS


class ReaderLost(TransientError):
    """The process made to read a file could not begin, or somebody else ended it: nothing is proven against the file."""

    kind = FailureKind.INTERNAL


class CivitaiUnavailable(TransientError):
    """Civitai cannot be reached, or answered with something that is no answer.

    `first_delay_seconds` is what the waits begin with that double from one try to the next, None for the usual.
    """

    kind = FailureKind.API
    first_delay_seconds: float | None = None


class CivitaiRateLimited(CivitaiUnavailable):
    """Civitai asks everyone here to slow down."""


class FileGone(PermanentError):
    """A file is no longer where it was."""

    kind = FailureKind.ACCESS


class BrokenModelFile(PermanentError):
    """A model file is not what it claims to be."""

    kind = FailureKind.INVALID_FORMAT


class ReaderDied(BrokenModelFile):
    """Whatever reads this file or picture dies of it; a process made for that alone has shown it."""


class CivitaiRefused(PermanentError):
    """Civitai will never answer this request."""

    kind = FailureKind.API


class CivitaiForbids(CivitaiRefused):
    """Civitai forbids every request like this: the key, the region, a server's own rules. A person may mend that.

    `retry_after_seconds` is when it is asked again all the same, None for the usual.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        """Keep the text and when it is asked again."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class WriteRefused(PermanentError):
    """A file of somebody else's is in the way, or may not be replaced without changing whose it is."""

    kind = FailureKind.ACCESS


class WorkStopped(PermanentError):
    """A person stopped this work; nothing is owed of it any more."""


def from_os_error(error: OSError, path: bytes | str, doing: str) -> ModelshelfError:
    """Translate an `OSError` met while `doing` ("read", "write", "list") something to `path`."""
    name = errno_names.errorcode.get(error.errno or 0, "unknown error")
    message = f"cannot {doing} {readable(path)}: {error.strerror or error} ({name})"
    if error.errno in {errno_names.ENOENT, errno_names.ENOTDIR}:
        return FileGone(message)
    if error.errno in {errno_names.ENOSPC, errno_names.EDQUOT}:
        return DiskFull(message)
    return FileUnreadable(message, errno=error.errno)
