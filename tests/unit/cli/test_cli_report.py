"""`modelshelf report`, and StableQueue's words."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.cli.run_report import change_lines, headlines, report_lines, sum_of
from modelshelf.domain.job import JobKind
from modelshelf.domain.run import Run, RunStatistics
from modelshelf.domain.run_report import Alike, Damage, RunReport, Trouble
from modelshelf.steps.run_report import from_body, to_body
from tests.unit.cli.cli_shelf import DAY, THEN, add_read

if TYPE_CHECKING:
    from tests.unit.cli.cli_shelf import CliShelf

COUNTS = RunStatistics(total=247, added=12, updated=5, described=3, hashes_calculated=5, errors=1)
FULL = RunReport(
    run=Run(3, "nightly", THEN, THEN + timedelta(minutes=90), COUNTS, ("loras",)),
    files=247,
    size_bytes=3 * 2**30,
    owed_files=2,
    owed_bytes=2**20,
    duplicate_count=12,
    duplicates=tuple(Alike("bytes", f"{number:064}", 2**20, ("/a", "/b")) for number in range(11)),
    damage=(Damage("/a/rotten", "E" * 64, "F" * 64, "then", "now", "a good copy is /b/good"),),
    trouble_count=3,
    troubles=(Trouble("/a/locked", "cannot read it (EIO)"),),
)


def test_the_message_is_stable_queues_word_for_word() -> None:
    assert COUNTS.message_lines() == [
        "Scan complete! Found 247 model files",
        "- Added: 12 new models to database",
        "- Updated: 8 models with new metadata",
        "- Calculated: 5 hashes",
    ]
    assert RunStatistics(total=1, added=1).message_lines()[:2] == [
        "Scan complete! Found 1 model files",
        "- Added: 1 new models to database",
    ]


def test_what_stable_queue_does_not_count_is_told_where_it_happened() -> None:
    assert change_lines(RunStatistics()) == []
    many = RunStatistics(moved=1, missing=2, verified=3, verified_bytes=2**30, rotten=1, errors=1, hashes_skipped=4)
    assert change_lines(many) == [
        "- Moved: 1 model",
        "- Missing: 2 models",
        "- Not hashed: 4 models",
        "- Verified: 3 models, 1.0 GiB",
        "- DAMAGED: 1 model, see modelshelf verify --list",
        "- Errors: 1 error, see modelshelf failures",
    ]


def test_a_report_tells_everything_with_its_paths() -> None:
    lines = report_lines(FULL, THEN + DAY)
    assert lines[0].startswith("nightly, run 3, begun ")
    assert lines[0].endswith(", took 1 h")
    assert lines[1:5] == COUNTS.message_lines()
    text = "\n".join(lines)
    for wanted in (
        "- On the shelf: 247 models, 3.0 GiB",
        "- Still to be read: 2 models, 1.0 MiB",
        "- DAMAGED: /a/rotten",
        "a good copy is /b/good",
        "    /a\n    /b",
        "and 2 more: modelshelf duplicates",
        "- Not to be read: /a/locked: cannot read it (EIO)",
        "and 2 more: modelshelf failures",
    ):
        assert wanted in text


def test_a_verification_is_no_scan() -> None:
    run = Run(4, "scrub", THEN, None, RunStatistics(verified=2, verified_bytes=5))
    lines = report_lines(RunReport(run), THEN)
    assert lines[0].endswith(", goes on")
    assert "- Verified: 2 models, 5 B" in lines
    assert not any("Scan complete" in line for line in lines)


def test_a_run_that_scanned_nothing_says_what_it_did_instead() -> None:
    nothing = RunStatistics()
    assert headlines(nothing, [JobKind.BUILD_GALLERY]) == ["Done, without a scan: galleries to be drawn"]
    assert headlines(nothing, [JobKind.CHECK_UPDATES, JobKind.VERIFY])[0].startswith(
        "Done, without a scan: files verified, newer versions asked for"
    )
    for kinds in ((), (JobKind.SYNC_LORA_TRIGGERS,), (JobKind.DEEP_SCAN, JobKind.BUILD_GALLERY)):
        assert headlines(nothing, kinds) == nothing.message_lines()


def test_a_job_that_leaves_no_report_has_ended_all_the_same(shelf: CliShelf) -> None:
    told = shelf.config.read_text().replace("jobs:\n", "jobs:\n  draw: {type: build-gallery, paths: [loras]}\n")
    shelf.config.write_text(told)
    with shelf.store() as store:
        store.runs.end(store.runs.start("draw", THEN), THEN)
    assert "no job that ended has left a report" in shelf.run("report").err
    answer = shelf.run("report", "1").out
    assert "Done, without a scan: galleries to be drawn" in answer
    assert "Scan complete" not in answer


def test_a_report_is_kept_whole() -> None:
    assert from_body(FULL.run, to_body(FULL)) == FULL


def test_counts_of_several_runs_add_up() -> None:
    assert sum_of([COUNTS, RunStatistics(total=3)]).total == 250
    assert sum_of([]) == RunStatistics()


def test_json_has_stable_queues_names(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add_read(store, b"ink.safetensors", 1)
        run_id = store.runs.start("nightly", THEN, ["loras"])
        store.runs.count(run_id, total=247, added=12, updated=8, hashes_calculated=5, verified=1)
        store.runs.end(run_id, THEN + DAY)
        run = store.runs.get(run_id)
        assert run is not None
        store.runs.keep_report(run_id, to_body(RunReport(run, owed_files=2, duplicates=FULL.duplicates[:1])))
    document = shelf.run("report", "--json").document
    assert document["stats"] == {
        "total": 247,
        "added": 12,
        "updated": 8,
        "hashesCalculated": 5,
        "hashesSkipped": 0,
        "errors": 0,
    }
    assert document["message"].startswith("Scan complete! Found 247 model files\n- Added: 12")
    assert (document["success"], document["job"], document["seconds"]) == (True, "nightly", 86_400)
    assert (document["verified"], document["owedFiles"]) == (1, 2)
    assert document["duplicates"][0]["freedBytes"] == 2**20
    assert "Found 247 model files" in shelf.run("report").out


def test_a_run_is_named_by_its_number(shelf: CliShelf) -> None:
    with shelf.store() as store:
        run_id = store.runs.start(None, THEN)
    assert f"run {run_id}" in shelf.run("report", str(run_id)).out
    assert shelf.run("report", str(run_id), "--json").document["endedAt"] is None
    refused = shelf.run("report", "99")
    assert (refused.code, "there is no run 99" in refused.err) == (2, True)


def test_without_a_report_it_says_how_to_get_one(shelf: CliShelf) -> None:
    with shelf.store():
        pass
    answer = shelf.run("report")
    assert (answer.code, "no job has ended yet" in answer.err) == (1, True)
