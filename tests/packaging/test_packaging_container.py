"""The Containerfile, carried out step by step without an engine: what comes of it runs, answers, and has no power."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.acceptance.shelf import introduce
from tests.fakes.civitai_server import CivitaiStandIn
from tests.packaging.containerfile import Engine, Image, instructions, lack_of_engine
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.packaging.conftest import Packed

UNHEALTHY = 1


class Container:
    """The daemon as the image starts it, and the check that the image has for it."""

    def __init__(self, engine: Engine, image: Image, api_url: str) -> None:
        self.models = engine.seen(image, "/models")
        self._check = engine.words(image, image.health_check)
        command = [*image.entrypoint, *image.command]
        self._process = subprocess.Popen(
            engine.words(image, command, {"CIVITAI_API_URL": api_url}), stdout=subprocess.DEVNULL
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def health(self) -> int:
        return subprocess.run(self._check, capture_output=True, check=False).returncode

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=20)


@pytest.fixture(scope="module")
def engine(packed: Packed) -> Iterator[Engine]:
    if lack := lack_of_engine():
        pytest.skip(lack)
    with Engine(packed.tree) as engine:
        yield engine


@pytest.fixture(scope="module")
def image(engine: Engine, packed: Packed) -> Image:
    return engine.build((packed.tree / "packaging" / "container" / "Containerfile").read_text())


@pytest.fixture
def civitai() -> Iterator[CivitaiStandIn]:
    with CivitaiStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def container(engine: Engine, image: Image, civitai: CivitaiStandIn) -> Iterator[Container]:
    container = Container(engine, image, civitai.base_url)
    try:
        wait_until(lambda: container.health() == 0, timeout=30)
        yield container
    finally:
        container.signal(signal.SIGCONT)
        container.stop()


def test_a_dropped_file_is_identified_and_gets_its_page(container: Container, civitai: CivitaiStandIn) -> None:
    content = builders.lora(11)
    introduce(civitai, content, "Contained")
    model = container.models / "contained.safetensors"
    model.write_bytes(content)
    page = model.with_suffix(".html")
    wait_until(lambda: page.exists() and "Contained" in page.read_text(), timeout=30)


def test_it_runs_without_root_and_owns_nothing_but_its_volumes(
    container: Container, engine: Engine, image: Image
) -> None:
    uid, gid = (int(each) for each in image.user.split(":"))
    assert uid != 0
    assert os.stat(f"/proc/{container.pid}").st_uid == uid
    program = engine.seen(image, "/opt/modelshelf")
    own = subprocess.run(
        ["find", program, "(", "-uid", str(uid), "-o", "-gid", str(gid), "-o", "-perm", "-o+w", ")", "!", "-type", "l"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert own.stdout == ""
    assert all(engine.seen(image, volume).stat().st_uid == uid for volume in image.volumes)


def test_one_that_hangs_is_called_unhealthy_until_it_goes_on(container: Container) -> None:
    container.signal(signal.SIGSTOP)
    assert container.health() == UNHEALTHY
    container.signal(signal.SIGCONT)
    wait_until(lambda: container.health() == 0)


def test_it_stops_in_good_order_and_is_not_healthy_then(container: Container) -> None:
    assert container.stop() == 0
    assert container.health() == UNHEALTHY


def test_comments_and_continued_lines_of_a_containerfile_are_read_as_an_engine_reads_them() -> None:
    text = "# one\nFROM a AS b\nRUN x \\\n    # between\n    && y\n\nUSER 1:1\n"
    assert list(instructions(text)) == [("FROM", "a AS b"), ("RUN", "x && y"), ("USER", "1:1")]


def test_the_base_is_asked_for_in_every_stage(packed: Packed) -> None:
    steps = list(instructions((packed.tree / "packaging" / "container" / "Containerfile").read_text()))
    assert steps[0][0] == "ARG"
    assert steps[0][1].startswith("BASE=")
    assert all(rest.startswith("${BASE}") for name, rest in steps if name == "FROM")
