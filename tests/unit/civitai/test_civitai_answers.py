from __future__ import annotations

from datetime import UTC, datetime

import pytest

from modelshelf.civitai.answers import (
    MOST_LEVELS,
    Answer,
    QuestionRefused,
    failure,
    picture_failure,
    read,
    retry_after,
)
from modelshelf.errors import CivitaiForbids, CivitaiRateLimited, CivitaiRefused, CivitaiUnavailable

NOW = datetime(2026, 8, 8, 12, tzinfo=UTC)


def answer(status: int, content: bytes = b"", kind: str = "application/json", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer("civitai.com", status, {"Content-Type": kind, **named}, content)


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (b'{"id": 1}', "application/json", {"id": 1}),
        (b"[null]", "", [None]),
        (b'\xef\xbb\xbf{"a": "\x01\n\xff"}', "text/plain", {"a": "\x01\n\ufffd"}),
        (b'{"a": NaN, "b": -Infinity}', "application/json", {"a": None, "b": None}),
    ],
)
def test_200_is_read_as_leniently_as_real_bodies_need(content: bytes, kind: str, expected: object) -> None:
    assert read(answer(200, content, kind), NOW) == expected


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<!DOCTYPE html><html></html>", "application/json"),
        (b'{"id": 1}', "text/html; charset=utf-8"),
        (b'{"id": 1', "application/json"),
        (b"", "application/json"),
        (b"null", "application/json"),
        (b'"text"', "application/json"),
        (b"[" * 200_000, "application/json"),
        (b'{"id": ' + b"9" * 10_000 + b"}", "application/json"),
    ],
)
def test_200_without_json_is_no_answer(content: bytes, kind: str) -> None:
    with pytest.raises(CivitaiUnavailable, match="answered 200 with something that is not JSON"):
        read(answer(200, content, kind), NOW)


@pytest.mark.parametrize("level", [b"[0, %s, 0]", b'{"a": %s, "b": 0}'])
def test_what_lies_deeper_than_any_record_is_no_answer(level: bytes) -> None:
    content = b"[]"
    for _ in range(MOST_LEVELS - 1):
        content = level % content
    assert read(answer(200, content), NOW)
    with pytest.raises(CivitaiUnavailable, match="deeper lists than any record"):
        read(answer(200, level % content), NOW)


def test_only_a_json_404_with_an_error_is_a_miss() -> None:
    assert read(answer(404, b'{"error": "Model not found"}'), NOW) is None


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<html>404</html>", "text/html"),
        (b'{"error": "x"}', "text/html"),
        (b'{"message": "x"}', "application/json"),
        (b'["error"]', "application/json"),
        (b"", "application/json"),
    ],
)
def test_every_other_404_is_no_miss(content: bytes, kind: str) -> None:
    with pytest.raises(CivitaiUnavailable, match="404"):
        read(answer(404, content, kind), NOW)


@pytest.mark.parametrize("status", [204, 206, 301, 304, 408, 500, 502, 503, 504, 520, 524, 599])
def test_an_ill_server_may_be_well_later(status: int) -> None:
    error = failure(answer(status, Retry_After="7"), NOW)
    assert type(error) is CivitaiUnavailable
    assert error.retry_after_seconds == 7
    assert str(status) in str(error)


def test_a_403_is_final_only_if_the_server_itself_says_so() -> None:
    assert type(failure(answer(403, b'{"error": "Early Access"}'), NOW)) is CivitaiForbids
    assert type(failure(answer(403, b"no"), NOW)) is CivitaiForbids
    assert type(failure(answer(403, b"<html>Just a moment", "text/html"), NOW)) is CivitaiUnavailable
    assert type(failure(answer(403, b"{}", cf_mitigated="challenge"), NOW)) is CivitaiUnavailable


@pytest.mark.parametrize(("status", "words"), [(401, "key"), (405, "refuses"), (410, "withdrawn"), (451, "region")])
def test_refusals_say_what_they_mean(status: int, words: str) -> None:
    error = failure(answer(status, b"<html>", "text/html"), NOW)
    assert type(error) is (CivitaiForbids if status in {401, 403, 451} else CivitaiRefused)
    assert str(error).startswith(f"civitai.com answered {status}: ")
    assert words in str(error)


@pytest.mark.parametrize("status", [400, 413, 414, 422])
def test_some_refusals_are_of_one_question_only(status: int) -> None:
    assert type(failure(answer(status), NOW)) is QuestionRefused


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 1.5 ", 1.5),
        ("0", 0),
        ("Sat, 08 Aug 2026 12:01:30 GMT", 90),
        ("Sat, 08 Aug 2026 12:01:30 -0000", 90),
        ("Sat, 08 Aug 2026 11:00:00 GMT", 0),
        ("999999999999", 86400),
        ("9" * 400, 86400),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("²", None),
        ("70\x1d", None),
        ("\t7 ", 7),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_a_day_at_most(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_a_429_carries_the_pause_it_asks_for_if_it_does() -> None:
    told = failure(answer(429, Retry_After="7"), NOW)
    untold = failure(answer(429, b"<html>", "text/html"), NOW)
    assert isinstance(told, CivitaiRateLimited)
    assert isinstance(untold, CivitaiRateLimited)
    assert (told.retry_after_seconds, untold.retry_after_seconds) == (7, None)
    assert str(told).endswith("slow down for 7 seconds")
    assert str(untold).endswith("slow down")


def test_the_paging_cap_is_a_429_that_no_waiting_mends() -> None:
    body = b'{"error":"You\'ve requested too many pages, please use cursors instead"}'
    assert type(failure(answer(429, body), NOW)) is QuestionRefused


@pytest.mark.parametrize("status", [404, 410])
def test_a_picture_that_is_gone_stays_gone(status: int) -> None:
    assert type(picture_failure(answer(status, b"<html>", "text/html"), NOW)) is QuestionRefused


def test_a_pictures_host_may_be_ill_too() -> None:
    assert type(picture_failure(answer(502), NOW)) is CivitaiUnavailable
