"""Jobs: the flat form and the list form, and which of them speaks for a dropped file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.job import JobKind

if TYPE_CHECKING:
    from modelshelf.config import Action, Config, Job
    from tests.unit.config.conftest import Load

FOLDERS = """\
input_paths:
  lora: {path: lora, type: LORA}
  more: {path: more, type: lora}
  ck: {path: ck, type: Checkpoint}
"""


def job(config: Config, name: str = "it") -> Job:
    return next(each for each in config.jobs if each.name == name)


def action(config: Config, name: str = "it") -> Action:
    (only,) = job(config, name).actions
    return only


def test_the_flat_form_is_one_action(load: Load) -> None:
    config = load(
        FOLDERS
        + "jobs:\n  it: {type: scan-paths, description: words, paths: [ck], recursive: false, skip_existing: false,\n"
        "    verify_hashes: false, force_refresh: true, use_cached_metadata: true, schedule: every 6h}"
    )
    found = action(config)
    assert (found.kind, found.folder_ids, found.is_recursive) == (JobKind.SCAN_PATHS, ("ck",), False)
    assert not found.is_described_skipped
    assert (found.is_refresh_forced, found.is_lookup_skipped) == (True, True)
    assert job(config).description == "words"
    schedule = job(config).schedule
    assert schedule is not None
    assert schedule.interval_seconds == 21600


def test_the_list_form_says_the_same(load: Load) -> None:
    flat = load(FOLDERS + "jobs: {it: {type: scan-paths, paths: [ck], skip_existing: false}}")
    listed = load(FOLDERS + "jobs: {it: {actions: [{type: scan-paths, paths: [ck], skip_existing: false}]}}")
    assert flat.jobs == listed.jobs


def test_beside_actions_a_job_speaks_for_those_that_say_nothing(load: Load) -> None:
    config = load(
        FOLDERS + "jobs: {it: {paths: [ck], skip_existing: false, actions: [{}, {paths: lora, skip_existing: true}]}}"
    )
    first, second = job(config).actions
    assert (first.folder_ids, first.is_described_skipped) == (("ck",), False)
    assert (second.folder_ids, second.is_described_skipped) == (("lora",), True)
    assert job(config).folder_ids == ("ck", "lora")


def test_without_paths_a_job_means_every_lora_folder(load: Load) -> None:
    assert action(load(FOLDERS + "jobs: {it: {type: scan-paths}}")).folder_ids == ("lora", "more")


def test_all_means_every_folder(load: Load) -> None:
    assert action(load(FOLDERS + "jobs: {it: {paths: all}}")).folder_ids == ("lora", "more", "ck")


def test_the_scanner_speaks_for_jobs_that_say_nothing(load: Load) -> None:
    found = action(
        load(FOLDERS + "scanner: {skip_existing: false, verify_hashes: false, force_refresh: true}\njobs: {it: {}}")
    )
    assert (found.is_described_skipped, found.is_refresh_forced) == (False, True)
    assert found.is_recursive is None


def test_a_job_runs_by_itself_only_if_it_says_when(load: Load) -> None:
    assert job(load(FOLDERS + "jobs: {it: {}}")).schedule is None


def test_a_trigger_sync_names_no_folder_to_scan(load: Load) -> None:
    config = load(FOLDERS + "jobs: {it: {type: sync-lora-triggers, paths: [lora], loras_file: loras.json}}")
    assert job(config).folder_ids == ()


def test_without_a_default_job_of_that_name_nothing_is_wrong(load: Load) -> None:
    assert load(FOLDERS).file.default_job_name == "fetch-all"


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ("", True),
        ("jobs: {it: {paths: [ck], skip_existing: false}}", True),
        ("jobs: {it: {paths: [lora], skip_existing: false}}", False),
        ("default_job: b\njobs: {a: {paths: [all], skip_existing: false}, b: {paths: [lora]}}", True),
    ],
)
def test_the_job_that_speaks_for_a_folder_says_whether_it_is_looked_up_again(
    load: Load, jobs: str, *, expected: bool
) -> None:
    assert load(FOLDERS + jobs).is_described_skipped("lora") is expected


def test_what_is_not_done_is_named(load: Load) -> None:
    config = load(
        FOLDERS
        + """\
organization: {enabled: true, template: by_date}
dry_run: true
jobs:
  plain: {use_cached_metadata: true}
  organize: {organize: true, organization: {enabled: false}}
  listed: {actions: [{organization: true}]}
  krita: {type: sync-lora-triggers, organize: false}
"""
    )
    assert config.not_done() == [
        "dry_run: this version has none; sidecars, pictures and pages are written",
        "organization: files are not sorted by this version; they stay where they are",
        "jobs.plain: use_cached_metadata is not done by this version; Civitai is asked",
        "jobs.plain: files are not sorted by this version; they stay where they are",
        "jobs.organize: files are not sorted by this version; they stay where they are",
        "jobs.listed: files are not sorted by this version; they stay where they are",
        "jobs.krita: sync-lora-triggers is not done by this version; loras.json stays as it is",
    ]


def test_what_is_switched_off_is_not_named(load: Load) -> None:
    off = "organization: {enabled: false}\njobs: {it: {organize: false, organization: {enabled: false, template: by_type}}}"
    assert load(FOLDERS + off).not_done() == []


@pytest.mark.parametrize(
    ("folder", "job_says", "expected"),
    [("", "", True), ("recursive: false", "", False), ("recursive: true", "recursive: false", False)],
)
def test_a_job_says_first_whether_directories_count(load: Load, folder: str, job_says: str, *, expected: bool) -> None:
    config = load(f"input_paths: {{a: {{path: x, {folder}}}}}\njobs: {{it: {{paths: all, {job_says}}}}}")
    assert config.folders()[0].is_recursive is expected


def test_a_job_of_a_new_type_is_about_all_folders_where_it_names_none(load: Load) -> None:
    kinds = ("deep-scan", "verify", "build-gallery", "check-updates")
    config = load(FOLDERS + "jobs: {it: {actions: [" + ", ".join(f"{{type: {kind}}}" for kind in kinds) + "]}}")
    deeds = job(config).deeds
    assert [deed.kind for deed in deeds] == [JobKind(kind) for kind in kinds]
    assert {deed.folder_ids for deed in deeds} == {("lora", "more", "ck")}
    assert load(FOLDERS + "jobs: {it: {type: scan-paths}}").jobs[0].folder_ids == ("lora", "more")


def test_what_is_not_done_is_no_deed(load: Load) -> None:
    config = load(FOLDERS + "jobs: {it: {actions: [{type: sync-lora-triggers}, {type: verify, paths: ck}]}}")
    assert [deed.kind for deed in job(config).deeds] == [JobKind.VERIFY]
    assert job(config).folder_ids == ("ck",)


def test_only_scans_speak_for_dropped_files(load: Load) -> None:
    config = load(FOLDERS + "jobs: {it: {type: verify, paths: all, output: {images: {save: false}}}}")
    assert config.output_for("lora") == load(FOLDERS).output_for("lora")


def test_missed_times_are_made_up_for_unless_they_are_to_be_skipped(load: Load) -> None:
    assert job(load(FOLDERS + "jobs: {it: {paths: ck}}")).is_missed_run
    assert not job(load(FOLDERS + "jobs: {it: {paths: ck, missed: skip}}")).is_missed_run
