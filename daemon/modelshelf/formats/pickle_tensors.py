"""Names and shapes of the tensors that a pickle of torch describes, put together from its opcodes; nothing is called or loaded.

What it calls is known by name alone: torch's functions that rebuild a tensor get its shape as an argument. Everything else is
opaque, and a pickle that does what no pickler writes has no tensors.
"""

from __future__ import annotations

import pickletools
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.formats.pickle_stream import PickleStream

_REBUILT = {"torch._utils _rebuild_tensor_v2": 2, "torch._utils _rebuild_tensor": 2}
"""Which argument of each is the shape."""
_PASSED_ON = {"torch._utils _rebuild_parameter", "torch.nn.parameter Parameter"}
_MAPPING = "collections OrderedDict"
_WRAPPERS = ("state_dict", "params_ema", "params", "model", "module", "ema")
_DEEPEST = 3
_MOST_LOOKS = 100_000
_LONGEST_KEY = 400
_MOST_DIMENSIONS = 16
_HYPERNETWORK_WIDTHS = {320, 640, 768, 1024, 1280}


@dataclass(frozen=True, slots=True)
class _Tensor:
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Name:
    """A global: module and name, as the opcode has them."""

    words: str


_OPAQUE = object()
_MARK = object()


def tensor_shapes(stream: PickleStream) -> dict[str, tuple[int, ...]]:
    """Give the shapes by name of the pickle that begins here; empty where it describes none."""
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(stream):  # type: ignore[arg-type]  # it reads, and reads lines
            machine.step(opcode.name, argument)
    except (IndexError, KeyError, TypeError, ValueError):
        return {}
    return _tensors_in(_unwrapped(machine.result))


def is_hypernetwork(shapes: dict[str, tuple[int, ...]]) -> bool:
    """Tell whether these are layers by the width that they change, as A1111 writes its hypernetworks."""
    tops = {name.partition(".")[0] for name in shapes}
    return bool(tops) and all(top.isdecimal() and int(top) in _HYPERNETWORK_WIDTHS for top in tops)


def _unwrapped(value: Any) -> Any:
    if isinstance(value, dict):
        return next((value[key] for key in _WRAPPERS if isinstance(value.get(key), dict)), value)
    return value


def _tensors_in(root: Any) -> dict[str, tuple[int, ...]]:
    """Gather the tensors of a value within bounds: what is shared many times over is looked at only so often."""
    found: dict[str, tuple[int, ...]] = {}
    awaited = deque([("", root, 0)])
    looks = 0
    while awaited and looks < _MOST_LOOKS:
        name, value, depth = awaited.popleft()
        if isinstance(value, _Tensor):
            found[name[1:]] = value.shape
        elif isinstance(value, dict | list) and depth < _DEEPEST:
            members = list(value.items() if isinstance(value, dict) else enumerate(value))[:_MOST_LOOKS]
            looks += len(members)
            awaited += [(f"{name}.{key}", member, depth + 1) for key, member in members if _may_hold(member)]
    return found


def _may_hold(value: Any) -> bool:
    return isinstance(value, _Tensor | dict | list)


def _is_key(value: Any) -> bool:
    """Tell whether a state dict can have this key."""
    if isinstance(value, str):
        return len(value) <= _LONGEST_KEY
    return isinstance(value, int) and 0 <= value < _MOST_LOOKS


@dataclass(slots=True)
class _Machine:
    """The stack and memory of an unpickler that holds stand-ins instead of objects."""

    stack: list[Any] = field(default_factory=list)
    memory: dict[int, Any] = field(default_factory=dict)
    result: Any = None

    def step(self, name: str, argument: Any) -> None:
        """Do what one opcode does to the stack."""
        action = _ACTIONS.get(name)
        if action is not None:
            action(self)
        elif name in _PUTS:
            self.memory[int(argument)] = self.stack[-1]
        elif name in _GETS:
            self.stack.append(self.memory[int(argument)])
        elif name in _NAMES:
            self._name(name, argument)
        elif name not in _IGNORED:
            self.stack.append(argument if isinstance(argument, str | int | float) else _CONSTANTS.get(name, _OPAQUE))

    def _name(self, opcode: str, argument: str) -> None:
        if opcode == "STACK_GLOBAL":
            name, module = self.stack.pop(), self.stack.pop()
            is_plain = isinstance(module, str) and isinstance(name, str)
            self.stack.append(_Name(f"{module} {name}") if is_plain else _OPAQUE)
        elif opcode == "INST":
            self.since_mark()
            self.stack.append(_OPAQUE)
        else:
            self.stack.append(_Name(argument))

    def since_mark(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        taken: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            taken.append(value)
        return taken[::-1]

    def reduce(self) -> None:
        """Stand in for a call."""
        arguments, called = self.stack.pop(), self.stack.pop()
        self.stack.append(_called(called, arguments))

    def put_items(self, items: list[Any]) -> None:
        """Keep what a mapping gets; keys that no state dict has are left out."""
        target = self.stack[-1]
        if isinstance(target, dict):
            for key, value in zip(items[::2], items[1::2], strict=True):
                if _is_key(key):
                    target[key] = value

    def append(self, items: list[Any]) -> None:
        """Keep what a list gets."""
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)


def _called(called: Any, arguments: Any) -> Any:
    if not isinstance(called, _Name) or not isinstance(arguments, tuple):
        return _OPAQUE
    if called.words == _MAPPING:
        return {}
    if called.words in _PASSED_ON:
        return arguments[0]
    shape = arguments[_REBUILT[called.words]] if called.words in _REBUILT else None
    is_shape = isinstance(shape, tuple) and len(shape) <= _MOST_DIMENSIONS and all(type(each) is int for each in shape)
    return _Tensor(shape) if is_shape and shape is not None else _OPAQUE


def _tuple_of(count: int) -> Callable[[_Machine], None]:
    def make(machine: _Machine) -> None:
        values = [machine.stack.pop() for _ in range(count)]
        machine.stack.append(tuple(values[::-1]))

    return make


def _replace(count: int, value: object) -> Callable[[_Machine], None]:
    def replace(machine: _Machine) -> None:
        for _ in range(count):
            machine.stack.pop()
        machine.stack.append(value)

    return replace


def _drop(machine: _Machine) -> None:
    machine.stack.pop()


def _make_mapping(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.stack.append({})
    machine.put_items(items)


def _set_item(machine: _Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.put_items([key, value])


def _append(machine: _Machine) -> None:
    machine.append([machine.stack.pop()])


def _memorise(machine: _Machine) -> None:
    machine.memory[len(machine.memory)] = machine.stack[-1]


def _stop(machine: _Machine) -> None:
    machine.result = machine.stack.pop()


_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_NAMES = {"GLOBAL", "STACK_GLOBAL", "INST"}
_IGNORED = {"PROTO", "FRAME", "READONLY_BUFFER"}
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_ACTIONS: dict[str, Callable[[_Machine], None]] = {
    "MARK": lambda machine: machine.stack.append(_MARK),
    "POP": _drop,
    "POP_MARK": lambda machine: machine.since_mark().clear(),
    "DUP": lambda machine: machine.stack.append(machine.stack[-1]),
    "EMPTY_TUPLE": _tuple_of(0),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.since_mark())),
    "EMPTY_DICT": lambda machine: machine.stack.append({}),
    "EMPTY_LIST": lambda machine: machine.stack.append([]),
    "DICT": _make_mapping,
    "LIST": lambda machine: machine.stack.append(machine.since_mark()),
    "SETITEM": _set_item,
    "SETITEMS": lambda machine: machine.put_items(machine.since_mark()),
    "APPEND": _append,
    "APPENDS": lambda machine: machine.append(machine.since_mark()),
    "ADDITEMS": lambda machine: machine.since_mark().clear(),
    "FROZENSET": lambda machine: machine.stack.append(bool(machine.since_mark()) and _OPAQUE),
    "REDUCE": lambda machine: machine.reduce(),
    "NEWOBJ": lambda machine: machine.reduce(),
    "NEWOBJ_EX": _replace(3, _OPAQUE),
    "OBJ": lambda machine: machine.stack.append(bool(machine.since_mark()) and _OPAQUE),
    "BUILD": _drop,
    "BINPERSID": _replace(1, _OPAQUE),
    "MEMOIZE": _memorise,
    "STOP": _stop,
}
