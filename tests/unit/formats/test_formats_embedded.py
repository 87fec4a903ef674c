"""Facts from a file's own header: each key in its place, nothing invented, nothing from "None"."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.fact import Field, Source
from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.formats.embedded import embedded_facts
from modelshelf.formats.inspect import read_header
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonValue


def facts(metadata: Mapping[str, JsonValue], architecture: str | None = None) -> dict[Field, JsonValue]:
    header = Header(Format.SAFETENSORS, Verdict.SOUND, metadata=metadata, architecture=architecture)
    found = embedded_facts(header)
    assert {each.source for each in found} <= {Source.EMBEDDED}
    return {each.field: each.value for each in found}


def test_a_file_that_says_nothing_has_no_facts() -> None:
    assert facts({}) == {}
    assert facts({"format": "pt"}) == {}


def test_a_kohya_lora_tells_what_it_was_trained_on() -> None:
    found = facts(
        {
            "ss_base_model_version": "sdxl_base_v1-0",
            "ss_sd_model_name": "ponyDiffusionV6XL.safetensors",
            "ss_output_name": "my_lora",
            "ss_resolution": "(1024, 768)",
            "ss_network_module": "networks.lora",
            "ss_network_dim": "32",
            "ss_network_alpha": "16.0",
            "ss_tag_frequency": json.dumps({"10_cat": {"cat": 20, "sitting": 5}, "5_cat": {"cat": 10}}),
        },
        "SDXL",
    )

    assert found == {
        Field.ARCHITECTURE: "SDXL",
        Field.TRAINED_ON: "sdxl_base_v1-0",
        Field.TITLE: "my_lora",
        Field.RESOLUTION: "1024x768",
        Field.NETWORK: {"module": "networks.lora", "dim": 32, "alpha": 16},
        Field.TRAINING_TAGS: [{"tag": "cat", "count": 30}, {"tag": "sitting", "count": 5}],
        Field.CLASS_TOKENS: ["cat"],
        Field.TRAINED_ON_FILE: {"name": "ponyDiffusionV6XL.safetensors"},
    }


def test_modelspec_goes_before_other_writers() -> None:
    found = facts(
        {
            "modelspec.title": "A Title",
            "modelspec.author": " Someone ",
            "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
            "modelspec.trigger_phrase": "sks cat",
            "modelspec.usage_hint": "weight 0.8",
            "modelspec.resolution": "1024x1024",
            "modelspec.description": "Cats.",
            "modelspec.license": "MIT",
            "modelspec.tags": "cat, animal,, cat",
            "ssmd_display_name": "Other",
            "ssmd_author": "Other",
            "ss_output_name": "other",
            "ssmd_tags": "other",
        }
    )

    assert found == {
        Field.TITLE: "A Title",
        Field.AUTHOR: "Someone",
        Field.ARCHITECTURE: "stable-diffusion-xl-v1-base/lora",
        Field.TRIGGER_PHRASE: "sks cat",
        Field.USAGE_HINT: "weight 0.8",
        Field.RESOLUTION: "1024x1024",
        Field.DESCRIPTION: "Cats.",
        Field.TAGS: ["cat", "animal"],
        Field.STATED_LICENSE: "MIT",
    }


def test_shapes_beat_what_the_trainer_wrote() -> None:
    assert facts({"modelspec.architecture": "flux-1-dev"}, "SD1") == {Field.ARCHITECTURE: "SD1"}


def test_gguf_and_the_editor_speak_too() -> None:
    assert facts({"general.name": "Flux", "general.author": "bfl", "general.tags": ["a", 5, "b"]}) == {
        Field.TITLE: "Flux",
        Field.AUTHOR: "bfl",
        Field.TAGS: ["a", "b"],
    }
    assert facts({"ssmd_display_name": "Nice", "ssmd_description": "Text", "modelspec.title": ""}) == {
        Field.TITLE: "Nice",
        Field.DESCRIPTION: "Text",
    }


@pytest.mark.parametrize("nothing", ["", "  ", "None", None, 5, [], "x" * 100_001])
def test_what_says_nothing_is_no_fact(nothing: JsonValue) -> None:
    keys = ("modelspec.title", "modelspec.tags", "ss_network_dim", "ss_resolution", "ss_tag_frequency", "general.tags")

    assert facts(dict.fromkeys(keys, nothing)) == {}


def test_nothing_fills_what_civitai_says() -> None:
    metadata = {"ss_base_model_version": "sd_v1", "modelspec.trigger_phrase": "x", "modelspec.license": "MIT"}

    assert not facts(metadata).keys() & {Field.BASE_MODEL, Field.TRAINED_WORDS, Field.LICENSE, Field.NAME}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("4.5", 4.5),
        ("1e3", 1000),
        ("Dynamic", "Dynamic"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("9" * 400, "9" * 400),
    ],
)
def test_numbers_are_numbers_where_they_can_be(text: str, value: JsonValue) -> None:
    assert facts({"ss_network_dim": text}) == {Field.NETWORK: {"dim": value}}


@pytest.mark.parametrize("text", ["{}", "null", "[]", "{", "[" * 100_000, '"cat"', '{"a": null}', '{"a": {}}', "5"])
def test_tag_frequencies_that_say_nothing_are_no_fact(text: str) -> None:
    assert facts({"ss_tag_frequency": text}) == {}


def test_only_counts_that_count_are_counted() -> None:
    tags = '{"a": {"half": 2.5, "third": 0.5, "none": 0, "text": "5", "nan": NaN, "big": 1e999, "less": -1, "": 3, "half ": 1}}'

    assert facts({"ss_tag_frequency": tags}) == {
        Field.TRAINING_TAGS: [{"tag": "half", "count": 3.5}, {"tag": "third", "count": 0.5}]
    }


def test_the_fifty_most_frequent_tags_are_kept_in_a_fixed_order() -> None:
    tags = {f"tag{number:05}": 1 for number in range(20_000)} | {"top": 7}

    found = facts({"ss_tag_frequency": json.dumps({"1_a": tags})})[Field.TRAINING_TAGS]

    assert isinstance(found, list)
    assert len(found) == 50
    assert found[:2] == [{"tag": "top", "count": 7}, {"tag": "tag00000", "count": 1}]


def test_facts_come_out_of_a_real_header(tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    path.write_bytes(builders.lora(1, base="SD1", metadata={"ss_output_name": "cat"}))

    assert {each.field: each.value for each in embedded_facts(read_header(path))} == {
        Field.ARCHITECTURE: "SD1",
        Field.TITLE: "cat",
    }


def test_the_file_that_it_was_trained_on_is_told_with_hashes_that_can_be_some() -> None:
    metadata = {
        "ss_sd_model_name": "base.safetensors",
        "ss_new_sd_model_hash": "aB" * 32,
        "ss_sd_model_hash": "e3b0c442",
    }
    wrong = {"ss_sd_model_name": "n" * 501, "ss_new_sd_model_hash": "aB" * 31, "ss_sd_model_hash": "e3b0c44g"}

    assert facts(metadata)[Field.TRAINED_ON_FILE] == {
        "name": "base.safetensors",
        "sha256": "aB" * 32,
        "autov1": "e3b0c442",
    }
    assert Field.TRAINED_ON_FILE not in facts(wrong)


@pytest.mark.parametrize(
    ("metadata", "program"),
    [
        ({"software": '{"name": "ai-toolkit", "repo": "x", "version": "0.1.0"}'}, "ai-toolkit 0.1.0"),
        ({"software": '{"name": 5}'}, None),
        ({"software": "[]", "ot_branch": "master", "ot_revision": "abc"}, "OneTrainer abc"),
        ({"ot_branch": "master"}, "OneTrainer"),
        ({"ss_sd_scripts_commit_hash": "abc"}, "sd-scripts"),
        ({"general.quantized_by": "city96"}, "city96"),
        ({"software": "{", "ss_sd_scripts_commit_hash": "None"}, None),
    ],
)
def test_the_program_that_made_it_is_told(metadata: dict[str, JsonValue], program: str | None) -> None:
    assert facts(metadata).get(Field.MADE_WITH) == program


def test_a_merge_tells_its_parts() -> None:
    recipes = json.dumps({"a": {"name": "one"}, "b": {"name": "two"}, "c": {"name": "one"}, "d": {}, "e": 5})

    assert facts({"sd_merge_models": recipes})[Field.MERGED_FROM] == ["one", "two"]
    assert facts({"modelspec.merged_from": "x, y,, x"})[Field.MERGED_FROM] == ["x", "y"]
    assert Field.MERGED_FROM not in facts({"sd_merge_models": "[1, 2"})


def test_what_is_stated_has_fields_of_its_own() -> None:
    found = facts(
        {
            "modelspec.date": "2024-01-02T03:04:05",
            "modelspec.prediction_type": "v",
            "general.license": "apache-2.0",
            "general.url": "https://example.org",
            "ssmd_version": "2",
        }
    )

    assert found == {
        Field.MADE_AT: "2024-01-02T03:04:05",
        Field.PREDICTION_TYPE: "v",
        Field.STATED_LICENSE: "apache-2.0",
        Field.HOMEPAGE: "https://example.org",
        Field.STATED_VERSION: "2",
    }


def test_an_adapter_of_gguf_tells_its_alpha() -> None:
    assert facts({"adapter.lora.alpha": 16.0})[Field.NETWORK] == {"alpha": 16}
    assert facts({"adapter.lora.alpha": 16.0, "ss_network_alpha": "8"})[Field.NETWORK] == {"alpha": 8}
