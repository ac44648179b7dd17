"""The page in a real browser."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import torch

from sparsity_report.contracts import Pattern
from sparsity_report.report import html, tidy
from sparsity_report.results.model import ExcerptRecord, Results
from sparsity_report.selection import keep_masks

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
Axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def tab(browser, page, tmp_path):
    """`tab(name, **context)`: a tab with the report, and the list of what went wrong in it."""
    contexts = []

    def opened(name, *, content=None, **options):
        path = tmp_path / f"{name}.html"
        path.write_text(page(name) if content is None else content, encoding="utf-8")
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        found, faults = context.new_page(), []
        found.on("console", lambda message: faults.append(message.text))
        found.on("pageerror", lambda error: faults.append(str(error)))
        found.goto(path.as_uri())
        found.evaluate("document.fonts.ready")
        return found, faults

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", ["course", "hardest", "every_cell_failed", "calibrated"])
def test_no_error_and_no_sideways_scroll(tab, name, width):
    found, faults = tab(name, viewport={"width": width, "height": 900})

    assert faults == []
    assert found.evaluate("document.documentElement.scrollWidth") <= width


def test_without_javascript_everything_is_readable(tab):
    found, faults = tab("course", java_script_enabled=False)

    assert faults == []
    assert found.locator("#tab\\:headline tbody tr").count() == 17
    assert found.locator("button:visible, input:visible, select:visible").count() == 0


def test_the_papers_face_is_loaded(tab):
    found, _ = tab("course")

    assert found.evaluate("document.fonts.check('16px Paper')")


def test_tables_sort_by_number_and_say_so(tab):
    found, _ = tab("course")
    head = found.locator("#tab\\:headline thead th", has_text="Stored")
    head.locator("button").click()
    values = found.eval_on_selector_all(
        "#tab\\:headline tbody tr", "rows => rows.map(row => Number(row.cells[2].dataset.sort))"
    )

    assert head.get_attribute("aria-sort") == "ascending"
    assert values == sorted(values)


def test_the_theme_follows_the_system_and_can_be_changed(tab):
    found, _ = tab("course", color_scheme="dark")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    dark = found.evaluate(background)
    found.get_by_role("button", name="Light page").click()

    assert dark == "rgb(22, 24, 27)"
    assert found.evaluate(background) == "rgb(255, 255, 255)"


def test_the_chosen_theme_is_kept(tab):
    found, _ = tab("course", color_scheme="light")
    found.get_by_role("button", name="Dark page").click()
    found.reload()

    assert found.evaluate("document.documentElement.dataset.theme") == "dark"
    found.get_by_role("button", name="Light page").wait_for()


def test_bibtex_is_copied(tab, results):
    found, _ = tab("course", permissions=["clipboard-read", "clipboard-write"])
    found.locator("summary", has_text="BibTeX").click()
    found.get_by_role("button", name="Copy BibTeX").click()

    found.get_by_role("button", name="Copied", exact=True).wait_for()
    copied = found.evaluate("navigator.clipboard.readText()")
    assert copied == found.locator("#bibtex").inner_text()
    assert "@" in copied


def saved(found, name):
    """What the link of that name saves: file name and text."""
    with found.expect_download() as waiting:
        found.get_by_role("link", name=name, exact=True).click()
    return waiting.value.suggested_filename, waiting.value.path()


def test_downloads_are_the_files_beside_the_report(tab, results):
    found, faults = tab("course")

    name, path = saved(found, "Save spec.toml")
    assert (name, path.read_text(encoding="utf-8")) == ("course-spec.toml", results("course").spec.text)
    name, path = saved(found, "Save results.json")
    assert (name, Results.model_validate_json(path.read_bytes())) == ("course-results.json", results("course"))
    name, path = saved(found, "Save results.csv")
    assert (name, path.read_text(encoding="utf-8")) == ("course-results.csv", tidy.results_csv(results("course")))
    assert faults == []


def test_without_javascript_packed_files_are_saved_packed(tab, results):
    found, _ = tab("course", java_script_enabled=False)
    name, path = saved(found, "Save results.csv")

    assert name == "course-results.csv.gz"
    assert gzip.decompress(path.read_bytes()).decode() == tidy.results_csv(results("course"))


def test_a_figure_is_saved_as_data_and_as_a_picture_that_needs_no_page(tab, results, tmp_path):
    from sparsity_report.report.figures import storage_components

    found, _ = tab("course")
    figure = storage_components.draw(results("course"))
    number = found.locator("figure[id='fig:storage_components'] figcaption b").first.inner_text().rstrip(".")

    name, path = saved(found, f"Data of {number} as CSV")
    assert (name, path.read_text(encoding="utf-8")) == ("course-storage_components.csv", figure.csv)
    name, path = saved(found, f"Save {number} as SVG")
    assert name == "course-storage_components.svg"
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    assert "Stored size of the model (MiB)" in "".join(root.itertext())
    assert "@font-face" in "".join(root.itertext())


def test_rows_are_filtered_by_words(tab):
    """All words must occur; the number of rows that are left is announced; the empty field shows all again."""
    found, _ = tab("course")
    table = found.locator("figure[id='tab:headline']")
    count = table.locator("tbody tr").count()
    table.get_by_role("combobox").fill("csr 30 %")
    left = table.locator("tbody tr:visible")

    assert left.count() == 1
    assert "CSR" in left.inner_text()
    assert table.get_by_role("status").inner_text() == f"1 of {count}"
    table.get_by_role("combobox").fill("")
    assert left.count() == count


def test_every_heading_figure_table_and_cell_has_its_address(tab, results):
    found, _ = tab("course")
    linked = set(found.eval_on_selector_all("a.permalink", "links => links.map(link => link.hash.slice(1))"))
    parts = found.eval_on_selector_all("main > section:has(h2 .number), main figure", "all => all.map(one => one.id)")

    assert len(parts) > 20
    assert set(parts) <= linked
    assert f"cell:{results('course').cells[0].id}" in linked
    link = found.locator("a.permalink[href='#tab:headline']")
    link.focus()
    assert link.evaluate("link => getComputedStyle(link).opacity") == "1"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_no_violation(tab, scheme, width):
    """Every rule of axe-core, the best practices too."""
    found, _ = tab("hardest", color_scheme=scheme, viewport={"width": width, "height": 900})
    violations = Axe().run(found).response["violations"]

    assert [(each["id"], each["help"], [node["html"][:200] for node in each["nodes"]]) for each in violations] == []


EXCERPT_OI = torch.randn(8, 16, generator=torch.Generator().manual_seed(3)).mul(0.03).to(torch.bfloat16).float()
"""Half-precision weights, among which are ties."""
RMS_I = torch.rand(16, generator=torch.Generator().manual_seed(4)).mul(3)


@pytest.fixture(scope="module")
def with_excerpt(results, report):
    """A page whose visualizer has a matrix of the study beside the example."""
    short = [tuple(map(float, map(str, row.numpy()))) for row in (*EXCERPT_OI, RMS_I)]
    record = ExcerptRecord(
        model="tiny-opt", matrix="q_proj", weights=tuple(short[:-1]), input_rms=short[-1], tokens=4096
    )
    made = results("course").model_copy(update={"excerpts": (record,)})
    return html.page(replace(report("course"), results=made), "html")


def expected(scores, scope, percent, pattern="unstructured"):
    """What the program keeps."""
    count = scores.numel() * percent // 100
    (keep,) = keep_masks(
        [scores], pattern=Pattern.parse(pattern), scope=scope, counts=[count], sparsity=None, compat="exact"
    )
    return keep


def kept_in(found, criterion):
    cells = "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => cell.classList.contains('kept')))"
    return torch.tensor(found.eval_on_selector_all(f"#panel-{criterion} tbody tr", cells))


@pytest.mark.parametrize(
    ("percent", "pattern", "norms"),
    [(50, "2:4", {}), (0, "1:4", {}), (37, "4:8", {3: 25.0, 11: 0.0}), (61, "3:4", "ones"), (100, "2:4", {0: 1e3})],
)
def test_the_visualizer_keeps_what_the_program_keeps(tab, with_excerpt, percent, pattern, norms):
    """Masks, counts and output errors of every panel, for a matrix with ties, at several settings of the controls."""
    found, faults = tab("excerpt", content=with_excerpt)
    found.get_by_label("Matrix").select_option(label="tiny-opt: q_proj")
    found.get_by_label("Sparsity", exact=True).fill(str(percent))
    found.get_by_label("N:M", exact=True).select_option(pattern)
    inputs = torch.tensor([float(f"{each:.4g}") for each in RMS_I])
    if norms == "ones":
        found.get_by_role("button", name="All 1").click()
        inputs = torch.ones(16)
    else:
        for place, norm in norms.items():
            found.get_by_label(f"Norm of input {place + 1}", exact=True).fill(str(norm))
            inputs[place] = norm
    magnitude, wanda = EXCERPT_OI.abs(), EXCERPT_OI.abs() * inputs
    masks = {
        "dense": expected(magnitude, "layer", 0),
        "magnitude": expected(magnitude, "layer", percent),
        "wanda": expected(wanda, "row", percent),
        "magnitude-nm": expected(magnitude, "row", 0, pattern),
        "wanda-nm": expected(wanda, "row", 0, pattern),
    }

    for criterion, keep in masks.items():
        share = (100 * (wanda * ~keep).norm() / wanda.norm()).item()
        caption = found.locator(f"#panel-{criterion} caption span").inner_text()
        assert torch.equal(kept_in(found, criterion), keep), criterion
        assert f"{int(keep.sum())} of 128 kept" in caption
        assert float(caption.split("(")[1].split(" %")[0]) == pytest.approx(share, abs=0.06)
    assert faults == []


def test_the_visualizer_says_what_it_shows_and_needs_no_mouse(tab, with_excerpt):
    """One sentence for those who do not see the tables; the slider and the norms by keyboard; panels can be hidden."""
    found, _ = tab("excerpt", content=with_excerpt)
    verdict = found.locator("#visualizer [role=status]")

    assert verdict.inner_text().startswith("At 50 % magnitude and Wanda remove 16 weights each, 9 of them the same;")
    found.get_by_label("Sparsity", exact=True).focus()
    found.keyboard.press("ArrowRight")
    assert verdict.inner_text().startswith("At 51 %")
    found.get_by_label("Norm of input 3", exact=True).fill("1")
    found.get_by_role("checkbox", name="Dense").uncheck()
    assert found.locator("#panel-dense").is_hidden()
    assert found.locator("#panel-wanda s").first.is_visible()


def test_what_is_removed_is_not_told_by_colour_alone(tab):
    found, _ = tab("course")
    looks = "cells => cells.map(cell => [getComputedStyle(cell).fontWeight, !!cell.querySelector('s')])"

    assert set(map(tuple, found.eval_on_selector_all("#visualizer td.kept", looks))) == {("700", False)}
    assert set(map(tuple, found.eval_on_selector_all("#visualizer td.gone", looks))) == {("400", True)}


def test_the_first_choice_is_the_same_without_javascript(tab):
    """What the script draws first is what stands in the page already; without it there are no controls."""
    found, _ = tab("course")
    bare, _ = tab("course", java_script_enabled=False)
    panels = [each.inner_text() for each in found.locator("#visualizer .panel").all()]

    assert [each.inner_text() for each in bare.locator("#visualizer .panel").all()] == panels
    assert bare.locator("#visualizer form").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_in_the_visualizer(tab, with_excerpt, scheme):
    found, _ = tab("excerpt", content=with_excerpt, color_scheme=scheme, viewport={"width": 390, "height": 900})
    found.get_by_label("Matrix").select_option(label="tiny-opt: q_proj")

    assert found.evaluate("document.documentElement.scrollWidth") <= 390
    assert Axe().run(found, "#visualizer").response["violations"] == []
