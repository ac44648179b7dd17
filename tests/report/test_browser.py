"""The page in a real browser."""

from __future__ import annotations

import shutil

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
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

    def opened(name, **options):
        path = tmp_path / f"{name}.html"
        path.write_text(page(name), encoding="utf-8")
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
    assert found.locator("button").count() == 0


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


def test_downloads_carry_the_spec(tab, results):
    found, _ = tab("course")
    with found.expect_download() as waiting:
        found.get_by_role("link", name="spec.toml").click()

    assert waiting.value.suggested_filename == "course-spec.toml"
    assert waiting.value.path().read_text(encoding="utf-8") == results("course").spec.text
