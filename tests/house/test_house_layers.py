"""Who may import whom."""

from __future__ import annotations

from modelshelf.domain.task import TaskKind
from tests.house import rules
from tests.house.rules import assert_none
from tests.house.source import imports, known_names, modules


def test_a_floor_imports_only_floors_below_it() -> None:
    assert_none([breach for module in modules() for breach in rules.layer_breaches(module, known_names())])


def test_steps_do_not_know_each_other() -> None:
    kinds = [str(kind) for kind in TaskKind]
    assert_none([breach for each in modules() for breach in rules.sibling_breaches(each, known_names(), kinds)])


def test_no_imports_go_in_a_circle() -> None:
    graph = {each.name: {target for _, target in imports(each, known_names())} for each in modules()}
    assert_none([" and ".join(circle) for circle in rules.import_circles(graph)], "modules that import each other:")
