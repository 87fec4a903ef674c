from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.task import Priority, TaskKind
from modelshelf.worker.succession import successors
from tests import builders

if TYPE_CHECKING:
    from modelshelf.domain.task import NewTask, Task
    from tests.unit.steps.step_shelf import StepShelf


def follow(shelf: StepShelf, *tasks: Task) -> dict[TaskKind, NewTask]:
    """Give what follows, by kind."""
    return {new.kind: new for new in successors(shelf.store, tasks, shelf.clock.now())}


def identified(shelf: StepShelf, model_id: int | None = 77) -> int:
    """Put a file on the shelf that is identified; gives its content's id."""
    shelf.put("model.safetensors", builders.lora(1))
    shelf.read("model.safetensors")
    content = shelf.content("model.safetensors")
    shelf.store.remote.keep_version(5, model_id, {"id": 5}, shelf.clock.now())
    shelf.store.contents.record_hit(content.id, 5, shelf.clock.now())
    return content.id


def test_a_hash_is_followed_by_sidecars_and_those_by_the_page(shelf: StepShelf) -> None:
    assert follow(shelf, shelf.task(TaskKind.HASH_FILE, 1)).keys() == {TaskKind.WRITE_SIDECARS}
    assert follow(shelf, shelf.task(TaskKind.WRITE_SIDECARS, 1)).keys() == {TaskKind.RENDER_PAGE}


def test_a_lookup_is_followed_for_every_file_and_for_the_model(shelf: StepShelf) -> None:
    content_id = identified(shelf)
    new = follow(shelf, shelf.task(TaskKind.IDENTIFY_CONTENT, content_id))
    assert {kind: task.subject for kind, task in new.items()} == {
        TaskKind.ENRICH_MODEL: "77",
        TaskKind.WRITE_SIDECARS: "1",
        TaskKind.FETCH_PREVIEWS: "1",
    }
    assert follow(shelf, shelf.task(TaskKind.ENRICH_MODEL, 77))[TaskKind.WRITE_SIDECARS].subject == "1"


def test_a_version_without_a_model_has_no_model_to_enrich(shelf: StepShelf) -> None:
    content_id = identified(shelf, None)
    assert TaskKind.ENRICH_MODEL not in follow(shelf, shelf.task(TaskKind.IDENTIFY_CONTENT, content_id))


def test_a_content_that_is_not_identified_has_no_model(shelf: StepShelf) -> None:
    shelf.put("model.safetensors", builders.lora(1))
    shelf.read("model.safetensors")
    content_id = shelf.content("model.safetensors").id
    assert TaskKind.ENRICH_MODEL not in follow(shelf, shelf.task(TaskKind.IDENTIFY_CONTENT, content_id))


def test_many_pages_are_one_gallery_that_lingers_and_takes_the_highest_priority(shelf: StepShelf) -> None:
    for number in range(3):
        shelf.put(f"{number}.safetensors", builders.lora(number))
    shelf.scan()
    tasks = [
        shelf.task(TaskKind.RENDER_PAGE, f"{number}.safetensors", priority=priority)
        for number, priority in enumerate((10, 40, 20))
    ]
    (gallery,) = successors(shelf.store, tasks, shelf.clock.now())
    assert (gallery.kind, gallery.subject, gallery.priority) == (TaskKind.RENDER_GALLERY, "loras", 40)
    assert gallery.due_at == shelf.clock.now() + timedelta(seconds=1 + 3 / 2000)


def test_what_nobody_waits_for_lingers_for_what_may_change_it_again(shelf: StepShelf) -> None:
    content_id = identified(shelf)

    def lingers(after: TaskKind, subject: int, kind: TaskKind, priority: int) -> timedelta | None:
        found = follow(shelf, shelf.task(after, subject, priority=priority))[kind].due_at
        return None if found is None else found - shelf.clock.now()

    for after, subject, kind, seconds in (
        (TaskKind.WRITE_SIDECARS, 1, TaskKind.RENDER_PAGE, 60),
        (TaskKind.RENDER_PAGE, 1, TaskKind.RENDER_GALLERY, 10 + 1 / 50),
        (TaskKind.IDENTIFY_CONTENT, content_id, TaskKind.WRITE_SIDECARS, 30),
    ):
        assert lingers(after, subject, kind, Priority.CHANGED) == timedelta(seconds=seconds)
    for after, subject, kind in (
        (TaskKind.WRITE_SIDECARS, 1, TaskKind.RENDER_PAGE),
        (TaskKind.IDENTIFY_CONTENT, content_id, TaskKind.WRITE_SIDECARS),
    ):
        assert lingers(after, subject, kind, Priority.DROP) is None
    assert lingers(TaskKind.ENRICH_MODEL, 77, TaskKind.WRITE_SIDECARS, Priority.REST) is None


@pytest.mark.parametrize(
    ("cards", "priority", "seconds"),
    [
        (0, Priority.REST, 10),
        (500, Priority.REST, 20),
        (14_500, Priority.CHANGED, 300),
        (500_000, Priority.REST, 300),
        (0, Priority.DROP, 1),
        (500_000, Priority.DROP, 251),
    ],
)
def test_a_gallery_lingers_by_what_it_costs(shelf: StepShelf, cards: int, priority: int, seconds: float) -> None:
    shelf.put("model.safetensors", builders.lora(1))
    shelf.scan()
    shelf.store.database.execute("UPDATE folders SET file_count = ?", (cards,))
    (gallery,) = successors(shelf.store, [shelf.task(TaskKind.RENDER_PAGE, 1, priority=priority)], shelf.clock.now())
    assert gallery.due_at == shelf.clock.now() + timedelta(seconds=seconds)


def test_the_cards_of_a_gallery_are_asked_for_once_however_many_pages_change(shelf: StepShelf) -> None:
    for number in range(20):
        shelf.put(f"{number}.safetensors", builders.lora(number))
    shelf.scan()
    tasks = [shelf.task(TaskKind.RENDER_PAGE, f"{number}.safetensors", priority=30) for number in range(20)]
    said: list[str] = []
    shelf.store.database._connection.set_trace_callback(said.append)
    assert len(successors(shelf.store, tasks, shelf.clock.now())) == 1
    shelf.store.database._connection.set_trace_callback(None)
    assert len([statement for statement in said if "FROM folders" in statement]) == 1
    assert not any("count(" in statement for statement in said)


def test_what_is_forced_is_forced_on_until_it_was_asked(shelf: StepShelf) -> None:
    content_id = identified(shelf)
    carried = follow(shelf, shelf.task(TaskKind.CARRY_SIDECARS, 1, is_forced=True))
    assert carried[TaskKind.WRITE_SIDECARS].is_forced
    asked = follow(shelf, shelf.task(TaskKind.IDENTIFY_CONTENT, content_id, is_forced=True))
    assert not any(task.is_forced for task in asked.values())


def test_a_file_that_is_known_no_more_is_followed_by_nothing(shelf: StepShelf) -> None:
    assert follow(shelf, shelf.task(TaskKind.RENDER_PAGE, 4711)) == {}
    assert follow(shelf, shelf.task(TaskKind.IDENTIFY_CONTENT, 4711)) == {}
