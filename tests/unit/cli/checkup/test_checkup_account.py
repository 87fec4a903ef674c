"""Whose permissions count, and what the bits allow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelshelf.cli.checkup.account import Account, account_of

READ, WRITE = os.R_OK, os.W_OK


@pytest.mark.parametrize(
    ("mode", "owner", "of_group", "other"),
    [(0o640, READ | WRITE, READ, 0), (0o466, READ, READ | WRITE, READ | WRITE), (0o007, 0, 0, READ | WRITE)],
)
def test_owner_group_and_others_have_bits_of_their_own(
    tmp_path: Path, mode: int, owner: int, of_group: int, other: int
) -> None:
    """Whoever is the owner has the owner's bits, even where those of the others allow more."""
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    status = path.stat()
    for uid, gids, allowed in ((status.st_uid, set(), owner), (4242, {status.st_gid}, of_group), (4242, {4243}, other)):
        account = Account(uid, frozenset(gids))
        assert [account._granted(status) & bit == bit for bit in (READ, WRITE)] == [
            allowed & bit == bit for bit in (READ, WRITE)
        ]


def test_a_stranger_is_judged_by_the_bits_and_we_by_the_kernel(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    stranger, ourselves = Account(4242, frozenset({4242})), Account(os.geteuid(), frozenset({os.getegid()}))
    assert (stranger.may(tmp_path, READ), stranger.may(tmp_path, READ | WRITE)) == (True, False)
    assert ourselves.may(tmp_path, READ | WRITE)
    for each in (stranger, ourselves):
        with pytest.raises(FileNotFoundError):
            each.may(tmp_path / "gone", READ)


def test_the_topmost_closed_directory_is_the_barrier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is below the test's own directory is looked at: pytest makes those above for one user alone."""
    deep = tmp_path / "a" / "b" / "c" / "d"
    deep.mkdir(parents=True)
    stranger, judge = Account(4242, frozenset()), Account.may
    monkeypatch.setattr(
        Account, "may", lambda self, path, mode: judge(self, path, mode) if tmp_path in path.parents else True
    )
    for each in (deep.parent, deep.parent.parent, deep.parent.parent.parent):
        each.chmod(0o755)
    deep.chmod(0o700)
    assert stranger.barrier(deep) is None
    deep.parent.chmod(0o700)
    deep.parent.parent.chmod(0o744)
    assert stranger.barrier(deep) == tmp_path / "a" / "b"
    assert stranger.barrier(tmp_path / "a" / "gone" / "x") is None


def test_root_may_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr("os.geteuid", lambda: 4242)
    assert Account(0, frozenset()).may(tmp_path, READ | WRITE)


@pytest.mark.parametrize(("number", "answer"), [(61, False), (95, False), (5, None)])
def test_an_access_list_that_cannot_be_read_may_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, number: int, answer: bool | None
) -> None:
    tmp_path.chmod(0o700)

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.getxattr", refuse)
    assert Account(4242, frozenset()).may(tmp_path, READ) is answer


def test_the_user_of_a_daemon_is_the_one_of_its_process(tmp_path: Path) -> None:
    (tmp_path / "42").mkdir()
    status = tmp_path / "42" / "status"
    status.write_text("Name:\ta: b\nUid:\t1\t7\t1\t1\nGid:\t2\t8\t2\t2\nGroups:\t9 10 \n")
    assert account_of(42, None, tmp_path) == Account(7, frozenset({8, 9, 10}))
    for broken in ("", "Uid:\t1\nGid:\t1\nGroups:\t\n", "Uid:\tx y\n"):
        status.write_text(broken)
        assert account_of(42, None, tmp_path) is None


def test_the_user_of_a_stopped_daemon_is_the_owner_of_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = account_of(None, tmp_path, Path("/proc"))
    assert found is not None
    assert (found.uid, os.getegid() in found.gids) == (os.geteuid(), True)
    assert account_of(None, tmp_path / "gone", Path("/proc")) is None
    assert account_of(None, None, Path("/proc")) is None
    monkeypatch.setattr("os.geteuid", lambda: 4242)
    other = account_of(None, tmp_path, Path("/proc"))
    assert other is not None
    assert other.uid == tmp_path.stat().st_uid


def test_a_user_without_a_name_is_a_number() -> None:
    assert Account(4_000_042, frozenset()).name == "#4000042"
    assert Account(0, frozenset()).name == "root"
