"""What is in the code is in the documents."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, get_args

import click
import pytest

from modelshelf.cli.commands import ENTRANCES
from modelshelf.config.schema import ConfigFile
from modelshelf.config.sections.section import Section
from modelshelf.domain.task import TaskKind
from tests.house import rules
from tests.house.rules import assert_none
from tests.house.source import ROOT, modules

if TYPE_CHECKING:
    from collections.abc import Iterator

SAME_ELSEWHERE = ("jobs.NAME.output", "jobs.NAME.organization", "jobs.NAME.actions")
"""Sections whose keys CONFIGURATION.md lists once, in another place."""


def document(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def table_keys(text: str, heading: str) -> set[str]:
    """Give what stands in backticks in the first column of the tables below a heading."""
    section = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"^\| `([^`]+)`", section[1] if section else "", re.MULTILINE))


def keys_of(section: type[Section] = ConfigFile, prefix: str = "") -> dict[str, str]:
    """Give every key that has a value, as the document writes it, with its description."""
    keys: dict[str, str] = {}
    for name, field in section.model_fields.items():
        inner, between = inner_section(name, field.annotation)
        if inner is None or f"{prefix}{name}" in SAME_ELSEWHERE:
            keys[f"{prefix}{name}"] = field.description or ""
        else:
            keys |= keys_of(inner, f"{prefix}{name}{between}")
    return keys


def inner_section(name: str, kind: Any) -> tuple[type[Section] | None, str]:
    kinds = [each for each in (kind, *get_args(kind)) if isinstance(each, type) and issubclass(each, Section)]
    return (kinds[0], {"input_paths": ".ID.", "jobs": ".NAME."}.get(name, ".")) if kinds else (None, "")


def test_every_configuration_key_is_documented() -> None:
    documented = set(re.findall(r"^\| `([a-zA-Z_.]+)` \|", document("daemon/CONFIGURATION.md"), re.MULTILINE))
    assert_none(set(keys_of()) - documented, "keys without a row in daemon/CONFIGURATION.md:")
    assert_none(
        {key for key in documented if "." in key} - set(keys_of()), "rows of daemon/CONFIGURATION.md without a key:"
    )


def test_every_configuration_key_says_the_same_in_document_and_schema() -> None:
    text = document("daemon/CONFIGURATION.md")
    silent = [
        key for key, description in keys_of().items() if f"`{key}` |" in text and f"| {description} |" not in text
    ]
    assert_none(silent, "the row in daemon/CONFIGURATION.md and the description in the schema differ:")


def test_every_configuration_key_has_an_effect_or_says_that_it_has_none() -> None:
    code = "\n".join(each.text for each in modules())
    idle = [
        key
        for key, description in keys_of().items()
        if not description.startswith("Kept,") and not re.search(rf"\.{key.rsplit('.', 1)[-1]}\b", code)
    ]
    assert_none(
        idle, "nothing reads these keys; give them an effect, or a description that begins with 'Kept, without effect':"
    )


def test_every_step_is_named_as_its_kind() -> None:
    steps = {each.name.rsplit(".", 1)[-1] for each in modules() if each.room == "steps" and has_both_halves(each.tree)}
    if not steps:
        pytest.skip("no steps yet")
    assert steps == {str(kind) for kind in TaskKind}


def has_both_halves(tree: ast.Module) -> bool:
    """Tell whether a module holds a step: a class, no Protocol, that performs and records."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not any("Protocol" in ast.unparse(base) for base in node.bases):
            names = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
            if {"perform", "record"} <= names:
                return True
    return False


def test_log_events_are_constants_in_the_past_tense() -> None:
    found = [pair for each in modules() for pair in rules.log_events(each)]
    wrong = [f"{where} {event}" for where, event in found if event is None or not rules.is_past_tense(event)]
    assert_none(wrong, "say what happened, in snake_case as in file_hashed:")


def test_every_log_event_is_documented() -> None:
    events = {event for each in modules() for _, event in rules.log_events(each) if event is not None}
    documented = table_keys(document("daemon/README.md"), "What the log says")
    assert_none(events - documented, "events without a row below 'What the log says' in daemon/README.md:")
    assert_none(documented - events, "rows below 'What the log says' in daemon/README.md without an event:")


def test_every_command_is_documented() -> None:
    text = document("README.md")
    silent = [name for name in command_names() if not re.search(rf"`modelshelf {name}\b[^`]*`", text)]
    assert_none(silent, "commands that README.md does not show as `modelshelf COMMAND ...`:")


def command_names() -> Iterator[str]:
    """Give every command as it is typed, those inside groups too."""
    for name, entrance in ENTRANCES.items():
        command = getattr(import_module(f"modelshelf.cli.{entrance.module}"), entrance.attribute)
        if isinstance(command, click.Group):
            yield from (f"{name} {inner}" for inner in command.commands)
        else:
            yield name


def test_the_table_of_faults_names_every_fault_and_tests_that_are_there() -> None:
    table = document("tests/faults/README.md")
    named = set(re.findall(r"`(test_\w+)`", table))
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert named - set(re.findall(r"def (test_\w+)\(", tests)) == set()
    assert set(re.findall(r"F\d\d", table)) == {f"F{number:02}" for number in range(1, 65)}
