"""How deep reading is cut: for any shelf every file once, no chunk too large, and workers that end together."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bench.chunk_plan import NEAR_IDEAL, WORKERS, compare, makespan
from modelshelf.domain.chunk import ChunkLimits
from modelshelf.domain.chunking import SMALL_BYTES, ChunkPlan, OwedFile, cap_of, cut, priority_of, worth_of
from modelshelf.domain.task import Priority

LIMITS = ChunkLimits(size_bytes=1_000, files=5, share=1.0, least_bytes=0)

NAMES = st.sampled_from([b"a", b"a-b", b"b", b"\xff\n", b"\x1b[m", b" "])
DIRECTORIES = st.lists(NAMES, max_size=4).map(b"/".join)
SIZES = st.one_of(st.integers(0, 300), st.integers(0, 3_000), st.just(2**80))
SHELVES = st.lists(st.tuples(st.sampled_from("xy"), DIRECTORIES, SIZES, st.integers(0, 2)), max_size=60).map(
    lambda rows: [
        OwedFile(folder_id, directory, number, size, worth)
        for number, (folder_id, directory, size, worth) in enumerate(rows)
    ]
)


def shelf(*sizes: int, directory: bytes = b"", first: int = 0) -> list[OwedFile]:
    return [OwedFile("x", directory, first + number, size, 1) for number, size in enumerate(sizes)]


def directories_of(plans: list[ChunkPlan]) -> dict[bytes, int]:
    return {plan.directory: len(plan.file_ids) for plan in plans}


@given(SHELVES)
def test_every_file_is_in_exactly_one_chunk(files: list[OwedFile]) -> None:
    planned = [file_id for plan in cut(files, LIMITS) for file_id in plan.file_ids]
    assert sorted(planned) == [file.id for file in files]


@given(SHELVES)
def test_no_chunk_is_over_the_limits_but_for_a_file_alone(files: list[OwedFile]) -> None:
    for plan in cut(files, LIMITS):
        assert plan.size_bytes == sum(min(files[file_id].size_bytes, 2**62) for file_id in plan.file_ids)
        assert len(plan.file_ids) == 1 or (plan.size_bytes <= 1_000 and len(plan.file_ids) <= 5)


@given(SHELVES)
def test_a_chunk_is_of_one_folder_and_worth_and_its_directory_holds_all_of_it(files: list[OwedFile]) -> None:
    for plan in cut(files, LIMITS):
        for file in (files[file_id] for file_id in plan.file_ids):
            assert (file.folder_id, file.worth) == (plan.folder_id, plan.worth)
            assert not plan.directory or (file.directory + b"/").startswith(plan.directory + b"/")


@given(SHELVES)
def test_what_is_worth_most_comes_first_and_of_equals_the_largest(files: list[OwedFile]) -> None:
    order = [(plan.worth, plan.size_bytes) for plan in cut(files, LIMITS)]
    assert order == sorted(order, reverse=True)


@given(SHELVES, st.integers(1, 6))
def test_nobody_waits_for_more_than_one_chunk_at_the_end(files: list[OwedFile], workers: int) -> None:
    sizes = [plan.size_bytes for plan in cut(files, LIMITS)]
    assert makespan(sizes, workers) <= sum(sizes) / workers + max(sizes, default=0)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(500, 1_000)), min_size=130, max_size=200))
def test_four_workers_are_done_within_five_percent_of_the_best(rows: list[tuple[int, int]]) -> None:
    files = [OwedFile("x", b"%d/%d" % (place % 5, place), number, size, 1) for number, (place, size) in enumerate(rows)]
    plans = cut(files, replace(ChunkLimits(), least_bytes=0))
    ideal = sum(file.size_bytes for file in files) / WORKERS
    assert makespan(plan.size_bytes for plan in plans) <= NEAR_IDEAL * ideal


def test_the_simulated_shelf_is_read_within_five_percent_of_the_best() -> None:
    rows = compare(None, is_quick=True)
    assert [row.is_reached for row in rows if row.is_ratio] == [True, True]


def test_twenty_tiny_files_are_one_chunk() -> None:
    assert len(cut(shelf(*[1_000] * 20), ChunkLimits())) == 1


def test_nothing_owed_is_no_chunk() -> None:
    assert cut([], ChunkLimits()) == []


def test_subtrees_that_fit_stay_whole() -> None:
    files = [
        *shelf(400, 400, directory=b"a/one", first=0),
        *shelf(100, directory=b"a-side", first=2),
        *shelf(700, 300, directory=b"b/deep/er", first=3),
        *shelf(900, directory=b"b/other", first=5),
    ]
    found = {plan.directory: plan.file_ids for plan in cut(files, LIMITS)}
    assert found == {b"": (0, 1, 2), b"b/deep/er": (3, 4), b"b/other": (5,)}


def test_small_siblings_are_packed_together() -> None:
    files = [file for place in range(4) for file in shelf(100, directory=b"many/%d" % place, first=place)]
    assert directories_of(cut([*files, *shelf(900, directory=b"z", first=9)], LIMITS)) == {b"many": 4, b"z": 1}


def test_a_leaf_over_the_limit_is_cut_by_files() -> None:
    plans = cut(shelf(*[300] * 7, directory=b"leaf"), LIMITS)
    assert [(plan.directory, len(plan.file_ids)) for plan in plans] == [(b"leaf", 3), (b"leaf", 3), (b"leaf", 1)]


def test_many_small_files_are_cut_by_count() -> None:
    assert sorted(len(plan.file_ids) for plan in cut(shelf(*[0] * 11), LIMITS)) == [1, 5, 5]


def test_a_file_over_the_limit_is_alone_and_parts_no_others() -> None:
    plans = cut(shelf(100, 5_000, 100), LIMITS)
    assert [plan.file_ids for plan in plans] == [(1,), (0, 2)]


def test_a_directory_a_thousand_deep_is_cut_too() -> None:
    files = [OwedFile("x", b"/".join([b"d"] * depth), depth, 600, 1) for depth in range(1_500)]
    assert len(cut(files, LIMITS)) == 1_500


def test_sizes_that_disks_cannot_have_are_added_up_all_the_same() -> None:
    assert [plan.file_ids for plan in cut(shelf(2**70, 2**70), LIMITS)] == [(0,), (1,)]


def test_the_share_and_the_measured_speed_make_chunks_smaller_but_not_below_the_least() -> None:
    limits = ChunkLimits(size_bytes=1_000, share=0.1, seconds=10, least_bytes=20)
    assert cap_of(100_000, limits, None) == 1_000
    assert cap_of(5_000, limits, None) == 500
    assert cap_of(5_000, limits, 30.0) == 300
    assert cap_of(5_000, limits, 0.5) == 20
    assert cap_of(5_000, replace(limits, size_bytes=10), None) == 10


def test_new_is_worth_more_than_changed_than_small_than_the_rest_than_verifying() -> None:
    large = SMALL_BYTES + 1
    order = [
        worth_of(Priority.VERIFY, 1, is_known=True),
        worth_of(Priority.REST, large, is_known=False),
        worth_of(Priority.REST, 1, is_known=True),
        worth_of(Priority.CHANGED, large, is_known=True),
        worth_of(Priority.CHANGED, 1, is_known=True),
        worth_of(Priority.CHANGED, large, is_known=False),
        worth_of(Priority.CHANGED, 1, is_known=False),
    ]
    assert order == sorted(set(order))
    assert [priority_of(each) for each in order] == [Priority.VERIFY, *[Priority.REST] * 2, *[Priority.CHANGED] * 4]
