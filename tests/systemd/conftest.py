"""Tests under a real systemd: each one marked `boxed` runs inside a throw-away machine of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.systemd.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
BOX = Path(__file__).with_name("systemd-box")
INSIDE = "MODELSHELF_IN_BOX"

PREPARE = """
set -e
umask 022
install -d /opt/modelshelf/python /opt/modelshelf/site /etc/modelshelf
cp -r "$SOURCE/daemon" "$SOURCE/service" /opt/modelshelf/
chmod -R a+rX /opt/modelshelf
mount --bind "$PYTHON_HOME" /opt/modelshelf/python
mount --bind "$PYTHON_SITE" /opt/modelshelf/site
cat > /usr/bin/modelshelf <<END
#!/bin/sh
PYTHONPATH=/opt/modelshelf/daemon:/opt/modelshelf/site exec /opt/modelshelf/python/bin/$PYTHON_NAME -m modelshelf "\\$@"
END
chmod 755 /usr/bin/modelshelf
cd "$SOURCE/service"
install -D -m 644 modelshelf.service -t /usr/lib/systemd/system
install -D -m 644 user/modelshelf.service -t /usr/lib/systemd/user
install -D -m 644 sysusers.d/modelshelf.conf -t /usr/lib/sysusers.d
install -D -m 644 tmpfiles.d/modelshelf.conf -t /usr/lib/tmpfiles.d
install -m 644 config.yaml /etc/modelshelf/config.yaml
"""
"""What a package would do: the program, reachable for a user who may not look into anybody's home, and the files of service/."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "boxed: runs inside a throw-away systemd")


@lru_cache
def what_is_missing() -> str | None:
    """Give why no box can be made here, None where one can."""
    checked = subprocess.run([str(BOX), "--check"], capture_output=True, text=True, check=False)
    return None if checked.returncode == 0 else "; ".join(re.findall(r"^FAIL +(.*)$", checked.stdout, re.MULTILINE))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Outside, run the test inside a box instead; its output is shown where it fails."""
    if os.environ.get(INSIDE) or pyfuncitem.get_closest_marker("boxed") is None:
        return None
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment = kept | {
        INSIDE: "1",
        "SOURCE": str(REPOSITORY),
        "PYTHON_HOME": sys.base_prefix,
        "PYTHON_SITE": sysconfig.get_path("purelib"),
        "PYTHON_NAME": f"python{sys.version_info.major}.{sys.version_info.minor}",
    }
    inner = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", pyfuncitem.nodeid]
    done = subprocess.run(
        [str(BOX), "--pre", PREPARE, "--", *inner],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    print(done.stdout, done.stderr, sep="\n")  # noqa: T201 -- pytest shows it where the test fails
    if done.returncode:
        pytest.fail("it failed inside the box; its own report stands in the captured output", pytrace=False)
    return True


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip with what is missing."""
    if item.get_closest_marker("boxed") is None or os.environ.get(INSIDE):
        return
    lack = what_is_missing()
    if lack is not None:
        pytest.skip(f"no throw-away systemd can run here: {lack}")


@pytest.fixture
def machine() -> Iterator[Machine | None]:
    """Give the machine that the box is; outside there is none, and no test body runs that would need it."""
    if not os.environ.get(INSIDE):
        yield None
        return
    with Machine() as made:
        yield made
