"""The builders make what they say: every file is read back as what it was built to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from safetensors import deserialize

from modelshelf.domain.header import Format, Verdict
from modelshelf.formats.inspect import read_header
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEEDED = [
    (builders.lora, Format.SAFETENSORS, "LoRA", "SDXL"),
    (builders.checkpoint, Format.SAFETENSORS, "Checkpoint", "SD1"),
    (builders.embedding, Format.SAFETENSORS, "TextualInversion", "SD1"),
    (builders.vae, Format.SAFETENSORS, "VAE", None),
    (builders.gguf, Format.GGUF, "Diffusion model", "Flux.1"),
    (builders.torch_zip, Format.TORCH_ZIP, None, None),
    (builders.legacy_pickle, Format.PICKLE, None, None),
    (builders.onnx, Format.ONNX, None, None),
]


@pytest.mark.parametrize(("build", "expected_format", "kind", "architecture"), SEEDED)
def test_what_is_built_is_recognised(
    tmp_path: Path, build: Callable[[int], bytes], expected_format: Format, kind: str | None, architecture: str | None
) -> None:
    path = tmp_path / "model"
    path.write_bytes(build(1))

    header = read_header(path)

    assert header.is_readable
    assert (header.format, header.kind, header.architecture) == (expected_format, kind, architecture)


@pytest.mark.parametrize("build", [each[0] for each in SEEDED])
def test_every_seed_has_bytes_of_its_own(build: Callable[[int], bytes]) -> None:
    assert len({build(seed) for seed in range(20)}) == 20
    assert build(7) == build(7)


@pytest.mark.parametrize("build", [builders.lora, builders.checkpoint, builders.embedding, builders.vae])
def test_the_reference_reads_what_is_built(build: Callable[[int], bytes]) -> None:
    assert deserialize(build(1))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("base", ["SD1", "SD2", "SDXL"])
def test_a_lora_is_of_the_base_asked_for(tmp_path: Path, base: str) -> None:
    path = tmp_path / "lora.safetensors"
    path.write_bytes(builders.lora(1, base=base, padding_bytes=3_000_001))

    header = read_header(path)

    assert (header.verdict, header.architecture) == (Verdict.SOUND, base)
    assert header.declared_size_bytes == path.stat().st_size > 3_000_000
