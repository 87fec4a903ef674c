"""When a folder that was away is there again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from modelshelf import whereabouts
from modelshelf.domain.ground import Ground
from modelshelf.domain.task import TaskKind
from modelshelf.errors import FolderOffline
from modelshelf.shelf.mounts import MountView
from modelshelf.whereabouts import Whereabouts, check_return
from tests import builders
from tests.unit.steps.step_shelf import StepShelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.domain.folder import Folder
    from modelshelf.shelf.devices import DeviceTraits
    from modelshelf.steps.place import Place

ELSEWHERE = Ground(1, 2, 3)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[StepShelf]:
    made = StepShelf(tmp_path)
    yield made
    made.close()


def fill(shelf: StepShelf) -> None:
    shelf.put("deep/one.safetensors", builders.lora(1))
    shelf.scan()


def look(shelf: StepShelf, *, is_honest: bool = True) -> None:
    """Ask whether the folder is back."""
    place = shelf.places["loras"]
    place = replace(place, traits=replace(place.traits, is_honest=is_honest))
    check_return(shelf.store, place, shelf.store.folders.state("loras"), shelf.clock.now())


def test_a_folder_in_which_nothing_was_known_is_back_as_soon_as_it_is_there(shelf: StepShelf) -> None:
    look(shelf, is_honest=False)


def test_a_stray_file_on_another_ground_brings_nothing_back(shelf: StepShelf) -> None:
    fill(shelf)
    shelf.store.grounds.keep("loras", ELSEWHERE)
    look(shelf)
    shelf.path("deep/one.safetensors").rename(shelf.path("stray.safetensors"))
    with pytest.raises(FolderOffline, match="none of 1 files"):
        look(shelf)
    shelf.confirm_missing()
    look(shelf)


def test_that_a_folder_does_not_answer_is_told_only_where_it_is_news(
    shelf: StepShelf, rounds: Whereabouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        shelf.store.folders.set_offline("loras", "a scan found it away meanwhile", shelf.clock.now())
        raise FolderOffline("it does not answer")

    monkeypatch.setattr(rounds._patience, "ask", refuse)
    rounds.question({"loras"})
    assert shelf.events("folder_went_offline") == []
    assert shelf.store.folders.state("loras").offline_reason == "it does not answer"


def test_where_inodes_are_true_the_ground_is_enough(shelf: StepShelf) -> None:
    fill(shelf)
    shelf.path("deep/one.safetensors").rename(shelf.path("notes.txt"))
    look(shelf)


def test_where_they_are_made_up_any_model_will_do_but_is_not_looked_for_without_end(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shelf)
    monkeypatch.setattr(whereabouts, "RETURN_DIRECTORIES", 5)
    look(shelf, is_honest=False)
    shelf.path("deep/one.safetensors").rename(shelf.path("deep/two.safetensors"))
    look(shelf, is_honest=False)
    for number in range(5):
        shelf.path(f"a{number}").mkdir()
    with pytest.raises(FolderOffline, match="shows none"):
        look(shelf, is_honest=False)
    shelf.put("deep/one.safetensors", builders.lora(1))
    look(shelf, is_honest=False)


@pytest.fixture
def settled() -> list[str]:
    return []


@pytest.fixture
def rounds(shelf: StepShelf, settled: list[str]) -> Whereabouts:
    def make_place(folder: Folder, traits: DeviceTraits) -> Place:
        return replace(shelf.places[folder.id], traits=traits)

    folders = [place.folder for place in shelf.places.values()]

    def on_move(place: Place) -> None:
        settled.append(place.folder.id)

    return Whereabouts(shelf.store, shelf.clock, folders, make_place, on_move, lambda: None)


def owed(shelf: StepShelf) -> list[str]:
    return [task.subject for task in shelf.tasks(TaskKind.SCAN_FOLDER)]


def test_a_folder_of_which_much_vanished_is_scanned_when_some_of_it_is_back(
    shelf: StepShelf, rounds: Whereabouts
) -> None:
    fill(shelf)
    shelf.put("stays.safetensors", builders.lora(2))
    shelf.scan()
    shelf.path("deep/one.safetensors").rename(shelf.root / "aside")
    shelf.store.holds.keep("loras", 100, [shelf.file("deep/one.safetensors").id, 4711], shelf.clock.now())
    rounds.look_around()
    assert owed(shelf) == []
    (shelf.root / "aside").rename(shelf.path("deep/one.safetensors"))
    rounds.look_around()
    assert owed(shelf) == ["loras"]


def test_a_file_system_that_does_not_answer_brings_nothing_back(
    shelf: StepShelf, rounds: Whereabouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise FolderOffline("it does not answer")

    fill(shelf)
    shelf.store.holds.keep("loras", 100, [shelf.file("deep/one.safetensors").id], shelf.clock.now())
    monkeypatch.setattr(rounds._patience, "ask", refuse)
    rounds._look_for_held()
    assert owed(shelf) == []


def test_a_folder_that_lies_elsewhere_because_a_directory_above_it_was_renamed_is_watched_anew_and_scanned(
    shelf: StepShelf, rounds: Whereabouts, settled: list[str]
) -> None:
    fill(shelf)
    rounds.look_around()
    assert (owed(shelf), settled) == ([], [])
    (shelf.root / "loras").rename(shelf.root / "old")
    (shelf.root / "loras").mkdir()
    rounds.look_around()
    assert (owed(shelf), settled) == (["loras"], ["loras"])


def test_a_folder_whose_link_leads_elsewhere_now_is_watched_anew_and_scanned(
    shelf: StepShelf, rounds: Whereabouts, settled: list[str]
) -> None:
    (shelf.root / "loras").rename(shelf.root / "one")
    (shelf.root / "two").mkdir()
    (shelf.root / "loras").symlink_to("one")
    rounds.look_around()
    assert (owed(shelf), settled) == ([], [])
    (shelf.root / "loras").unlink()
    (shelf.root / "loras").symlink_to("two")
    rounds.look_around()
    assert (owed(shelf), settled) == (["loras"], ["loras"])


def test_a_folder_whose_path_is_gone_is_scanned_which_says_so(
    shelf: StepShelf, rounds: Whereabouts, settled: list[str]
) -> None:
    (shelf.root / "loras").rename(shelf.root / "old")
    rounds.look_around()
    assert (owed(shelf), settled) == (["loras"], [])


def test_a_mount_that_comes_inside_a_folder_has_it_watched_anew_and_scanned(
    shelf: StepShelf, rounds: Whereabouts, settled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds.look_around()
    monkeypatch.setattr(whereabouts, "mount_table", lambda: frozenset({b"changed"}))
    rounds.look_around()
    assert owed(shelf) == []
    monkeypatch.setattr(whereabouts, "mount_table", lambda: frozenset({b"changed again"}))
    monkeypatch.setattr(
        whereabouts, "mounts_around", lambda _: MountView(frozenset({b"9 1 8:9 / /srv/big"}), frozenset({b"big"}))
    )
    rounds.look_around()
    assert (owed(shelf), settled) == (["loras"], ["loras"])
