"""What is packed, once per session: from a copy of the tree, so that nothing is left in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.packaging.box import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = ("daemon", "packaging", "service", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")
QUICKLY = {"DPKG_DEB_COMPRESSOR_TYPE": "none"}
NEWER = "999.0"


@dataclass(frozen=True, slots=True)
class Packed:
    """A copy of the tree and what was made of it."""

    tree: Path
    dist: Path

    @property
    def wheel(self) -> Path:
        return next(self.dist.glob("*.whl"))

    @property
    def sdist(self) -> Path:
        return next(self.dist.glob("*.tar.gz"))

    @property
    def deb(self) -> Path:
        return next(self.dist.glob("*.deb"))


def copy_tree(target: Path) -> Path:
    """Give a copy of what is packed, without what pytest and pip leave."""
    target.mkdir()
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, target / name, symlinks=True, ignore=ignore)
        else:
            shutil.copy2(source, target)
    return target


def pack_wheel(tree: Path) -> Packed:
    """Do what `make wheel` does."""
    constraints = tree / "packaging" / "constraints.txt"
    command = [sys.executable, "-m", "build", "--outdir", str(tree / "dist"), str(tree)]
    subprocess.run(command, env=os.environ | {"PIP_CONSTRAINT": str(constraints)}, check=True, capture_output=True)
    return Packed(tree, tree / "dist")


def pack_deb(packed: Packed) -> None:
    """Do what `make deb` does after that, without the slow compression."""
    pip = f"{sys.executable} -m pip"
    script = packed.tree / "packaging" / "deb" / "build"
    subprocess.run(["sh", script, packed.wheel, packed.dist], env=os.environ | QUICKLY | {"PIP": pip}, check=True)


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """Give the wheel and the source archive of this tree."""
    return pack_wheel(copy_tree(tmp_path_factory.mktemp("packed") / "tree"))


@pytest.fixture(scope="session")
def deb(packed: Packed) -> Path:
    """Give the .deb of this tree."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb: the .deb is built on Debian and Ubuntu")
    pack_deb(packed)
    return packed.deb


@pytest.fixture(scope="session")
def newer_deb(tmp_path_factory: pytest.TempPathFactory, deb: Path) -> Path:
    """Give the same package as a later version."""
    root = tmp_path_factory.mktemp("newer") / "root"
    subprocess.run(["dpkg-deb", "--raw-extract", deb, root], check=True)
    replace_line(root / "DEBIAN" / "control", "Version: .*", f"Version: {NEWER}")
    module = next(root.glob("usr/lib/modelshelf/lib/python*/site-packages/modelshelf/__init__.py"))
    replace_line(module, "__version__ = .*", f'__version__ = "{NEWER}"')
    newer = root.with_name("newer.deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", root, newer], env=os.environ | QUICKLY, check=True)
    return newer


def replace_line(file: Path, pattern: str, line: str) -> None:
    """Put `line` for the one line that is `pattern`."""
    text, count = re.subn(f"(?m)^{pattern}$", line, file.read_text())
    assert count == 1
    file.write_text(text)
