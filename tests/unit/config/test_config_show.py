"""The effective configuration, and what the daemon takes from it besides folders and jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from modelshelf.errors import ConfigError
from modelshelf.logs import LogFile, LogFormat, LogSettings

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load

FOLDER = "input_paths: {lora: {path: lora, type: LORA}}\n"
SECRET = "abcdef0123456789"


def test_what_is_shown_can_be_loaded_again_and_means_the_same(load: Load) -> None:
    first = load(FOLDER + "jobs: {a: {schedule: every 6h, output: {images: {max_count: 3}}}}\nhashing: {max_size: 1GB}")
    again = load(first.show())
    assert again.folders() == first.folders()
    assert again.jobs == first.jobs
    assert again.outputs == first.outputs
    assert again.state_directory == first.state_directory
    assert again.hashing_limit_bytes == first.hashing_limit_bytes
    assert again.show() == first.show()


def test_defaults_are_written_out(load: Load) -> None:
    shown = yaml.safe_load(load(FOLDER).show())
    assert shown["api"]["batch"]["rate_limit"] == 100
    assert "*.gguf" in shown["input_paths"]["lora"]["patterns"]
    assert shown["store"]["directory"]


def test_secrets_are_shown_as_stars(load: Load) -> None:
    config = load(FOLDER + f"api: {{user_agent: 'me {SECRET}'}}", CIVITAI_API_KEY=SECRET)
    assert SECRET not in config.show()
    assert SECRET not in repr(load(FOLDER, CIVITAI_API_KEY=SECRET))
    assert yaml.safe_load(config.show())["api"]["key"] == "***"


def test_no_key_is_shown_as_none(load: Load) -> None:
    assert yaml.safe_load(load(FOLDER).show())["api"]["key"] == ""


def test_logging_is_what_logs_configure_takes(load: Load, tmp_path: Path) -> None:
    assert load(FOLDER, STATE_DIRECTORY="/state").log_settings() == LogSettings(
        file=LogFile(Path("/state/logs/modelshelf.log"), "INFO", 10_000_000, 5)
    )
    settings = load(
        FOLDER
        + """\
logging:
  level: warning
  format: json
  console: {level: DEBUG, simple: true, enabled: false}
  file: {level: ERROR, directory: logs, max_size: 2.5, backup_count: 1}
"""
    ).log_settings()
    assert settings == LogSettings(
        format=LogFormat.JSON,
        level="WARNING",
        is_stream_enabled=False,
        is_simple=True,
        file=LogFile(tmp_path / "logs" / "modelshelf.log", "ERROR", 2_500_000, 1),
    )


@pytest.mark.parametrize("said", ["off", "{enabled: false}"])
def test_the_log_file_may_be_switched_off(load: Load, said: str) -> None:
    assert load(FOLDER + f"logging: {{file: {said}}}").log_settings().file is None


@pytest.mark.parametrize(
    "said", ["", "logging: {file: on}", "logging: {file: {max_size: 10}}", "logging: {level: INFO}"]
)
def test_the_log_file_lies_with_the_state_unless_somebody_says_otherwise(load: Load, said: str) -> None:
    def path(text: str, **environment: str) -> Path:
        file = load(FOLDER + text, **environment).log_settings().file
        assert file is not None
        return file.path

    assert path(said, STATE_DIRECTORY="/state") == Path("/state/logs/modelshelf.log")
    assert path(said + "\nstore: {directory: /mine}") == Path("/mine/logs/modelshelf.log")
    assert path(said, LOGS_DIRECTORY="/var/log/modelshelf:/other") == Path("/var/log/modelshelf/modelshelf.log")
    named = "logging: {file: {directory: /elsewhere, filename: a.log}}"
    assert path(named, LOGS_DIRECTORY="/var/log/modelshelf") == Path("/elsewhere/a.log")


def test_where_the_log_file_lies_is_shown(load: Load) -> None:
    shown = yaml.safe_load(load(FOLDER, STATE_DIRECTORY="/state").show())
    assert shown["logging"]["file"]["directory"] == "/state/logs"


def test_a_log_file_is_no_text(load: Load) -> None:
    with pytest.raises(ConfigError, match=r"logging\.file: "):
        load(FOLDER + "logging: {file: modelshelf.log}")


def test_offline_is_off_by_default(load: Load) -> None:
    assert not load(FOLDER).is_offline
    assert load(FOLDER + "offline: true").is_offline


def test_the_daemon_introduces_itself_by_name_and_version(load: Load) -> None:
    assert load(FOLDER).file.api.user_agent_text.startswith("modelshelf/")
    assert load(FOLDER + "api: {user_agent: me}").file.api.user_agent_text == "me"


def test_importing_the_configuration_imports_nothing_heavy() -> None:
    heavy = {"requests", "apscheduler", "jinja2", "PIL", "sqlite3", "sqlite_utils", "watchdog", "starlette"}
    script = "import sys, modelshelf.config; print(' '.join({name.split('.')[0] for name in sys.modules}))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert heavy.isdisjoint(answer.stdout.split())
