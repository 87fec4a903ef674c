"""Tensors out of pickles that are never loaded: torch's own calls are understood, and all else is opaque."""

from __future__ import annotations

import io
import pickle
import time
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelshelf.domain.header import Format
from modelshelf.formats.pickle_scan import scan_pickles
from modelshelf.formats.pickle_stream import PickleStream
from modelshelf.formats.pickle_tensors import is_hypernetwork, tensor_shapes
from tests import builders

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.formats.test_formats_architecture import Shapes


class Named:
    """Pickled as a global of this module and name."""

    def __init__(self, module: str, name: str) -> None:
        self.words = (module, name)


class Call:
    def __init__(self, called: Named, *arguments: Any) -> None:
        self.called, self.arguments = called, arguments


class Torchlike(pickle._Pickler):
    """Writes what torch writes, without torch."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:  # noqa: FBT001, FBT002 -- pickle's own
        if isinstance(obj, Named):
            self.write(b"c%s\n%s\n" % tuple(word.encode() for word in obj.words))  # type: ignore[attr-defined]
        elif isinstance(obj, Call):
            self.save(obj.called)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)  # type: ignore[attr-defined]
        else:
            super().save(obj, save_persistent_id)  # type: ignore[misc]

    def persistent_id(self, obj: Any) -> Any:
        return ("storage", "0", "cpu", 1) if obj is STORAGE else None


STORAGE = object()
REBUILD = Named("torch._utils", "_rebuild_tensor_v2")


def tensor(*shape: int) -> Call:
    return Call(REBUILD, STORAGE, 0, shape, (1,) * len(shape), False, OrderedDict())


def pickled(value: Any, protocol: int = 2) -> bytes:
    written = io.BytesIO()
    Torchlike(written, protocol).dump(value)
    return written.getvalue()


def shapes_of(content: bytes) -> Shapes:
    return tensor_shapes(PickleStream(io.BytesIO(content), len(content)))


@pytest.mark.parametrize("protocol", [1, 2, 4, 5])
def test_a_state_dict_gives_names_and_shapes(protocol: int) -> None:
    state = OrderedDict(a=tensor(2, 3), b=tensor(), n=5, s="text")
    assert shapes_of(pickled({"state_dict": state, "epoch": 3}, protocol)) == {"a": (2, 3), "b": ()}


def test_the_oldest_protocol_is_understood_too() -> None:
    content = b"(dVa\nctorch._utils\n_rebuild_tensor_v2\n(NI0\n(I2\nI3\nttRp0\nsVb\ng0\ns."
    assert shapes_of(content) == {"a": (2, 3), "b": (2, 3)}


def test_parameters_are_their_tensors() -> None:
    parameter = Call(Named("torch._utils", "_rebuild_parameter"), tensor(4, 768), True, OrderedDict())
    content = pickled({"string_to_token": {"*": 265}, "string_to_param": {"*": parameter}, "name": "cat"})
    assert shapes_of(content) == {"string_to_param.*": (4, 768)}


def test_what_is_no_tensor_is_left_out() -> None:
    odd = Call(Named("some", "thing"), 1, 2)
    lying = Call(REBUILD, STORAGE, 0, "shape")
    many = Call(REBUILD, STORAGE, 0, (1,) * 17)
    content = pickled(
        {"odd": odd, "lying": lying, "many": many, ("a", 1): tensor(1), "x" * 401: tensor(1), "ok": [tensor(7)]}
    )
    assert shapes_of(content) == {"ok.0": (7,)}


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02.",
        b"\x80\x02h\x05.",
        b"\x80\x02}K\x01K\x02s0.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02K\x01",
        b"\x80\x02K\x01K\x02\x93.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"\x80\x02ctorch._utils\n_rebuild_parameter\n)R.",
        b"\x80\x02(cm\nn\noia\nb\n.",
        b"\x80\x02(K\x01ia\nb\n(K\x011(K\x01\x91\x8f(K\x01\x90].",
        b"\x80\x02cm\nn\n)}\x92}b2\x940]N\x61.",
        pickle.dumps(b"bytes"),
        pickle.dumps({1.5: {2}, "x": frozenset([3])}),
    ],
)
def test_a_pickle_without_tensors_has_none(content: bytes) -> None:
    assert shapes_of(content) == {}


def test_what_is_shared_a_thousand_times_over_takes_no_endless_time() -> None:
    laughs: Any = {str(number): tensor(1) for number in range(1000)}
    for _ in range(3):
        laughs = {str(number): laughs for number in range(1000)}
    began = time.process_time()
    assert len(shapes_of(pickled(laughs))) < 200_000
    assert time.process_time() - began < 5


def test_doubled_tuples_are_never_written_out() -> None:
    content = b"\x80\x02)" + b"2\x86" * 200 + b"X\x01\x00\x00\x00a\x93."
    assert shapes_of(content) == {}


def test_a_checkpoint_of_torch_is_told_by_its_tensors(tmp_path: Path) -> None:
    state = {
        "model.diffusion_model.input_blocks.0.0.weight": tensor(320, 4, 3, 3),
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": tensor(320, 768),
        "first_stage_model.decoder.conv_in.weight": tensor(512, 4, 3, 3),
    }
    path = tmp_path / "model.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled({"state_dict": state}))
        archive.writestr("archive/data/0", builders.noise(1, 64))
    found = scan_pickles(path, Format.TORCH_ZIP)
    assert (found.verdict, found.tensor_count, found.kind, found.architecture) == ("clean", 3, "Checkpoint", "SD1")


def test_a_hypernetwork_is_told_by_the_widths_that_it_changes(tmp_path: Path) -> None:
    layers = [{"linear.0.weight": tensor(640, 320)}, {"linear.0.weight": tensor(640, 320)}]
    path = tmp_path / "hyper.pt"
    path.write_bytes(pickled({320: layers, 768: layers, "step": 100, "name": "hyper"}))
    assert scan_pickles(path, Format.PICKLE).kind == "Hypernetwork"
    assert not is_hypernetwork({})
    assert not is_hypernetwork({"320.weight": (1,), "weight": (1,)})


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=80))
def test_any_bytes_give_shapes_or_none(content: bytes) -> None:
    assert isinstance(shapes_of(b"\x80\x02" + content), dict)
