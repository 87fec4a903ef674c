"""Pickles are read and never loaded: what is called clean was followed to its last byte, whatever hides in it."""

from __future__ import annotations

import collections
import io
import os
import pickle
import zipfile
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from modelshelf.domain.header import Format, Header, PickleVerdict, Verdict
from modelshelf.errors import FileGone, FileUnreadable
from modelshelf.formats import pickle_scan
from modelshelf.formats.inspect import read_header
from modelshelf.formats.pickle_scan import PickleScan, foresee_scan, scan_pickles
from modelshelf.worker.isolation import NARROW, read_apart
from tests import builders
from tests.fuzz.crafted_zips import one_faced_zips, two_faced_zips

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CLEAN, SUSPICIOUS, DANGEROUS, NOT_SCANNED = PickleVerdict


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("false",)


def evil(protocol: int = 4) -> bytes:
    return pickle.dumps(Evil(), protocol)


BENIGN = pickle.dumps({"weights": [1, 2, 3]})
EVIL = PickleScan(DANGEROUS, ("posix.system",))


def zipped(members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return written.getvalue()


def scan(folder: Path, content: bytes, name: str = "model.pt") -> PickleScan:
    path = folder / name
    path.write_bytes(content)
    header = read_header(path)
    found = foresee_scan(path, header) or scan_pickles(path, header.format)
    return PickleScan(found.verdict, found.findings)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (builders.torch_zip(1), "model.pt"),
        (builders.legacy_pickle(1), "model.ckpt"),
        (BENIGN, "model.pkl"),
        (BENIGN, "model.safetensors"),
        (BENIGN + BENIGN, "model.pkl"),
        (pickle.dumps({"weights": list(range(99))}, 0), "model.pt"),
        (zipped({"archive/data.pkl": BENIGN}, zipfile.ZIP_DEFLATED), "model.pth"),
        (zipped({"inner.pt": builders.torch_zip(1)}), "model.zip"),
    ],
)
def test_a_pickle_that_imports_only_what_is_harmless_is_clean(tmp_path: Path, content: bytes, name: str) -> None:
    assert scan(tmp_path, content, name) == PickleScan(CLEAN)


@pytest.mark.parametrize(
    ("name", "tensor_count"), [("vaeapprox-sd1.pt", 16), ("vaeapprox-sdxl.pt", 16), ("empty.pt", 0)]
)
def test_real_torch_files_are_clean(recordings: Path, name: str, tensor_count: int) -> None:
    found = scan_pickles(recordings / "files" / "pickle_benign" / name, Format.TORCH_ZIP)
    assert (found.verdict, found.tensor_count) == (CLEAN, tensor_count)


LEGACY = builders.legacy_pickle(1)


def polyglot() -> bytes:
    """Give a sound safetensors file that is a pickle too: its length reads as a text, and its header ends that text's line."""
    content = b"0" + evil(0)
    text = b'{"t":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]},"__metadata__":{"":"%s"}\n}'
    length = ord("X") + (200 << 8)
    header = text % (len(content), len(content), b"V" * (length - len(text % (len(content), len(content), b""))))
    return builders.raw_safetensors(header, content)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (evil(), "model.pkl"),
        (evil(0), "model.pt"),
        (evil(2), "model.safetensors"),
        (evil()[:-1], "model.pkl"),
        (BENIGN + evil(), "model.pkl"),
        (LEGACY.replace(b"\x80\x02M\xe9\x03.", evil(2)), "model.ckpt"),
        (zipped({"archive/data.pkl": evil()}), "model.pt"),
        (zipped({"archive/data.pkl": BENIGN, "archive/data/0": evil()}), "model.pt"),
        (zipped({"archive/data.pkl": BENIGN, "archive/data/0": evil() + b"\0\0"}), "model.pt"),
        (zipped({"readme.txt": evil(0)}), "model.zip"),
        (zipped({"readme.txt": evil(0) + b"and more"}), "model.zip"),
        (zipped({"a": zipped({"b": zipped({"c.PKL": evil(0)})})}), "model.zip"),
        (zipped({"archive/data.pkl": evil()}).replace(b"data.pkl", b"data.pkx", 1), "model.pt"),
        (polyglot(), "model.ckpt"),
    ],
)
def test_what_runs_programs_is_dangerous_wherever_it_stands(tmp_path: Path, content: bytes, name: str) -> None:
    assert scan(tmp_path, content, name) == EVIL


def test_names_remembered_by_one_pickle_do_not_hide_those_of_the_next(tmp_path: Path) -> None:
    harmless = b"\x80\x04\x8c\x0bcollections\x940\x8c\x0bOrderedDict\x94."
    hidden = b"\x80\x04\x8c\x02os\x940\x8c\x06system\x940h\0h\1\x93."
    assert scan(tmp_path, harmless + hidden) == PickleScan(DANGEROUS, ("os.system",))


def test_a_name_put_together_at_loading_is_dangerous(tmp_path: Path) -> None:
    hidden = b"\x80\x04\x8c\x02os2\x93."
    for content in (hidden, b"\x80\x04\x93.", zipped({"data.pkl": BENIGN, "odd": hidden + bytes(3)})):
        assert scan(tmp_path, content).verdict is DANGEROUS


def test_an_import_that_nobody_has_judged_is_suspicious(tmp_path: Path) -> None:
    content = pickle.dumps([collections.Counter(), Fraction(1)])
    assert scan(tmp_path, content) == PickleScan(SUSPICIOUS, ("collections.Counter", "fractions.Fraction"))


def test_only_so_many_imports_are_named_and_none_at_length(tmp_path: Path) -> None:
    names = [f"n{number:02}{'x' * 200}" for number in range(30)]
    found = scan(tmp_path, b"\x80\x02" + b"".join(b"c\x1bm\n%s\n0" % each.encode() for each in names) + b"N.")
    assert found.verdict is SUSPICIOUS
    assert found.findings[-1] == "and 10 more"
    assert found.findings[0] == "\\x1bm.n00" + "x" * 111


DEEP = zipped({"a": zipped({"b": zipped({"c": zipped({"d": BENIGN})})})})
TWO_ZIPS = zipped({"archive/data.pkl": evil(0)}) + zipped({"archive/data.pkl": BENIGN})
ENCRYPTED = bytearray(zipped({"archive/data.pkl": BENIGN}))
ENCRYPTED[ENCRYPTED.index(b"PK\x01\x02") + 8] |= 1


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (BENIGN[:-1], "a.pkl", "cannot be followed from byte 0 on: pickle exhausted before seeing STOP"),
        (BENIGN + bytes(64) + evil(), "a.pkl", f"cannot be followed from byte {len(BENIGN)} on: "),
        (b"\x80\x02\x8e" + b"\xff" * 7 + b"\x0f.", "a.pkl", "cannot be followed from byte 0 on: it claims more bytes"),
        (b"\x80\x02I" + b"1" * 2**21 + b"\n.", "a.pkl", "cannot be followed from byte 0 on: it has a line without an"),
        (b"\x80\x02\x82\x01.", "a.pkl", "cannot be followed from byte 0 on: it imports by numbers"),
        (BENIGN * 1001, "a.pkl", "holds more than 1,000 pickles"),
        (LEGACY[:60], "a.ckpt", "cannot be followed from byte "),
        (zipped({"archive/data.pkl": BENIGN[:-1]}), "a.pt", "'archive/data.pkl': cannot be followed from byte 0 on"),
        (zipped({"archive/data.pkl": BENIGN})[:-30], "a.pt", "has 135 bytes and lacks the end of its zip"),
        (TWO_ZIPS, "a.pt", "its zip begins behind other bytes"),
        (bytes(ENCRYPTED), "a.pt", "its zip is encrypted"),
        (zipped({"inner.pt": bytes(ENCRYPTED)}), "a.zip", "'archive/data.pkl' is encrypted"),
        (DEEP, "a.zip", "'c' is a zip too deep or too large to look into"),
        (zipped({"data.pkl": BENIGN, "x.7z": b"7z\xbc\xaf\x27\x1c"}), "a.pt", "'x.7z' is not opened here"),
        (zipped({"data.pkl": BENIGN, "x.npy": b"\x93NUMPY\1\0"}), "a.pt", "'x.npy' is not opened here"),
        (
            zipped({"x.pt": zipped({"data.pkl": BENIGN})[:-4]}),
            "a.zip",
            "its zip cannot be read: File is not a zip file",
        ),
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "a.7z", "an archive that is not opened here"),
        (b"\x1f\x8b\x08" + bytes(99), "a.pt", "an archive that is not opened here"),
        (b"\xfeno pickle", "a.pt", "no pickle was found in it"),
        (b"Xno pickle", "a.bin", "no pickle was found in it"),
        (zipped({"data.pkl": b""}), "a.pt", "no pickle was found in it"),
        (zipped({}), "a.pt", "no pickle was found in it"),
    ],
)
def test_what_cannot_be_followed_is_never_called_clean(tmp_path: Path, content: bytes, name: str, why: str) -> None:
    found = scan(tmp_path, content, name)
    assert found.verdict is NOT_SCANNED
    assert found.findings[0].startswith(why)


@pytest.mark.parametrize("case", two_faced_zips())
def test_a_zip_that_shows_other_members_to_other_programs_is_never_called_clean(tmp_path: Path, case: str) -> None:
    content = two_faced_zips()[case]
    for whole, name in ((content, "a.pt"), (zipped({"inner.pt": content}), "a.zip")):
        found = scan(tmp_path, whole, name)
        assert found.verdict is NOT_SCANNED
        said = " ".join(found.findings)
        # Newer Pythons refuse some of these by themselves (CVE-2025-8291).
        assert "may lead programs to different members" in said or "the directory of its zip is damaged" in said


@pytest.mark.parametrize("case", one_faced_zips())
def test_a_zip_with_a_comment_or_a_larger_end_record_is_not_doubted(tmp_path: Path, case: str) -> None:
    assert scan(tmp_path, one_faced_zips()[case]) == PickleScan(CLEAN)


@pytest.mark.parametrize("method", [9, 12, 14])
def test_a_member_that_cannot_be_unpacked_is_a_doubt(tmp_path: Path, method: int) -> None:
    content = bytearray(zipped({"data.pkl": BENIGN, "x": BENIGN}))
    at = content.rindex(b"PK\x01\x02")
    content[at + 10 : at + 12] = method.to_bytes(2, "little")
    found = scan(tmp_path, bytes(content))
    assert found.verdict is NOT_SCANNED
    assert found.findings[0].startswith("'x' cannot be read: ")


def test_a_nested_zip_beyond_the_limit_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle_scan, "_MOST_NESTED_BYTES", 10)
    found = scan(tmp_path, zipped({"inner.pt": builders.torch_zip(1)}), "a.zip")
    assert found == PickleScan(NOT_SCANNED, ("'inner.pt' is a zip too deep or too large to look into",))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (builders.lora(1), "model.safetensors"),
        (builders.lora(1), "model.ckpt"),
        (builders.html_page(), "model.pt"),
        (zipped({"readme.txt": b"Hello, this is a bundle", "model.safetensors": builders.lora(1)}), "model.zip"),
        (builders.noise(1, 4000), "model.dat"),
        (zipped({"notes": b"N.otes that begin like a pickle"}), "model.zip"),
        (b"", "model.pt"),
    ],
)
def test_where_no_pickle_is_there_is_no_verdict(tmp_path: Path, content: bytes, name: str) -> None:
    assert scan(tmp_path, content, name) == PickleScan(None)


def test_raw_numbers_that_look_like_opcodes_are_no_pickle(tmp_path: Path) -> None:
    storages = (b"N.", b"NN\x93.\0\0", b"cos\x00\nsystem\n.\0", b"\x80\x02\xff", b"c\n\n\0")
    members = {f"archive/data/{number}": content for number, content in enumerate(storages)}
    assert scan(tmp_path, zipped({"archive/data.pkl": BENIGN, **members})) == PickleScan(CLEAN)


def test_a_scanner_that_stopped_half_way_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes want of memory for the end of a pickle and says nothing."""
    import picklescan.scanner  # noqa: PLC0415

    class Silent:
        globals = ()

    monkeypatch.setattr(picklescan.scanner, "scan_pickle_bytes", lambda *_, **__: Silent)
    assert scan(tmp_path, BENIGN) == PickleScan(NOT_SCANNED, ("it takes more memory than a scan may use",))


def test_memory_is_bounded_in_the_child_and_costs_the_verdict_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x04B" + (2**31 - 1).to_bytes(4, "little"))
    os.truncate(path, 2**31 + 10)
    found = read_apart(scan_pickles, (path, Format.PICKLE), {}, lambda: None, NARROW)
    assert found == PickleScan(NOT_SCANNED, ("it takes more memory than a scan may use",))


def test_a_file_that_cannot_be_read_is_an_error_and_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(FileGone):
        scan_pickles(tmp_path / "gone.pt", Format.PICKLE)
    with pytest.raises(FileUnreadable):
        scan_pickles(tmp_path, Format.PICKLE)


def test_a_broken_file_is_not_read_for_pickles(tmp_path: Path) -> None:
    header = Header(Format.PICKLE, Verdict.BROKEN, "torn")
    assert foresee_scan(tmp_path / "gone.pt", header) == PickleScan(NOT_SCANNED, ("torn",))
    assert foresee_scan(tmp_path / "gone.pt", Header(Format.HTML, Verdict.BROKEN)) == PickleScan(None)


HARMLESS = {("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2"), ("numpy", "dtype")}
"""What the next test's pickles may import and still be clean."""


class Recorder(pickle.Unpickler):
    """Loads a pickle and imports nothing: what it would have imported is kept."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.imported: set[tuple[str, str]] = set()

    def find_class(self, module: str, name: str, /) -> Any:
        self.imported.add((module, name))
        return dict

    def persistent_load(self, pid: Any, /) -> Any:
        return pid


WORDS = [b"os", b"system", b"collections", b"OrderedDict", b"torch._utils", b"_rebuild_tensor_v2"]
OPCODES = [
    *(b"\x8c" + bytes([len(word)]) + word for word in WORDS),
    *(b"U" + bytes([len(word)]) + word for word in WORDS[:4]),
    *(b"V" + word + b"\n" for word in WORDS[:4]),
    b"P" + b"collections\n",
    b"ccollections\nOrderedDict\n",
    b"cos\nsystem\n",
    *(b"q" + bytes([number]) for number in range(4)),
    *(b"h" + bytes([number]) for number in range(4)),
    *(b"p%d\n" % number for number in range(3)),
    *(b"g%d\n" % number for number in range(3)),
    *(b"\x94", b"\x93", b"\x93", b"\x93", b"2", b"0", b"N", b"(", b"1", b"\x85", b"\x86", b"R", b"b", b"Q", b"."),
]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([b"\x8c\x02os", b"q\0", b"\x8c\x06system", b"q\1", b"h\0", b"h\1", b"\x93", b"."])
@example([b"\x8c\x02os", b"q\5", b"\x8c\x06system", b"\x94", b"h\5", b"h\1", b"\x93", b"."])
@given(opcodes=st.lists(st.sampled_from(OPCODES), min_size=3, max_size=25))
def test_what_a_loader_would_import_is_never_called_clean(tmp_path: Path, opcodes: list[bytes]) -> None:
    content = b"\x80\x04" + b"".join(opcodes) + b"."
    recorder = Recorder(content)
    try:
        recorder.load()
    except Exception:  # noqa: BLE001 -- whatever a torn pickle raises, it has imported by then
        recorder.imported.discard(("", ""))
    found = scan(tmp_path, content)
    if found.verdict is CLEAN:
        assert recorder.imported <= HARMLESS
