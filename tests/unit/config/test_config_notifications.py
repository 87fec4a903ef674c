"""`notifications`: who is told, and that nobody else learns how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from modelshelf.config.sections import notifications as room
from modelshelf.domain.notice import Notice, QuietHours

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load, Refuse

FOLDER = "input_paths: {lora: {path: lora, type: LORA}}\n"
TARGET = "tgram://123456789:abcdefghijkl/?at=://x"


def test_nobody_is_told_by_default(load: Load) -> None:
    config = load(FOLDER)
    assert (config.told_targets, config.secrets) == ((), ())
    assert config.file.notifications.tell == tuple(Notice)
    assert config.file.notifications.digest == 600


def test_one_target_may_stand_alone_and_come_from_the_environment(load: Load) -> None:
    config = load(FOLDER + "notifications: {targets: '${TELEGRAM}', tell: report, digest: 1 h}", TELEGRAM=TARGET)
    assert config.told_targets == (TARGET,)
    assert config.file.notifications.tell == (Notice.REPORT,)
    assert config.file.notifications.digest == 3600


def test_targets_are_secrets(load: Load) -> None:
    config = load(
        FOLDER + f"api: {{user_agent: 'me {TARGET}'}}\nnotifications: {{targets: ['{TARGET}']}}",
        CIVITAI_API_KEY="abcdef",
    )
    assert config.secrets == ("abcdef", TARGET)
    assert TARGET not in config.show()
    assert "abcdefghijkl" not in config.show() + repr(load(FOLDER + f"notifications: {{targets: ['{TARGET}']}}"))
    shown = yaml.safe_load(config.show())
    assert shown["notifications"]["targets"] == ["tgram://***"]
    assert load(config.show()).show() == config.show()


def test_a_bad_target_is_refused_without_being_told(refuse: Refuse) -> None:
    [line] = refuse(FOLDER + "notifications:\n  targets: [json://localhost/good, my-secret-token]\n")
    assert line.startswith("FILE:3: notifications.targets[1]: must be an address as apprise has them, such as ntfys://")
    assert "my-secret-token" not in "".join(refuse(FOLDER + "notifications: {targets: my-secret-token}"))
    assert "two words" not in "".join(refuse(FOLDER + "notifications: {targets: 'json://two words'}"))


def test_a_secret_that_stands_elsewhere_too_is_in_no_error(refuse: Refuse) -> None:
    text = FOLDER + f"notifications: {{targets: ['{TARGET}', 7]}}\njobs: {{a: {{paths: ['{TARGET}']}}}}"
    lines = refuse(text)
    assert len(lines) == 2
    assert TARGET not in "".join(lines)


def test_a_variable_that_is_not_set_is_not_named_where_it_is_part_of_a_secret(load: Load) -> None:
    config = load(FOLDER + "notifications: {targets: ['json://me:pa$Word@localhost']}")
    assert config.warnings[-1] != ""
    assert "Word" not in "".join(config.warnings)
    assert any("notifications.targets[0]: a variable in it is not set" in each for each in config.warnings)


@pytest.mark.parametrize("text", ["22:00", "22-7", "25:00-07:00", "07:00-07:00", "22:00-07:60", "always", "-"])
def test_quiet_hours_that_are_none_are_refused(text: str, refuse: Refuse) -> None:
    [line] = refuse(FOLDER + f"notifications: {{quiet_hours: '{text}'}}")
    assert "must be a span of the day such as 22:00-07:00" in line


def test_quiet_hours_are_read_as_people_write_them(load: Load) -> None:
    config = load(FOLDER + "notifications: {quiet_hours: ' 9:30 - 17:00 '}")
    assert config.file.notifications.quiet_hours is not None
    assert QuietHours.of(config.file.notifications.quiet_hours) == QuietHours.of("09:30-17:00")


def test_an_unknown_word_is_told_the_nearest_one(refuse: Refuse) -> None:
    [line] = refuse(FOLDER + "notifications: {tell: [identified, corupt]}")
    assert "did you mean corrupt" in line


def test_without_apprise_nobody_is_told_and_a_warning_names_the_extra(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "find_spec", lambda _: None)
    assert load(FOLDER).warnings == load(FOLDER + "notifications: {digest: 5}").warnings
    config = load(FOLDER + "notifications: {targets: ['json://localhost']}")
    assert config.told_targets == ()
    wanted = "notifications.targets: nothing is told: apprise is not installed; pip install 'modelshelf[notify]'"
    assert config.warnings.count(wanted) == 1


def test_offline_means_that_nothing_is_told_either(load: Load) -> None:
    config = load(FOLDER + "offline: true\nnotifications: {targets: ['json://localhost']}")
    assert config.told_targets == ()
    assert "notifications.targets: nothing is told while offline is true" in config.warnings
