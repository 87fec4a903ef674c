"""Whether a folder's files may be judged: what it stands on, who bears witness, what a person said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.ground import Ground
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.errors import FileChanged, FolderOffline
from modelshelf.shelf.mounts import MountView
from modelshelf.shelf.walk import walk
from modelshelf.steps import footing as room
from modelshelf.steps import render_gallery, render_page, scan_folder, write_sidecars
from modelshelf.steps.footing import check_footing, check_witness, find_footing
from modelshelf.steps.step import Failed
from modelshelf.store.holds import HONOURED
from tests import builders
from tests.unit.steps.step_shelf import introduce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelshelf.shelf.walk import Listing
    from modelshelf.steps.footing import Footing
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

ELSEWHERE = Ground(1, 2, 3)


def find(shelf: StepShelf) -> Footing:
    return find_footing(shelf.store, shelf.places["loras"].folder, shelf.clock.now())


def fill(shelf: StepShelf, count: int = 3) -> None:
    for number in range(count):
        shelf.put(f"{number}.safetensors", builders.lora(number))
    shelf.scan()


def is_confirmed(shelf: StepShelf) -> bool:
    return shelf.store.holds.confirmed_ground("loras", shelf.clock.now()) is not None


def is_offline(shelf: StepShelf) -> bool:
    return shelf.store.folders.state("loras").offline_since is not None


def see_mounts(monkeypatch: pytest.MonkeyPatch, *below: bytes) -> None:
    monkeypatch.setattr(room, "mounts_around", lambda _: MountView(frozenset(below), frozenset(below)))


def lie(shelf: StepShelf, *, is_honest: bool) -> None:
    """Have the folder lie on a file system whose inodes can be relied on, or cannot."""
    place = shelf.places["loras"]
    shelf.places["loras"] = replace(place, traits=replace(place.traits, is_honest=is_honest))


def test_where_files_were_seen_is_kept_by_the_first_look_and_by_every_scan(shelf: StepShelf) -> None:
    shelf.scan()
    assert shelf.store.grounds.of("loras") is None
    shelf.put("0.safetensors", builders.lora(1))
    shelf.scan("0.safetensors")
    ground = shelf.store.grounds.of("loras")
    assert ground == find(shelf).ground
    shelf.store.grounds.keep("loras", ELSEWHERE)
    shelf.scan("0.safetensors")
    assert shelf.store.grounds.of("loras") == ELSEWHERE
    shelf.scan()
    assert shelf.store.grounds.of("loras") == ground


def test_the_ground_that_is_known_needs_no_witness(shelf: StepShelf) -> None:
    fill(shelf)
    footing = find(shelf)
    assert (footing.is_known, footing.is_elsewhere, footing.is_confirmed) == (True, False, False)
    for number in range(3):
        shelf.path(f"{number}.safetensors").unlink()
    shelf.put("something.txt", b"")
    find(shelf)


@pytest.mark.parametrize("known", [None, ELSEWHERE])
def test_on_another_ground_one_file_that_is_known_must_be_seen(shelf: StepShelf, known: Ground | None) -> None:
    fill(shelf)
    shelf.store.database.execute("DELETE FROM grounds")
    if known is not None:
        shelf.store.grounds.keep("loras", known)
    footing = find(shelf)
    assert (footing.is_known, footing.is_elsewhere) == (False, known is not None)
    for number in range(3):
        shelf.path(f"{number}.safetensors").unlink()
    shelf.put("stray.safetensors", builders.lora(9))
    with pytest.raises(FolderOffline, match=r"none of 3 files drawn .* confirm-missing loras"):
        find(shelf)
    shelf.put("1.safetensors", b"other bytes, but the same name")
    find(shelf)


def test_a_folder_in_which_nothing_is_known_may_lie_anywhere(shelf: StepShelf) -> None:
    shelf.store.grounds.keep("loras", ELSEWHERE)
    find(shelf)


def test_on_another_ground_nothing_is_noticed_without_a_witness(shelf: StepShelf) -> None:
    fill(shelf)
    shelf.store.grounds.keep("loras", ELSEWHERE)
    for number in range(3):
        shelf.path(f"{number}.safetensors").unlink()
    shelf.put("stray.safetensors", builders.lora(9))
    shelf.scan("stray.safetensors")
    shelf.scan()
    assert is_offline(shelf)
    assert shelf.store.files.at("loras", b"stray.safetensors") is None


def test_a_file_on_a_mount_inside_bears_no_witness_for_what_carries_it(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    see_mounts(monkeypatch, b"big")
    shelf.put("big/one.safetensors", builders.lora(1))
    path = shelf.put("here.safetensors", builders.lora(2))
    shelf.scan()
    shelf.store.grounds.keep("loras", ELSEWHERE)
    path.unlink()
    with pytest.raises(FolderOffline):
        find(shelf)
    shelf.put("here.safetensors", builders.lora(2))
    find(shelf)


def test_what_changes_under_a_look_makes_it_worthless(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(shelf)
    footing, folder = find(shelf), shelf.places["loras"].folder
    check_footing(shelf.store, folder, footing)
    with pytest.raises(FileChanged, match="mounted or unmounted"):
        check_footing(shelf.store, folder, replace(footing, ground=ELSEWHERE))
    see_mounts(monkeypatch, b"came")
    with pytest.raises(FileChanged):
        check_footing(shelf.store, folder, footing)
    (outcome,) = shelf.perform(TaskKind.SCAN_FOLDER, "loras")
    assert not isinstance(outcome, Failed)


def test_nothing_is_gone_that_another_directory_does_not_have(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def walk_elsewhere(*given: Any, **named: Any) -> Iterator[Listing]:
        shelf.path("").rename(shelf.root / "unmounted")
        shelf.put("notes.txt", b"")
        yield from walk(*given, **named)

    fill(shelf)
    monkeypatch.setattr(scan_folder, "walk", walk_elsewhere)
    (outcome,) = shelf.perform(TaskKind.SCAN_FOLDER, "loras")
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, FileChanged)


def test_on_a_file_system_that_makes_inodes_up_an_emptied_folder_is_not_believed(shelf: StepShelf) -> None:
    lie(shelf, is_honest=False)
    fill(shelf)
    for number in range(3):
        shelf.path(f"{number}.safetensors").unlink()
    shelf.put("desktop.ini", b"")
    shelf.scan()
    assert is_offline(shelf)
    assert "shows none of the files known in it" in str(shelf.store.folders.state("loras").offline_reason)
    assert shelf.file("0.safetensors").missing_since is None


def test_there_a_model_of_any_kind_is_sign_enough_that_the_folder_lives(shelf: StepShelf) -> None:
    lie(shelf, is_honest=False)
    fill(shelf)
    for number in range(3):
        shelf.path(f"{number}.safetensors").unlink()
    shelf.put("new.safetensors", builders.lora(9, padding_bytes=100))
    shelf.scan()
    assert not is_offline(shelf)
    assert shelf.file("0.safetensors").missing_since is not None


def test_there_what_stood_beside_a_file_is_sign_enough_too(shelf: StepShelf) -> None:
    lie(shelf, is_honest=False)
    shelf.put("0.safetensors", builders.lora(1))
    shelf.put("0.json", "{}")
    shelf.read("0.safetensors")
    shelf.do(TaskKind.WRITE_SIDECARS, "0.safetensors")
    shelf.path("0.safetensors").unlink()
    shelf.scan()
    assert not is_offline(shelf)
    assert shelf.file("0.safetensors").missing_since is not None


def test_there_a_single_path_needs_a_witness(shelf: StepShelf) -> None:
    lie(shelf, is_honest=False)
    fill(shelf)
    shelf.path("0.safetensors").unlink()
    shelf.scan("0.safetensors")
    assert shelf.file("0.safetensors").missing_since is not None
    shelf.path("1.safetensors").unlink()
    shelf.path("2.safetensors").unlink()
    shelf.put("desktop.ini", b"")
    shelf.scan("1.safetensors")
    assert is_offline(shelf)


def test_where_inodes_are_true_the_last_file_may_go(shelf: StepShelf) -> None:
    fill(shelf, 1)
    shelf.path("0.safetensors").unlink()
    shelf.put("notes.txt", b"")
    shelf.scan("0.safetensors")
    assert shelf.file("0.safetensors").missing_since is not None
    assert not is_offline(shelf)


def test_what_is_gone_from_a_mount_inside_asks_for_no_witness_outside(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    see_mounts(monkeypatch, b"big")
    shelf.put("big/one.safetensors", builders.lora(1))
    shelf.scan()
    check_witness(shelf.store, shelf.places["loras"].folder, find(shelf), [shelf.file("big/one.safetensors")])


def test_a_person_s_word_opens_every_gate_but_that_of_a_folder_that_cannot_be_listed(shelf: StepShelf) -> None:
    fill(shelf)
    shelf.store.grounds.keep("loras", ELSEWHERE)
    for number in range(3):
        shelf.path(f"{number}.safetensors").unlink()
    with pytest.raises(FolderOffline, match=r"is empty.*confirm-missing loras"):
        find(shelf)
    shelf.confirm_missing()
    assert find(shelf).is_confirmed
    shelf.scan()
    assert shelf.file("0.safetensors").missing_since is not None
    assert not is_confirmed(shelf)
    shelf.confirm_missing()
    shelf.path("").rmdir()
    with pytest.raises(FolderOffline, match="is not there"):
        find(shelf)


def test_a_person_s_word_is_for_the_whole_folder_and_waits_for_its_scan(shelf: StepShelf) -> None:
    fill(shelf)
    shelf.confirm_missing()
    shelf.scan("0.safetensors")
    assert is_confirmed(shelf)
    shelf.scan()
    assert not is_confirmed(shelf)


@pytest.mark.parametrize("is_swapped", [False, True])
def test_a_person_s_word_holds_for_an_hour_and_of_what_it_was_said_of(shelf: StepShelf, *, is_swapped: bool) -> None:
    fill(shelf)
    shelf.confirm_missing()
    if is_swapped:
        shelf.path("").rename(shelf.root / "unmounted")
        shelf.path("").mkdir()
    else:
        for number in range(3):
            shelf.path(f"{number}.safetensors").unlink()
        assert find(shelf).is_confirmed
        shelf.clock.advance(HONOURED.total_seconds())
    for stray in ((), ("stray.safetensors",)):
        for name in stray:
            shelf.put(name, builders.lora(9))
            shelf.store.grounds.keep("loras", ELSEWHERE)
        with pytest.raises(FolderOffline, match="confirm-missing loras"):
            find(shelf)
        shelf.scan()
        assert is_offline(shelf)
        assert shelf.file("0.safetensors").missing_since is None


def test_a_word_said_of_other_ground_lets_no_empty_folder_pass(shelf: StepShelf) -> None:
    fill(shelf)
    shelf.store.holds.confirm("loras", ELSEWHERE, shelf.clock.now())
    find(shelf)
    for number in range(3):
        shelf.path(f"{number}.safetensors").unlink()
    with pytest.raises(FolderOffline, match="is empty"):
        find(shelf)


def test_a_person_s_word_is_for_the_scan_and_all_else_waits_for_it(shelf: StepShelf) -> None:
    fill(shelf)
    for number in range(3):
        shelf.path(f"{number}.safetensors").unlink()
    shelf.confirm_missing()
    with pytest.raises(FolderOffline):
        find_footing(shelf.store, shelf.places["loras"].folder)


def test_work_on_a_file_that_is_held_back_or_on_a_lost_mount_waits(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    see_mounts(monkeypatch, b"big")
    shelf.put("big/one.safetensors", builders.lora(1))
    shelf.put("big/two.safetensors", builders.lora(2))
    path = shelf.put("here.safetensors", builders.lora(3))
    shelf.scan()
    see_mounts(monkeypatch)
    shelf.path("big/one.safetensors").unlink()
    shelf.path("big/two.safetensors").unlink()
    path.unlink()
    shelf.put("else.txt", b"")
    shelf.store.holds.keep("loras", 100, [], shelf.clock.now())
    errors = [
        outcome.error
        for name in ("big/one.safetensors", "here.safetensors")
        for outcome in shelf.perform(TaskKind.HASH_FILE, name)
        if isinstance(outcome, Failed)
    ]
    assert all(isinstance(error, FolderOffline) for error in errors)
    assert ["was a mount of its own" in str(errors[0]), "100 files of loras vanished" in str(errors[1])] == [True, True]


def test_reading_what_is_held_back_is_put_off_and_not_tried_over_and_over(shelf: StepShelf) -> None:
    names = [f"{number}.safetensors" for number in range(60)]
    for number, name in enumerate(names):
        shelf.put(name, builders.lora(number))
    shelf.put("stays.safetensors", builders.lora(99))
    shelf.scan()
    for name in names:
        shelf.path(name).unlink()
    shelf.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras", priority=40)], shelf.clock.now())
    assert shelf.drain(linger_seconds=0) < 20
    assert shelf.store.holds.of("loras") is not None
    waiting = [task for task in shelf.store.journal.failures() if task.kind is TaskKind.INSPECT_FILE]
    assert len(waiting) == 60
    assert all("vanished at once" in str(task.last_error) for task in waiting)
    shelf.clock.advance(100_000)
    shelf.drain(linger_seconds=0)
    assert all(task.attempts == 2 for task in shelf.store.journal.failures() if task.kind is TaskKind.INSPECT_FILE)


@pytest.fixture
def vanishing(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> Callable[[object, str], None]:
    """Have the disk taken away while something is being drawn: all that is left is a bare directory with a stray file."""

    def vanish_in(module: object, name: str) -> None:
        real = getattr(module, name)

        def draw_and_vanish(*given: Any, **named: Any) -> Any:
            drawn = real(*given, **named)
            if not (shelf.root / "unmounted").exists():
                shelf.path("").rename(shelf.root / "unmounted")
                shelf.put("notes.txt", b"")
            return drawn

        monkeypatch.setattr(module, name, draw_and_vanish)

    return vanish_in


@pytest.mark.parametrize(
    ("kind", "module", "name"),
    [
        (TaskKind.RENDER_PAGE, render_page, "render_page"),
        (TaskKind.RENDER_GALLERY, render_gallery, "render_gallery"),
        (TaskKind.WRITE_SIDECARS, write_sidecars, "plan_sidecars"),
    ],
)
def test_nothing_is_written_onto_a_mount_point_whose_disk_went_meanwhile(
    shelf: StepShelf, vanishing: Callable[[object, str], None], kind: TaskKind, module: object, name: str
) -> None:
    shelf.put("one.safetensors", builders.lora(1, metadata={"modelspec.description": "words"}))
    shelf.read("one.safetensors")
    vanishing(module, name)
    (outcome,) = shelf.perform(kind, "loras" if kind is TaskKind.RENDER_GALLERY else "one.safetensors")
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, FolderOffline)
    assert shelf.names() == {"notes.txt"}


def test_no_picture_is_written_onto_a_mount_point_whose_disk_went_while_it_was_fetched(
    civitai: CivitaiStandIn, shelf: StepShelf, vanishing: Callable[[object, str], None]
) -> None:
    content = builders.lora(1)
    introduce(civitai, content, "one")
    shelf.put("one.safetensors", content)
    shelf.read("one.safetensors")
    shelf.do(TaskKind.IDENTIFY_CONTENT, shelf.content("one.safetensors").id)
    vanishing(shelf.client.__class__, "download_image")
    (outcome,) = shelf.perform(TaskKind.FETCH_PREVIEWS, "one.safetensors")
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, FolderOffline)
    assert shelf.names() == {"notes.txt"}
