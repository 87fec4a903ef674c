"""`verify`: how much is read again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.verification import Measure, Share, VerifySettings

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load, Refuse

FOLDER = "input_paths: {lora: {path: lora, type: LORA}}\n"


def test_four_percent_of_what_was_not_read_for_a_month_is_read_in_a_night(load: Load) -> None:
    assert load(FOLDER).file.verify.to_settings() == VerifySettings(Share(4), timedelta(days=30))


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("8 %", Share(8)),
        ("100%", Share(100)),
        ("200 GB", Share(200e9, Measure.BYTES)),
        ("1 KiB", Share(1024, Measure.BYTES)),
        ("90 min", Share(5400, Measure.SECONDS)),
        ("2h", Share(7200, Measure.SECONDS)),
    ],
)
def test_a_night_is_measured_in_a_share_bytes_or_time(load: Load, text: str, share: Share) -> None:
    config = load(FOLDER + f"verify: {{per_night: '{text}', min_age: 10 days}}")
    assert config.file.verify.to_settings() == VerifySettings(share, timedelta(days=10))


@pytest.mark.parametrize(
    "text", ["0 %", "101 %", "-1 %", "nan %", "x %", "5", "0.5", "off", "0 GB", "0 min", "much", ""]
)
def test_what_is_no_share_is_refused(refuse: Refuse, text: str) -> None:
    (line,) = refuse(FOLDER + f"verify: {{per_night: '{text}'}}")
    assert "verify.per_night: must be a share of the shelf such as 4 %" in line


def test_an_age_that_never_comes_is_refused(refuse: Refuse) -> None:
    (line,) = refuse(FOLDER + "verify: {min_age: 999999999999999 days}")
    assert "verify.min_age: must be a time that ends" in line
