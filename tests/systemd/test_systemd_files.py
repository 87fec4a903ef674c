"""The files of service/, read without a systemd: what is shipped is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from modelshelf.cli import unit_files
from modelshelf.config import load_config
from modelshelf.config.sections.output import Output, Sidecars, to_domain
from modelshelf.domain.output import Output as DomainOutput
from modelshelf.errors import ConfigError

SERVICE = Path(__file__).resolve().parents[2] / "service"
UNIT = SERVICE / "modelshelf.service"


def test_the_shipped_configuration_names_no_folder_and_says_so() -> None:
    with pytest.raises(ConfigError, match="no folder to watch") as refused:
        load_config(SERVICE / "config.yaml", {})
    assert len(str(refused.value).splitlines()) == 1


def test_every_line_that_it_keeps_commented_is_good(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(re.sub(r"^#(?=\S|  )", "", (SERVICE / "config.yaml").read_text(), flags=re.MULTILINE))
    config = load_config(path, {})
    assert [folder.id for folder in config.folders()] == ["loras", "checkpoints"]
    assert [text for text in config.warnings if "/srv/models" not in text and "/mnt/nas" not in text] == []
    assert config.not_done() == []


def test_what_is_no_example_is_the_default(tmp_path: Path) -> None:
    text = (SERVICE / "config.yaml").read_text()
    shown = yaml.safe_load(re.sub(r"^#(?=\S|  )", "", text, flags=re.MULTILINE))
    path = tmp_path / "config.yaml"
    path.write_text("input_paths: {loras: {path: /srv/models/loras}}\nstore: {directory: /var/lib/modelshelf}\n")
    default = load_config(path, {}).file
    examples = {
        "input_paths": {"loras": {"path": "/srv/models/loras"}},
        "jobs": {},
        "default_job": None,
        "schedule": {},
        "deep_scan": {},
        "output": None,
    }
    path.write_text(yaml.safe_dump(shown | examples))
    assert load_config(path, {}).file == default


def test_the_switches_of_sidecars_are_shown_as_they_stand_by_default() -> None:
    text = (SERVICE / "config.yaml").read_text()
    shown = yaml.safe_load(re.sub(r"^#(?=\S|  )", "", text, flags=re.MULTILINE))["output"]
    assert shown["sidecars"].keys() == Sidecars.model_fields.keys()
    in_force = to_domain(Output.model_validate(shown))
    assert (in_force.kinds, in_force.metadata) == (DomainOutput().kinds, None)


def test_the_package_has_the_units_at_hand() -> None:
    assert (unit_files._TEMPLATES / "modelshelf.service").read_text() == UNIT.read_text()


def test_the_unit_of_the_machine_gives_a_reason_for_every_exception() -> None:
    text = UNIT.read_text()
    for word in (
        "CAP_LEASE",
        "@resources",
        "/proc/pressure",
        "/proc/sys/fs/inotify",
        "PrivateUsers",
        "fchown",
        "group",
    ):
        assert any(word in line for line in text.splitlines() if line.startswith("#")), word


def test_no_folder_is_required() -> None:
    lines = UNIT.read_text().splitlines()
    assert [line for line in lines if line.startswith("RequiresMountsFor=")] == [
        "RequiresMountsFor=/var/lib/modelshelf"
    ]
    assert not [line for line in lines if line.startswith(("Requires=", "BindsTo=", "ReadWritePaths="))]


def test_both_units_are_started_again_alike() -> None:
    ours, persons = UNIT.read_text(), (SERVICE / "user" / "modelshelf.service").read_text()
    for key in ("Type", "Restart", "RestartSec", "RestartPreventExitStatus", "WatchdogSec", "StartLimitIntervalSec"):
        pattern = re.compile(rf"^{key}=.*$", re.MULTILINE)
        assert pattern.findall(ours) == pattern.findall(persons) != []
