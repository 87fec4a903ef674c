"""What the event door makes of events."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar

import pytest
from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
)

from modelshelf.domain.folder import Folder
from modelshelf.errors import FileUnreadable, FolderOffline
from modelshelf.shelf.intake import Intake
from modelshelf.watching import observer as observer_module
from modelshelf.watching.dirty import DirtyReach
from modelshelf.watching.inotify import DoubtEvent
from modelshelf.watching.observer import EventDoor, FolderObserver

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

FILE, TREE = DirtyReach.FILE, DirtyReach.TREE


class Ear:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.dirty: list[tuple[bytes, DirtyReach]] = []
        self.doubts: list[str] = []

    def on_dirty(self, folder_id: str, path: bytes, reach: DirtyReach) -> None:
        assert folder_id == "loras"
        self.dirty.append((path, reach))

    def on_doubt(self, folder_id: str, reason: str) -> None:
        assert folder_id == "loras"
        self.doubts.append(reason)


def folder(path: Path = Path("/models"), *, is_recursive: bool = True) -> Folder:
    return Folder("loras", path, None, ("*.safetensors",), ("trash",), is_recursive)


def heard(*events: FileSystemEvent, is_recursive: bool = True) -> Ear:
    ear = Ear()
    ours = folder(is_recursive=is_recursive)
    door = EventDoor(ours, Intake(ours), ear.on_dirty, ear.on_doubt)
    for event in events:
        door.dispatch(event)
    return ear


@pytest.mark.parametrize("kind", [FileCreatedEvent, FileClosedEvent, FileDeletedEvent])
@pytest.mark.parametrize("name", ["a.safetensors", "a.json", "a.preview.png"])
def test_models_and_what_may_belong_to_them_are_marked(kind: type[FileSystemEvent], name: str) -> None:
    assert heard(kind(f"/models/x/{name}")).dirty == [(b"x/" + name.encode(), FILE)]


def test_a_rename_marks_both_names() -> None:
    assert heard(FileMovedEvent("/models/a", "/models/x/b")).dirty == [(b"a", FILE), (b"x/b", FILE)]


def test_a_rename_from_a_partial_name_marks_the_final_name_only() -> None:
    ear = heard(FileMovedEvent("/models/a.safetensors.part", "/models/a.safetensors"))
    assert ear.dirty == [(b"a.safetensors", FILE)]


@pytest.mark.parametrize(
    "path",
    ["a.safetensors.part", ".a.json.modelshelf-1.tmp", ".DS_Store", "trash/a.safetensors", ".cache/x/a.safetensors"],
)
@pytest.mark.parametrize("kind", [FileCreatedEvent, FileClosedEvent])
def test_unfinished_hidden_and_excluded_files_are_not_heard(kind: type[FileSystemEvent], path: str) -> None:
    ear = heard(kind(f"/models/{path}"))
    assert (ear.dirty, ear.doubts) == ([], [])


def test_what_we_put_in_place_ourselves_is_not_heard_but_who_renames_it_on_is() -> None:
    ours = "/models/.a.json.modelshelf-0123456789abcdef.tmp"
    assert heard(FileMovedEvent(ours, "/models/a.json")).dirty == []
    assert heard(FileMovedEvent("/models/.a.json.tmp", "/models/a.json")).dirty == [(b"a.json", FILE)]
    assert heard(FileMovedEvent("/models/a.json", "/models/b.json")).dirty == [(b"a.json", FILE), (b"b.json", FILE)]


def test_the_end_of_a_downloads_control_file_marks_the_model_it_held_back() -> None:
    assert heard(FileDeletedEvent("/models/x/a.safetensors.aria2")).dirty == [(b"x/a.safetensors", FILE)]
    assert heard(FileDeletedEvent("/models/x/notes.txt.aria2")).dirty == []
    assert heard(FileDeletedEvent("/models/x/notes.tmp")).dirty == []


def test_directories_are_marked_with_all_below_them() -> None:
    assert heard(DirCreatedEvent("/models/x")).dirty == [(b"x", TREE)]
    assert heard(DirDeletedEvent("/models/x/y")).dirty == [(b"x/y", TREE)]
    assert heard(DirMovedEvent("/models/x", "/models/y")).dirty == [(b"x", TREE), (b"y", TREE)]


def test_excluded_directories_are_not_heard_but_a_rename_out_of_them_is() -> None:
    assert heard(DirCreatedEvent("/models/trash")).dirty == []
    assert heard(DirMovedEvent("/models/trash/x", "/models/x")).dirty == [(b"x", TREE)]


def test_a_folder_that_is_not_recursive_hears_nothing_of_directories() -> None:
    assert heard(DirCreatedEvent("/models/x"), is_recursive=False).dirty == []
    assert heard(FileCreatedEvent("/models/a.json"), is_recursive=False).dirty == [(b"a.json", FILE)]


@pytest.mark.parametrize("is_recursive", [True, False])
def test_the_removal_of_the_folder_itself_is_a_doubt(*, is_recursive: bool) -> None:
    ear = heard(DirDeletedEvent("/models"), is_recursive=is_recursive)
    assert (ear.dirty, ear.doubts) == ([], ["the folder was removed"])


def test_events_from_elsewhere_are_not_heard() -> None:
    assert heard(FileCreatedEvent("/models-old/a.safetensors"), FileCreatedEvent("/etc/passwd")).dirty == []


def test_names_that_are_no_utf_8_arrive_as_their_bytes() -> None:
    assert heard(FileClosedEvent("/models/caf\udce9.safetensors")).dirty == [(b"caf\xe9.safetensors", FILE)]


def test_a_doubt_is_handed_on() -> None:
    assert heard(DoubtEvent("/models", reason="the queue overflowed")).doubts == ["the queue overflowed"]


def test_whatever_goes_wrong_with_an_event_becomes_a_doubt() -> None:
    ear = Ear()

    def broken(_folder_id: str, _path: bytes, _reach: DirtyReach) -> None:
        raise RuntimeError("no room")

    EventDoor(folder(), Intake(folder()), broken, ear.on_doubt).dispatch(FileCreatedEvent("/models/a"))
    assert ear.doubts == ["an event could not be taken in: RuntimeError('no room')"]


def test_the_root_of_the_machine_can_be_a_folder() -> None:
    ear = Ear()
    ours = folder(Path("/"))
    EventDoor(ours, Intake(ours), ear.on_dirty, ear.on_doubt).dispatch(FileCreatedEvent("/a.safetensors"))
    assert ear.dirty == [(b"a.safetensors", FILE)]


def test_excluded_directories_and_those_elsewhere_are_never_watched() -> None:
    ear = Ear()
    door = EventDoor(folder(), Intake(folder()), ear.on_dirty, ear.on_doubt)
    assert door.is_excluded(b"/models/x/trash/y")
    assert door.is_excluded(b"/models-old")
    assert not door.is_excluded(b"/models/x")
    assert not door.is_excluded(b"/models")


def observer_of(path: Path) -> FolderObserver:
    ear = Ear()
    return FolderObserver(folder(path), Intake(folder(path)), ear.on_dirty, ear.on_doubt)


def test_a_folder_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("never", "file"):
        with pytest.raises(FolderOffline, match="is no directory"):
            observer_of(tmp_path / name).start()


class FakeObserver:
    """watchdog's observer without threads; it may refuse to start."""

    error: OSError | None = None
    made: ClassVar[list[FakeObserver]] = []

    def __init__(self, is_excluded: object) -> None:
        self.calls: list[object] = []
        self.is_well = True
        self.groups = [SimpleNamespace(watched_count=7, unwatched_count=2, is_rooted=True)]
        self.made.append(self)

    def schedule(self, _door: EventDoor, path: str, *, recursive: bool, event_filter: object) -> None:
        self.calls.append((path, recursive))

    def start(self) -> None:
        self.calls.append("start")
        if self.error:
            raise self.error

    def stop(self) -> None:
        self.calls.append("stop")

    def join(self) -> None:
        self.calls.append("join")

    def is_healthy(self) -> bool:
        return self.is_well


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeObserver]:
    monkeypatch.setattr(observer_module, "SafeObserver", FakeObserver)
    monkeypatch.setattr(FakeObserver, "made", [])
    return FakeObserver


def test_an_observer_watches_what_a_link_leads_to_until_it_is_stopped(tmp_path: Path, fake: type[FakeObserver]) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    observer = observer_of(tmp_path / "link")
    observer.start()
    assert observer.is_alive()
    assert (observer.watched_count, observer.unwatched_count) == (7, 2)
    fake.made[0].groups[0].is_rooted = False
    assert not observer.is_alive()
    fake.made[0].groups[0].is_rooted = True
    fake.made[0].is_well = False
    assert not observer.is_alive()
    observer.stop()
    assert fake.made[0].calls == [(str(tmp_path.resolve() / "real"), True), "start", "stop", "join"]
    assert not observer.is_alive()


def test_a_root_that_cannot_be_watched_stops_what_was_begun(
    tmp_path: Path, fake: type[FakeObserver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "error", PermissionError(13, "Permission denied"))
    observer = observer_of(tmp_path)
    with pytest.raises(FileUnreadable, match="Permission denied"):
        observer.start()
    assert fake.made[0].calls[-1] == "stop"
    assert not observer.is_alive()


def test_an_observer_that_does_not_run_is_not_alive_and_can_be_stopped(tmp_path: Path) -> None:
    observer = observer_of(tmp_path)
    observer.stop()
    assert not observer.is_alive()
    assert (observer.watched_count, observer.unwatched_count) == (0, 0)


def test_too_many_inotify_instances_are_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_is_excluded: object) -> object:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(observer_module, "SafeObserver", refuse)
    with pytest.raises(FileUnreadable, match=r"fs\.inotify\.max_user_instances") as caught:
        observer_of(tmp_path).start()
    assert caught.value.errno == 24
