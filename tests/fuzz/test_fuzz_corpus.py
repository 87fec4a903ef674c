"""Every crafted input through its door: a value or one of our errors, within 2 s and 256 MB, and nothing written beside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from modelshelf.errors import BrokenModelFile
from tests.fuzz.__main__ import main
from tests.fuzz.corpus import cases
from tests.fuzz.crafted_texts import text_cases
from tests.fuzz.limits import judge
from tests.fuzz.mutations import Case
from tests.fuzz.targets import TARGETS

REPOSITORY = Path(__file__).resolve().parents[2]
LEAST_INPUTS = 1_000


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """Give what came of every input, None for one that was begun and not ended; measuring coverage would cost its time."""
    words = [sys.executable, "-m", "tests.fuzz.sweep"]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    run = subprocess.run(
        words, cwd=REPOSITORY, env=unmeasured, capture_output=True, text=True, timeout=280, check=False
    )
    assert run.stdout, run.stderr[-2000:]
    return dict(json.loads(line) for line in run.stdout.splitlines())


@pytest.mark.parametrize("target", TARGETS)
def test_whatever_comes_in_a_value_or_an_error_of_ours_comes_out(outcomes: dict[str, str | None], target: str) -> None:
    wanted = [each.id for each in cases(target)]
    assert [(each, outcomes[each]) for each in wanted if outcomes.get(each, "not tried") != ""] == []


def test_more_than_a_thousand_inputs_are_kept_each_with_an_id_of_its_own() -> None:
    every = cases()
    assert len({each.id for each in every}) == len(every) >= LEAST_INPUTS
    assert {each.target for each in every} == TARGETS.keys()


def test_the_inputs_are_the_same_at_every_run() -> None:
    assert [*text_cases()] == [*text_cases()]


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        (BrokenModelFile("x"), None),
        (RecursionError("deep"), "RecursionError: deep"),
        (AssertionError("beside"), "AssertionError: beside"),
    ],
)
def test_only_an_error_of_ours_is_no_fault(tmp_path: Path, error: Exception, fault: str | None) -> None:
    def target(content: bytes, desk: Path) -> None:
        raise error

    assert judge(target, b"", tmp_path).fault == fault


def test_an_error_of_ours_that_hides_a_lack_of_memory_is_a_fault(tmp_path: Path) -> None:
    def target(content: bytes, desk: Path) -> None:
        raise BrokenModelFile("cannot be decoded") from MemoryError()

    assert judge(target, b"", tmp_path).fault == "out of memory"


def test_an_input_that_takes_too_long_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.limits._HUNG_AFTER_SECONDS", 0.05)

    def target(content: bytes, desk: Path) -> None:
        while True:
            pass

    assert (judge(target, b"", tmp_path).fault or "").startswith("Hung")


def test_an_input_that_lets_its_reader_wait_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.limits._BLOCKED_AFTER_SECONDS", 0.05)
    nobody_writes, mouth = os.pipe()
    somebody_at_last = threading.Timer(5, os.write, [mouth, b"."])
    somebody_at_last.start()

    def target(content: bytes, desk: Path) -> None:
        os.read(nobody_writes, 1)

    assert (judge(target, b"", tmp_path).fault or "").startswith("Hung")
    somebody_at_last.cancel()
    somebody_at_last.join()
    for end in (nobody_writes, mouth):
        os.close(end)


def test_what_is_written_beside_the_input_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "beside").touch()
    case = Case("x", "safetensors", b"")
    assert "written beside" in (judge(TARGETS[case.target], case.content, tmp_path).fault or "")


@pytest.fixture
def _without_atheris(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_without_atheris")
def test_fuzzing_goes_by_chance_where_atheris_is_not_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seconds", "0.2", "name"]) == 0
    assert capsys.readouterr().out == "name: 0 s\nnothing broke\n"


@pytest.mark.usefixtures("_without_atheris")
def test_what_fuzzing_breaks_is_kept_and_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(content: bytes, desk: Path) -> None:
        raise KeyError(len(content) // 10**9)

    monkeypatch.setitem(TARGETS, "name", broken)
    assert main(["--seconds", "0.2", "name"]) == 1
    assert len([*(tmp_path / "fuzz-found").iterdir()]) == 1


def test_one_input_can_be_tried_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--case", "mounts/defect/empty-line"]) == 0
    assert capsys.readouterr().out.endswith(" s: as it should be\n")
