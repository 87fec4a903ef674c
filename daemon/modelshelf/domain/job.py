"""What a Job does, and when it is due by itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from modelshelf.domain.verification import VerifySettings

if TYPE_CHECKING:
    from datetime import timedelta


class JobKind(StrEnum):
    """What an action of a job does. `sync-lora-triggers` is read and checked; this version does not do it."""

    SCAN_PATHS = "scan-paths"
    DEEP_SCAN = "deep-scan"
    VERIFY = "verify"
    BUILD_GALLERY = "build-gallery"
    CHECK_UPDATES = "check-updates"
    SYNC_LORA_TRIGGERS = "sync-lora-triggers"


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that a run of a job does in some folders. `is_forced`: Civitai is asked again for what is known."""

    kind: JobKind
    folder_ids: tuple[str, ...]
    is_forced: bool = False


@dataclass(frozen=True, slots=True)
class Appointment:
    """A Job and when it is due: a cron text of five fields, an interval, or once a day in the first `lull` of that length.

    `is_missed_run`: what the machine slept through is done as soon as it wakes; of a lull there is nothing to miss.
    """

    job_name: str
    deeds: tuple[Deed, ...]
    cron: str | None = None
    interval: timedelta | None = None
    lull: timedelta | None = None
    is_missed_run: bool = True
    verification: VerifySettings = VerifySettings()  # noqa: RUF009 -- frozen

    @property
    def folder_ids(self) -> tuple[str, ...]:
        """The folders that it is about, each once."""
        return tuple(dict.fromkeys(folder_id for deed in self.deeds for folder_id in deed.folder_ids))
