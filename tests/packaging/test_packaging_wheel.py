"""The wheel and the source archive: complete, and enough on their own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import builders

if TYPE_CHECKING:
    from tests.packaging.conftest import Packed


def package_files(package: Path) -> set[str]:
    """Give every file of the package, those behind its links too, relative to what holds the package."""
    found = (Path(directory) / name for directory, _, names in os.walk(package, followlinks=True) for name in names)
    return {str(file.relative_to(package.parent)) for file in found if "__pycache__" not in file.parts}


@pytest.fixture(scope="module")
def program(packed: Packed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the command as a fresh environment has it, installed from the wheel alone."""
    environment = tmp_path_factory.mktemp("fresh") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile")
    constraints = packed.tree / "packaging" / "constraints.txt"
    subprocess.run((*pip, "-c", constraints, packed.wheel), check=True, capture_output=True)
    return environment / "bin" / "modelshelf"


def test_the_wheel_holds_every_file_of_the_package(packed: Packed) -> None:
    with zipfile.ZipFile(packed.wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("modelshelf/")}
    assert names == package_files(packed.tree / "daemon" / "modelshelf")


def test_the_source_archive_says_what_it_is_and_under_which_licence(packed: Packed) -> None:
    with tarfile.open(packed.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "pyproject.toml", "PKG-INFO"} <= names


def test_a_fresh_environment_runs_the_command_of_the_wheel(program: Path, packed: Packed, tmp_path: Path) -> None:
    version = packed.wheel.name.split("-")[1]
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert version in told.stdout


def test_it_hashes_a_file_with_nothing_else_installed(program: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(builders.lora(5))
    told = subprocess.run([program, "hash", model, "--json"], capture_output=True, text=True, check=True, cwd=tmp_path)
    expected = hashlib.sha256(model.read_bytes()).hexdigest().upper()
    assert expected in json.dumps(json.loads(told.stdout))
