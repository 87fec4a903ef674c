"""Names are words, never ways: whatever a stranger calls a model, nothing is written outside the places that were configured."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.output import ImagesOutput, MetadataOutput, Output
from tests import builders
from tests.security.stranger import CONTENT, model_of, speak, version_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

WAYS = {
    "parents": "../../../../escaped",
    "absolute": "/tmp/modelshelf-escaped",
    "nul": "a\0/../../escaped",
    "newline": "a\n../escaped\r\n",
    "device": "/dev/full",
    "windows": "..\\..\\CON:escaped",
    "placeholders": "{model_dir}/../{model_name}{ext}",
    "shell": "$(touch escaped) `touch escaped`; touch escaped",
    "long": "../" * 2000 + "escaped",
    "surrogate": "\ud800/../escaped",
    "dots": "..",
}
TEMPLATED = Output(
    metadata=MetadataOutput("{model_dir}/{model_type}", "{model_name}/info.json"),
    images=ImagesOutput(path="{model_dir}", filename="{model_name}/preview{ext}", is_numbered=True),
)


def tree(root: Path) -> set[str]:
    """Give every path below a directory, but for the state."""
    found = {str(each.relative_to(root)) for each in root.rglob("*")}
    return {each for each in found if not each.startswith("state")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("output", ["default", "templated", "elsewhere"])
def test_what_civitai_says_decides_no_path(shelf: StepShelf, civitai: CivitaiStandIn, way: str, output: str) -> None:
    elsewhere = replace(TEMPLATED, base_directory=shelf.root / "elsewhere")
    shelf.set_output({"default": Output(), "templated": TEMPLATED, "elsewhere": elsewhere}[output])
    speak(civitai, WAYS[way], f"{civitai.origin}/images/u/width=8/1.jpeg")
    shelf.put("model.safetensors", CONTENT)
    shelf.look_through()
    expected = {
        "default": {"loras/model.json", "loras/model.civitai.info", "loras/model.preview.png", "loras/model.html"},
        "templated": {
            "loras/LORA",
            "loras/LORA/model",
            "loras/LORA/model/info.json",
            "loras/model",
            "loras/model.html",
        },
        "elsewhere": {"elsewhere/LORA/LORA/model/info.json", "elsewhere/LORA/model", "elsewhere/LORA/model.html"},
    }[output]
    found = tree(shelf.root)
    assert expected <= found
    assert not [each for each in found if "escaped" in each]
    homes = ("elsewhere", "elsewhere/LORA", "elsewhere/LORA/", "loras", "loras/")
    assert all(
        each in homes or each.startswith(("loras/model", "loras/LORA", "loras/gallery", "elsewhere/LORA/"))
        for each in found
    )
    assert not os.path.lexists("/tmp/modelshelf-escaped")


@pytest.mark.parametrize("way", WAYS)
def test_what_a_sidecar_says_decides_no_path(shelf: StepShelf, way: str) -> None:
    text = WAYS[way]
    shelf.put("model.safetensors", CONTENT)
    shelf.put(
        "model.json", json.dumps({"description": text, "activation text": text, "sd version": text, "notes": text})
    )
    shelf.put("model.civitai.info", json.dumps(version_of(text)))
    shelf.put(
        "model.metadata.json",
        json.dumps({"file_path": text, "model_name": text, "file_name": text, "civitai": version_of(text)}),
    )
    shelf.put("model.swarm.json", json.dumps({"modelspec.title": text}))
    shelf.put("model.cm-info.json", json.dumps({"ModelName": text, "Hashes": {}, "ModelType": text}))
    shelf.put("model.civitai.json", json.dumps(model_of(text)))
    before = shelf.names()
    shelf.look_through()
    assert shelf.names() <= before | {"model.html", "gallery.html", "model.preview.png"}
    assert tree(shelf.root) == {"loras"} | {f"loras/{name}" for name in shelf.names()}


@pytest.mark.parametrize("model_type", ["../../escaped", "/escaped", "a/../../escaped", "..", "\0", "\n"])
def test_a_type_of_model_cannot_leave_the_base_directory(shelf: StepShelf, model_type: str) -> None:
    place = shelf.places["loras"]
    output = replace(Output(), base_directory=shelf.root / "base")
    shelf.places["loras"] = replace(place, folder=replace(place.folder, model_type=model_type), output=output)
    shelf.put("model.safetensors", CONTENT)
    shelf.look_through()
    written = [each for each in (shelf.root / "base").rglob("model*") if each.is_file()]
    assert written
    assert all(len(each.relative_to(shelf.root / "base").parts) == 2 for each in written)
    assert tree(shelf.root) >= {"base", "loras"}
    assert {each.split("/", 1)[0] for each in tree(shelf.root)} == {"base", "loras"}


@pytest.mark.parametrize(
    "name",
    [
        b"a\nb",
        b"\xff\xfe",
        b"..model",
        b"-rf",
        b"$(touch x)",
        b"a;b|c&d",
        b"%s%n",
        b"x" * 230,
        b"a b",
        b"'\"<>",
        b"{ext}",
        b"\x1b[31m",
    ],
)
def test_a_name_of_a_file_stays_one_name(shelf: StepShelf, name: bytes) -> None:
    path = os.fsdecode(name) + ".safetensors"
    shelf.put(path, builders.lora(8))
    shelf.look_through()
    stems = {os.fsencode(each)[: len(name)] for each in shelf.names() - {"gallery.html"}}
    assert stems == {name}
    assert tree(shelf.root) == {"loras"} | {f"loras/{each}" for each in shelf.names()}
