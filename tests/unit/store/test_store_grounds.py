"""What folders stood on, and the mounts in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.ground import Ground
from tests.unit.store.store_builders import NOW, add_file, folder

if TYPE_CHECKING:
    from modelshelf.store.store import Store

GROUND = Ground(2**64 - 1, 65024, 2)


def test_a_ground_is_kept_per_folder_and_written_only_where_it_is_news(store: Store) -> None:
    assert store.grounds.of("a") is None
    store.grounds.keep("a", GROUND)
    before = store.database._connection.total_changes
    store.grounds.keep("a", GROUND)
    assert store.database._connection.total_changes == before
    assert (store.grounds.of("a"), store.grounds.of("b")) == (GROUND, None)
    store.grounds.keep("a", Ground(1, 2, 3))
    assert store.grounds.of("a") == Ground(1, 2, 3)


def test_a_sample_is_of_files_that_are_there_in_this_folder(store: Store) -> None:
    ids = {add_file(store, b"%d/x" % number) for number in range(10)}
    store.files.mark_missing([add_file(store, b"gone")], NOW)
    add_file(store, b"other", folder_id="b")
    assert {file.id for file in store.grounds.sample("a", 100)} == ids
    assert len(store.grounds.sample("a", 3)) == 3
    assert store.grounds.sample("nowhere", 3) == []


def test_a_sample_is_another_each_time(store: Store) -> None:
    for number in range(200):
        add_file(store, b"%d" % number)
    drawn = {tuple(file.id for file in store.grounds.sample("a", 5)) for _ in range(5)}
    assert len(drawn) > 1


def test_a_sample_may_be_below_a_directory_or_apart_from_some(store: Store) -> None:
    for path in (b"here", b"big/one", b"big/deep/two", b"bigger/three", b"big.four"):
        add_file(store, path)

    def drawn(**region: object) -> set[bytes]:
        return {file.path for file in store.grounds.sample("a", 100, **region)}  # type: ignore[arg-type]

    assert drawn(below=b"big") == {b"big/one", b"big/deep/two"}
    assert drawn(apart=[b"big"]) == {b"here", b"bigger/three", b"big.four"}
    assert drawn(apart=[b"big", b"bigger"]) == {b"here", b"big.four"}
    assert drawn(below=b"big", apart=[b"big/deep"]) == {b"big/one"}


def test_mount_points_are_kept_lost_and_forgotten(store: Store) -> None:
    store.grounds.keep_mount_point("a", b"big", None)
    store.grounds.keep_mount_point("a", b"big", NOW)
    store.grounds.keep_mount_point("b", b"other", None)
    assert {path: each.lost_since for path, each in store.grounds.mount_points("a").items()} == {b"big": NOW}
    assert [(each.folder_id, each.path) for each in store.grounds.all_mount_points()] == [
        ("a", b"big"),
        ("b", b"other"),
    ]
    store.grounds.forget_mount_point("a", b"big")
    store.folders.sync([folder("a")])
    assert store.grounds.all_mount_points() == []
