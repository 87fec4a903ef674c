"""Each house rule finds what it forbids, and lets pass what it allows."""

from __future__ import annotations

import pytest

from tests.house import rules
from tests.house.source import Module, functions, line_count, module

KNOWN = frozenset(
    {
        "modelshelf",
        "modelshelf.store.journal",
        "modelshelf.steps.hash_file",
        "modelshelf.steps.step",
        "modelshelf.config.load",
    }
)


def in_room(path: str, text: str) -> Module:
    return module("modelshelf." + path.removesuffix(".py").replace("/", "."), f"daemon/modelshelf/{path}", text)


def function_of(text: str) -> str:
    return "".join(rules.over_budget(in_room("store/x.py", text)))


@pytest.mark.parametrize(
    ("path", "imported", "expected"),
    [
        ("store/x.py", "modelshelf.domain.task", ""),
        ("store/x.py", "modelshelf", ""),
        ("store/x.py", "modelshelf.store.journal", ""),
        ("store/x.py", "modelshelf.shelf.walk", "store (floor 2) imports shelf (floor 2)"),
        ("store/x.py", "modelshelf.worker.worker", "store (floor 2) imports worker (floor 4)"),
        ("store/x.py", "modelshelf.config.load", "store imports config; it gets plain values from cli or daemon.py"),
        ("cli/x.py", "modelshelf.config.load", ""),
        ("errors.py", "modelshelf.domain.display", ""),
        ("domain/x.py", "modelshelf.errors", "domain (floor 0) imports errors (floor 0)"),
        ("logs.py", "modelshelf.systemd", "logs (floor 0) imports systemd (floor 0)"),
        ("attic/x.py", "modelshelf.errors", "errors has no floor; add it to FLOORS in tests/house/rules.py"),
        ("store/x.py", "modelshelf.attic", "attic has no floor; add it to FLOORS in tests/house/rules.py"),
    ],
)
def test_layers(path: str, imported: str, expected: str) -> None:
    text = f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {imported} import thing\n"
    where = f"daemon/modelshelf/{path}:3 "
    assert list(rules.layer_breaches(in_room(path, text), KNOWN)) == ([where + expected] if expected else [])


def test_a_module_is_known_by_either_way_of_importing_it() -> None:
    for text in (
        "import modelshelf.store.journal",
        "from modelshelf.store import journal",
        "from ..store import journal",
    ):
        assert len(list(rules.layer_breaches(in_room("shelf/x.py", text), KNOWN))) == 1


def test_siblings() -> None:
    sibling = in_room("steps/inspect_file.py", "from modelshelf.steps.hash_file import HashFile")
    allowed = in_room("steps/inspect_file.py", "from modelshelf.steps.step import Step")
    kinds = ["inspect_file", "hash_file"]
    assert len(list(rules.sibling_breaches(sibling, KNOWN, kinds))) == 1
    assert list(rules.sibling_breaches(allowed, KNOWN, kinds)) == []


def test_circles() -> None:
    assert rules.import_circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert rules.import_circles({"a": {"b"}, "b": {"c", "x"}, "c": set()}) == []


def test_length() -> None:
    body = "    pass\n" * 50
    assert "51 lines, at most 50" in function_of("def f():\n" + body)
    assert function_of("def f():  # budget: a table\n" + body) == ""
    assert function_of("def f():\n" + "    pass\n" * 49) == ""


def test_a_docstring_costs_nothing() -> None:
    text = 'def f():\n    """One.\n\n    Two.\n    """\n    return 1\n'
    assert [line_count(each.node) for each in functions(in_room("store/x.py", text).tree)] == [2]


def test_depth() -> None:
    deep = "def f():\n    if a:\n        for b in c:\n            with d:\n                while e:\n                    pass\n"
    chain = "def f():\n    if a:\n        pass\n    elif b:\n        pass\n    elif c:\n        pass\n    elif d:\n        pass\n"
    inner = "def f():\n  if a:\n    for b in c:\n      with d:\n        def g():\n          if e: pass\n"
    assert "4 levels deep, at most 3" in function_of(deep)
    assert function_of(chain) == ""
    assert function_of(inner) == ""


def test_parameters() -> None:
    assert "7 parameters, at most 6" in function_of("def f(a, b, c, d, *, e, g, h): pass")
    assert function_of("class A:\n    def f(self, a, b, c, d, *, e, g): pass") == ""


def test_files() -> None:
    assert len(list(rules.file_over_budget(in_room("store/x.py", "a = 1\n" * 401)))) == 1
    assert list(rules.file_over_budget(in_room("store/x.py", "# budget: one table\n" + "a = 1\n" * 400))) == []


@pytest.mark.parametrize(
    "caught", ["except:", "except Exception:", "except BaseException as e:", "except (OSError, Exception):"]
)
def test_broad_catches(caught: str) -> None:
    text = f"try:\n    pass\n{caught}\n    pass\n"
    assert len(list(rules.broad_catches(in_room("store/x.py", text)))) == 1
    for allowed in ("worker/worker.py", "web/server.py", "cli/main.py", "watching/observer.py", "logs.py"):
        assert list(rules.broad_catches(in_room(allowed, text))) == []


def test_what_is_raised_again_is_not_swallowed() -> None:
    text = "try:\n    pass\nexcept BaseException:\n    undo()\n    raise\n"
    assert list(rules.broad_catches(in_room("store/x.py", text))) == []


def test_broad_suppression() -> None:
    assert len(list(rules.broad_catches(in_room("store/x.py", "with suppress(Exception): pass")))) == 1
    assert list(rules.broad_catches(in_room("store/x.py", "with suppress(OSError): pass"))) == []


def test_swallowed_failures() -> None:
    text = "def f():\n    try:\n        return True\n    except OSError:\n        return False\n    return False\n"
    assert list(rules.swallowed_failures(in_room("store/x.py", text))) == [
        "daemon/modelshelf/store/x.py:5 returns False for a failure; raise a named error"
    ]
    for allowed in (
        text.replace("f()", "_is_there()"),
        text.replace("return False\n", "return False  # budget: an answer\n", 1),
    ):
        assert list(rules.swallowed_failures(in_room("store/x.py", allowed))) == []


def test_docstrings() -> None:
    text = "class A:\n  def f(self): pass\n  def _g(self): pass\n  @override\n  def h(self): pass\ndef f(): pass\n"
    found = [each.split(" ", 1)[1] for each in rules.missing_docstrings(in_room("store/x.py", text))]
    assert found == ["the module has no docstring", "A has no docstring", "f has no docstring", "f has no docstring"]


@pytest.mark.parametrize(
    "text",
    [
        "class TaskManager: pass",
        "class BaseStep: pass",
        "class ModelInfo: pass",
        "def load_data(): pass",
        "def get_info(): pass",
    ],
)
def test_names(text: str) -> None:
    assert len(list(rules.forbidden_names(in_room("store/x.py", text)))) == 1


@pytest.mark.parametrize(
    "text", ["class CivitaiInfo: pass", "class Database: pass", "def base_model(): pass", "class Handle: pass"]
)
def test_names_that_only_look_alike(text: str) -> None:
    assert list(rules.forbidden_names(in_room("store/x.py", text))) == []


def test_module_names() -> None:
    assert len(list(rules.forbidden_names(in_room("store/utils.py", "")))) == 1
    assert list(rules.forbidden_names(in_room("sidecars/civitai_info.py", ""))) == []


def test_positional_booleans() -> None:
    text = "queue(1, True)\nself.queue(False)\nqueue(is_forced=True)\nget('a', False)\nforeign(True)\n"
    of = in_room("store/x.py", "def queue(): pass\ndef get(): pass\n" + text)
    assert [each.split(" ")[0][-1] for each in rules.positional_booleans(of, rules.our_names([of]))] == ["3", "4"]


def test_unfinished() -> None:
    assert len(list(rules.unfinished("x.py", "a = 1  # " + "TODO: mend\n"))) == 1
    assert list(rules.unfinished("x.py", "todo = 'list'\n")) == []


def test_log_events() -> None:
    ours = "log.info('file_hashed', a=1)\nself._log.error(name)\nget_log('x').info('y_done')\n"
    text = ours + "math.log(2)\nlogs.info('x')\nerrors.error('x')\n"
    assert [event for _, event in rules.log_events(in_room("store/x.py", text))] == ["file_hashed", None, "y_done"]


@pytest.mark.parametrize("event", ["file_hashed", "folder_went_offline", "file_lost", "run_2_ended"])
def test_past_tense(event: str) -> None:
    assert rules.is_past_tense(event)


@pytest.mark.parametrize("event", ["hashing_file", "File hashed", "hashed", "file_is_whole", "file-hashed"])
def test_no_past_tense(event: str) -> None:
    assert not rules.is_past_tense(event)
