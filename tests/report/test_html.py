"""The page: complete, self-contained, accessible, for every kind of results."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from sparsity_report import resources

from .conftest import NAMES

MIB = 1024**2


class Page(HTMLParser):
    """Ids, links, images, headings, assets and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.alts: list[str | None] = []
        self.assets: list[str] = []
        self.headings: list[int] = []
        self.tags: Counter[str] = Counter()
        self.pieces: list[str] = []
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags[tag] += 1
        self._hidden += tag in ("script", "style")
        if "id" in found:
            self.ids[found["id"]] += 1
        if tag == "a" and found.get("href", "").startswith("#"):
            self.links.append(found["href"][1:])
        if tag == "img":
            self.alts.append(found.get("alt"))
        if tag == "svg":
            self.alts.append(found.get("aria-label") if found.get("role") == "img" else None)
        self.assets += [found[name] for name in ("src", "srcset", "data") if found.get(name)]
        if tag == "link":
            self.assets.append(found.get("href", ""))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag):
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data):
        if not self._hidden:
            self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())


@pytest.fixture(params=NAMES)
def parsed(request, page):
    return Page(page(request.param))


def test_ids_are_unique(parsed):
    assert [name for name, count in parsed.ids.items() if count > 1] == []


def test_internal_links_resolve(parsed):
    assert parsed.links
    assert [link for link in parsed.links if link not in parsed.ids] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_a_figure_refers_to_parts_of_its_own(page, name):
    """Letters, markers, hatches and clips: what a figure names is in it, and no other figure has it."""
    figures = re.findall(r'<svg role="img".*?</svg>', page(name), re.S)

    assert figures
    for figure in figures:
        named = set(re.findall(r'(?:href="|url\()#([^")]+)', figure))
        assert named <= set(re.findall(r'\bid="([^"]+)"', figure))


def test_every_image_has_a_text(parsed):
    assert all(alt and alt.strip() for alt in parsed.alts)


def test_nothing_is_fetched_from_anywhere(parsed):
    assert [asset[:40] for asset in parsed.assets if not asset.startswith("data:")] == []
    assert parsed.tags["link"] == 0


def test_heading_levels_do_not_skip(parsed):
    assert parsed.headings[0] == 1
    assert parsed.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(parsed.headings, parsed.headings[1:], strict=False))


def test_no_sign_of_python_reaches_the_reader(parsed):
    assert (
        re.findall(
            r"\bNone\b|\bnan\b|\binf\b|Undefined|\ue000|\ue001|\ue002", parsed.text.replace("nan-perplexity", "")
        )
        == []
    )


@pytest.mark.parametrize("name", NAMES)
def test_pages_stay_small(page, name):
    """Also those of two models, with maps of every matrix: figures share the page's faces and looks."""
    assert len(page(name).encode()) <= MIB


def test_every_number_is_in_the_page_where_there_is_room(page, report, monkeypatch):
    """results.json is left out where it would make the page too large; what is small is always there."""
    from sparsity_report.report import downloads, html

    monkeypatch.setattr(downloads, "PAGE_BYTES", 100_000)
    small = html.page(report("course"), "html")

    assert 'download="course-results.json.gz"' in page("course")
    assert 'download="course-results.json.gz"' not in small
    assert 'download="course-results.csv.gz"' in small


def test_the_policy_allows_the_one_script_and_no_other(page):
    """Its hash is that of the script as it stands in the page."""
    html = page("hardest")
    script = re.search(r"<script>(.*?)</script>", html, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    assert html.count("<script>") == 1
    assert f"script-src 'sha256-{digest}'" in html.replace("&#39;", "'")


def test_css_fetches_nothing(page):
    styles = "".join(re.findall(r"<style>.*?</style>", page("course"), re.S))

    assert "url(data:font/woff2" in styles
    assert re.findall(r"url\((?!data:)[^)]*\)|@import", styles) == []


def test_a_content_security_policy_forbids_the_network(page):
    assert "default-src 'none'" in page("course").replace("&#39;", "'")


def test_headline_numbers_are_on_the_page(page):
    text = Page(page("course")).text

    for expected in ("1,956,640", "1,536,000", "7.46", "1.32×", "62.8", "[60.9, 64.7]", "50.24", "no difference"):
        assert expected in text


def test_the_paper_has_all_its_sections_numbered(page):
    text = Page(page("course")).text
    titles = (
        "1 Question and scope", "2 Setup", "3 Metrics", "4 Headline results", "5 Behaviour", "6 Structure",
        "7 Execution", "8 Checks", "9 Discussion", "10 How to reproduce this", "Appendix A From logits", "References",
    )  # fmt: skip

    places = [text.rindex(title) for title in titles]
    assert places == sorted(places)


def test_the_cover_has_course_student_instructor_and_date_where_they_are_known(page, results):
    study, text = results("hardest").study, page("hardest").split("<header", 1)[1].split("</header>")[0]

    assert all(part in text for part in (study.course, study.instructor, results("hardest").date))
    assert all(f"({author.id})" in text for author in study.authors if author.id)
    assert any(author.id for author in study.authors)
    assert "Prof." not in page("course").split("</header>")[0]


def test_every_page_says_what_made_it(page, results):
    """T62: tool, commit and the hash of the spec; tables add the protocol, cells their ids."""
    made = results("course")

    assert made.spec.sha256[:16] in page("course")
    assert made.tool.version in page("course")
    assert all(f'id="cell:{cell.id}"' in page("course") for cell in made.cells)


def test_title_and_reasons_are_escaped(page):
    html = page("hardest")

    assert "<script>alert(1)</script>" not in html
    assert "does <b>pruning</b>" not in html
    assert "does <b>pruning</b> 50 %" in Page(html).text


def test_author_markdown_is_rendered_and_not_more(page):
    html = page("hardest")

    assert "<em>why</em> 2:4 &lt; 50 %? See $x$ &amp; <code>code</code>." in html


def test_a_quick_run_is_watermarked_and_a_real_one_is_not(page):
    assert "quick run – not results" in Page(page("hardest")).text
    assert "quick run – not results" not in Page(page("course")).text


def test_the_label_stands_in_every_caption_or_note_with_the_models_numbers(page):
    """Every figure and table of the two-model study names the label in caption, heading or notes."""
    html = page("hardest")
    figures = re.findall(r'<figure id="([^"]+)".*?</figure>', html, re.S)
    blocks = re.findall(r"<figure id=.*?</figure>", html, re.S)
    without = {"tab:data", "tab:quantities", "tab:environment"}

    assert len(blocks) > 10
    missing = [name for name, block in zip(figures, blocks, strict=True) if "de-quantised from Q4_1" not in block]
    assert set(missing) <= without


def test_every_reference_is_cited_and_every_citation_listed(page):
    parsed = Page(page("course"))
    listed = {name for name in parsed.ids if name.startswith("ref-")}

    assert listed == {link for link in parsed.links if link.startswith("ref-")}
    assert "ref-biderman2023pythia" not in listed


def test_failed_and_diverged_cells_are_in_the_body_with_their_reasons(page):
    text = Page(page("hardest")).text

    assert "failed, because: RuntimeError: not enough memory: 2.1 GB wanted for <gram> & its inverse." in text
    assert "diverged, because: perplexity is not finite in 4 of 32 windows." in text
    assert "Cholesky retried with 10 % more damping, because: the Gram matrix was singular (3 times)." in text


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two #rrggbb colours."""

    def luminance(colour: str) -> float:
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["", "dark-"])
@pytest.mark.parametrize("ground", ["page", "tint"])
@pytest.mark.parametrize("text", ["ink", "soft", "link", "warn"])
def test_text_colours_have_contrast_in_both_themes(page, theme, ground, text):
    colours = dict(re.findall(r"--([\w-]+): +(#\w{6});", page("course")))

    assert contrast(colours[theme + text], colours[theme + ground]) >= 4.5


def test_tables_of_tall_rows_may_break_however_few_they_have(page):
    assert re.search(r'<figure id="tab:checks" class="table long[ "]', page("course"))
    assert re.search(r'<figure id="tab:latency" class="table small', page("course"))


def test_intervals_stand_beside_numbers_where_there_is_room_with_a_width_for_each_column(page):
    found = re.search(r'<figure id="tab:behaviour" class="[^"]* beside" style="([^"]*)"', page("course"))

    assert re.fullmatch(r"(--w[2-5]:\d+\.\dem;)+", found[1])
    assert re.search(r'<figure id="tab:headline" class="[^"]*wide"', page("course"))


@pytest.mark.parametrize("sheet", ["base", "house", "screen", "print"])
def test_style_sheets_say_nothing_twice_and_close_what_they_open(sheet):
    """A rule that stands there twice is a slip; within a query of the medium a line may repeat another."""
    text = (resources.folder("templates") / "css" / f"{sheet}.css").read_text(encoding="utf-8")
    rules = [line for line in text.splitlines() if line.startswith((".", "#", "button", "th", "figure"))]

    assert text.count("{") == text.count("}")
    assert sorted(set(rules)) == sorted(rules)
