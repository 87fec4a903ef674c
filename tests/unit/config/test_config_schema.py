"""The schema for editors and the example file: both are shipped, and both are current."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from modelshelf.config import load_config, schema_json
from modelshelf.config.sections.output import Output, Sidecars, to_domain

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "contrib" / "editor-schema" / "modelshelf.schema.json"
EXAMPLE = ROOT / "contrib" / "config" / "modelshelf.yaml"


def test_the_schema_for_editors_is_current() -> None:
    command = 'python -c "from modelshelf.config import schema_json; print(schema_json(), end=str())"'
    assert SCHEMA.read_text("utf-8") == schema_json(), f"run: {command} > {SCHEMA.relative_to(ROOT)}"


def test_every_key_of_the_schema_says_what_it_means() -> None:
    definitions = json.loads(schema_json())["$defs"].values()
    silent = [
        f"{definition['title']}.{key}"
        for definition in definitions
        for key, value in definition.get("properties", {}).items()
        if not value.get("description")
    ]
    assert silent == []


def test_no_key_but_the_known_ones_is_allowed() -> None:
    schema = json.loads(schema_json())
    objects = [schema, *(each for each in schema["$defs"].values() if each["type"] == "object")]
    assert [each["title"] for each in objects if each.get("additionalProperties") is not False] == []


def test_the_example_loads() -> None:
    config = load_config(EXAMPLE, {})
    assert [folder.id for folder in config.folders()] == ["lora", "checkpoints", "embeddings", "archive"]
    assert [job.schedule.text for job in config.jobs if job.schedule] == [
        "0 2 * * *",
        "30 3 1 * *",
        "0 3 * * *",
        "idle",
    ]
    assert config.not_done() == []
    assert config.file.schedule.timezone == "Europe/Berlin"


def test_what_the_example_says_of_outputs_is_good() -> None:
    (block,) = re.findall(r"(?m)^# output:\n(?:# .*\n)+", EXAMPLE.read_text("utf-8"))
    shown = yaml.safe_load(block.replace("# ", "", 1).replace("\n# ", "\n"))["output"]
    assert shown["sidecars"].keys() == Sidecars.model_fields.keys()
    without = {key: value for key, value in shown.items() if key != "sidecars"}
    in_force, by_default = (to_domain(Output.model_validate(each)) for each in (shown, without))
    assert (in_force.kinds, in_force.metadata) == (by_default.kinds, by_default.metadata)
