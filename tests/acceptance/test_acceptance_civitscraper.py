"""CivitScraper's own configuration file works here: what it says is written where it says, and never over anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.acceptance.process import DaemonProcess
from tests.acceptance.shelf import events, introduce
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.civitai_server import CivitaiStandIn

pytestmark = pytest.mark.acceptance

CONFIGURATION = """
api:
  key: "0123456789abcdef0123456789abcdef"
  base_url: "{api_url}"
  batch: {{enabled: true, max_concurrent: 4, rate_limit: 100000}}
input_paths:
  lora:
    path: "{models}"
    type: "LORA"
    patterns: ["*.safetensors"]
default_job: "fetch-all"
jobs:
  fetch-all:
    type: "scan-paths"
    recursive: true
    skip_existing: true
    paths: ["lora"]
    output:
      metadata:
        format: "json"
        path: "{{model_dir}}"
        filename: "{{model_name}}.json"
        html: {{enabled: true, filename: "{{model_name}}.html", generate_gallery: true, gallery_path: "gallery.html"}}
      images:
        save: true
        path: "{{model_dir}}"
        max_count: 2
        filenames: {{preview: "{{model_name}}.preview{{ext}}"}}
    organize: true
scanner:
  cache_dir: ".civitscraper_cache"
  cache_validity: 86400
logging:
  level: "INFO"
"""


@pytest.fixture
def daemon(tmp_path: Path, civitai: CivitaiStandIn) -> Iterator[DaemonProcess]:
    config = CONFIGURATION.format(api_url=civitai.base_url, models=tmp_path / "models")
    with DaemonProcess(tmp_path, civitai.base_url, config=config) as process:
        yield process


def test_its_json_previews_and_page_are_written_and_nothing_else(
    daemon: DaemonProcess, civitai: CivitaiStandIn
) -> None:
    content = builders.lora(40)
    version_id = introduce(civitai, content, "Scraped")
    target = daemon.models / "scraped.safetensors"
    target.write_bytes(content)
    sidecar = target.with_suffix(".json")
    wait_until(lambda: sidecar.exists() and "parentModel" in json.loads(sidecar.read_bytes()))
    wait_until(
        lambda: target.with_name("scraped.preview2.jpeg").exists() or target.with_name("scraped.preview2.png").exists()
    )
    wait_until((daemon.models / "gallery.html").exists)
    assert json.loads(sidecar.read_bytes())["id"] == version_id
    names = {path.name.rsplit(".", 1)[0] for path in daemon.models.iterdir()}
    assert names == {"scraped", "scraped.preview1", "scraped.preview2", "gallery"}
    assert not target.with_name("scraped.civitai.info").exists()


def test_an_a1111_file_in_the_way_is_kept_and_the_other_reported(
    daemon: DaemonProcess, civitai: CivitaiStandIn
) -> None:
    content = builders.lora(41)
    introduce(civitai, content, "In the way")
    target = daemon.models / "mine.safetensors"
    mine = b'{"activation text": "mine", "preferred weight": 0.7, "notes": "do not lose me"}'
    target.with_suffix(".json").write_bytes(mine)
    target.write_bytes(content)
    wait_until(lambda: events(daemon, "content_identified"))
    wait_until(lambda: events(daemon, "sidecar_not_written"))
    wait_until(lambda: target.with_suffix(".html").exists())
    assert target.with_suffix(".json").read_bytes() == mine


def test_what_it_asks_for_in_vain_is_named_once_and_the_key_never(daemon: DaemonProcess) -> None:
    wait_until(lambda: any("sorted" in str(each["reason"]) for each in events(daemon, "config_not_followed")))
    assert "0123456789abcdef" not in daemon.log.read_text()
    assert "0123456789abcdef" not in daemon.command("config", "show").stdout
