"""The .deb, under a real systemd: installed, started, upgraded, removed, purged."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests import builders
from tests.packaging.box import REPOSITORY, Box, lack_of_box
from tests.packaging.conftest import NEWER
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEEDS = ("systemd", "dbus")
CONFIGURATION = """
input_paths:
  loras: {path: /srv/models, type: LORA}
offline: true
watch: {stability_delay: 1}
store: {directory: /var/lib/modelshelf}
"""
BROKEN = "input_paths: {loras: {path: relative, typ: LORA}}\n"
DROPPED = "/srv/models/dropped.safetensors"
PAGE = "/srv/models/dropped.html"
LEFT_BY_DEBIAN = ("/etc/.pwd.lock", "/etc/group-", "/etc/gshadow-", "/etc/passwd-", "/etc/shadow-")
"""What systemd-sysusers leaves when it adds a user, and which belongs to no package."""

NOT_LISTED = ("/var/lib/dpkg", "/var/log", "/var/tmp", str(REPOSITORY))
LIST_FILES = f"find /etc /usr /opt /var -xdev {' '.join(f'-path {each} -prune -o' for each in NOT_LISTED)} -print"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, deb: Path, newer_deb: Path) -> Path:
    """Give a folder with both packages and a model file, for boxes to see."""
    folder = tmp_path_factory.mktemp("for-boxes")
    shutil.copy(deb, folder / "this.deb")
    shutil.copy(newer_deb, folder / "newer.deb")
    (folder / "model").write_bytes(builders.lora(3))
    (folder / "config.yaml").write_text(CONFIGURATION)
    (folder / "broken.yaml").write_text(BROKEN)
    return folder


def new_box(folder: Path) -> Box:
    if lack := lack_of_box(NEEDS):
        pytest.skip(lack)
    return Box(folder)


def ask(box: Box, words: str) -> Any:
    return json.loads(box.do(f"runuser -u modelshelf -- modelshelf {words} --json"))


@dataclass
class Life:
    """What was seen from the first installation to the purge."""

    install: str = ""
    after_install: str = ""
    status: Any = None
    page_owner: str = ""
    upgrade: str = ""
    upgraded_status: Any = None
    hashed: int = 0
    after_remove: str = ""
    purge: str = ""
    left: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    models: tuple[str, str] = ("", "")


@pytest.fixture(scope="module")
def life(folder: Path) -> Iterator[Life]:
    """Live the whole life of the package once, as a person would."""
    with new_box(folder) as box:
        yield _live(box)


def _live(box: Box) -> Life:
    life = Life()
    box.do("mkdir /srv/models")
    before = box.do(LIST_FILES)
    life.install = box.do("dpkg -i this.deb")
    life.after_install = box.run("systemctl is-enabled modelshelf; systemctl --failed --plain --no-legend").text
    _configure(box)
    box.do("systemctl enable --now modelshelf")
    _drop(box)
    life.status = ask(box, "status")
    life.page_owner = box.do(f"stat -c %U {PAGE}")
    life.upgrade = box.do("dpkg -i newer.deb; systemctl is-active modelshelf")
    life.upgraded_status = ask(box, "status")
    life.hashed = box.do("journalctl -u modelshelf --no-pager").count("file_hashed")
    checksum = "cd /srv/models && find . -type f -exec sha256sum {} + | sort"
    models = box.do(checksum)
    box.do("touch /etc/modelshelf/environment /var/lib/modelshelf/modelshelf.db.corrupt-20260101T000000Z")
    box.do("mkdir -p /var/lib/modelshelf/backups; touch /var/lib/modelshelf/backups/modelshelf-20260101T000000Z.db")
    life.after_remove = box.do(
        "dpkg -r modelshelf; ls /var/lib/modelshelf /etc/modelshelf; systemctl cat modelshelf || true"
    )
    life.purge = box.do("dpkg -P modelshelf")
    life.models = models, box.do(checksum)
    now = frozenset(box.do(LIST_FILES).splitlines())
    life.left = now - frozenset(before.splitlines())
    life.lost = frozenset(before.splitlines()) - now
    return life


def _configure(box: Box) -> None:
    """Do what the first lines of the configuration say."""
    box.do("chown modelshelf: /srv/models; cp config.yaml /etc/modelshelf/config.yaml; modelshelf config check")
    box.do("modelshelf service install")


def _drop(box: Box) -> None:
    box.do(f"cp model {DROPPED}")
    wait_until(lambda: box.run(f"test -e {PAGE}").code == 0, timeout=30)


def test_installed_without_folders_it_waits_for_them_and_nothing_has_failed(life: Life) -> None:
    assert "not started" in life.install
    assert life.after_install == "disabled"


def test_it_starts_and_describes_a_dropped_file(life: Life) -> None:
    assert life.status["daemon"]["is_running"]
    assert life.status["folders"][0]["files"]["pending"] == 1
    assert life.page_owner == "modelshelf"


def test_an_upgrade_goes_on_with_the_state_and_hashes_nothing_again(life: Life) -> None:
    assert life.upgrade.endswith("active")
    assert life.upgraded_status["version"] == NEWER
    assert life.upgraded_status["daemon"]["is_running"]
    assert life.upgraded_status["folders"][0]["files"]["pending"] == 1
    assert life.hashed == 1


def test_removed_it_keeps_state_and_configuration(life: Life) -> None:
    assert "modelshelf.db" in life.after_remove
    assert "config.yaml" in life.after_remove
    assert "No files found for modelshelf.service" in life.after_remove


def test_purged_it_leaves_no_file_and_takes_none(life: Life) -> None:
    assert life.left - frozenset(LEFT_BY_DEBIAN) == frozenset()
    assert life.lost == frozenset()


def test_purged_it_leaves_the_models_and_what_is_beside_them(life: Life) -> None:
    before, after = life.models
    assert "dropped.safetensors" in before
    assert before == after


def test_a_purge_keeps_what_a_person_put_into_its_directories(folder: Path) -> None:
    with new_box(folder) as box:
        box.do("dpkg -i this.deb")
        box.do("cp model /var/lib/modelshelf/mine.safetensors; cp config.yaml /etc/modelshelf/mine.yaml")
        answer = box.do("dpkg -P modelshelf")
        assert box.do("ls /var/lib/modelshelf /etc/modelshelf").split() == [
            "/etc/modelshelf:",
            "mine.yaml",
            "/var/lib/modelshelf:",
            "mine.safetensors",
        ]
        assert "something of yours" in answer


def test_an_upgrade_with_a_broken_configuration_succeeds_and_says_so(folder: Path) -> None:
    with new_box(folder) as box:
        box.do("dpkg -i this.deb")
        _configure(box)
        box.do("systemctl enable --now modelshelf; cp broken.yaml /etc/modelshelf/config.yaml")
        assert "not started" in box.do("dpkg -i newer.deb")
        assert box.do("systemctl is-enabled modelshelf") == "enabled"
        assert box.do("systemctl --failed --plain --no-legend") == ""


def test_the_package_names_no_place_of_the_machine_that_built_it(deb: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--raw-extract", deb, tmp_path / "root"], check=True)
    places = [str(REPOSITORY), str(deb.parents[2]), str(tmp_path.parent.parent)]
    patterns = [word for place in places for word in ("-e", place)]
    found = subprocess.run(["grep", "-rlF", *patterns, tmp_path / "root"], capture_output=True, text=True, check=False)
    assert found.stdout == ""


def test_the_package_needs_no_python_module_of_debian(deb: Path, tmp_path: Path) -> None:
    words = ["dpkg-deb", "--field", str(deb), "Depends"]
    needs = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert {each.split()[0] for each in needs.split(",")} == {"python3", "systemd", "libc6"}
    subprocess.run(["dpkg-deb", "--extract", deb, tmp_path], check=True)
    links = [each for each in (tmp_path / "usr/lib/modelshelf").rglob("*") if each.is_symlink()]
    assert [each for each in links if each.parent.name != "bin"] == []


def test_the_package_keeps_debians_customs(deb: Path) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("to be installed: apt-get install lintian")
    of_our_haste = "uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball"
    command = ["lintian", "--allow-root", "--fail-on", "error,warning", "--suppress-tags", of_our_haste, str(deb)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
