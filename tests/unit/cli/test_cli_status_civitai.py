"""`modelshelf status` about what keeps Civitai from being asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from modelshelf.civitai.vitals import CIVITAI_STANDING, ApiVitals, Counts, Trouble, to_json
from modelshelf.clock import SystemClock

if TYPE_CHECKING:
    from tests.unit.cli.cli_shelf import CliShelf

THEN = datetime(2026, 8, 8, 12, 30, tzinfo=UTC)
BLOCKED = Trouble("*", "civitai.com answered 451", THEN, THEN + timedelta(days=1), is_forbidden=True)
ILL = Trouble("GET models/*", "civitai.com answered 524", THEN, THEN + timedelta(minutes=1), is_forbidden=False)


def keep(shelf: CliShelf, vitals: ApiVitals) -> None:
    with shelf.store() as store:
        store.standing.put(CIVITAI_STANDING, to_json(vitals))


def test_what_is_forbidden_or_ill_is_shown_with_its_reason(shelf: CliShelf) -> None:
    keep(shelf, ApiVitals(troubles=(BLOCKED, ILL), counts=Counts(7, 1, 2, 3)))
    with shelf.daemon():
        shown = " ".join(shelf.run("status").out.split())
        document = shelf.run("status", "--json").document["civitai"]
    assert "everything FORBIDDEN since 2026-08-08" in shown
    assert "civitai.com answered 451; asked again 2026-08-09" in shown
    assert shown.count("after modelshelf retry --kind api") == 1
    assert "GET models/* not answered since" in shown
    assert document["troubles"][0] == {
        "endpoint": "*",
        "reason": "civitai.com answered 451",
        "since": "2026-08-08T12:30:00.000Z",
        "asked_again_at": "2026-08-09T12:30:00.000Z",
        "is_forbidden": True,
    }
    assert document["requests"] == {"sent": 7, "renewed": 1, "from_memory": 2, "from_disk": 3}
    assert document["paused_until"] is None


def test_a_pause_is_shown_while_it_lasts(shelf: CliShelf) -> None:
    for minutes, is_shown in ((5, True), (-5, False)):
        keep(shelf, ApiVitals(paused_until=SystemClock().now() + timedelta(minutes=minutes)))
        with shelf.daemon():
            assert ("asked to slow down" in shelf.run("status").out) is is_shown


def test_what_an_earlier_daemon_met_is_not_shown(shelf: CliShelf) -> None:
    keep(shelf, ApiVitals(troubles=(BLOCKED,)))
    assert "FORBIDDEN" not in shelf.run("status").out
    assert shelf.run("status", "--json").document["civitai"] is None


def test_a_daemon_that_is_well_or_has_not_told_shows_nothing(shelf: CliShelf) -> None:
    with shelf.store(), shelf.daemon():
        assert shelf.run("status", "--json").document["civitai"] is None
    keep(shelf, ApiVitals())
    with shelf.daemon():
        assert "civitai" not in shelf.run("status").out
        assert shelf.run("status", "--json").document["civitai"]["troubles"] == []
