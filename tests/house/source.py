"""The source of modelshelf as the house rules see it: modules with their trees, functions, imports."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "daemon" / "modelshelf"
FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, path from the project's root, text and tree."""

    name: str
    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The room it is in: `store`, `errors`, ...; empty for the package itself."""
        return room_of(self.name)

    @cached_property
    def lines(self) -> list[str]:
        """The text, line by line."""
        return self.text.splitlines()

    def at(self, node: ast.AST | int) -> str:
        """Give `file:line` of a node, for messages."""
        return f"{self.path}:{node if isinstance(node, int) else getattr(node, 'lineno', 1)}"


@dataclass(frozen=True)
class Function:
    """One function or method, and the class it stands in."""

    node: FunctionNode
    owner: ast.ClassDef | None

    @property
    def name(self) -> str:
        """Its name, after that of its class."""
        return f"{self.owner.name}.{self.node.name}" if self.owner else self.node.name


def room_of(name: str) -> str:
    """Give the room that a dotted name lies in, empty for the package itself."""
    return name.removeprefix("modelshelf").removeprefix(".").split(".")[0]


def module(name: str, path: str, text: str) -> Module:
    """Give a module from its text."""
    return Module(name, path, text, ast.parse(text))


@lru_cache
def modules() -> tuple[Module, ...]:
    """Give every module of the package, each parsed once."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found.append(module(name, str(file.relative_to(ROOT)), file.read_text("utf-8")))
    return tuple(found)


def functions(node: ast.AST, owner: ast.ClassDef | None = None) -> Iterator[Function]:
    """Give every function in `node`, nested ones too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(child, owner)
            yield from functions(child)
        elif isinstance(child, ast.ClassDef):
            yield from functions(child, child)
        else:
            yield from functions(child, owner)


def imports(of: Module, known: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Give line and dotted name of everything of ours that a module imports, for types only or not."""
    for node in ast.walk(of.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == "modelshelf")
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                yield node.lineno, "modelshelf.relative"
            elif origin.split(".")[0] == "modelshelf":
                names = (f"{origin}.{alias.name}" for alias in node.names)
                yield from ((node.lineno, name if name in known else origin) for name in names)


def known_names() -> frozenset[str]:
    """Give the dotted names of all modules."""
    return frozenset(each.name for each in modules())


def docstring_line_count(node: FunctionNode) -> int:
    """Give how many lines the docstring of a function takes."""
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is None:
        return 0
    return (first.end_lineno or first.lineno) - first.lineno + 1


def line_count(node: FunctionNode) -> int:
    """Give the lines of a function from `def` to its end, without its docstring."""
    return (node.end_lineno or node.lineno) - node.lineno + 1 - docstring_line_count(node)
