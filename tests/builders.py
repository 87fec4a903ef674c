"""Tiny valid model files as bytes: what tests, the demo and the stand-in for Civitai drop on shelves. No torch needed."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Tensors = Mapping[str, tuple[str, Sequence[int]]]

_BITS = {
    "F4": 4,
    "U8": 8,
    "I8": 8,
    "BOOL": 8,
    "F8_E4M3": 8,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "F32": 32,
    "F64": 64,
    "I64": 64,
}
_LORA_WIDTHS = {"SD1": 768, "SD2": 1024, "SDXL": 2048}
_GGUF_TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q8_0": (8, 32, 34), "Q4_K": (12, 256, 144)}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_NOISE_BYTES = 64 * 1024


def noise(seed: int, length: int = _NOISE_BYTES) -> bytes:
    """Give bytes that look random and are the same for the same seed."""
    return random.Random(seed).randbytes(length)


def repeated(pattern: bytes, length: int) -> bytes:
    """Give `length` bytes of `pattern` over and over."""
    return (pattern * (length // len(pattern) + 1))[:length]


def raw_safetensors(header: bytes, content: bytes = b"") -> bytes:
    """Give a safetensors file around any header bytes, lawful or not."""
    return struct.pack("<Q", len(header)) + header + content


def safetensors(tensors: Tensors, metadata: Mapping[str, str] | None = None, *, fill: bytes = b"\0") -> bytes:
    """Give a valid safetensors file of tensors name -> (dtype, shape), filled with `fill` over and over."""
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata is not None else {}
    offset = 0
    for name, (dtype, shape) in tensors.items():
        end = offset + tensor_bytes(dtype, shape)
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    header = json.dumps(entries, separators=(",", ":")).encode()
    return raw_safetensors(header + b" " * (-len(header) % 8), repeated(fill, offset))


def tensor_bytes(dtype: str, shape: Sequence[int]) -> int:
    """Give the bytes that a safetensors tensor takes."""
    bits = _BITS[dtype]
    for extent in shape:
        bits *= extent
    return bits // 8


def lora(seed: int, *, base: str = "SDXL", metadata: Mapping[str, str] | None = None, padding_bytes: int = 0) -> bytes:
    """Give a LoRA for SD1, SD2 or SDXL, unlike that of any other seed; `padding_bytes` add one big tensor."""
    module = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    tensors: dict[str, tuple[str, Sequence[int]]] = {
        f"{module}.lora_down.weight": ("F16", (4, _LORA_WIDTHS[base])),
        f"{module}.lora_up.weight": ("F16", (320, 4)),
        f"{module}.alpha": ("F16", ()),
    }
    if padding_bytes:
        tensors["lora_unet_padding.weight"] = ("U8", (padding_bytes,))
    return safetensors(tensors, metadata, fill=noise(seed))


def checkpoint(seed: int) -> bytes:
    """Give an SD1 checkpoint: diffusion model, VAE and text encoder, a tensor or two of each."""
    unet = "model.diffusion_model"
    tensors: Tensors = {
        f"{unet}.input_blocks.0.0.weight": ("F16", (4, 4, 3, 3)),
        f"{unet}.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": ("F16", (8, 768)),
        "first_stage_model.decoder.conv_in.weight": ("F16", (8, 4, 3, 3)),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": ("I64", (1, 77)),
    }
    return safetensors(tensors, {"format": "pt"}, fill=noise(seed))


def embedding(seed: int) -> bytes:
    """Give an SD1 textual inversion."""
    return safetensors({"emb_params": ("F32", (2, 768))}, fill=noise(seed))


def vae(seed: int) -> bytes:
    """Give a VAE as SD1 and SDXL have it."""
    tensors: Tensors = {
        "encoder.conv_in.weight": ("F16", (8, 3, 3, 3)),
        "decoder.conv_in.weight": ("F16", (8, 4, 3, 3)),
        "quant_conv.weight": ("F16", (8, 8, 1, 1)),
    }
    return safetensors(tensors, fill=noise(seed))


def gguf_text(text: str, order: str = "<") -> bytes:
    """Give a text as GGUF writes it."""
    raw = text.encode()
    return struct.pack(f"{order}Q", len(raw)) + raw


def gguf(
    seed: int,
    tensors: Tensors | None = None,
    metadata: Mapping[str, str | int | float | Sequence[str]] | None = None,
    *,
    version: int = 3,
    order: str = "<",
) -> bytes:
    """Give a GGUF file, little-endian unless `order` is ">"; shapes are in torch's order, metadata are texts, u32, f32, lists."""
    if tensors is None:
        tensors = {"double_blocks.0.img_attn.norm.key_norm.scale": ("F32", (32,)), "img_in.weight": ("F16", (32, 64))}
    entries = {"general.architecture": "flux", "general.name": f"Model {seed}"} if metadata is None else metadata
    header = struct.pack(f"{order}4sIQQ", b"GGUF", version, len(tensors), len(entries))
    header += b"".join(gguf_text(key, order) + _gguf_value(value, order) for key, value in entries.items())
    offset = 0
    for name, (dtype, shape) in tensors.items():
        number, block_elements, block_bytes = _GGUF_TYPES[dtype]
        header += gguf_text(name, order) + struct.pack(f"{order}I{len(shape)}Q", len(shape), *reversed(shape))
        header += struct.pack(f"{order}IQ", number, offset)
        offset += _aligned(tensor_elements(shape) // block_elements * block_bytes)
    return header + bytes(_aligned(len(header)) - len(header)) + repeated(noise(seed), offset)


def tensor_elements(shape: Sequence[int]) -> int:
    """Give the number of elements of a shape."""
    count = 1
    for extent in shape:
        count *= extent
    return count


def _aligned(length: int) -> int:
    return -(-length // 32) * 32


def _gguf_value(value: str | float | Sequence[str], order: str) -> bytes:
    if isinstance(value, str):
        return struct.pack(f"{order}I", 8) + gguf_text(value, order)
    if isinstance(value, int):
        return struct.pack(f"{order}II", 4, value)
    if isinstance(value, float):
        return struct.pack(f"{order}If", 6, value)
    return struct.pack(f"{order}IIQ", 9, 8, len(value)) + b"".join(gguf_text(each, order) for each in value)


def torch_zip(seed: int) -> bytes:
    """Give what torch.save of 1.6 and later writes: a zip of stored members around a harmless pickle of one tensor."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name, content in (
            ("archive/data.pkl", _STATE_PICKLE),
            ("archive/data/0", noise(seed, 16)),
            ("archive/version", b"3\n"),
        ):
            archive.writestr(zipfile.ZipInfo(name), content)
    return written.getvalue()


_STATE_PICKLE = (
    b"\x80\x02}(X\x06\x00\x00\x00weightctorch._utils\n_rebuild_tensor_v2\n("
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
    b"K\x00(K\x02K\x02t(K\x02K\x01t\x89ccollections\nOrderedDict\n)RtRu."
)


def legacy_pickle(seed: int) -> bytes:
    """Give what torch.save before 1.6 wrote: pickles one after another, then the bytes of the storages."""
    magic = _LEGACY_MAGIC.to_bytes(10, "little")
    pickles = (b"\x8a\x0a" + magic, b"M\xe9\x03", b"}", _STATE_PICKLE[2:-1], b"]")
    return b"".join(b"\x80\x02" + each + b"." for each in pickles) + noise(seed, 64)


def onnx(seed: int) -> bytes:
    """Give the outline of an ONNX model: version, producer, a graph with a name, an operator set."""
    graph = _protobuf_field(2, f"graph {seed}".encode())
    return b"\x08\x08" + _protobuf_field(2, b"builder") + _protobuf_field(7, graph) + _protobuf_field(8, b"\x10\x11")


def _protobuf_field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def lfs_pointer() -> bytes:
    """Give what Git leaves where a large file was not fetched."""
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0f" * 32 + b"\nsize 254736\n"


def html_page() -> bytes:
    """Give what a browser saves when a download asked for a login."""
    return b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n"


def png(width: int = 8, height: int = 8, colour: tuple[int, int, int] = (200, 80, 40)) -> bytes:
    """Give a plain PNG."""
    return _encoded("PNG", width, height, colour)


def jpeg(width: int = 8, height: int = 8, colour: tuple[int, int, int] = (200, 80, 40)) -> bytes:
    """Give a plain JPEG."""
    return _encoded("JPEG", width, height, colour)


def _encoded(format_name: str, width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    from PIL import Image  # noqa: PLC0415  # most tests need no picture

    written = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(written, format_name)
    return written.getvalue()
