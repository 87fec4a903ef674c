from __future__ import annotations

import json
import os
import random
import threading
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelshelf.civitai import answer_cache as room
from modelshelf.civitai.answer_cache import DIRECTORY_NAME, AnswerCache, Kept
from modelshelf.errors import DiskFull
from tests.logged import logged

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.clock import FakeClock

URL = "https://civitai.com/api/v1/models/1"


@pytest.fixture(autouse=True)
def _room_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LEAST_FREE_BYTES", 0)


@pytest.fixture
def cache(tmp_path: Path, clock: FakeClock) -> AnswerCache:
    return AnswerCache(tmp_path, 10, clock)


def files_of(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / DIRECTORY_NAME).iterdir())


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def test_memory_is_asked_before_the_disk_and_the_disk_survives_a_start(
    cache: AnswerCache, tmp_path: Path, clock: FakeClock
) -> None:
    assert cache.get(URL) is None
    cache.keep(URL, b'{"id": 1}\n', '"tag"')
    clock.advance(5)
    kept = cache.get(URL)
    assert kept is not None
    assert (kept.content, kept.etag, kept.is_from_memory) == (b'{"id": 1}\n', '"tag"', True)
    assert clock.now().timestamp() - kept.checked_at == 5
    later = AnswerCache(tmp_path, 10, clock)
    again = [later.get(URL), later.get(URL)]
    assert [each and (each.content, each.is_from_memory) for each in again] == [
        (b'{"id": 1}\n', False),
        (b'{"id": 1}\n', True),
    ]


def test_without_a_directory_only_memory_keeps_and_without_a_count_only_the_disk(
    tmp_path: Path, clock: FakeClock
) -> None:
    memory, disk = AnswerCache(None, 1, clock), AnswerCache(tmp_path, 0, clock)
    for each in (memory, disk):
        each.keep(URL, b"{}", None)
    assert [(kept := each.get(URL)) and kept.is_from_memory for each in (memory, disk)] == [True, False]
    memory.forget(URL)
    assert memory.get(URL) is None
    AnswerCache(None, 0, clock).keep(URL, b"{}", None)


def test_memory_holds_so_many_answers_and_drops_those_used_longest_ago(clock: FakeClock) -> None:
    cache = AnswerCache(None, 2, clock)
    for name in "ab":
        cache.keep(name, b"{}", None)
    cache.get("a")
    cache.keep("c", b"{}", None)
    assert [name for name in "abc" if cache.get(name)] == ["a", "c"]


def test_memory_holds_so_many_bytes_however_many_answers_it_may(clock: FakeClock) -> None:
    cache = AnswerCache(None, 1000, clock)
    for number in range(10):
        cache.keep(str(number), noise(room.MOST_ANSWER_BYTES - 100, number), None)
    assert sum(cache.get(str(number)) is not None for number in range(10)) == 3


def test_a_list_that_is_too_large_is_not_kept_and_what_was_kept_of_it_is_forgotten(
    cache: AnswerCache, tmp_path: Path
) -> None:
    cache.keep(URL, b"[]", None)
    cache.keep(URL, b"x" * (room.MOST_ANSWER_BYTES + 1), None)
    assert cache.get(URL) is None
    assert files_of(tmp_path) == []
    cache.keep(URL, noise(room.MOST_ANSWER_BYTES), None)
    assert AnswerCache(tmp_path, 0, cache._clock).get(URL) is not None


@pytest.mark.parametrize("etag", ['"' + "x" * 300, '"a\r\nSet-Cookie: b"', ""])
def test_an_etag_that_no_server_should_send_is_not_sent_back(cache: AnswerCache, etag: str) -> None:
    cache.keep(URL, b"{}", etag)
    kept = cache.get(URL)
    assert kept is not None
    assert kept.etag is None


def packed(head: object, content: bytes = b"{}") -> bytes:
    return zlib.compress(json.dumps(head).encode() + b"\n" + content)


SOUND = {"name": URL, "etag": None, "checked_at": 1.0}


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"not zlib",
        packed(SOUND)[:-5],
        packed(SOUND | {"name": "another"}),
        packed(SOUND | {"etag": 7}),
        packed(SOUND | {"checked_at": "soon"}),
        packed({"name": URL}),
        packed([1]),
        packed("text"),
        zlib.compress(b"[" * 100_000),
        zlib.compress(b"\xff\xfe"),
        packed(SOUND, b"0" * (room.MOST_ANSWER_BYTES + room._HEAD_BYTES)),
        noise(room.MOST_ANSWER_BYTES + room._HEAD_BYTES + 1),
    ],
    ids=lambda each: f"{each[:8]!r}{len(each)}",
)
def test_a_broken_file_is_thrown_away(tmp_path: Path, clock: FakeClock, broken: bytes) -> None:
    cache = AnswerCache(tmp_path, 10, clock)
    cache.keep(URL, b"{}", None)
    (file,) = files_of(tmp_path)
    file.write_bytes(packed(SOUND))
    assert AnswerCache(tmp_path, 10, clock).get(URL) is not None
    file.write_bytes(broken)
    assert AnswerCache(tmp_path, 10, clock).get(URL) is None
    assert files_of(tmp_path) == []


@given(content=st.binary(max_size=300), etag=st.none() | st.from_regex(r'(W/)?"[a-z0-9+/=-]{0,20}"', fullmatch=True))
def test_whatever_is_kept_comes_back_as_it_was(content: bytes, etag: str | None) -> None:
    kept = room._unpacked(room._packed(URL, Kept(content, etag, 5.0)), URL)
    assert kept == Kept(content, etag, 5.0)


@given(content=st.binary(max_size=300), place=st.integers(0), flip=st.integers(1, 255), length=st.integers(0))
def test_no_damage_is_taken_for_an_answer(content: bytes, place: int, flip: int, length: int) -> None:
    whole = room._packed(URL, Kept(content, None, 5.0))
    flipped = bytearray(whole)
    flipped[place % len(whole)] ^= flip
    assert room._unpacked(bytes(flipped), URL) in (None, Kept(content, None, 5.0))
    assert room._unpacked(whole[: length % len(whole)], URL) is None


def test_nobody_else_can_read_what_is_kept(tmp_path: Path, cache: AnswerCache) -> None:
    (tmp_path / DIRECTORY_NAME).mkdir(mode=0o755)
    cache.keep(URL, b"{}", None)
    assert (tmp_path / DIRECTORY_NAME).stat().st_mode & 0o777 == 0o700


def test_the_directory_is_made_with_all_above_it(tmp_path: Path, clock: FakeClock) -> None:
    AnswerCache(tmp_path / "a" / "b", 0, clock).keep(URL, b"{}", None)
    assert files_of(tmp_path / "a" / "b")


def test_a_link_in_its_place_is_not_followed(tmp_path: Path, cache: AnswerCache) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / DIRECTORY_NAME).symlink_to(elsewhere)
    with logged() as logs:
        cache.keep(URL, b"{}", None)
    assert [each["event"] for each in logs] == ["answers_not_kept"]
    assert [*elsewhere.iterdir()] == []


def test_a_place_that_cannot_be_used_is_told_once_and_memory_goes_on(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "file").touch()
    cache = AnswerCache(tmp_path / "file", 10, clock)
    with logged() as logs:
        for name in "abc":
            cache.keep(name, b"{}", None)
    assert [each["event"] for each in logs] == ["answers_not_kept"]
    assert cache.get("a") is not None
    cache.forget("a")


def test_a_full_disk_harms_nothing(cache: AnswerCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise DiskFull("no space")

    cache.keep("before", b"{}", None)
    with monkeypatch.context() as patched, logged() as logs:
        patched.setattr(room, "replace_file", full)
        cache.keep(URL, b"{}", None)
        cache.keep(URL, b"[]", None)
    assert [each["event"] for each in logs] == ["answers_not_kept"]
    assert len(files_of(tmp_path)) == 1
    cache.keep(URL, b"{}", None)
    assert len(files_of(tmp_path)) == 2


def test_it_complains_again_after_it_was_well(cache: AnswerCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise DiskFull("no space")

    with logged() as logs:
        for _ in range(2):
            with monkeypatch.context() as patched:
                patched.setattr(room, "replace_file", full)
                cache.keep(URL, b"{}", None)
            cache.keep(URL, b"{}", None)
    assert [each["event"] for each in logs] == ["answers_not_kept"] * 2


def test_the_last_room_of_a_disk_is_left_to_others(
    cache: AnswerCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LEAST_FREE_BYTES", 2**63)
    cache.keep(URL, b"{}", None)
    assert files_of(tmp_path) == []


def test_a_directory_that_vanished_is_an_ailment_and_no_crash(cache: AnswerCache, tmp_path: Path) -> None:
    cache.keep("a", b"{}", None)
    cache._memory.clear()
    (tmp_path / DIRECTORY_NAME / files_of(tmp_path)[0].name).unlink()
    (tmp_path / DIRECTORY_NAME).rmdir()
    with logged() as logs:
        cache.keep(URL, b"{}", None)
    assert [each["event"] for each in logs] == ["answers_not_kept"]
    assert cache.get("a") is None


def test_the_oldest_answers_go_when_there_are_too_many_bytes_and_nothing_of_others_ever_does(
    tmp_path: Path, clock: FakeClock
) -> None:
    directory = tmp_path / DIRECTORY_NAME
    directory.mkdir()
    (directory / "theirs.json").write_bytes(b"x" * 100_000)
    cache = AnswerCache(tmp_path, 0, clock, disk_bytes=100_000)
    for number in range(12):
        cache.keep(str(number), noise(10_000, number), None)
        path = cache._path(str(number))
        assert path is not None
        os.utime(path, (number, number))
    assert [number for number in range(12) if cache.get(str(number))] == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert (directory / "theirs.json").exists()
    AnswerCache(tmp_path, 0, clock, disk_bytes=20_500).keep("new", b"{}", None)
    assert [number for number in range(12) if cache.get(str(number))] == [10, 11]


def test_what_a_crash_left_is_taken_away(tmp_path: Path, cache: AnswerCache) -> None:
    directory = tmp_path / DIRECTORY_NAME
    directory.mkdir()
    left = directory / f".x.answer.modelshelf-{'0' * 16}.tmp"
    left.touch()
    os.utime(left, (1, 1))
    cache.keep(URL, b"{}", None)
    assert not left.exists()


def test_many_threads_may_use_it(cache: AnswerCache) -> None:
    broken: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for number in range(30):
                cache.keep(str(number % 7), noise(500, seed), None)
                cache.get(str(number % 5))
                cache.forget(str(number % 3))
        except BaseException as error:  # noqa: BLE001 - kept for the test
            broken.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert broken == []
