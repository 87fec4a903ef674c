"""YAML as plain values with lines; hostile files end in a problem, never in a crash or a full memory."""

from __future__ import annotations

import time

import pytest

from modelshelf.config.document import MAX_BYTES, Document, read_document
from modelshelf.config.problem import Problem


def only_problem(content: bytes) -> Problem:
    document = read_document(content)
    (problem,) = document.problems
    return problem


def test_values_are_plain_and_know_their_lines() -> None:
    document = read_document(b"a:\n  b: 1\n  c: [x, 2.5, true, ~]\n")
    assert document.value == {"a": {"b": 1, "c": ["x", 2.5, True, None]}}
    assert document.line_of(("a", "b")) == 2
    assert document.line_of(("a", "c", 1)) == 3


def test_a_key_that_is_not_written_has_the_line_of_its_section() -> None:
    document = read_document(b"\na:\n  b: 1\n")
    assert document.line_of(("a", "missing")) == 2
    assert document.line_of(("missing",)) == 2
    assert Document().line_of(("missing",)) is None


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"---\n", b"~\n"])
def test_a_file_without_content_says_nothing(content: bytes) -> None:
    assert read_document(content) == read_document(content)
    assert read_document(content).value is None
    assert read_document(content).problems == []


def test_a_byte_order_mark_is_no_key() -> None:
    assert read_document(b"\xef\xbb\xbfa: 1").value == {"a": 1}


def test_keys_stay_as_they_are_written() -> None:
    assert read_document(b"on: 1\n1: 2\n0x10: 3").value == {"on": 1, "1": 2, "0x10": 3}


def test_dates_stay_text() -> None:
    assert read_document(b"a: 2024-02-30").value == {"a": "2024-02-30"}


def test_a_key_that_stands_twice_is_a_problem_and_the_first_one_counts() -> None:
    document = read_document(b"a: 1\nb: 2\na: 3\n")
    assert document.value == {"a": 1, "b": 2}
    assert document.problems == [Problem(("a",), "stands twice, first on line 1; keep one of them", line=3)]


def test_merged_keys_stand_behind_written_ones() -> None:
    text = b"one: &one {a: 1, b: 1}\ntwo: &two {b: 2, c: 2}\nboth:\n  <<: [*one, *two]\n  a: 3\nsingle: {<<: *one}\n"
    document = read_document(text)
    assert document.problems == []
    assert document.value == {
        "one": {"a": 1, "b": 1},
        "two": {"b": 2, "c": 2},
        "both": {"a": 3, "b": 1, "c": 2},
        "single": {"a": 1, "b": 1},
    }


def test_a_merge_of_something_else_is_a_problem() -> None:
    assert only_problem(b"a:\n  <<: 1\n").text == "<< takes a section, or a list of sections"


@pytest.mark.parametrize("content", [b"{a: 1}: 2\n", b'"\\ud800": 1\n'])
def test_a_key_that_is_no_text_is_a_problem(content: bytes) -> None:
    assert only_problem(content).text == "a key must be plain text"


@pytest.mark.parametrize("tag", [b"!!python/object/apply:os.system", b"!secret", b"!!binary", b"!!set"])
def test_tags_are_refused_without_repeating_them(tag: bytes) -> None:
    assert only_problem(b"a: " + tag + b" x").text == "this YAML tag is not allowed; write a plain value"


@pytest.mark.parametrize(
    "value",
    [
        b"!!int many",
        b"!!bool maybe",
        b"!!float x",
        b"0b_",
        b'!!int ""',
        b'!!float ""',
        b'!!int "_"',
        b"1" + b":00" * 200 + b".0",
    ],
)
def test_values_that_are_not_what_they_claim_are_problems(value: bytes) -> None:
    assert only_problem(b"a: " + value).text == "this value cannot be read; put it in quotes"


def test_what_is_no_yaml_names_the_line() -> None:
    problem = only_problem(b"a: 1\nb: [1\nc: 2\n")
    assert problem.line == 3
    assert problem.text.startswith("this is not YAML: while parsing a flow sequence")


def test_two_documents_are_no_configuration() -> None:
    assert "expected a single document" in only_problem(b"a: 1\n---\nb: 2\n").text


@pytest.mark.parametrize("content", [b"key: *topsecretkey\n", b"key: !topsecretkey!x y\n", b'key: "topsecretkey\n'])
def test_the_parsers_words_do_not_repeat_what_may_be_a_secret(content: bytes) -> None:
    assert "topsecret" not in only_problem(content).text


def test_bytes_that_are_not_utf8_name_the_line() -> None:
    assert only_problem(b"a: 1\nb: caf\xe9\n") == Problem(
        (), "the file is not UTF-8 from here on; save it as UTF-8", line=2
    )


def test_control_characters_name_the_line() -> None:
    assert only_problem(b"a: 1\nb: \x00\n") == Problem(
        (), "a character stands here that YAML does not allow; delete it", line=2
    )


def test_a_huge_file_is_not_read() -> None:
    assert "more than 128 KiB" in only_problem(b"#" * (MAX_BYTES + 1)).text


@pytest.mark.parametrize("content", [b"[" * 5000, b"{a: " * 5000, b"- " * 5000 + b"x"])
def test_deep_nesting_is_refused(content: bytes) -> None:
    assert "nested too deeply" in only_problem(content).text


def unfolding(line: bytes) -> bytes:
    """Nine levels of ten: a billion values if anyone followed them."""
    lines = [b"a0: &a0 {x: 1}"]
    for level in range(1, 10):
        references = b", ".join(b"*a%d" % (level - 1) for _ in range(10))
        lines.append(line % (level, level, references))
    return b"\n".join(lines)


@pytest.mark.parametrize(
    "content",
    [
        unfolding(b"a%d: &a%d [%s]"),
        unfolding(b"a%d: &a%d {<<: [%s]}"),
        b"a: &a [*a]",
        b"a: &a {b: *a}",
        b"a: &a {<<: *a}",
    ],
)
def test_aliases_that_unfold_without_end_are_refused_soon(content: bytes) -> None:
    started = time.monotonic()
    assert "unfold" in only_problem(content).text
    assert time.monotonic() - started < 5
