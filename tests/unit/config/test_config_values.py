"""Durations, sizes, paths and templates as people write them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.config import load_config
from modelshelf.config.nearest import nearest
from modelshelf.config.sections.values import parse_duration, parse_size

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load, Refuse


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(5, 5), (0.5, 0.5), ("7", 7), ("30s", 30), ("30 seconds", 30), ("5 min", 300), ("1m", 60), ("1 Minute", 60),
     ("6h", 21600), ("1.5 hours", 5400), ("1 day", 86400), ("2d", 172800), ("1 week", 604800), ("250 ms", 0.25), (" 3 ", 3)],
)  # fmt: skip
def test_durations_are_seconds_or_have_a_unit(written: Any, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written", [True, None, "soon", "5 fortnights", "-5", -5, "", "5 5", [5], float("inf"), "9" * 99]
)
def test_what_is_no_duration_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(written)


@pytest.mark.parametrize(
    ("written", "size_bytes"),
    [(1, 1), ("15GB", 15_000_000_000), ("15 GiB", 15 * 2**30), ("1.5 gb", 1_500_000_000), ("500MB", 500_000_000), ("1 KiB", 1024),
     ("2TB", 2 * 10**12), ("2 TiB", 2 * 2**40), ("100 B", 100), (0, None), (False, None), ("off", None), ("None", None)],
)  # fmt: skip
def test_sizes_are_bytes_or_have_a_unit(written: Any, size_bytes: int | None) -> None:
    assert parse_size(written) == size_bytes


@pytest.mark.parametrize("written", [True, "15G", "big", "-1", "1 PB", [1], "9" * 400])
def test_what_is_no_size_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        parse_size(written)


def test_the_hashing_limit_is_off_by_default(load: Load) -> None:
    folder = "input_paths: {a: {path: x}}\n"
    assert load(folder).hashing_limit_bytes is None
    assert load(folder + "hashing: {max_size: 15 GiB}").hashing_limit_bytes == 15 * 2**30
    assert load(folder + "hashing: {max_size: off}").hashing_limit_bytes is None


def test_relative_paths_count_from_the_file(load: Load, tmp_path: Path) -> None:
    config = load("input_paths: {a: {path: ./x/../y}, b: {path: ~/z}, c: {path: /abs/}}")
    assert [folder.path for folder in config.folders()] == [
        tmp_path / "y", Path("/home/someone/z"), Path("/abs")
    ]  # fmt: skip


def test_a_relative_file_is_found_from_the_working_directory(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load("input_paths: {a: {path: x}}")
    monkeypatch.chdir(tmp_path)
    assert load_config(Path("FILE"), {}).folders()[0].path == tmp_path / "x"


def test_a_single_text_is_a_list_of_one(load: Load) -> None:
    (folder,) = load("input_paths: {a: {path: x, patterns: '*.pt'}}").folders()
    assert folder.patterns == ("*.pt",)


def test_a_path_template_counts_from_the_file_unless_it_says_model_dir(load: Load, tmp_path: Path) -> None:
    def path(template: str) -> str:
        config = load(f"input_paths: {{a: {{path: x}}}}\noutput: {{images: {{path: '{template}'}}}}")
        return config.output_for("a").images.path

    assert path("{model_dir}/previews") == "{model_dir}/previews"
    assert path("previews/{model_type}") == f"{tmp_path}/previews/{{model_type}}"
    assert path("{model_type}") == f"{tmp_path}/{{model_type}}"
    assert path("/srv/{model_type}") == "/srv/{model_type}"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("page.html", "must contain {model_name}, or every model would write the same file"),
        ("/{model_name}", "must be a name, without leading / and without ..; set the directory with path"),
        ("../{model_name}", "must be a name, without leading / and without ..; set the directory with path"),
        ("{modelname}", ("knows no placeholder {modelname}; known are {model_dir}, {model_name}, {model_type}, {ext}; "
         "did you mean model_name?")),
        ("", "must be text with placeholders such as {model_dir}"),
        (3, "must be text with placeholders such as {model_dir}"),
    ],
)  # fmt: skip
def test_a_name_template_that_cannot_work_is_refused(refuse: Refuse, template: object, expected: str) -> None:
    (line,) = refuse(f"input_paths: {{a: {{path: x}}}}\noutput: {{metadata: {{filename: {template!r}}}}}")
    assert line == f"FILE:2: output.metadata.filename: {expected}"


def test_the_nearest_word_is_found_whatever_its_case() -> None:
    assert nearest("checkpiont", ["LORA", "Checkpoint"]) == "Checkpoint"
    assert nearest("something else", ["LORA", "Checkpoint"]) is None
