"""What loading a file may run stands on its page, in words that neither frighten nor soothe without a reason."""

from __future__ import annotations

import pytest

from modelshelf.domain.header import Format, Header, PickleVerdict, Verdict
from modelshelf.gallery.file_rows import file_rows
from modelshelf.gallery.page import render_page
from modelshelf.gallery.standing import badges, notices
from tests.unit.gallery.gallery_builders import describe, page_of, read


def pickled(verdict: PickleVerdict | None, *findings: str) -> Header:
    return Header(Format.PICKLE, Verdict.UNPROVEN, pickle_verdict=verdict, pickle_findings=findings)


@pytest.mark.parametrize(
    ("verdict", "title", "tone"),
    [
        (PickleVerdict.DANGEROUS, "Do not load this file", "danger"),
        (PickleVerdict.SUSPICIOUS, "This file imports what nobody has judged", "warning"),
        (PickleVerdict.NOT_SCANNED, "Not scanned for what loading it runs", "warning"),
    ],
)
def test_what_is_amiss_is_told_with_its_imports(verdict: PickleVerdict, title: str, tone: str) -> None:
    (notice,) = notices(describe(header=pickled(verdict, "posix.system", "a.{b}")))
    assert (notice.title, notice.tone) == (title, tone)
    assert "posix.system, a.{b}" in notice.text


def test_only_danger_gets_a_badge() -> None:
    texts = {
        verdict: [each.text for each in badges(page_of(describe(header=pickled(verdict))))] for verdict in PickleVerdict
    }
    assert [verdict for verdict, found in texts.items() if "Dangerous" in found] == [PickleVerdict.DANGEROUS]


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (PickleVerdict.CLEAN, "no harmful import found"),
        (PickleVerdict.SUSPICIOUS, "imports what nobody has judged"),
        (PickleVerdict.DANGEROUS, "dangerous: loading it may run any program"),
        (PickleVerdict.NOT_SCANNED, "not scanned"),
        (None, None),
    ],
)
def test_the_verdict_is_a_row_of_the_file(verdict: PickleVerdict | None, text: str | None) -> None:
    rows = dict(file_rows(page_of(describe(header=pickled(verdict)))))
    assert rows.get("Pickles") == text
    assert (notices(describe(header=pickled(verdict))) == ()) == (verdict in {None, PickleVerdict.CLEAN})


def test_a_stranger_s_import_is_no_markup() -> None:
    page = read(render_page(page_of(describe(header=pickled(PickleVerdict.DANGEROUS, "<script>alert(1)</script>.x")))))
    assert "<script>alert(1)</script>.x" in page.text
    assert not [each for each in page.all("script") if "alert(1)" in str(each)]
