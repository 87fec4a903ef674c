"""Model files that lie: about lengths, counts, shapes, members; too deep, too many, too large."""

from __future__ import annotations

import io
import itertools
import json
import struct
import zipfile
from typing import TYPE_CHECKING

from tests import builders
from tests.fuzz.crafted_zips import two_faced_zips
from tests.fuzz.mutations import cut, flipped, lied, named, shuffled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.mutations import Case

DEEP = 100_000
_U64 = 2**64 - 1
_ONE = {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}


def model_cases() -> Iterator[Case]:
    """Give all of them."""
    yield from _safetensors()
    yield from named("crafted", "safetensors", _headers())
    yield from _gguf()
    yield from named("crafted", "gguf", _gguf_headers())
    yield from _zips()
    yield from named("crafted", "pickle", _zip_lies())
    yield from named("two-faced", "pickle", two_faced_zips().items())
    yield from _others()


def _safetensors() -> Iterator[Case]:
    for name, whole in {"lora": builders.lora(1)[:2000], "checkpoint": builders.checkpoint(1)[:1500]}.items():
        header_end = 8 + int.from_bytes(whole[:8], "little")
        yield from named(name, "safetensors", cut(whole, (0, 8, 9, 40, header_end, header_end + 7)))
        yield from named(name, "safetensors", lied(whole, [(0, "<Q"), (0, "<I"), (8, "<Q"), (header_end - 8, "<Q")]))
        yield from named(name, "safetensors", flipped(whole, 40, within=header_end))
        yield from named(name, "safetensors", shuffled(whole[:header_end], 24))


def _headers() -> Iterator[tuple[str, bytes]]:
    texts: dict[str, bytes] = {
        "empty": b"{}",
        "null-metadata": b'{"__metadata__":null}',
        "list-root": b'{"a":[]}',
        "number-metadata": b'{"__metadata__":{"a":1}}',
        "metadata-twice": b'{"__metadata__":{},"__metadata__":{}}',
        "dtype-twice": b'{"a":{"dtype":"F16","dtype":"F16","shape":[1],"data_offsets":[0,2]}}',
        "tensor-twice": b'{"a":%b,"a":%b}' % ((json.dumps(_ONE).encode(),) * 2),
        "nan": b'{"a":{"dtype":"F16","shape":[NaN],"data_offsets":[0,2]}}',
        "infinity": b'{"__metadata__":{"a":"b"},"a":Infinity}',
        "lone-surrogate": b'{"__metadata__":{"a":"\\ud800"}}',
        "lone-surrogate-key": b'{"__metadata__":{"\\udfff":"a"}}',
        "not-utf8": b'{"__metadata__":{"a":"\xff\xfe"}}',
        "bom": b'\xef\xbb\xbf{"a":1}',
        "nul": b'{"a\0":1}',
        "deep-list": b'{"a":' + b"[" * DEEP,
        "deep-object": b'{"a":' * DEEP,
        "deep-shape": b'{"a":{"dtype":"F16","data_offsets":[0,2],"shape":' + b"[" * 900 + b"]" * 900 + b"}}",
        "huge-integer": b'{"a":{"dtype":"F16","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,2]}}',
        "huge-exponent": b'{"a":{"dtype":"F16","shape":[1e999999999],"data_offsets":[0,2]}}',
        "negative": b'{"a":{"dtype":"F16","shape":[-1],"data_offsets":[0,-2]}}',
        "bool-shape": b'{"a":{"dtype":"F16","shape":[true],"data_offsets":[false,2]}}',
        "list-entry": b'{"a":["F16",[1],[0,2]]}',
        "half-a-string": b'{"a',
        "commas": b'{"a":[' + b"," * 10_000 + b"]}",
        "long-name": json.dumps({"n" * 200_000: _ONE}).encode(),
        "long-dtype": json.dumps({"a": {**_ONE, "dtype": "D" * 200_000}}).encode(),
        "name-with-newlines": json.dumps({"a\nb\r\u2028" * 50: _ONE}).encode(),
        "unknown-dtype-huge": json.dumps(
            {"a": {"dtype": "X", "shape": [_U64] * 40, "data_offsets": [0, _U64]}}
        ).encode(),
        "zero-extents": json.dumps({"a": {"dtype": "F16", "shape": [0] * 5000, "data_offsets": [0, 0]}}).encode(),
        "bit-dtype": json.dumps({"a": {"dtype": "F4", "shape": [1], "data_offsets": [0, 1]}}).encode(),
        "many-tensors": json.dumps({f"t{each}": {**_ONE, "data_offsets": [0, 0]} for each in range(20_000)}).encode(),
        "many-empty-entries": b'{"__metadata__":{%b}}' % b",".join(b'"%d":""' % each for each in range(60_000)),
    }
    for name, text in texts.items():
        yield name, builders.raw_safetensors(text, b"\0\0")
    for name, text in _slow_names().items():
        yield name, builders.raw_safetensors(text)
    for name, value in _slow_metadata().items():
        yield name, builders.raw_safetensors(json.dumps({"__metadata__": value}).encode())


def _slow_names() -> dict[str, bytes]:
    """Names that invite the recognising patterns to try again and again."""
    stems = {"lora-te": "lora_te_" + "<" * 300, "suffix": "x" * 300 + "_lora_", "angles": "<" * 380, "dots": "." * 380}
    empty = {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]}
    return {
        f"slow-{name}": json.dumps({f"{stem}{each:05}": empty for each in range(6_000)}).encode()
        for name, stem in stems.items()
    }


def _slow_metadata() -> dict[str, dict[str, str]]:
    tags = {"tags-deep": "[" * DEEP, "tags-surrogate": '{"d":{"\\ud800":3}}', "tags-nan": '{"d":{"a":NaN,"b":1e400}}'}
    tags["tags-lists"] = "[" + "[]," * 300_000 + "[]]"
    tags["tags-integer"] = '{"d":{"a":%s}}' % ("9" * 4299)
    others = {
        "resolution": {"ss_resolution": "1" * 90_000},
        "dim-many-digits": {"ss_network_dim": "9" * 50_000, "ss_network_alpha": "1e999", "ss_network_module": "x"},
        "dim-odd": {"ss_network_dim": "nan", "ss_network_alpha": "\uff11\uff12", "modelspec.tags": "," * 90_000},
        "long-title": {"modelspec.title": "\U0001f600" * 90_000, "modelspec.description": "<script>" * 10_000},
    }
    return {name: {"ss_tag_frequency": value} for name, value in tags.items()} | others


def _gguf() -> Iterator[Case]:
    for name, order in {"small": "<", "swapped": ">"}.items():
        whole = builders.gguf(1, order=order)
        key = 24 + 8 + len("general.architecture")
        fields = [(4, "I"), (8, "Q"), (16, "Q"), (24, "Q"), (key, "I"), (key + 4, "Q"), (key + 12 + 4, "Q")]
        tensors = whole.index(b"double_blocks") - 8
        after = tensors + 8 + len("double_blocks.0.img_attn.norm.key_norm.scale")
        fields += [(tensors, "Q"), (after, "I"), (after + 4, "Q"), (after + 12, "I"), (after + 16, "Q")]
        yield from named(name, "gguf", cut(whole, [offset for offset, _ in fields]))
        yield from named(name, "gguf", lied(whole, [(offset, order + code) for offset, code in fields]))
        yield from named(name, "gguf", flipped(whole, 40, within=after + 24))
        yield from named(name, "gguf", shuffled(whole[: after + 24], 16))


def _headed(entries: bytes, entry_count: int, tensors: bytes = b"", tensor_count: int = 0) -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", 3, tensor_count, entry_count) + entries + tensors


def _entry(key: str, kind: int, value: bytes) -> bytes:
    return builders.gguf_text(key) + struct.pack("<I", kind) + value


def _gguf_headers() -> Iterator[tuple[str, bytes]]:
    text = builders.gguf_text
    tensor = struct.pack("<IQIQ", 1, 32, 0, 0)
    for version in (0, 1, 2, 4, 2**31, 2**32 - 1):
        yield f"version-{version}", struct.pack("<4sIQQ", b"GGUF", version, 0, 0)
    for kind in (*range(14), 255, 2**32 - 1):
        yield f"type-{kind}", _headed(_entry("a", kind, b"\xff" * 12), 1)
        yield f"array-of-{kind}", _headed(_entry("a", 9, struct.pack("<IQ", kind, 3) + b"\x01" * 64), 1)
        yield f"long-array-of-{kind}", _headed(_entry("a", 9, struct.pack("<IQ", kind, 2**29) + b"\x01" * 64), 1)
    yield "nested-arrays", _headed(_entry("a", 9, struct.pack("<IQ", 9, 1) * DEEP), 1)
    yield "key-twice", _headed(_entry("a", 4, bytes(4)) * 2, 2)
    yield "long-key-twice", _headed(_entry("\n" * 60_000, 4, bytes(4)) * 2, 2)
    yield "not-finite", _headed(_entry("a", 6, b"\0\0\xc0\x7f") + _entry("b", 12, b"\0\0\0\0\0\0\xf0\x7f"), 2)
    yield "bool-seven", _headed(_entry("a", 7, b"\x07"), 1)
    yield "not-utf8", _headed(_entry("general.name", 8, struct.pack("<Q", 4) + b"\xff\xfe\xed\xa0"), 1)
    for alignment in (0, 3, 2**31, 2**32 - 1):
        yield f"alignment-{alignment}", _headed(_entry("general.alignment", 4, struct.pack("<I", alignment)), 1)
    yield "alignment-huge", _headed(_entry("general.alignment", 10, struct.pack("<Q", 2**63)), 1, text("t") + tensor, 1)
    yield "alignment-true", _headed(_entry("general.alignment", 7, b"\1"), 1)
    yield "alignment-list", _headed(_entry("general.alignment", 9, struct.pack("<IQI", 4, 1, 32)), 1)
    yield "tensor-twice", _headed(b"", 0, (text("t") + tensor) * 2, 2)
    yield "long-name", _headed(b"", 0, text("\n" * 60_000) + struct.pack("<I", 9), 1)
    yield "huge-shape", _headed(b"", 0, text("t") + struct.pack("<I4QIQ", 4, *[_U64] * 4, 0, 0), 1)
    yield "zero-shape", _headed(b"", 0, text("t") + struct.pack("<I4QIQ", 4, 0, _U64, _U64, 1, 0, 0), 1)
    yield "unknown-type", _headed(b"", 0, text("t") + struct.pack("<IQIQ", 1, 32, 999, 0), 1)
    yield "offset-back", _headed(b"", 0, text("t") + tensor + text("u") + struct.pack("<IQIQ", 1, 32, 0, _U64), 2)
    yield "many-tensors", _headed(b"", 0, b"".join(text(f"t{each}") + tensor for each in range(20_000)), 20_000)
    yield "many-texts", _headed(_entry("a", 9, struct.pack("<IQ", 8, 8_000_000)) + bytes(64_000_000), 1)
    yield "emoji-texts", _headed(_fat_entries("\U0001f600" * 8_000, 300), 300)
    yield "fat-text", _headed(_entry("a", 8, text("\U0001f600" + "a" * 15_000_000)), 1)
    yield "fat-names", _headed(b"", 0, b"".join(text(f"{each:06}" * 5_000) + tensor for each in range(400)), 400)


def _fat_entries(value: str, count: int) -> bytes:
    return b"".join(_entry(f"k{each}", 8, builders.gguf_text(value)) for each in range(count))


def _zips() -> Iterator[Case]:
    whole = builders.torch_zip(1)
    directory, end = whole.index(b"PK\1\2"), whole.rindex(b"PK\5\6")
    counts = [(end + offset, "<H") for offset in (4, 6, 8, 10, 20)]
    sizes = [(end + offset, "<I") for offset in (12, 16)]
    entry = [(directory + offset, "<H") for offset in (6, 8, 10, 28, 30, 32, 34)]
    entry += [(directory + offset, "<I") for offset in (16, 20, 24, 42)]
    local = [(26, "<H"), (28, "<H"), (18, "<I"), (22, "<I")]
    yield from named("torch", "pickle", cut(whole, (4, 30, directory, directory + 46, end, end + 4, end + 22)))
    yield from named("torch", "pickle", lied(whole, counts + sizes + entry + local))
    yield from named("torch", "pickle", flipped(whole, 60))
    yield from named("torch", "pickle", flipped(whole[directory:], 30, seed=1))
    yield from named("torch", "pickle", shuffled(whole, 24))


def _packed(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return written.getvalue()


def _zip_lies() -> Iterator[tuple[str, bytes]]:
    pickle = {"archive/data.pkl": b"\x80\x02}."}
    yield "bomb", _packed(pickle | {"archive/data/0": bytes(70_000_000)})
    one = _packed(pickle, zipfile.ZIP_STORED)
    directory, end = one.index(b"PK\1\2"), one.rindex(b"PK\5\6")
    entry, tail = one[directory:end], one[end:]
    overlapping = one[:directory] + entry * 1000
    yield "overlapping", overlapping + _end_record(1000, len(entry) * 1000, directory)
    yield "many-members", one[:directory] + entry * 30_000 + _end_record(30_000, len(entry) * 30_000, directory)
    yield "fewer-than-there-are", one[:directory] + entry * 5_000 + _end_record(1, len(entry) * 5_000, directory)
    ten_gigabytes = entry[:20] + struct.pack("<II", 2**32 - 2, 2**32 - 2) + entry[28:]
    yield "claims-ten-gigabytes", one[:directory] + ten_gigabytes + tail
    yield "encrypted", one[:directory] + entry[:8] + b"\x01\x00" + entry[10:] + tail
    yield "end-in-the-comment", one[:-2] + struct.pack("<H", 22) + tail
    yield "two-ends", one + tail
    for count, size in itertools.product((0, 2**40, _U64), (0, 2**40, _U64)):
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, directory)
        yield f"zip64-{count}-{size}", one[:end] + record + struct.pack("<4sLQL", b"PK\6\7", 0, end, 1) + tail
    for name in (
        "../../etc/passwd",
        "/etc/passwd",
        "a\0b",
        "x" * 60_000,
        "data.pkl/",
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ):
        yield f"member-{name[:12]!r}", _packed({name: b"x"})
    for size in (0, 4, 21, 22, 23):
        yield f"only-an-end-{size}", (b"PK\5\6" + bytes(40))[:size]
    extra = struct.pack("<HH", 1, 60_000)
    yield "extra-lies", one[:directory] + entry[:30] + struct.pack("<H", 4) + entry[32:] + extra + tail


def _end_record(count: int, size: int, offset: int) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count % 65_536, count % 65_536, size, offset, 0)


def _others() -> Iterator[Case]:
    onnx = builders.onnx(1)
    yield from named("onnx", "other", cut(onnx, range(0, len(onnx), 2)))
    yield from named("onnx", "other", flipped(onnx, 30))
    yield from named("lfs", "other", flipped(builders.lfs_pointer(), 10))
    yield from named("html", "other", flipped(builders.html_page(), 10))
    legacy = builders.legacy_pickle(1)
    yield from named("legacy", "pickle", flipped(legacy, 40))
    yield from named("legacy", "pickle", shuffled(legacy, 20))
    yield from named("legacy", "pickle", cut(legacy, range(0, len(legacy), 9)))
    yield from named("bare", "pickle", _bare_pickles().items())
    yield from named("crafted", "other", _odds_and_ends().items())


def _bare_pickles() -> dict[str, bytes]:
    """Give pickles that ask for more than there is, hide what they import, or are hardly any."""
    start = b"\x80\x04"
    return {
        "nothing": start + b".",
        "many": (start + b".") * 5_000,
        "claims-2-31": start + b"B\xff\xff\xff\x7f",
        "claims-2-63": start + b"\x8e" + b"\xff" * 7 + b"\x7f",
        "claims-negative": start + b"\x8b\xff\xff\xff\xff",
        "endless-line": b"c" + b"a" * 100_000,
        "endless-number": b"I" + b"9" * 50_000 + b"\n.",
        "endless-get": start + b"g" + b"9" * 5_000 + b"\n.",
        "no-names": start + b"\x93.",
        "names-are-numbers": start + b"K\1K\2\x93.",
        "names-from-nowhere": start + b"h\7h\7\x93.",
        "names-with-controls": b"c\x1b]0;\nsys\x07tem\n.",
        "names-of-no-encoding": b"cos\xff\nsystem\n.",
        "escapes": b"S'\\xzz'\n.",
        "half-a-surrogate": b"V\\ud800\nV\\ud800\n\x93.",
        "a-thousand-imports": b"".join(b"cm%d\nn\n0" % number for number in range(1_000)) + b"N.",
        "deep": b"(" * DEEP + b"c\n\n.",
    }


def _odds_and_ends() -> dict[str, bytes]:
    return {
        "empty": b"",
        "one-byte": b"\0",
        "zeros": bytes(5000),
        "varints": b"\xff" * 5000,
        "onnx-endless-fields": b"\x08\x01" * 20_000,
        "onnx-length-2-63": b"\x08\x08\x3a" + b"\xff" * 9 + b"\x7f",
        "deep-pickle": b"\x80\x02" + b"(" * DEEP + b".",
        "deep-json": b"[" * 60_000,
        "deep-json-objects": b'{"message":' * 5_000,
        "json-huge-number": b'{"error": ' + b"9" * 50_000 + b"}",
        "json-surrogate": b'{"error": "\\ud800\\u001b[31m"}',
        "json-nested-message": b'{"error": {"message": "' + b"x" * 50_000 + b'"}}',
        "json-bom": b'\xef\xbb\xbf{"detail": "no"}',
        "json-utf16": '{"detail": "no"}'.encode("utf-16"),
        "titles": b"<html>" + b"<title" * 10_000,
        "title-open": b"<html><title>" + b"a" * 60_000,
        "title-controls": b"<html><title>\x1b]0;x\x07\0\xe2\x80\xae</title>",
        "lfs-long-size": builders.lfs_pointer() + b"size " + b"9" * 60_000,
        "lfs-many-sizes": builders.lfs_pointer() + b"size 1 x\n" * 6_000,
        "tar": bytes(257).replace(b"\0", b"a") + b"ustar",
        "gzip": b"\x1f\x8b" + bytes(100),
        "hdf5": b"\x89HDF\r\n\x1a\n",
    }
