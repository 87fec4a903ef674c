"""Which mounts concern a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import FileUnreadable
from modelshelf.shelf import mounts
from modelshelf.shelf.mounts import MountView, mounts_around

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def mount(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def show(*points: bytes) -> None:
        table = frozenset(b"%d 1 8:%d / %s" % (number, number, point) for number, point in enumerate(points))
        monkeypatch.setattr(mounts, "mount_table", lambda: table)

    return show


def test_mounts_inside_a_folder_are_named_as_seen_from_it(mount: Callable[..., None]) -> None:
    mount(b"/", b"/srv", b"/srv/models", rb"/srv/models/a\040b", b"/srv/models/a\\040b/deep", b"/srv/models2")
    assert mounts_around(b"/srv/models").below == {b"a b", b"a b/deep"}


def test_what_is_mounted_elsewhere_is_none_of_a_folders_business(mount: Callable[..., None]) -> None:
    mount(b"/", b"/srv")
    before = mounts_around(b"/srv/models")
    mount(b"/", b"/srv", b"/var/lib/docker/overlay", b"/srv/models2")
    assert mounts_around(b"/srv/models") == before


@pytest.mark.parametrize("point", [b"/srv/models", b"/srv/models/deep", b"/srv"])
def test_what_comes_at_above_or_below_a_folder_is_seen(mount: Callable[..., None], point: bytes) -> None:
    mount(b"/")
    before = mounts_around(b"/srv/models")
    mount(b"/", point)
    assert mounts_around(b"/srv/models") != before


def test_a_table_that_may_not_be_read_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> frozenset[bytes]:
        raise FileUnreadable("no /proc here")

    monkeypatch.setattr(mounts, "mount_table", refuse)
    assert mounts_around(b"/srv") == MountView()


def test_a_mount_that_was_let_go_and_taken_again_is_another_on_the_same_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "mount_table", lambda: frozenset({b"30 1 0:44 / /srv"}))
    before = mounts_around(b"/srv/models")
    monkeypatch.setattr(mounts, "mount_table", lambda: frozenset({b"31 1 0:44 / /srv"}))
    assert mounts_around(b"/srv/models") != before
    assert mounts_around(b"/srv/models").devices == before.devices
