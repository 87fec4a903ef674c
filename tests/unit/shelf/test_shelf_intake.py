"""Which paths are ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelshelf.domain.folder import Folder
from modelshelf.shelf.intake import Intake
from modelshelf.shelf.partial import finished_name, partial_companions


def intake(*patterns: str, exclude: tuple[str, ...] = ()) -> Intake:
    return Intake(Folder("loras", Path("/models"), "LORA", patterns or ("*.safetensors", "*.ckpt"), exclude))


@pytest.mark.parametrize("path", [b"a.safetensors", b"x/y/A.SAFETENSORS", b"caf\xe9.ckpt", b"line\nbreak.ckpt"])
def test_a_name_that_fits_a_pattern_in_any_letter_case_is_a_model(path: bytes) -> None:
    assert intake().is_model(path)


@pytest.mark.parametrize("path", [b"a.json", b"a.safetensors.json", b"safetensors", b"a.safetensors\n", b""])
def test_a_name_that_fits_no_pattern_is_no_model(path: bytes) -> None:
    assert not intake().is_model(path)


@pytest.mark.parametrize("path", [b".a.safetensors", b"x/.hidden/a.safetensors", b".lm-pending-delete/a.safetensors"])
def test_nothing_hidden_is_a_model(path: bytes) -> None:
    assert not intake().is_model(path)


def test_unfinished_names_are_no_models_whatever_the_patterns() -> None:
    assert not intake("*").is_model(b"a.safetensors.part")
    assert intake("*").is_model(b"a.safetensors")


@pytest.mark.parametrize("pattern", ["**/*.gguf", "./*.gguf", "**/**/*.gguf", "*.[Gg]guf"])
def test_a_pattern_of_names_fits_at_any_depth(pattern: str) -> None:
    assert intake(pattern).is_model(b"a.gguf")
    assert intake(pattern).is_model(b"x/y/a.gguf")


def test_a_pattern_with_directories_is_anchored_and_its_star_stops_at_slashes() -> None:
    ours = intake("loras/*.pt", "sd/**/v?/*.ckpt")
    assert ours.is_model(b"LoRAs/a.pt")
    assert not ours.is_model(b"a.pt")
    assert not ours.is_model(b"other/loras/a.pt")
    assert not ours.is_model(b"loras/deep/a.pt")
    assert ours.is_model(b"sd/v1/a.ckpt")
    assert ours.is_model(b"sd/x/y/v2/a.ckpt")
    assert not ours.is_model(b"sd/x/v22/a.ckpt")


def test_without_patterns_nothing_is_ours() -> None:
    assert not Intake(Folder("loras", Path("/models"), None, (), ())).is_model(b"a.safetensors")


@pytest.mark.parametrize("pattern", ["backup", "backup/", "backup/*", "**/backup/**", "**/backup", "BACK*"])
def test_an_excluded_directory_is_left_out_with_all_below_it(pattern: str) -> None:
    ours = intake(exclude=(pattern,))
    assert ours.is_excluded_directory(b"backup")
    assert ours.is_excluded_directory(b"backup/of/mine")
    assert not ours.is_model(b"backup/of/a.safetensors")
    assert ours.is_model(b"mine/a.safetensors")


@pytest.mark.parametrize("pattern", ["backup", "**/backup/*", "**/backup/**", "a/**/backup/"])
def test_an_unanchored_exclusion_holds_anywhere(pattern: str) -> None:
    assert intake(exclude=(pattern,)).is_excluded_directory(b"a/b/backup/c")


def test_an_anchored_exclusion_holds_at_its_place_only() -> None:
    ours = intake(exclude=("old/backup/**",))
    assert ours.is_excluded_directory(b"old/backup")
    assert not ours.is_excluded_directory(b"new/old/backup")


def test_an_excluded_name_leaves_files_out_but_a_directory_pattern_does_not() -> None:
    assert not intake(exclude=("*-test*",)).is_model(b"my-test-1.safetensors")
    assert intake(exclude=("my-test-1.safetensors/",)).is_model(b"my-test-1.safetensors")


@pytest.mark.parametrize("pattern", ["/**", "*/", "**/*"])
def test_everything_below_can_be_excluded_but_never_the_folder_itself(pattern: str) -> None:
    ours = intake(exclude=(pattern,))
    assert ours.is_excluded_directory(b"anything")
    assert not ours.is_excluded_directory(b"")


@pytest.mark.parametrize(
    "name",
    [
        b"a.safetensors.part",
        b"a.PARTIAL",
        b"Unconfirmed 123.crdownload",
        b"a.download",
        b"a.safetensors.download.tmp",
        b"a.downloading",
        b"a.tmp",
        b"a.tmp2",
        b"a.temp",
        b"a.aria2",
        b"a.aria2__temp",
        b"a.!qB",
        b"a.!ut",
        b"a.opdownload",
        b"a.filepart",
        b"a.incomplete",
        b".syncthing.a.safetensors.tmp",
        b"~syncthing~a.safetensors",
        b".~lock.notes.txt#",
        b".a.safetensors.Xy12Zz",
        b"a.json~",
        b".a.json.modelshelf-0af3.tmp",
    ],
)
def test_unfinished_names_are_known(name: bytes) -> None:
    assert Intake.is_partial(name)


@pytest.mark.parametrize("name", [b"a.safetensors", b"part", b"a.parts", b"template.safetensors", b".gitignore", b"~a"])
def test_finished_names_are_not_taken_for_unfinished(name: bytes) -> None:
    assert not Intake.is_partial(name)


def test_the_companions_of_a_download_bear_its_whole_name() -> None:
    companions = partial_companions(b"a.safetensors")
    assert {b"a.safetensors.aria2", b"a.safetensors.part", b"a.safetensors.!qB"} <= set(companions)
    assert all(Intake.is_partial(each) for each in companions)
    assert {finished_name(each) for each in companions} == {b"a.safetensors"}


@pytest.mark.parametrize("name", [b"a.safetensors", b"a.tmp", b".part", b".crdownload"])
def test_what_is_no_download_of_a_name_has_no_finished_name(name: bytes) -> None:
    assert finished_name(name) is None
