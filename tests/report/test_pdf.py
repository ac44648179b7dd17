"""The PDF: tagged, with its data inside, the same bytes twice, and WeasyPrint has nothing to complain about."""

from __future__ import annotations

import io
import json
import logging
import re

import pypdf
import pytest

from sparsity_report.report import html, pdf

from .conftest import NAMES


@pytest.fixture(scope="module")
def reader(pdf_bytes):
    return pypdf.PdfReader(io.BytesIO(pdf_bytes("course")))


@pytest.fixture(scope="module")
def text(reader):
    return " ".join(" ".join(page.extract_text() for page in reader.pages).split())


def test_title_and_headline_numbers_are_in_the_text(text):
    for expected in ("Unstructured sparsification of a small OPT", "1,956,640", "50.24", "Appendix A", "References"):
        assert expected in text


def test_labels_of_figures_can_be_searched(text):
    """The axis of the quality figure is named nowhere but in the picture."""
    assert "Sparsity of the targeted matrices (%)" in text


def test_the_file_is_tagged_and_has_title_and_language(reader):
    root = reader.trailer["/Root"]

    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/Lang"] == "en"
    assert reader.metadata.title.startswith("Unstructured sparsification")


def test_results_and_spec_travel_inside(reader, results):
    inside = {name: content[0] for name, content in reader.attachments.items()}

    assert json.loads(inside["results.json"])["study"]["slug"] == "course"
    assert len(json.loads(inside["results.json"])["cells"]) == len(results("course").cells)
    assert inside["spec.toml"].decode() == results("course").spec.text


def test_attachments_are_dated_with_the_run(results):
    assert pdf.created(results("course")).isoformat() == "2026-01-15T10:01:02+00:00"


def test_bookmarks_lead_to_every_section(reader):
    titles = [entry.title for entry in reader.outline if not isinstance(entry, list)]

    assert sum("Headline results" in title for title in titles) == 1
    assert len(titles) == 13


def test_every_character_has_a_glyph(text):
    """A face without a glyph shows glyph 0, which extracts as a replacement sign or a null."""
    assert not {"\ufffd", "\x00"} & set(text)


def test_all_text_is_set_in_the_papers_own_faces(reader):
    fonts = {
        str(font.get_object()["/BaseFont"])
        for page in reader.pages
        for font in page["/Resources"].get("/Font", {}).values()
    }

    assert fonts
    assert all("Paper" in font or "STIX" in font or "DejaVu" in font for font in fonts)


def test_the_number_of_pages_is_bounded(reader):
    assert 8 <= len(reader.pages) <= 22


def test_the_file_is_valid_pdf_a_3a(pdf_bytes):
    """
    Tagged, archivable, and allowed to carry its data.

    A compressed stream may happen to end in "\\r": the validator counts that as a part of the line end that follows,
    and so finds another length. The lengths are compared here in that case.
    """
    page = pytest.importorskip("page", reason="page-validation is not installed")
    data = pdf_bytes("course")
    report = page.validate_pdf_bytes(data, profile="pdf/a-3a")
    streams = [(found.end(), int(found[1])) for found in re.finditer(rb"/Length (\d+)[^>]*>>\s*stream\r?\n", data)]
    failures = {failure.message for failure in report.failures}
    if any(data[start + length - 1 : start + length] == b"\r" for start, length in streams):
        failures -= {"a stream /Length does not match its raw content length"}

    assert all(data[start + length :].startswith(b"\nendstream") for start, length in streams)
    assert len(streams) > 20
    assert failures == set()
    assert report.rules.total > 100


def test_two_renders_give_the_same_bytes_and_weasyprint_has_nothing_to_complain_about(results, pdf_bytes, caplog):
    """Its log is where missing alternative texts, unknown CSS and missing fonts show."""
    made = results("every_cell_failed")
    with caplog.at_level(logging.WARNING, logger="weasyprint"):
        again = pdf.render_pdf(made, html.render_html(made, target="pdf"))

    assert again == pdf_bytes("every_cell_failed")
    assert [record.message for record in caplog.records if record.name.startswith("weasyprint")] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_results_renders_silently(results, pdf_bytes, caplog, name):
    made = results(name)
    with caplog.at_level(logging.WARNING, logger="weasyprint"):
        made_pdf = pdf.render_pdf(made, html.render_html(made, target="pdf"))

    assert made_pdf.startswith(b"%PDF-")
    assert [record.message for record in caplog.records if record.name.startswith("weasyprint")] == []
    assert len(pypdf.PdfReader(io.BytesIO(made_pdf)).pages) <= 40


def test_nothing_but_data_is_fetched(results, report, pdf_bytes, caplog):
    """An image from the network, were there one, is refused and logged."""
    page = html.page(report("every_cell_failed"), "pdf")
    hostile = page.replace("<main>", '<main><p><img src="https://example.org/x.png" alt="x"></p>', 1)
    with caplog.at_level(logging.ERROR, logger="weasyprint"):
        pdf.render_pdf(results("every_cell_failed"), hostile)

    assert any("example.org" in record.getMessage() for record in caplog.records)
