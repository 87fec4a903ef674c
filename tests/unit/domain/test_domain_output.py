from __future__ import annotations

from pathlib import Path

import pytest

from modelshelf.domain.output import Spot, fill

MODEL_PATH = Path("/models/loras/foo.v2.safetensors")


@pytest.mark.parametrize(
    ("directory", "filename", "path"),
    [
        ("{model_dir}", "{model_name}.json", "/models/loras/foo.v2.json"),
        ("{model_dir}/meta", "{model_type}-{model_name}.json", "/models/loras/meta/LORA-foo.v2.json"),
        ("/out/{model_type}", "{model_name}.json", "/out/LORA/foo.v2.json"),
        ("meta", "{model_name}{ext}", "/models/loras/meta/foo.v2.png"),
    ],
)
def test_the_templates_say_where(directory: str, filename: str, path: str) -> None:
    assert Spot(MODEL_PATH, "LORA").place(directory, filename, ext=".png") == Path(path)


def test_a_base_directory_takes_the_place_of_the_models() -> None:
    spot = Spot(MODEL_PATH, "LORA", Path("/out"))
    assert spot.place("{model_dir}", "{model_name}.json") == Path("/out/LORA/foo.v2.json")
    assert Spot(MODEL_PATH, None, Path("/out")).place("{model_dir}", "x") == Path("/out/Other/x")


@pytest.mark.parametrize("model_type", ["../../etc", "..", "/etc", "a/../..", ".hidden", "a\0b", " . "])
def test_a_type_never_leads_out_of_the_directory(model_type: str) -> None:
    path = Spot(MODEL_PATH, model_type).place("/out/{model_type}", "x")
    assert path.parent.parent == Path("/out")
    assert path.parent.name not in {"", ".", ".."}
    assert "\0" not in str(path)


def test_what_was_filled_in_is_not_looked_at_again() -> None:
    assert Spot(Path("/m/{ext}{model_type}.pt"), "LORA").place("{model_dir}", "{model_name}{ext}", ext=".png") == Path(
        "/m/{ext}{model_type}.png"
    )


def test_other_braces_stay() -> None:
    assert fill("{nothing} {a}", {"a": "b"}) == "{nothing} b"
