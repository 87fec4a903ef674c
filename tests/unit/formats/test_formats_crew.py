"""The crew: every feed sees every block in order, memory stays bounded, nothing is left behind."""

from __future__ import annotations

import concurrent.futures.thread
import threading

import pytest

from modelshelf.formats.crew import crew


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("window", [1, 2, 5])
def test_every_feed_gets_every_block_in_order(size: int, window: int) -> None:
    eaten: list[list[int]] = [[], [], []]

    with crew([each.append for each in eaten], size=size, window=window) as put:
        for number in range(200):
            put(number)

    assert eaten == [list(range(200))] * 3


def test_no_more_blocks_than_the_window_are_in_use() -> None:
    in_use: list[int] = []
    done = [0, 0]
    given = 0

    def feed(stream: int) -> None:
        in_use.append(given - min(done))
        done[stream] += 1

    with crew([lambda _: feed(0), lambda _: feed(1)], size=2, window=3) as put:
        for number in range(100):
            given = number + 1
            put(number)

    assert max(in_use) <= 3


def test_nothing_put_is_nothing_fed() -> None:
    eaten: list[int] = []

    with crew([eaten.append], size=1, window=2):
        pass

    assert eaten == []


def test_what_a_feed_raises_is_raised_and_never_blocks_the_giver() -> None:
    def choke(_: int) -> None:
        raise MemoryError

    threads = threading.active_count()

    def give_all() -> None:
        with crew([choke, lambda _: None], size=2, window=2) as put:
            for number in range(50):
                put(number)

    with pytest.raises(MemoryError):
        give_all()

    assert threading.active_count() == threads


def test_an_error_of_the_giver_drops_what_nobody_has_begun() -> None:
    eaten: list[int] = []
    gate = threading.Event()

    def slow(number: int) -> None:
        gate.wait(10)
        eaten.append(number)

    def give_up() -> None:
        with crew([slow], size=1, window=3) as put:
            put(1)
            put(2)
            threading.Timer(0.05, gate.set).start()
            raise KeyError

    with pytest.raises(KeyError):
        give_up()

    assert eaten in ([], [1])


def test_the_crew_is_never_waited_for_when_the_process_ends() -> None:
    before = set(threading.enumerate())

    with crew([lambda _: None], size=2, window=2):
        crew_threads = set(threading.enumerate()) - before
        assert len(crew_threads) == 2
        assert all(thread.daemon for thread in crew_threads)
        assert not crew_threads & set(concurrent.futures.thread._threads_queues)  # joined at the interpreter's exit
