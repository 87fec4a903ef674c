"""A stand-in for Civitai and a daemon over an empty folder, for each test its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.process import DaemonProcess
from tests.fakes.civitai_server import CivitaiStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = """
input_paths:
  shelf: {{path: {models}, type: LORA}}
store: {{directory: {state}}}
api: {{base_url: "{api_url}", batch: {{rate_limit: 100000}}}}
watch: {{stability_delay: 1}}
"""


@pytest.fixture
def civitai() -> Iterator[CivitaiStandIn]:
    with CivitaiStandIn() as stand_in:
        stand_in.latency_seconds = 0.02
        yield stand_in


@pytest.fixture
def quick_config(tmp_path: Path, civitai: CivitaiStandIn) -> str:
    return QUICK.format(models=tmp_path / "models", state=tmp_path / "state", api_url=civitai.base_url)


@pytest.fixture
def daemon(tmp_path: Path, civitai: CivitaiStandIn, quick_config: str) -> Iterator[DaemonProcess]:
    with DaemonProcess(tmp_path, civitai.base_url, config=quick_config) as process:
        yield process
