from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from modelshelf.watching.limits import explain

if TYPE_CHECKING:
    from pathlib import Path

WATCHES, INSTANCES = OSError(errno.ENOSPC, ""), OSError(errno.EMFILE, "")


def write(limits: Path, name: str, value: str) -> Path:
    (limits / name).write_text(value)
    return limits


@pytest.mark.parametrize(
    ("current", "wanted_count", "told"), [("65536", 10, 131072), ("192536", 10, 524288), ("20", 62, 128), ("8", 0, 16)]
)
def test_the_line_to_paste_doubles_what_there_is_or_what_is_wanted(
    current: str, wanted_count: int, told: int, tmp_path: Path
) -> None:
    limits = write(tmp_path, "max_user_watches", current)
    text = explain(WATCHES, wanted_count, limits)
    assert f"sysctl fs.inotify.max_user_watches={told};" in text
    assert text.endswith(f"echo fs.inotify.max_user_watches={told} >> /etc/sysctl.d/60-modelshelf.conf")


def test_instances_have_a_line_of_their_own(tmp_path: Path) -> None:
    assert "sysctl fs.inotify.max_user_instances=256;" in explain(
        INSTANCES, 1, write(tmp_path, "max_user_instances", "128")
    )


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_a_limit_that_cannot_be_read_is_taken_for_the_usual_one(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        write(write(tmp_path, "max_user_watches", content), "max_user_instances", content)
    assert "max_user_watches=131072" in explain(WATCHES, 1, tmp_path)
    assert "max_user_instances=256" in explain(INSTANCES, 1, tmp_path)


def test_any_other_error_is_told_as_the_system_tells_it() -> None:
    assert explain(OSError(errno.EACCES, os.strerror(errno.EACCES))) == "Permission denied"
    assert explain(OSError("odd")) == "odd"
