"""What is done beside the main thread never holds it, and a stop ends whatever is stuck."""

from __future__ import annotations

import threading

import pytest

from modelshelf.cli.aside import Aside, LastResort
from modelshelf.cli.exits import Exit
from tests.logged import logged
from tests.waiting import wait_until


def test_while_one_goes_on_no_second_one_begins_and_the_last_asked_for_follows() -> None:
    gate, order = threading.Event(), list[str]()
    aside = Aside("round")

    def first() -> None:
        order.append("first")
        gate.wait(10)

    aside.begin(first)
    wait_until(lambda: order)
    aside.begin(lambda: order.append("dropped"))
    aside.begin(lambda: order.append("last"))
    aside.wait(0)
    assert order == ["first"]
    gate.set()
    aside.wait(10)
    assert order == ["first", "last"]
    aside.wait(10)
    aside.begin(lambda: order.append("again"))
    wait_until(lambda: order[-1] == "again")


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_that_breaks_is_logged_and_holds_up_no_later_one() -> None:
    aside, gate, order = Aside("round"), threading.Event(), list[str]()

    def break_down() -> None:
        order.append("broken")
        gate.wait(10)
        raise KeyError("a bug")

    with logged() as said:
        aside.begin(break_down)
        wait_until(lambda: order)
        aside.begin(lambda: order.append("next"))
        gate.set()
        aside.wait(10)
    assert order == ["broken", "next"]
    assert [(each["event"], each["at"], each["level"]) for each in said] == [("aside_stumbled", "round", "error")]


def test_it_tells_for_how_long_it_is_held() -> None:
    aside, gate = Aside("round"), threading.Event()

    def hold() -> None:
        gate.wait(10)

    assert aside.held_seconds() == 0
    aside.begin(hold)
    wait_until(lambda: aside.held_seconds() > 0)
    before = aside.held_seconds()
    wait_until(lambda: aside.held_seconds() > before)
    gate.set()
    aside.wait(10)
    assert aside.held_seconds() == 0


def test_a_stop_that_takes_too_long_ends_the_process() -> None:
    codes: list[int] = []
    resort = LastResort(0.001, codes.append)
    resort.code = Exit.FAILED
    resort.arm()
    wait_until(lambda: codes)
    assert codes == [Exit.FAILED]


def test_a_stop_in_time_ends_as_any_command_does() -> None:
    codes: list[int] = []
    before = set(threading.enumerate())
    with LastResort(30, codes.append) as resort:
        (guard,) = set(threading.enumerate()) - before
        resort.arm()
    guard.join(10)
    assert not guard.is_alive()
    assert codes == []


def test_what_is_stuck_is_left_behind_when_all_else_is_done() -> None:
    codes: list[int] = []
    with LastResort(30, codes.append) as resort:
        resort.is_needed = True
    assert codes == [Exit.GOOD]
    resort.disarm()


def test_an_error_is_shown_before_what_is_stuck_is_left_behind() -> None:
    codes: list[int] = []

    def close_badly(resort: LastResort) -> None:
        with resort:
            resort.is_needed = True
            raise KeyError

    resort = LastResort(30, codes.append)
    with pytest.raises(KeyError):
        close_badly(resort)
    assert codes == []
    resort.disarm()
