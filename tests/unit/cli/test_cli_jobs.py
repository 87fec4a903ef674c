"""`modelshelf jobs`, `modelshelf job`, and CivitScraper's own options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.cli import job as job_module
from modelshelf.cli.owing import Depth
from modelshelf.domain.task import Priority, TaskKind
from tests.unit.cli.cli_shelf import CONFIGURATION, THEN, add_read, tasks

if TYPE_CHECKING:
    from modelshelf.cli.errands import Wishes
    from modelshelf.domain.task import Task
    from tests.unit.cli.cli_shelf import CliShelf


def owed(shelf: CliShelf) -> list[Task]:
    with shelf.store() as store:
        return tasks(store)


def test_jobs_are_listed_with_schedule_folders_and_last_run(shelf: CliShelf) -> None:
    with shelf.store() as store:
        store.runs.count(store.runs.start("nightly", THEN), total=5, added=2)
    lines = [" ".join(line.split()) for line in shelf.run("jobs").out.splitlines()]
    assert any(line.startswith("nightly scan-paths 0 2 * * * loras, checkpoints 2026-03-04") for line in lines)
    assert any("5 files, 2 added All of it" in line for line in lines)
    assert "fetch-all scan-paths by hand loras never - -" in lines
    nightly, krita, _, verification = shelf.run("jobs", "--json").document["jobs"]
    assert nightly["schedule"] == "0 2 * * *"
    assert nightly["last_run"]["statistics"]["added"] == 2
    assert (krita["folders"], krita["last_run"]) == ([], None)
    assert (verification["job"], verification["schedule"]) == ("nightly-verification", "0 3 * * *")


def test_jobs_are_listed_before_anything_is_recorded(shelf: CliShelf) -> None:
    assert [each["job"] for each in shelf.run("jobs", "--json").document["jobs"]] == [
        "nightly",
        "krita",
        "fetch-all",
        "nightly-verification",
    ]


def test_a_configuration_without_jobs_verifies_by_itself(shelf: CliShelf) -> None:
    shelf.config.write_text("input_paths: {loras: {path: loras}}\nstore: {directory: state}\n")
    assert [each["job"] for each in shelf.run("jobs", "--json").document["jobs"]] == ["nightly-verification"]


def test_a_verification_of_ones_own_takes_the_place_of_the_one_that_comes_by_itself(shelf: CliShelf) -> None:
    jobs = "jobs: {mine: {type: verify}}\n"
    shelf.config.write_text(f"input_paths: {{loras: {{path: loras}}}}\nstore: {{directory: state}}\n{jobs}")
    assert [each["job"] for each in shelf.run("jobs", "--json").document["jobs"]] == ["mine"]


def test_all_jobs_are_those_that_somebody_wrote_down(shelf: CliShelf) -> None:
    assert shelf.run("job", "--all").code == 0
    assert TaskKind.VERIFY_FILE not in {task.kind for task in owed(shelf)}
    with shelf.store() as store:
        assert "nightly-verification" not in {run.job_name for run in store.runs.latest(10)}


def test_a_job_owes_a_scan_of_each_of_its_folders_in_a_run_of_its_name(shelf: CliShelf) -> None:
    assert shelf.run("job", "nightly").code == 0
    found = owed(shelf)
    assert [(task.kind, task.subject) for task in found] == [
        (TaskKind.SCAN_FOLDER, "loras"),
        (TaskKind.SCAN_FOLDER, "checkpoints"),
    ]
    assert {(task.priority, task.is_forced) for task in found} == {(Priority.PERSON, False)}
    with shelf.store() as store:
        run = store.runs.latest_of_job("nightly")
    assert run is not None
    assert {task.run_id for task in found} == {run.id}


def test_force_refresh_forces_the_scan(shelf: CliShelf) -> None:
    shelf.run("job", "fetch-all", "--force-refresh")
    assert [task.is_forced for task in owed(shelf)] == [True]


def test_a_job_that_forces_by_itself_is_forced(shelf: CliShelf) -> None:
    shelf.config.write_text(
        CONFIGURATION.replace("fetch-all: {paths: [loras]}", "fetch-all: {paths: [loras], force_refresh: true}")
    )
    shelf.run("job", "fetch-all")
    assert [task.is_forced for task in owed(shelf)] == [True]


def test_all_jobs_that_look_through_folders_are_run_and_the_others_are_named(shelf: CliShelf) -> None:
    answer = shelf.run("job", "--all")
    assert answer.code == 0
    assert "jobs.krita: sync-lora-triggers is not done" in answer.err
    assert [task.subject for task in owed(shelf)] == ["loras", "checkpoints"]


def test_a_job_that_only_does_what_is_not_done_is_refused(shelf: CliShelf) -> None:
    answer = shelf.run("job", "krita")
    assert answer.code == 2
    assert "there is no job to run" in answer.err


def test_an_unknown_job_is_told_the_nearest_and_all(shelf: CliShelf) -> None:
    answer = shelf.run("job", "nightli")
    assert answer.code == 2
    assert "did you mean nightly?; the jobs are: nightly, krita, fetch-all, nightly-verification" in answer.err


@pytest.mark.parametrize("arguments", [(), ("nightly", "--all")])
def test_a_name_or_all_is_asked_for(shelf: CliShelf, arguments: tuple[str, ...]) -> None:
    assert shelf.run("job", *arguments).code == 2


def test_dry_run_of_a_job_looks_at_its_folders_alone_and_writes_nothing(shelf: CliShelf) -> None:
    shelf.put("ink.safetensors")
    shelf.put("big.safetensors", folder_id="checkpoints")
    document = shelf.run("job", "fetch-all", "--dry-run", "--json").document
    assert [each["path"] for each in document["differences"]] == ["ink.safetensors"]
    assert not shelf.state.exists()


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Wishes, Any]]:
    """Give what is carried out instead of doing it."""
    done: list[tuple[Wishes, Any]] = []

    def remember(_opening: object, owe: Any, wishes: Wishes) -> int:
        done.append((wishes, owe))
        return 0

    monkeypatch.setattr(job_module, "carry_out", remember)
    return done


@pytest.mark.parametrize(
    ("arguments", "folder_ids"),
    [
        (("-j", "nightly"), ("loras", "checkpoints")),
        (("--job", "fetch-all"), ("loras",)),
        (("--all-jobs",), ("loras", "checkpoints")),
        (("--force-refresh",), ("loras",)),
    ],
)
def test_civitscrapers_options_run_jobs_and_wait_and_without_a_name_the_default_job(
    shelf: CliShelf, carried: list[tuple[Wishes, Any]], arguments: tuple[str, ...], folder_ids: tuple[str, ...]
) -> None:
    assert shelf.run(*arguments).code == 0
    ((wishes, owe),) = carried
    assert (wishes.folder_ids, wishes.is_waited) == (folder_ids, True)
    with shelf.store() as store:
        owe(store)
        assert {task.is_forced for task in tasks(store)} == {"--force-refresh" in arguments}


def test_civitscrapers_dry_run_writes_nothing(shelf: CliShelf) -> None:
    shelf.put("ink.safetensors")
    answer = shelf.run("--dry-run", "-j", "nightly")
    assert answer.code == 0
    assert "A scan would find 1 new. Nothing was written." in answer.out
    assert not shelf.state.exists()


def test_civitscrapers_options_do_not_stand_before_a_command(shelf: CliShelf) -> None:
    assert shelf.run("--all-jobs", "status").code == 2


def configure(shelf: CliShelf, job: str) -> None:
    shelf.config.write_text(
        f"input_paths: {{loras: {{path: loras}}, checkpoints: {{path: checkpoints}}}}\n"
        f"jobs: {{it: {job}}}\nstore: {{directory: state}}\n"
    )


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("{type: deep-scan, paths: loras}", {(TaskKind.SCAN_FOLDER, "loras", Priority.DEEP)}),
        ("{type: build-gallery, paths: loras}", {(TaskKind.RENDER_GALLERY, "loras", Priority.PERSON)}),
        (
            "{actions: [{type: scan-paths, paths: loras}, {type: build-gallery, paths: checkpoints}]}",
            {
                (TaskKind.SCAN_FOLDER, "loras", Priority.PERSON),
                (TaskKind.RENDER_GALLERY, "checkpoints", Priority.PERSON),
            },
        ),
        ("{type: check-updates}", set()),
        ("{type: verify}", set()),
    ],
)
def test_a_job_of_any_type_is_run_at_once(
    job: str, expected: set[tuple[TaskKind, str, Priority]], shelf: CliShelf
) -> None:
    configure(shelf, job)
    assert shelf.run("job", "it").code == 0
    assert {(task.kind, task.subject, task.priority) for task in owed(shelf)} == expected
    with shelf.store() as store:
        run = store.runs.latest_of_job("it")
    assert run is not None
    is_reading = any(kind in job for kind in ("scan", "verify"))
    assert (run.ended_at is None) is is_reading, "whoever works it off sees when that is over"


def test_a_verification_that_a_person_runs_waits_for_no_window(shelf: CliShelf) -> None:
    with shelf.store() as store:
        file_id, _ = add_read(store, b"old.safetensors", 1)
    configure(shelf, "{type: verify, paths: loras}")
    assert shelf.run("job", "it").code == 0
    assert [(task.kind, task.subject, task.priority) for task in owed(shelf)] == [
        (TaskKind.VERIFY_FILE, str(file_id), Priority.PERSON)
    ]


@pytest.mark.parametrize(
    ("job", "depth"),
    [
        ("{type: deep-scan}", Depth.DEEP),
        ("{type: scan-paths, paths: all}", Depth.USUAL),
        ("{actions: [{type: deep-scan}, {type: scan-paths, paths: all}]}", Depth.USUAL),
        ("{type: verify}", Depth.USUAL),
    ],
)
def test_who_waits_for_a_deep_scan_waits_until_all_is_read(
    job: str, depth: Depth, shelf: CliShelf, carried: list[tuple[Wishes, Any]]
) -> None:
    configure(shelf, job)
    assert shelf.run("job", "it", "--wait").code == 0
    ((_, owe),) = carried
    with shelf.store() as store:
        errand = owe(store)
    assert errand.depth is depth
    assert set(errand.folder_ids) == {"loras", "checkpoints"}
    assert len(errand.run_ids) == 1


def test_the_list_says_what_each_job_does(shelf: CliShelf) -> None:
    configure(shelf, "{actions: [{type: verify}, {type: build-gallery}, {type: verify, paths: loras}], schedule: idle}")
    (line,) = [line for line in shelf.run("jobs").out.splitlines() if line.strip().startswith("it")]
    assert "verify, build-gallery" in line
    assert "idle" in line
    (document,) = shelf.run("jobs", "--json").document["jobs"]
    assert document["does"] == ["verify", "build-gallery"]
    assert document["folders"] == ["loras", "checkpoints"]
