"""What must not stand in any file."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import lru_cache

import pytest

from tests.house import rules
from tests.house.rules import assert_none
from tests.house.source import ROOT

HERE = "tests/house/"
LIBRARY = "." + "library"
ON_EVERY_MACHINE = {"/", "/tmp", "/srv", "/home", "/opt", "/root", "/var/tmp", "/mnt"}
"""A checkout may lie there; its name gives nothing away."""


@lru_cache
def texts() -> dict[str, str]:
    """Give every text file that git knows or would take, by its path."""
    if shutil.which("git") is None:
        lack = "no git, which knows what is in the tree: apt-get install git"
        pytest.fail(lack) if os.environ.get("CI") == "true" else pytest.skip(lack)
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")
    found = {}
    for name in names:
        file = ROOT / name
        if name and file.is_file() and b"\0" not in (content := file.read_bytes()):
            found[name] = content.decode("utf-8", "replace")
    return found


def test_nothing_names_the_machine_it_was_written_on() -> None:
    words = [LIBRARY, *(f"{place}/" for place in (ROOT, ROOT.parent) if str(place) not in ON_EVERY_MACHINE)]
    found = [
        f"{name}:{number} names {word}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        for word in words
        if word in line
    ]
    assert_none(found)


def test_nothing_is_left_unfinished() -> None:
    python = {
        name: text for name, text in texts().items() if name.endswith((".py", ".js", ".css", ".html", ".sh", ".yaml"))
    }
    found = [
        each for name, text in python.items() if not name.startswith(HERE) for each in rules.unfinished(name, text)
    ]
    assert_none(found)
