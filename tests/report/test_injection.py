"""Texts from outside (specs, file names, tokens, error messages) stay texts in every output, and in a real browser."""

from __future__ import annotations

import io
import logging
import re
import shutil
from html.parser import HTMLParser

import injected
import pypdf
import pytest
from markdown_it import MarkdownIt

from sparsity_report.report import html, latex, markdown, pdf, printable
from sparsity_report.report.build import build

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.filterwarnings("ignore:constrained_layout not applied"),  # a name of 90 letters leaves no axes
    pytest.mark.filterwarnings("ignore:Glyph .* missing from font"),  # a box stands in a figure for what no font has
]
RICH = ("course", "hardest", "calibrated", "two_texts", "projected")


class Page(HTMLParser):
    """Tags, attributes and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.scripts += tag == "script"
        for name, value in attrs:
            self.attributes.add(name)
            if name in ("src", "srcset", "srcdoc", "action", "formaction", "poster", "data", "href", "xlink:href"):
                self.addresses.append(f"{name} {value}")


def is_inert(text: str, clean: Page) -> None:
    """Nothing that the page of the same results without payloads has not; links only to where links may lead."""
    page = Page(text)
    assert page.tags <= clean.tags | {"code", "strong", "em", "a"}  # what an author's Markdown may make
    assert page.attributes <= clean.attributes | {"rel", "href"}  # of a link that may stay
    assert page.scripts == clean.scripts
    for address in page.addresses:
        kind, _, where = address.partition(" ")
        assert where.startswith(("#", "data:", *(("https://", "http://", "mailto:") if kind == "href" else ()))), (
            address
        )


@pytest.fixture(scope="module")
def clean(page):
    """The page without payloads, by name."""
    return lambda name: Page(page(name))


@pytest.mark.parametrize("payload", injected.PAYLOADS, ids=range(len(injected.PAYLOADS)))
def test_a_small_page_is_inert(results, clean, payload):
    made = injected.results(results("every_cell_failed"), payload)

    is_inert(html.render_html(made), clean("every_cell_failed"))


def test_a_page_with_tokens_and_figures_is_inert(results, clean):
    text = html.render_html(injected.results(results("two_texts"), injected.PAYLOADS[0]))

    assert text.count("pwned") > 50  # it is there, as text
    is_inert(text, clean("two_texts"))


@pytest.mark.slow
@pytest.mark.parametrize("payload", injected.PAYLOADS, ids=range(len(injected.PAYLOADS)))
@pytest.mark.parametrize("name", RICH)
def test_every_page_is_inert(results, clean, name, payload):
    is_inert(html.render_html(injected.results(results(name), payload)), clean(name))


@pytest.mark.parametrize("payload", injected.PAYLOADS, ids=range(len(injected.PAYLOADS)))
def test_a_summary_is_inert_where_html_is_allowed(results, payload):
    """Code hosts render Markdown with HTML in it; a title or a reason must not be any."""
    text = markdown.summary(injected.results(results("every_cell_failed"), payload))
    page = Page(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))

    assert page.tags <= {"h1", "p", "ul", "li", "blockquote", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert page.addresses == []


def test_tables_for_papers_execute_nothing(results, drawn_as):
    """What TeX would run stands there with its backslash written out."""
    drawn_as("course")
    made = injected.results(results("course"), injected.PAYLOADS[5])
    texts = latex.tables(build(made)).values()

    assert any("input" in text for text in texts)
    for text in texts:
        assert re.findall(r"\\(?:input|write|end\{document|include|def|catcode|csname)\b", text) == []
        assert "^^" not in text


@pytest.mark.slow
@pytest.mark.parametrize("payload", injected.PAYLOADS, ids=range(len(injected.PAYLOADS)))
def test_a_pdf_fetches_nothing_and_links_to_nothing_that_runs(results, pdf_bytes, caplog, payload):
    made = injected.results(results("every_cell_failed"), payload)
    with caplog.at_level(logging.ERROR, logger="weasyprint"):
        data = pdf.render_pdf(made, html.render_html(made, target="pdf"))
    reader = pypdf.PdfReader(io.BytesIO(data))
    links = [
        str(note.get_object().get("/A", {}).get("/URI", ""))
        for page in reader.pages
        for note in page.get("/Annots", [])
    ]

    assert [each.getMessage() for each in caplog.records if "example.org" in each.getMessage()] == []
    assert [each for each in links if each.lower().startswith(("javascript:", "file:", "data:"))] == []
    assert b"/JavaScript" not in data
    assert b"/Launch" not in data


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "https://example.org/x", "http://127.0.0.1:1/x", "ftp://x/y"]
)
def test_the_fetcher_of_the_pdf_is_closed(results, pdf_bytes, caplog, address):
    """Were there an address in the page in spite of everything: nothing but what the page carries is read."""
    pdf_bytes("every_cell_failed")  # or Pango is missing, and the test skipped
    page = f'<html lang="en"><title>x</title><p><img src="{address}" alt="x"></p></html>'
    with caplog.at_level(logging.ERROR, logger="weasyprint"):
        data = pdf.render_pdf(results("every_cell_failed"), page)

    assert any(address in each.getMessage() for each in caplog.records)
    assert "root:" not in "".join(each.extract_text() for each in pypdf.PdfReader(io.BytesIO(data)).pages)


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


def opened(browser, path):
    """A tab with the page; what it complained of, and what it asked for."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    tab, faults, asked = context.new_page(), [], []
    tab.on("console", lambda message: faults.append(message.text))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("dialog", lambda dialog: faults.append(dialog.message))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(path.as_uri())
    return tab, faults, asked


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(injected.PAYLOADS)))
@pytest.mark.parametrize("name", RICH)
def test_nothing_runs_in_a_browser(results, browser, tmp_path, name, number):
    """Opened, sorted, filtered and unfolded: scripts that build elements from the page's texts meet them, too."""
    path = tmp_path / "report.html"
    path.write_text(html.render_html(injected.results(results(name), injected.PAYLOADS[number])), "utf-8")
    tab, faults, asked = opened(browser, path)
    tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    for script in (
        "document.querySelectorAll('th button').forEach(each => each.click())",
        "document.querySelectorAll('input[type=search], input[type=text]').forEach(each => {"
        " each.value = 'pwned'; each.dispatchEvent(new Event('input', { bubbles: true })) })",
        "document.querySelectorAll('input[type=checkbox], input[type=radio]').forEach(each => each.click())",
        "document.querySelectorAll('input[type=range]').forEach(each => {"
        " each.value = each.max; each.dispatchEvent(new Event('input', { bubbles: true })) })",
    ):
        tab.evaluate(script)
    tab.wait_for_timeout(100)

    assert tab.evaluate("typeof window.pwned") == "undefined"
    assert tab.evaluate("document.querySelectorAll('pwned, iframe, [onerror], [onload], [onpwned]').length") == 0
    assert faults == []
    assert [url for url in asked if not url.startswith(("file://", "data:", "blob:"))] == []
    tab.context.close()


def test_control_characters_are_shown_and_break_nothing(results):
    """A model's tokens may hold any; where there are none, the very same results are rendered."""
    made = results("two_texts")
    spoilt = injected.results(made, "\x07\x1b[31m\x7f\x9f\ufffe")

    assert printable.results(made) is made
    assert printable.text("a\tb\nc\x07\u0085é👩") == "a\tb\nc\ufffd\ufffdé👩"
    text = html.render_html(spoilt)
    assert "\ufffd\ufffd[31m" in text
    assert re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe]", text) is None
