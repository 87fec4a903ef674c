"""What loading a file may run is found out as it comes in, told once, and never holds up the rest."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

from modelshelf.domain.header import PickleVerdict
from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.task import Priority, TaskKind
from modelshelf.errors import ReaderDied, ReaderLost, TransientError
from modelshelf.formats import pickle_scan
from modelshelf.steps import inspect_file
from modelshelf.steps.inspect_file import owe_pickle_scans
from modelshelf.steps.render_gallery import card_of
from modelshelf.steps.step import Failed
from modelshelf.worker.reins import WorkerReins
from tests import builders

if TYPE_CHECKING:
    import pytest

    from modelshelf.domain.header import Header
    from tests.unit.steps.step_shelf import StepShelf


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("false",)


def header_of(shelf: StepShelf, name: str) -> Header:
    header = shelf.store.files.header(shelf.file(name).id)
    assert header is not None
    return header


def test_the_verdict_is_kept_with_the_header(shelf: StepShelf) -> None:
    shelf.put("good.ckpt", builders.torch_zip(1))
    shelf.put("model.safetensors", builders.lora(1))
    for name in ("good.ckpt", "model.safetensors"):
        shelf.read(name)
    assert header_of(shelf, "good.ckpt").pickle_verdict is PickleVerdict.CLEAN
    assert header_of(shelf, "model.safetensors").pickle_verdict is None


def test_a_dangerous_file_is_told_once_and_hashed_like_any_other(shelf: StepShelf) -> None:
    shelf.put("evil.ckpt", pickle.dumps(Evil()))
    shelf.read("evil.ckpt")
    header = header_of(shelf, "evil.ckpt")
    assert (header.pickle_verdict, header.pickle_findings) == (PickleVerdict.DANGEROUS, ("posix.system",))
    assert shelf.file("evil.ckpt").content_id is not None
    assert shelf.do(TaskKind.INSPECT_FILE, "evil.ckpt") == []
    assert shelf.events("pickle_found_dangerous") == [{"reason": "it imports posix.system"}]


def test_a_dangerous_file_is_shown_as_such(shelf: StepShelf) -> None:
    path = shelf.put("evil.ckpt", pickle.dumps(Evil()))
    shelf.read("evil.ckpt")
    entry = shelf.store.entries.get(shelf.file("evil.ckpt").id)
    assert entry is not None
    card = card_of(entry, shelf.places["loras"], path.with_name("gallery.html"))
    assert (card.state, card.reason) == ("dangerous", "Loading it may run any program")


def test_news_of_a_file_that_is_dangerous_no_longer_are_none(shelf: StepShelf) -> None:
    shelf.put("evil.ckpt", pickle.dumps(Evil()))
    shelf.read("evil.ckpt")
    assert [each.name for each in shelf.store.events.news(0, ["pickle_found_dangerous"])] == ["pickle_found_dangerous"]
    shelf.put("evil.ckpt", builders.torch_zip(1), age_seconds=100)
    shelf.read("evil.ckpt")
    assert shelf.store.events.news(0, ["pickle_found_dangerous"]) == []


def test_a_child_that_dies_costs_the_verdict_alone(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> object:
        raise ReaderDied("killed by SIGXCPU")

    monkeypatch.setattr(shelf.reins, "read_narrowly", die)
    shelf.put("heavy.ckpt", builders.torch_zip(1))
    shelf.read("heavy.ckpt")
    header = header_of(shelf, "heavy.ckpt")
    assert (header.pickle_verdict, header.pickle_findings) == (PickleVerdict.NOT_SCANNED, ("killed by SIGXCPU",))
    assert shelf.file("heavy.ckpt").scan_phase is ScanPhase.DEEP


def test_a_child_that_somebody_killed_is_given_one_more_try(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(*_: object) -> object:
        raise ReaderLost("killed by SIGKILL")

    monkeypatch.setattr(shelf.reins, "read_narrowly", vanish)
    shelf.put("heavy.ckpt", builders.torch_zip(1))
    shelf.scan()
    (outcome,) = shelf.perform(TaskKind.INSPECT_FILE, "heavy.ckpt")
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, TransientError)
    shelf.do(TaskKind.INSPECT_FILE, "heavy.ckpt", attempts=1)
    assert header_of(shelf, "heavy.ckpt").pickle_findings == ("killed by SIGKILL",)


def test_the_scan_is_done_by_a_process_of_its_own(shelf: StepShelf) -> None:
    shelf.put("good.ckpt", builders.torch_zip(1))
    shelf.scan()
    (outcome,) = shelf.steps[TaskKind.INSPECT_FILE].perform(
        [shelf.task(TaskKind.INSPECT_FILE, "good.ckpt")], WorkerReins(shelf.hall)
    )
    shelf.record([outcome])
    assert header_of(shelf, "good.ckpt").pickle_verdict is PickleVerdict.CLEAN
    assert WorkerReins(shelf.hall).read_narrowly(os.getpid) != os.getpid()


def test_files_known_before_are_scanned_when_there_is_nothing_else_to_do(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in (("a.ckpt", builders.torch_zip(1)), ("b.safetensors", builders.lora(1))):
        shelf.put(name, content)
    with monkeypatch.context() as before:
        before.setattr(inspect_file, "foresee_scan", lambda *_: pickle_scan.PickleScan(None))
        shelf.look_through()
    assert header_of(shelf, "a.ckpt").pickle_verdict is None
    owe_pickle_scans(shelf.store, shelf.clock.now())
    assert [(task.subject, task.priority) for task in shelf.tasks(TaskKind.INSPECT_FILE)] == [
        (str(shelf.file("a.ckpt").id), Priority.VERIFY)
    ]
    assert shelf.file("a.ckpt").scan_phase is ScanPhase.DEEP
    shelf.drain()
    assert header_of(shelf, "a.ckpt").pickle_verdict is PickleVerdict.CLEAN


def test_what_this_scanner_has_judged_is_not_owed_again(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    owe_pickle_scans(shelf.store, shelf.clock.now())
    shelf.put("a.ckpt", builders.torch_zip(1))
    shelf.look_through()
    owe_pickle_scans(shelf.store, shelf.clock.now())
    assert shelf.tasks(TaskKind.INSPECT_FILE) == []
    monkeypatch.setattr(inspect_file, "version", lambda _: "99")
    owe_pickle_scans(shelf.store, shelf.clock.now())
    assert len(shelf.tasks(TaskKind.INSPECT_FILE)) == 1


def test_a_page_is_drawn_again_where_the_verdict_is_another(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put("a.ckpt", builders.torch_zip(1))
    with monkeypatch.context() as before:
        before.setattr(inspect_file, "foresee_scan", lambda *_: pickle_scan.PickleScan(None))
        shelf.read("a.ckpt")
    (page,) = shelf.do(TaskKind.INSPECT_FILE, "a.ckpt")
    assert page.kind is TaskKind.RENDER_PAGE
    assert shelf.do(TaskKind.INSPECT_FILE, "a.ckpt") == []
