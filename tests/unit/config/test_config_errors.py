"""Every mistake at once, each with file, line, key and what to do; and no secret in any of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.config import load_config
from modelshelf.errors import ConfigError

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load, Refuse

FOLDER = "input_paths: {lora: {path: lora, type: LORA}}\n"
SECRET = "abcdef0123456789"


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(refuse: Refuse) -> None:
    assert refuse(
        """\
        api:
          kye: x
          batch: {rate_limit: fast}
        input_paths:
          lora: {path: lora, type: LORA}
          nested: {path: lora/deep, typ: Checkpoint}
          pathless: {type: LORA}
        jobs:
          nightly:
            paths: [lroa, nested, pathless]
            schedule: sometimes
        default_job: nihgtly
        offline: true
        offline: false
        """
    ) == [
        "FILE:2: api.kye: unknown key; did you mean key?",
        "FILE:3: api.batch.rate_limit: must be a whole number",
        "FILE:6: input_paths.nested.typ: unknown key; did you mean type?",
        "FILE:6: input_paths.nested.path: lies inside the directory of input_paths.lora; keep one of them",
        "FILE:7: input_paths.pathless.path: is missing; write it",
        "FILE:10: jobs.nightly.paths[0]: input_paths has no lroa; did you mean lora?",
        (
            "FILE:11: jobs.nightly.schedule: must be a schedule such as "
            '"0 2 * * *" (minute hour day month weekday), "@daily", "every 6h" or "idle"'
        ),
        "FILE:12: default_job: jobs has no nihgtly; did you mean nightly?",
        "FILE:14: offline: stands twice, first on line 13; keep one of them",
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("offline: perhaps", "offline: must be true or false"),
        ("offline: [1]", "offline: must be true or false"),
        ("api: x", "api: must be a section: keys with values, indented below it"),
        ("jobs: [x]", "jobs: must be a section: keys with values, indented below it"),
        ("api: {max_retries: 1.5}", "api.max_retries: must be a whole number"),
        ("api: {max_retries: [1]}", "api.max_retries: must be a whole number"),
        ("api: {max_retries: 99}", "api.max_retries: must be at most 20"),
        ("api: {batch: {rate_limit: 0}}", "api.batch.rate_limit: must be at least 1"),
        ("logging: {file: {max_size: 0}}", "logging.file.max_size: must be more than 0"),
        ("logging: {file: {max_size: big}}", "logging.file.max_size: must be a number"),
        ("logging: {file: {filename: a/b}}", "logging.file.filename: must be a plain name, without /"),
        ("logging: {level: LOUD}", "logging.level: must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("logging: {level: WARN}", "logging.level: must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL; did you mean WARNING?"),
        ("logging: {format: 1}", "logging.format: must be one of auto, console, json"),
        ("watch: {mode: event}", "watch.mode: must be one of auto, events, poll; did you mean events?"),
        ("default_job: [x]", "default_job: must be text; put it in quotes"),
        ("scanner: {patterns: {a: 1}}", "scanner.patterns: must be a list"),
        ("scanner: {patterns: [1]}", "scanner.patterns[0]: must be text; put it in quotes"),
        ("input_paths: {a: {path: x, type: ''}}", "input_paths.a.type: must not be empty; leave the key out instead"),
        ("input_paths: {a: {path: ''}}", "input_paths.a.path: must be the path of a directory"),
        ("input_paths: {a: {path: 3}}", "input_paths.a.path: must be the path of a directory"),
        ('input_paths: {a: {path: "a\\0b"}}', "input_paths.a.path: must be the path of a directory"),
        ("input_paths: {a: {path: /}}", "input_paths.a.path: must not be the whole file system; name the folder of models"),
        ("input_paths: {a: {path: //}}", "input_paths.a.path: must not be the whole file system; name the folder of models"),
        ("input_paths: {a: {path: /x/..}}", "input_paths.a.path: must not be the whole file system; name the folder of models"),
        ("input_paths: {}", "input_paths: no folder to watch; name one here, or set $MODEL_PATH"),
        ("schedule: {timezone: Berlin}", "schedule.timezone: must be a time zone such as Europe/Berlin or UTC"),
        ("schedule: {timezone: ../../etc/passwd}", "schedule.timezone: must be a time zone such as Europe/Berlin or UTC"),
        ("job_templates: {}", ("job_templates: job templates are not read, nor by today's CivitScraper; "
         "write the keys into each job")),
        ("default_jop: x", "default_jop: unknown key; did you mean default_job?"),
        ("xyzzy: x", "xyzzy: unknown key"),
        ("jobs: {a: {actions: [{typ: scan-paths, paths: [all]}]}}", "jobs.a.actions[0].typ: unknown key; did you mean type?"),
        ("jobs: {a: {paths: []}}", "jobs.a.paths: is missing, and no folder has the type LORA; name folders, or [all]"),
        ("jobs: {a: {type: scan-path, paths: all}}", ("jobs.a.type: must be one of scan-paths, deep-scan, verify, "
         "build-gallery, check-updates, sync-lora-triggers; did you mean scan-paths?")),
        ("jobs: {a: {paths: [all], organization: 3}}",
         "jobs.a.organization: must be a section: keys with values, indented below it"),
        ("api: {batch: {adaptive_batch: {min_size: 9, max_size: 3}}}",
         "api.batch.adaptive_batch.min_size: must not be above max_size (3)"),
        ("api: {base_url: civitai.com}", "api.base_url: must be an address such as https://civitai.com/api/v1"),
        ("api: {base_url: 'https://[x'}", "api.base_url: Invalid IPv6 URL"),
        ("api: {domains: {sfw: https://x}}", "api.domains.sfw: must be a host name such as civitai.com"),
        ('"a\\nb": 1', "a\\nb: unknown key"),
    ],
)  # fmt: skip
def test_a_mistake_names_the_key_and_what_to_do(refuse: Refuse, line: str, expected: str) -> None:
    folder = "" if line.startswith("input_paths") else "input_paths: {folder: {path: x}}\n"
    assert [each.split(": ", 1)[1] for each in refuse(folder + line)] == [expected]


@pytest.mark.parametrize("text", ["just text", "[a, b]", "3"])
def test_a_file_that_is_no_section_is_refused(refuse: Refuse, text: str) -> None:
    assert refuse(text) == ["FILE:1: must be a section: keys with values, indented below it"]


@pytest.mark.parametrize("name", ["'a/b'", "'a\\b'", "'a:b'", '"a\\nb"'])
def test_ids_with_odd_characters_are_refused(refuse: Refuse, name: str) -> None:
    (line,) = refuse(f"input_paths:\n  {name}: {{path: x}}")
    assert line.endswith("an id has no / \\ : and nothing invisible; rename it")


@pytest.mark.parametrize("name", ["'.'", "'..'", "' '", "x" * 65])
def test_ids_that_are_no_names_are_refused(refuse: Refuse, name: str) -> None:
    (line,) = refuse(f"input_paths:\n  {name}: {{path: x}}")
    assert line.endswith("an id is 1 to 64 characters, and not . or ..; rename it")


def test_the_id_all_is_taken(refuse: Refuse) -> None:
    (line,) = refuse("input_paths:\n  all: {path: x}")
    assert "the id all means every folder" in line


def test_a_job_is_not_blamed_for_a_folder_with_a_mistake(refuse: Refuse) -> None:
    lines = refuse("input_paths: {lora: {path: 3, type: LORA}}\njobs: {a: {paths: [lora]}, b: {}}\ndefault_job: a")
    assert lines == ["FILE:1: input_paths.lora.path: must be the path of a directory"]


def test_a_mistake_in_a_list_does_not_hide_the_others(refuse: Refuse) -> None:
    lines = refuse(FOLDER + "jobs:\n  a:\n    actions:\n      - {typ: x}\n      - {paths: [lroa]}\n")
    assert [line.split(": ")[1] for line in lines] == ["jobs.a.actions[0].typ", "jobs.a.actions[1].paths[0]"]


def test_one_directory_twice_is_refused(refuse: Refuse) -> None:
    (line,) = refuse("input_paths:\n  a: {path: x}\n  b: {path: ./y/../x/}\n")
    assert line == "FILE:3: input_paths.b.path: is the same directory as input_paths.a; keep one of them"


def test_one_directory_twice_through_a_symlink_is_refused(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "link").symlink_to("x")
    (line,) = refuse("input_paths:\n  a: {path: x}\n  b: {path: link}\n")
    assert "is the same directory as" in line


def test_a_folder_around_another_is_refused_whichever_comes_first(refuse: Refuse) -> None:
    (line,) = refuse("input_paths:\n  a: {path: x/y}\n  b: {path: x}\n")
    assert line == "FILE:3: input_paths.b.path: has inside it the directory of input_paths.a; keep one of them"


def test_equal_beginnings_of_names_are_no_nesting(load: Load) -> None:
    assert len(load("input_paths:\n  a: {path: lora}\n  b: {path: lora2}\n").folders()) == 2


@pytest.mark.parametrize(
    "text",
    [
        f"api: {SECRET}",
        f"api: {{key: [{SECRET}]}}",
        f"api: {{key: '{SECRET} {SECRET}'}}",
        f"api: {{kye: {SECRET}}}",
        f"api: {{base_url: 'https://user:{SECRET}@civitai.com'}}",
        f"api: {{base_url: 'https://civitai.com/?token={SECRET}'}}",
        f"api: {{key: *{SECRET}}}",
        f"api:\n  key: !{SECRET} x",
        f"api:\n  key: {SECRET}: x",
        f"api: {{key: {SECRET}}}\noffline: {SECRET}",
        f"api: {{key: {SECRET}}}\njobs: {{a: {{paths: [{SECRET}]}}}}",
        f"api: {{key: {SECRET}}}\ndefault_job: {SECRET}",
    ],
)
def test_secrets_never_stand_in_an_error(refuse: Refuse, text: str) -> None:
    assert SECRET not in "\n".join(refuse(FOLDER + text))


def test_a_key_with_characters_that_no_key_has_is_refused(refuse: Refuse) -> None:
    (line,) = refuse(FOLDER, CIVITAI_API_KEY="two words")
    assert line == (
        "$CIVITAI_API_KEY: api.key: holds characters that no key has; copy it again from your Civitai account page"
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.yaml: cannot be read: No such file or directory"):
        load_config(tmp_path / "missing.yaml", {})


def test_a_variable_does_not_hide_that_its_section_is_none(refuse: Refuse) -> None:
    (line,) = refuse(FOLDER + "api: x", CIVITAI_API_URL="https://civitai.com/api/v1")
    assert line == "FILE:2: api: must be a section: keys with values, indented below it"


def test_a_broken_file_names_only_what_is_broken(refuse: Refuse) -> None:
    (line,) = refuse("input_paths: [")
    assert line.startswith("FILE:1: this is not YAML")


def test_without_any_configuration_the_three_ways_are_told() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, {})
    for way in ("--config", "$CIVITSCRAPER_CONFIG", "MODEL_PATH="):
        assert way in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"# nothing but a comment\n"])
def test_an_empty_file_has_no_folder_to_watch(refuse: Refuse, text: bytes) -> None:
    assert refuse(text) == ["FILE: input_paths: no folder to watch; name one here, or set $MODEL_PATH"]


def test_a_file_without_end_is_read_no_further_than_it_may_be_long() -> None:
    with pytest.raises(ConfigError, match="more than 128 KiB"):
        load_config(Path("/dev/zero"), {})


def test_thousands_of_mistakes_are_told_in_seconds(refuse: Refuse) -> None:
    started = time.process_time()
    assert len(refuse("\n".join(f"k{number}: {{}}" for number in range(9_000)))) == 9_001
    assert time.process_time() - started < 10
