"""What a person decides while the daemon runs is done at once; what is decided while it is away is done when it is back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests import builders
from tests.acceptance.shelf import introduce, is_described
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.acceptance.process import DaemonProcess
    from tests.fakes.civitai_server import CivitaiStandIn

pytestmark = pytest.mark.acceptance


def why(daemon: DaemonProcess, name: str) -> Any:
    (file,) = daemon.ask("why", name)["files"]
    return file


def test_decisions_are_carried_out_beside_a_daemon_and_by_the_next_one(
    daemon: DaemonProcess, civitai: CivitaiStandIn
) -> None:
    content = builders.lora(70)
    introduce(civitai, content, "By its hash")
    other = introduce(civitai, builders.lora(71), "By a person")
    model = daemon.models / "ink.safetensors"
    model.write_bytes(content)
    wait_until(lambda: is_described(model))

    def forge() -> Any:
        return json.loads(model.with_suffix(".json").read_bytes())

    assert daemon.ask("set", "ink.safetensors", "trained_words", "my word")["is_daemon_running"]
    wait_until(lambda: forge()["activation text"] == "my word")
    assert daemon.command("pin", "ink.safetensors", str(other)).returncode == 0
    wait_until(lambda: "Pinned by you" in model.with_suffix(".html").read_text())
    assert why(daemon, "ink.safetensors")["lookup"]["version_id"] == other

    assert daemon.stop() == 0
    assert not daemon.ask("set", "ink.safetensors", "preferred_weight", "-0.5")["is_daemon_running"]
    assert "preferred weight" not in forge()
    daemon.start()
    wait_until(lambda: forge().get("preferred weight") == -0.5)
    decided = {each["matter"]: each["value"] for each in why(daemon, "ink.safetensors")["decisions"]}
    assert decided == {"pin": other, "preferred_weight": -0.5, "trained_words": ["my word"]}
