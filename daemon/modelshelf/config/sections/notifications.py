"""`notifications`: who is told, without asking, what happened."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from modelshelf.config.sections.section import Section
from modelshelf.config.sections.values import Seconds, texts
from modelshelf.domain.notice import Notice, QuietHours

_TARGET = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s\x00-\x1f]+")


def _target(value: SecretStr) -> SecretStr:
    if not _TARGET.fullmatch(value.get_secret_value()):
        raise ValueError("must be an address as apprise has them, such as ntfys://ntfy.example.org/models")
    return value


def _quiet_hours(value: str) -> str:
    QuietHours.of(value)
    return value


Target = Annotated[SecretStr, AfterValidator(_target)]


class Notifications(Section):
    """`notifications`. Nobody is told anything where it has no targets."""

    targets: Annotated[tuple[Target, ...], BeforeValidator(texts)] = Field(
        default=(), description="Addresses in apprise's form, a service each. They are secrets: never logged or shown"
    )
    tell: Annotated[tuple[Notice, ...], BeforeValidator(texts)] = Field(
        default=tuple(Notice),
        description="What is told: `identified`, `updates`, `gone`, `corrupt`, `offline`, `disk_full`, `report`; default all",
    )
    digest: Seconds = Field(
        default=600, description="How long news is gathered for one message; what is urgent goes at once"
    )
    quiet_hours: Annotated[str, AfterValidator(_quiet_hours)] | None = Field(
        default=None,
        description="A span such as `22:00-07:00`, in `schedule.timezone`, in which nothing is told; all of it is afterwards",
    )

    @property
    def target_texts(self) -> tuple[str, ...]:
        """The addresses to send to."""
        return tuple(target.get_secret_value() for target in self.targets)


def hindrance(*, is_offline: bool) -> str | None:
    """Tell why nobody can be told anything, None where somebody can."""
    if is_offline:
        return "nothing is told while offline is true"
    if find_spec("apprise") is None:
        return "nothing is told: apprise is not installed; pip install 'modelshelf[notify]'"
    return None
