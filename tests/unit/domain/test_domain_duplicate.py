"""Duplicates by hash alone: for any mixture of files, names and hashes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from modelshelf.domain.duplicate import Copy, DuplicateGroup, Likeness, group_copies
from modelshelf.domain.hashes import EMPTY_AUTOV3
from modelshelf.domain.model_file import Fingerprint

AUTOV3S = (None, EMPTY_AUTOV3, "A" * 12, "B" * 12)


def copy(file_id: int, content: int, inode: int | None = None, *, size_bytes: int = 1000, autov3: int = 0) -> Copy:
    """Give a file of this content; without an inode it is a file of its own."""
    fingerprint = Fingerprint(size_bytes, 1, 1, file_id + 1_000_000 if inode is None else inode)
    return Copy(file_id, "a", b"%d" % file_id, fingerprint, f"{content:064X}", AUTOV3S[autov3])


def inode_of(each: Copy) -> object:
    return each.fingerprint.inode


def grouped(*copies: Copy) -> list[DuplicateGroup]:
    return group_copies(copies, inode_of)


def ids(group: DuplicateGroup) -> list[list[int]]:
    return [[each.file_id for each in names] for names in group.files]


# What a file holds is decided by its inode, as on a disk; size and weights are decided by the content.
shelves = st.lists(st.integers(0, 12), max_size=30).map(
    lambda inodes: [
        copy(file_id, inode % 7, inode, size_bytes=100 * (inode % 7 + 1), autov3=(inode % 7) % 4)
        for file_id, inode in enumerate(inodes)
    ]
)


@given(shelves)
def test_every_file_is_in_the_group_of_its_bytes_exactly_when_another_file_has_them(copies: list[Copy]) -> None:
    told = {
        each.file_id
        for group in grouped(*copies)
        if group.likeness is Likeness.BYTES
        for names in group.files
        for each in names
    }
    for each in copies:
        others = {other.fingerprint.inode for other in copies if other.sha256 == each.sha256} - {each.fingerprint.inode}
        assert (each.file_id in told) == bool(others)


@given(shelves)
def test_names_of_one_file_stand_together_and_nowhere_else(copies: list[Copy]) -> None:
    for group in grouped(*copies):
        for names in group.files:
            assert len({inode_of(each) for each in names}) == 1
        assert len({inode_of(names[0]) for names in group.files}) == len(group.files) > 1


@given(shelves)
def test_what_is_freed_is_all_but_the_largest_of_the_files(copies: list[Copy]) -> None:
    for group in grouped(*copies):
        sizes = sorted(names[0].fingerprint.size_bytes for names in group.files)
        assert group.freed_bytes == sum(sizes[:-1])


@given(shelves)
def test_weights_are_alike_only_where_bytes_differ_and_there_are_weights(copies: list[Copy]) -> None:
    for group in grouped(*copies):
        if group.likeness is Likeness.WEIGHTS:
            found = [names[0] for names in group.files]
            assert {each.autov3 for each in found} == {group.hash}
            assert group.hash != EMPTY_AUTOV3
            assert len({each.sha256 for each in found}) == len(found)


@given(shelves.flatmap(lambda copies: st.tuples(st.just(copies), st.permutations(copies))))
def test_the_order_in_which_files_come_changes_no_group(orders: tuple[list[Copy], list[Copy]]) -> None:
    first, second = (
        {(group.likeness, group.hash, group.freed_bytes, len(group.files)) for group in grouped(*order)}
        for order in orders
    )
    assert first == second


@given(shelves)
def test_the_group_that_frees_most_comes_first(copies: list[Copy]) -> None:
    freed = [group.freed_bytes for group in grouped(*copies)]
    assert freed == sorted(freed, reverse=True)


def test_the_same_bytes_twice_are_a_group() -> None:
    (group,) = grouped(copy(1, 1), copy(2, 1), copy(3, 2))
    assert (group.likeness, ids(group), group.freed_bytes) == (Likeness.BYTES, [[1], [2]], 1000)


def test_hard_links_are_one_file() -> None:
    assert grouped(copy(1, 1, 7), copy(2, 1, 7)) == []
    (group,) = grouped(copy(1, 1, 7), copy(2, 1, 7), copy(3, 1, 8))
    assert (ids(group), group.freed_bytes) == ([[1, 2], [3]], 1000)


def test_weights_count_one_file_of_bytes_that_lie_there_twice() -> None:
    first, second = grouped(
        copy(1, 1, autov3=2), copy(2, 1, autov3=2), copy(3, 2, autov3=2, size_bytes=1200), copy(4, 3, autov3=3)
    )
    assert (first.likeness, ids(first), first.freed_bytes) == (Likeness.BYTES, [[1], [2]], 1000)
    assert (second.likeness, ids(second), second.freed_bytes) == (Likeness.WEIGHTS, [[1], [3]], 1000)


def test_no_data_and_no_autov3_make_nothing_alike() -> None:
    for autov3 in (0, 1):
        assert grouped(copy(1, 1, autov3=autov3), copy(2, 2, autov3=autov3)) == []


def test_equal_sizes_and_names_make_no_duplicate() -> None:
    assert grouped(copy(1, 1), replace(copy(2, 2), path=b"1")) == []
