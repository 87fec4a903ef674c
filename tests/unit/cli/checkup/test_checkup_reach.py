"""Civitai as one question shows it, in its moods; and the key, which is never told."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.vitals import CIVITAI_STANDING, ApiVitals, Trouble, to_json
from modelshelf.cli.checkup import reach
from modelshelf.cli.checkup.finding import Level
from tests.fakes import civitai_moods as moods
from tests.fakes.civitai_server import CivitaiStandIn
from tests.fakes.civitai_wire import error_reply
from tests.unit.cli.checkup.clinic import bad, only

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.civitai_moods import Mood
    from tests.unit.cli.checkup.clinic import Clinic

KEY = "a-secret-key-of-mine"


@pytest.fixture
def stand_in() -> Iterator[CivitaiStandIn]:
    with CivitaiStandIn() as server:
        yield server


def configure(clinic: Clinic, base_url: str, key: str | None = None, more: str = "") -> None:
    said = f", key: {key}" if key else ""
    with clinic.shelf.config.open("a") as file:
        file.write(f'api: {{base_url: "{base_url}"{said}}}\n{more}')


def test_a_server_that_answers_is_well_without_a_key(clinic: Clinic, stand_in: CivitaiStandIn) -> None:
    configure(clinic, stand_in.base_url)
    (finding,) = clinic.examine(reach.civitai)
    assert (finding.level, finding.text) == (Level.OK, "127.0.0.1 answers; there is no key")
    assert [request.route for request in stand_in.requests] == ["/api/v1/models"]


def test_a_key_is_asked_about_once(clinic: Clinic, stand_in: CivitaiStandIn) -> None:
    stand_in.routes.keys.add(KEY)
    configure(clinic, stand_in.base_url, KEY)
    (finding,) = clinic.examine(reach.civitai)
    assert (finding.level, finding.text) == (Level.OK, "127.0.0.1 takes the key")
    assert [request.route for request in stand_in.requests] == ["/api/v1/me"]


def test_a_key_that_is_refused_is_wrong_and_not_told(clinic: Clinic, stand_in: CivitaiStandIn) -> None:
    configure(clinic, stand_in.base_url, KEY)
    finding = only(clinic.examine(reach.civitai), Level.WRONG)
    assert "answered 401: the API key is missing or not accepted" in finding.text
    assert finding.advice == reach.NEW_KEY
    assert KEY not in repr(finding)


@pytest.mark.parametrize(
    ("mood", "level", "text", "advice"),
    [
        (moods.region_blocked, Level.WRONG, "blocked in this region", "mirror"),
        (moods.unauthorized, Level.WRONG, "answered 401", "mirror"),
        (moods.challenged, Level.WRONG, "a gatekeeper stands before it", "Cloudflare"),
        (moods.overloaded, Level.WRONG, "overloaded", "wait"),
        (moods.rate_limited("5"), Level.WARNING, "asks to slow down", "rate_limit"),
    ],
)
def test_each_mood_is_told_apart(
    clinic: Clinic, stand_in: CivitaiStandIn, mood: Mood, level: Level, text: str, advice: str
) -> None:
    configure(clinic, stand_in.base_url)
    stand_in.mood_for = lambda _: mood
    finding = only(clinic.examine(reach.civitai), level)
    assert text in finding.text
    assert advice in finding.advice
    assert len(stand_in.requests) == 1


def test_a_server_that_knows_no_such_question_is_reached_all_the_same(clinic: Clinic, stand_in: CivitaiStandIn) -> None:
    configure(clinic, stand_in.base_url, KEY)
    stand_in.mood_for = lambda _: lambda _reply: error_reply("No such route", 404, 0)
    (finding,) = clinic.examine(reach.civitai)
    assert (finding.level, finding.text) == (Level.OK, "127.0.0.1 answers; whether it takes the key it does not say")


def test_nobody_is_asked_where_that_is_forbidden(clinic: Clinic, stand_in: CivitaiStandIn) -> None:
    configure(clinic, stand_in.base_url, KEY, "offline: true\n")
    (finding,) = clinic.examine(reach.civitai)
    assert (finding.level, stand_in.requests) == (Level.OK, [])
    assert clinic.examine(reach.civitai, config=None) == []


def test_a_name_without_an_address_a_closed_port_and_a_broken_proxy_are_told_apart(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    configure(clinic, f"http://127.0.0.1:{port}/api/v1")
    assert "firewall" in only(clinic.examine(reach.civitai), Level.WRONG).advice

    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    with monkeypatch.context() as without_names:
        without_names.setattr("socket.getaddrinfo", nowhere)
        assert "see DNS" in only(clinic.examine(reach.civitai), Level.WRONG).advice
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("NO_PROXY", "")
    finding = only(clinic.examine(reach.civitai), Level.WRONG)
    assert "the proxy of this machine" in finding.text
    assert "HTTPS_PROXY" in finding.advice


def test_what_keeps_the_daemon_from_asking_is_told_while_it_runs(clinic: Clinic, stand_in: CivitaiStandIn) -> None:
    configure(clinic, stand_in.base_url)
    now = clinic.clock.now()
    trouble = Trouble("*", "blocked in this region", now, now + timedelta(days=1), is_forbidden=True)
    with clinic.shelf.store() as store:
        store.standing.put(CIVITAI_STANDING, to_json(ApiVitals(troubles=(trouble,))))
    assert bad(clinic.examine(reach.civitai)) == []
    with clinic.shelf.daemon():
        assert "the daemon: everything FORBIDDEN" in only(clinic.examine(reach.civitai), Level.WARNING).text
    with clinic.shelf.daemon():
        assert bad(clinic.examine(reach.civitai, still=None)) == []


def test_asking_keeps_no_answer(clinic: Clinic, stand_in: CivitaiStandIn) -> None:
    configure(clinic, stand_in.base_url)
    before = sorted(clinic.shelf.root.rglob("*"))
    clinic.examine(reach.civitai)
    assert sorted(clinic.shelf.root.rglob("*")) == before
