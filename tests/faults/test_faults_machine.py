"""Anything may happen in any order; once it is quiet, the catalog says what a fresh look at the disk says."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from modelshelf.domain.task import Lane, NewTask, TaskKind, TaskState
from tests import builders
from tests.unit.steps.step_shelf import HOUR, StepShelf

FOLDERS = ("loras", "checkpoints")
DIRECTORIES = ("", "style", "caf\udce9")
NAMES = tuple(f"{stem}.safetensors" for stem in ("ink", "oil", "wash"))
KEEPER = "keeper.safetensors"
"""Never touched: a folder without one model left is held to be away, which other tests show."""

MOST_KILLS = 3
EXAMPLES = int(os.environ.get("MODELSHELF_MACHINE_EXAMPLES", "0"))
"""How many random histories to try by hand; without it the same few are tried each time."""

picks = st.integers(0, 99)
contents = st.integers(0, 5).map(lambda seed: builders.lora(300 + seed))
folders = st.sampled_from(FOLDERS)
places = st.builds(Path, folders, *map(st.sampled_from, (DIRECTORIES, NAMES)))


class ShelfMachine(RuleBasedStateMachine):
    """Files, mounts, kills and the clock against one catalog."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="modelshelf-machine-"))
        self.shelf = self._opened(elapsed_seconds=0.0)
        self.notes: set[str] = set()
        self.kills = 0

    def _opened(self, elapsed_seconds: float) -> StepShelf:
        shelf = StepShelf(self.root)
        shelf.add_folder("checkpoints")
        shelf.clock.advance(elapsed_seconds)
        return shelf

    @initialize(wanted=st.lists(st.tuples(places, contents), min_size=3, max_size=6))
    def fill(self, wanted: list[tuple[Path, bytes]]) -> None:
        """Begin with a shelf that is known."""
        for number, folder in enumerate(FOLDERS):
            self.shelf.put(KEEPER, builders.lora(400 + number), folder)
            self._owe(folder)
        for place, content in wanted:
            self._put(place, content, HOUR)
        self.work()

    def _put(self, place: Path, content: bytes, age_seconds: float) -> None:
        folder, *rest = place.parts
        self.shelf.put(os.path.join(*rest), content, folder, age_seconds=age_seconds)

    def _at(self, place: Path) -> Path:
        return self.root / place

    def _pick(self, number: int) -> Path | None:
        """Give one of the files that can be touched, as a path from the root; None where there is none."""
        found = [
            path.relative_to(self.root)
            for folder in FOLDERS
            for path in sorted((self.root / folder).rglob("*.safetensors"))
            if path.name != KEEPER
        ]
        return found[number % len(found)] if found else None

    # what people do

    @rule(place=places, content=contents, age_seconds=st.sampled_from([0.0, 10.0, HOUR]), is_seen=st.booleans())
    def write(self, *, is_seen: bool, place: Path, content: bytes, age_seconds: float) -> None:
        self._put(place, content, age_seconds)
        self._see(place, is_seen=is_seen)

    @rule(number=picks, content=contents, is_seen=st.booleans())
    def replace_in_place_with_the_same_times(self, *, is_seen: bool, number: int, content: bytes) -> None:
        place = self._pick(number)
        if place is not None:
            path = self._at(place)
            before = path.stat()
            path.write_bytes(content)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            self._see(place, is_seen=is_seen)

    @rule(number=picks, after=places, is_seen=st.booleans())
    def move(self, *, is_seen: bool, number: int, after: Path) -> None:
        before = self._pick(number)
        if before is not None:
            self._at(after).parent.mkdir(parents=True, exist_ok=True)
            self._at(before).replace(self._at(after))
            self._see(before, after, is_seen=is_seen)

    @rule(number=picks, after=places, is_seen=st.booleans())
    def link(self, *, is_seen: bool, number: int, after: Path) -> None:
        before = self._pick(number)
        if before is not None and not self._at(after).exists():
            self._at(after).parent.mkdir(parents=True, exist_ok=True)
            self._at(after).hardlink_to(self._at(before))
            self._see(after, is_seen=is_seen)

    @rule(number=picks, is_seen=st.booleans())
    def delete(self, *, is_seen: bool, number: int) -> None:
        place = self._pick(number)
        if place is not None:
            self._at(place).unlink()
            self._see(place, is_seen=is_seen)

    @rule(folder=folders, before=st.sampled_from(DIRECTORIES[1:]), after=st.sampled_from(("style", "moved/there")))
    def move_directory(self, folder: str, before: str, after: str) -> None:
        source, target = self.root / folder / before, self.root / folder / after
        if not source.is_dir() or target.exists() or target.is_relative_to(source):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)

    @rule(number=picks, words=st.integers(0, 999))
    def write_a_note(self, number: int, words: int) -> None:
        """A person's own words in the sidecar of a file; those that stood there before are theirs to replace."""
        place = self._pick(number)
        if place is None:
            return
        path, note = self._at(place).with_suffix(".json"), f"note {words} of {place.name}"
        known = json.loads(path.read_bytes()) if path.exists() else {}
        self.notes.discard(known.get("notes"))
        path.write_text(json.dumps(known | {"notes": note}))
        self.notes.add(note)

    # what befalls them

    @rule(folder=folders, is_bare=st.booleans(), is_other_disk=st.booleans(), number=picks)
    def unmount_for_a_while(self, *, folder: str, is_bare: bool, is_other_disk: bool, number: int) -> None:
        root, away = self.root / folder, self.root / f"{folder}.away"
        place = self._pick(number)
        root.rename(away)
        if is_bare:
            root.mkdir()
        if place is not None:
            self.hear_of(place)
        self._owe(folder)
        self.work()
        if is_bare:
            root.rmdir()  # which fails if anything was written there meanwhile
        if is_other_disk:
            shutil.copytree(away, root, symlinks=True)
            shutil.rmtree(away)
        else:
            away.rename(root)
        self.shelf.store.folders.set_online(folder)
        self._owe(folder)

    @precondition(lambda self: self.kills < MOST_KILLS)
    @rule(lane=st.sampled_from(Lane), is_performed=st.booleans())
    def kill(self, *, lane: Lane, is_performed: bool) -> None:
        """The daemon dies with work in hand: claimed only, or done on the disk and not recorded."""
        self.kills += 1
        tasks = self.shelf.store.journal.claim(lane, self.shelf.clock.now())
        if tasks and is_performed:
            self.shelf.steps[tasks[0].kind].perform(tasks, self.shelf.reins)
        elapsed_seconds = self.shelf.clock.monotonic()
        self.shelf.close()
        self.shelf = self._opened(elapsed_seconds)
        self.shelf.store.journal.recover(self.shelf.clock.now())

    @rule(seconds=st.sampled_from([1.0, 60.0, 2 * HOUR, -HOUR]))
    def turn_the_clock(self, seconds: float) -> None:
        self.shelf.clock.advance(seconds)

    # what the daemon does

    @rule(place=places)
    def hear_of(self, place: Path) -> None:
        folder, *rest = place.parts
        self._owe(folder, os.path.join(*rest))

    @rule(folder=folders)
    def scan(self, folder: str) -> None:
        self._owe(folder)

    @rule()
    def work(self) -> None:
        self.shelf.drain(linger_seconds=1.0)

    def _owe(self, folder: str, path: str = "") -> None:
        wanted = NewTask(TaskKind.SCAN_FOLDER, folder, path=os.fsencode(path))
        self.shelf.store.journal.add([wanted], self.shelf.clock.now())

    def _see(self, *places: Path, is_seen: bool) -> None:
        """Let events tell of these places and the daemon work at once, or not."""
        if is_seen:
            for place in places:
                self.hear_of(place)
            self.work()

    # what must hold

    def teardown(self) -> None:
        try:
            self._settle()
            self._compare()
        finally:
            self.shelf.close()
            shutil.rmtree(self.root)

    def _settle(self) -> None:
        for _ in range(3):
            self.shelf.clock.advance(2 * HOUR)
            for folder in FOLDERS:
                self._owe(folder)
            self.shelf.drain()

    def _compare(self) -> None:
        assert [task for task in self.shelf.tasks() if task.state is not TaskState.QUEUED] == []
        assert self._known() == self._seen()
        assert not [path for path in self.root.rglob("*") if ".tmp" in path.name]
        kept = [self._note_in(path) for folder in FOLDERS for path in (self.root / folder).rglob("*.json")]
        assert self.notes <= set(kept)

    def _note_in(self, path: Path) -> object:
        return json.loads(path.read_bytes()).get("notes")

    def _known(self) -> dict[bytes, str]:
        known = {}
        for row in self.shelf.store.database.rows("SELECT id FROM files WHERE missing_since IS NULL"):
            file = self.shelf.store.files.get(row["id"])
            assert file is not None
            content = self.shelf.store.contents.get(file.content_id or 0)
            assert content is not None, f"{file.path!r} was not hashed"
            rot = self.shelf.store.rot.of(file.id)  # other bytes of the same size and times: nobody owns up to them
            sha256 = content.hashes.sha256 if rot is None else rot.sha256
            known[os.path.join(file.folder_id.encode(), file.path)] = sha256
        return known

    def _seen(self) -> dict[bytes, str]:
        models = [path for folder in FOLDERS for path in (self.root / folder).rglob("*.safetensors")]
        return {
            os.fsencode(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest().upper()
            for path in models
        }


def test_after_any_history_the_catalog_equals_a_fresh_look() -> None:
    run_state_machine_as_test(
        ShelfMachine,
        settings=settings(
            max_examples=EXAMPLES or 25,
            stateful_step_count=40,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
