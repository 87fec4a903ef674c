"""What is chosen by its ending alone is what the patterns choose."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelshelf.config.sections.folders import DEFAULT_EXCLUDE_PATTERNS, DEFAULT_PATTERNS
from modelshelf.domain.folder import Folder
from modelshelf.shelf.intake import Intake
from modelshelf.shelf.patterns import deciding_endings

NAMES = [
    b"a.safetensors", b"A.SAFETENSORS", b"a.json", b".a.safetensors", b"a.safetensors.part", b"~syncthing~a.pt.tmp",
    b"~syncthing~a.pt", b"$RECYCLE.BIN", b"$other.bin", b"a.bin", b"caf\xc3\xa9.ckpt", b"caf\xe9.ckpt", b"\xc5\xbf.pt", b"pt",
    b"lost+found", b"Thumbs.db", b"old.ckpt", b"old~.ckpt", b"a.pt~", b"two\nlines.pt", b"backup",
]  # fmt: skip


def intake(patterns: tuple[str, ...], *exclude: str) -> Intake:
    return Intake(Folder("loras", Path("/models"), "LORA", patterns, exclude))


@pytest.mark.parametrize(
    ("patterns", "exclude"),
    [
        (DEFAULT_PATTERNS, DEFAULT_EXCLUDE_PATTERNS),
        (DEFAULT_PATTERNS, (*DEFAULT_EXCLUDE_PATTERNS, "old*")),
        (DEFAULT_PATTERNS, ("*d.ckpt",)),
        (DEFAULT_PATTERNS, ("sub/*.pt",)),
        (("*",), ()),
        (("*.part", "*.PT"), ("backup/", "**/backup")),
        (("model.bin", "*.ckpt"), ()),
        (("*.[cC]kpt",), ()),
        (("*.\u017ft", "*.pt"), ()),
        ((), ()),
    ],
)
@pytest.mark.parametrize("directory", [b"", b"sub"])
def test_names_are_chosen_together_as_they_are_one_by_one(
    patterns: tuple[str, ...], exclude: tuple[str, ...], directory: bytes
) -> None:
    ours = intake(patterns, *exclude)
    begin = directory + b"/" if directory else b""
    for names in (NAMES, [name for name in NAMES if name.isascii()]):
        assert ours.chooser(directory)(names) == [name for name in names if ours.is_model_name(begin + name)]


def test_what_is_left_out_by_default_costs_no_look_at_patterns() -> None:
    endings = deciding_endings(DEFAULT_PATTERNS, DEFAULT_EXCLUDE_PATTERNS)
    assert endings is not None
    assert b".safetensors" in endings.taken
    assert not any(chr(each).isalnum() for each in endings.doubtful)
    assert deciding_endings(DEFAULT_PATTERNS, ["*.bin*"]) is None
