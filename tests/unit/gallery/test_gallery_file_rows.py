from __future__ import annotations

from dataclasses import replace

from modelshelf.domain.fact import Field, Source
from modelshelf.domain.header import Format
from modelshelf.gallery.file_rows import file_rows, hash_rows
from tests.unit.gallery.gallery_builders import HASHES, describe, header, page_of


def test_disk_and_header_are_told() -> None:
    values = describe({Field.NETWORK: {"dim": 64}, Field.TRAINED_ON: "sdxl"}, Source.EMBEDDED, header=header())

    assert file_rows(page_of(values)) == (
        ("Name", "x.safetensors"),
        ("Size", "10 B (10 bytes)"),
        ("Modified", "2026-11-01 12:00 UTC"),
        ("Format", "safetensors"),
        ("Tensors", "2,364"),
        ("Precision", "F32 (4.0 KiB), F16 (2.0 KiB)"),
        ("Holds", "LoRA"),
        ("Architecture", "SDXL"),
        ("Network", "dim: 64"),
        ("Trained on", "sdxl"),
    )


def test_a_file_that_nobody_read_has_only_what_the_disk_says() -> None:
    assert [name for name, _ in file_rows(page_of())] == ["Name", "Size", "Modified"]


def test_every_format_has_a_word() -> None:
    rows = [dict(file_rows(page_of(describe(header=replace(header(), format=each)))))["Format"] for each in Format]

    assert len(set(rows)) == len(Format)


def test_hashes_stand_under_civitais_names() -> None:
    assert [name for name, _ in hash_rows(HASHES)] == ["SHA256", "BLAKE3", "AutoV1", "AutoV2", "AutoV3", "CRC32"]
    assert "AutoV1" not in dict(hash_rows(replace(HASHES, autov1=None)))
    assert hash_rows(None) == ()
