"""The house rules as functions: a Module in, `file:line what is wrong` out. `test_house_rules_bite` shows that each can fail."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.house.source import Function, FunctionNode, Module, functions, imports, line_count, room_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

FLOORS = {
    "domain": 0, "errors": 0, "clock": 0, "logs": 0, "systemd": 0, "heap": 0, "vitals": 0, "renaming": 0,
    "config": 1, "files": 1, "progress": 1,
    "store": 2, "shelf": 2, "civitai": 2, "formats": 2, "sidecars": 2, "organizing": 2, "gallery": 2,
    "importing": 2,
    "steps": 3,
    "worker": 4,
    "watching": 5, "scheduling": 5, "whereabouts": 5, "notifying": 5, "settings": 5, "web": 5,
    "daemon": 6,
    "cli": 7,
    "__main__": 8,
}  # fmt: skip
KNOW_CONFIG = {"config", "cli", "daemon", "settings"}
BROAD_CATCHES = ("worker/worker.py", "web/", "cli/main.py", "cli/aside.py", "watching/observer.py", "logs.py")

MAX_FUNCTION_LINES = 50
MAX_FILE_LINES = 400
MAX_NESTING = 3
MAX_PARAMETERS = 6

CLASS_WORDS = {"manager", "processor", "handler", "helper", "service", "base", "impl"}
ANY_WORDS = {"utils", "util", "common", "misc", "data", "info", "obj"}
PROPER_NAMES = ("LoraManager", "lora_manager", "CivitaiInfo", "civitai_info", "CmInfo", "cm_info")
"""Tools and files that are called so by their makers."""

IRREGULAR = {
    "begun", "broke", "broken", "built", "came", "caught", "come", "done", "dropped", "found", "forgotten", "frozen", "given",
    "gone", "grown", "held", "hidden", "kept", "known", "left", "lost", "made", "met", "put", "read", "rebuilt", "run", "seen",
    "sent", "set", "shown", "shut", "stuck", "taken", "thrown", "told", "torn", "understood", "undone", "went", "withdrawn",
    "woken", "written",
}  # fmt: skip
LOG_METHODS = {"debug", "info", "warning", "error", "critical", "exception"}
BUILT_IN_METHODS = {name for kind in (dict, list, set, str, bytes, tuple, int) for name in dir(kind)}

_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


def assert_none(breaches: Collection[str], rule: str = "") -> None:
    """Fail with every breach on a line of its own."""
    assert not breaches, "\n".join([rule, *sorted(set(breaches))]).strip()


def layer_breaches(of: Module, known: frozenset[str]) -> Iterator[str]:
    """A floor imports floors below it only; cli, daemon.py, settings.py know config; steps do not know each other."""
    for line, target in imports(of, known):
        room = room_of(target)
        if room == of.room or not room:
            continue
        if room not in FLOORS or of.room not in FLOORS:
            yield f"{of.at(line)} {room or of.room} has no floor; add it to FLOORS in tests/house/rules.py"
        elif room == "config" and of.room not in KNOW_CONFIG:
            yield f"{of.at(line)} {of.room} imports config; it gets plain values from cli or daemon.py"
        elif FLOORS[room] >= FLOORS[of.room] and not _is_noun_for(of.room, room):
            yield f"{of.at(line)} {of.room} (floor {FLOORS[of.room]}) imports {room} (floor {FLOORS[room]})"


def _is_noun_for(room: str, imported: str) -> bool:
    return FLOORS[room] == 0 and imported == "domain"


def sibling_breaches(of: Module, known: frozenset[str], kinds: Collection[str]) -> Iterator[str]:
    """The step of one kind does not import the step of another."""
    names = {f"modelshelf.steps.{kind}" for kind in kinds}
    if of.name in names:
        for line, target in imports(of, known):
            if target in names and target != of.name:
                yield f"{of.at(line)} the step {of.name.split('.')[-1]} imports its sibling {target.split('.')[-1]}"


def import_circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Give the groups of modules that import each other in a circle."""
    reachable = {name: _reachable(name, graph) for name in graph}
    circles = {
        frozenset(each for each in graph if each in reachable[name] and name in reachable[each]) for name in graph
    }
    return [sorted(circle) for circle in circles if circle]


def _reachable(start: str, graph: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += graph.get(name, set())
    return seen


def over_budget(of: Module) -> Iterator[str]:
    """No function is too long, too deep or takes too much; `# budget: reason` on its def line lets one pass."""
    for function in functions(of.tree):
        if _has_reason(of.lines[function.node.lineno - 1]):
            continue
        for measure, value, limit in _measures(function):
            if value > limit:
                yield f"{of.at(function.node)} {function.name}: {value} {measure}, at most {limit}"


def file_over_budget(of: Module) -> Iterator[str]:
    """No file is too long; a line `# budget: reason` lets one pass."""
    if len(of.lines) > MAX_FILE_LINES and not any(line.startswith("#") and _has_reason(line) for line in of.lines):
        yield f"{of.at(1)} {len(of.lines)} lines, at most {MAX_FILE_LINES}"


def _has_reason(line: str) -> bool:
    return re.search(r"# budget: \S+", line) is not None


def _measures(function: Function) -> list[tuple[str, int, int]]:
    return [
        ("lines", line_count(function.node), MAX_FUNCTION_LINES),
        ("levels deep", nesting(function.node), MAX_NESTING),
        ("parameters", parameter_count(function), MAX_PARAMETERS),
    ]


def nesting(node: ast.AST) -> int:
    """Give how deep blocks stand in blocks; `elif` is no deeper than its `if`, functions inside count by themselves."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        is_deeper = isinstance(child, _BLOCKS) and not is_elif
        deepest = max(deepest, nesting(child) + is_deeper)
    return deepest


def parameter_count(function: Function) -> int:
    """Give how many parameters a caller sees."""
    arguments = function.node.args
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    is_bound = function.owner is not None and bool(given) and given[0].arg in {"self", "cls"}
    return len(given) - is_bound


def broad_catches(of: Module) -> Iterator[str]:
    """`except Exception` stands in five places only; one that raises again swallows nothing and may stand anywhere."""
    if of.path.removeprefix("daemon/modelshelf/").startswith(BROAD_CATCHES):
        return
    for node in ast.walk(of.tree):
        caught: ast.expr | None
        if isinstance(node, ast.ExceptHandler) and not _raises_again(node):
            caught = node.type
        elif isinstance(node, ast.Call) and _called(node) == "suppress":
            caught = ast.Tuple(node.args)
        else:
            continue
        if caught is None or {"Exception", "BaseException"} & _names_in(caught):
            yield f"{of.at(node)} catches everything; name the errors"


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def swallowed_failures(of: Module) -> Iterator[str]:
    """A failure is raised, never returned as False.

    To a question (`is_`, `has_`) False is an answer; elsewhere `# budget: reason` on the line says why it is one.
    """
    for function in functions(of.tree):
        if not function.node.name.lstrip("_").startswith(("is_", "has_")):
            for node in _false_in_handlers(function.node):
                if not _has_reason(of.lines[node.lineno - 1]):
                    yield f"{of.at(node)} returns False for a failure; raise a named error"


def _false_in_handlers(function: FunctionNode) -> Iterator[ast.Return]:
    handlers = [node for node in ast.walk(function) if isinstance(node, ast.ExceptHandler)]
    for node in (node for handler in handlers for node in ast.walk(handler)):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Constant) and node.value.value is False:
            yield node


def missing_docstrings(of: Module) -> Iterator[str]:
    """Every module and public name says what it is."""
    if ast.get_docstring(of.tree) is None:
        yield f"{of.at(1)} the module has no docstring"
    yield from _missing_in(of, of.tree)


def _missing_in(of: Module, node: ast.Module | ast.ClassDef) -> Iterator[str]:
    for child in node.body:
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or child.name.startswith("_"):
            continue
        if ast.get_docstring(child) is None and not _needs_no_docstring(child):
            yield f"{of.at(child)} {child.name} has no docstring"
        if isinstance(child, ast.ClassDef):
            yield from _missing_in(of, child)


def _needs_no_docstring(node: FunctionNode | ast.ClassDef) -> bool:
    decorators = {_last_name(each) for each in node.decorator_list}
    return bool(decorators & {"overload", "override", "setter"})


def forbidden_names(of: Module) -> Iterator[str]:
    """No name that says nothing: Manager, utils, info, ..."""
    stem = of.path.rsplit("/", 1)[-1].removesuffix(".py")
    if _words(stem) & (ANY_WORDS | CLASS_WORDS) and stem != "__init__":
        yield f"{of.at(1)} the module is called {stem}"
    for node in ast.walk(of.tree):
        if isinstance(node, ast.ClassDef) and _words(node.name) & (CLASS_WORDS | ANY_WORDS):
            yield f"{of.at(node)} a class is called {node.name}"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _words(node.name) & ANY_WORDS:
            yield f"{of.at(node)} a function is called {node.name}"


def _words(name: str) -> set[str]:
    for proper in PROPER_NAMES:
        name = name.replace(proper, "")
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def our_names(all_modules: Collection[Module]) -> set[str]:
    """Give the names of all our functions and classes that no built-in type has too."""
    return {
        node.name
        for each in all_modules
        for node in ast.walk(each.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    } - BUILT_IN_METHODS


def positional_booleans(of: Module, ours: Collection[str]) -> Iterator[str]:
    """True and False are passed to our functions by name."""
    for node in ast.walk(of.tree):
        if isinstance(node, ast.Call) and _called(node) in ours:
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, bool):
                    yield f"{of.at(node)} passes {argument.value} to {_called(node)} by position"


def unfinished(path: str, text: str) -> Iterator[str]:
    """What is to be done is done, or is an issue."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"(?:#|//|<!--|/\*).*\b(?:TODO|FIXME|XXX|HACK)\b", line):
            yield f"{path}:{number} is unfinished: {line.strip()}"


def log_events(of: Module) -> Iterator[tuple[str, str | None]]:
    """Give `file:line` and event of every log call; None where the event is no constant."""
    for node in ast.walk(of.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOG_METHODS:
            if not _last_name(node.func.value).lower().endswith("log"):
                continue
            first = node.args[0] if node.args else None
            is_text = isinstance(first, ast.Constant) and isinstance(first.value, str)
            yield of.at(node), str(first.value) if is_text else None  # type: ignore[union-attr]


def is_past_tense(event: str) -> bool:
    """Tell whether an event is snake_case and says that something happened."""
    words = event.split("_")
    return re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+", event) is not None and any(
        word.endswith("ed") or word in IRREGULAR for word in words
    )


def _called(node: ast.Call) -> str:
    return _last_name(node.func)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _names_in(node: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
