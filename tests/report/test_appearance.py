"""A study's own templates and style sheet: by name before those shipped, and with their faults at their place."""

from __future__ import annotations

import re

import pytest

from sparsity_report.errors import EnvironmentProblem, UsageError
from sparsity_report.report import appearance, html, markdown
from sparsity_report.report.render import render


@pytest.fixture(scope="module")
def failed(report):
    return report("every_cell_failed")


@pytest.fixture
def own(tmp_path):
    """`own("name", "text")`: the folder of own templates with this one in it."""

    def written(name, text):
        file = tmp_path / "own" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return tmp_path / "own"

    return written


@pytest.mark.parametrize("target", ["html", "pdf"])
def test_an_own_template_replaces_the_one_of_its_name_and_no_other(failed, own, target):
    folder = own("sections/glance.html.j2", "<p>ours: {{ results.study.title }}</p>")
    page = html.page(failed, target, folder)

    assert f"<p>ours: {failed.results.study.title}</p>" in page
    assert 'id="glance"' not in page
    assert 'id="references"' in page


@pytest.mark.parametrize("target", ["html", "pdf"])
def test_a_house_style_needs_to_set_only_what_it_changes(failed, own, target):
    """It stands after the one shipped."""
    page = html.page(failed, target, own("css/house.css", ":root { --link: #7a0019; }"))

    assert page.index("--link: #1a4480") < page.index("--link: #7a0019") < page.index("</style>")


def test_the_summary_can_be_replaced_too(results, own, tmp_path):
    folder = own("summary.md.j2", "ours {{ results.study.slug }}")
    list(render(results("every_cell_failed"), tmp_path / "out", ("html",), folder))

    assert (tmp_path / "out" / "summary.md").read_text(encoding="utf-8").startswith("ours ")


def test_a_template_that_comes_later_is_used_the_next_time(results, own, tmp_path):
    """While somebody watches, a file of a shipped template's name appears in the folder."""
    folder = own("README.md", "no template")
    for name, text in (("other.j2", ""), ("sections/glance.html.j2", "<p>later</p>")):
        own(name, text)
        list(render(results("every_cell_failed"), tmp_path / "out", ("html",), folder))

    assert "<p>later</p>" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("fine\n{% if %}", 2, "Expected an expression"),
        ("fine\n\n{{ nothing }}", 3, "'nothing' is undefined"),
        ("{{ results.__class__.__base__.__subclasses__() }}", 1, "unsafe"),
    ],
)
def test_faults_are_told_with_file_and_line(failed, own, text, line, what):
    """Templates are sandboxed: they arrange a page, and reach nothing else."""
    folder = own("sections/glance.html.j2", text)

    with pytest.raises(UsageError, match=what) as caught:
        html.page(failed, "html", folder)
    assert f"{folder / 'sections/glance.html.j2'}:{line}: " in str(caught.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{{ nothing }}", "'nothing' is undefined"),
        ('{% include "../../../etc/passwd" %}', "there is no template '../../../etc/passwd'"),
        ('{% include "/etc/passwd" %}', "there is no template '/etc/passwd'"),
        ('{% include "summary.md.j2" %}', "RecursionError"),
        ("{% for each in range(10**9) %}x{% endfor %}", "Range too big"),
        ("{{ 1 // 0 }}", "ZeroDivisionError"),
        ("{{ cycler.__init__.__globals__ }}", "unsafe"),
    ],
)
def test_a_summary_s_own_template_reaches_nothing_else_and_its_faults_are_told(results, own, text, what):
    folder = own("summary.md.j2", text)

    with pytest.raises(UsageError, match=re.escape(what)) as caught:
        markdown.summary(results("every_cell_failed"), folder)
    assert f"{folder / 'summary.md.j2'}:1: " in str(caught.value)


def test_a_style_sheet_cannot_end_its_element(failed, own):
    with pytest.raises(UsageError, match=r"house\.css: '</style' cannot stand"):
        html.page(failed, "html", own("css/house.css", "</STYLE><script>alert(1)</script>".lower()))


def test_what_the_spec_names_is_kept_in_the_run_folder(own, tmp_path):
    """Also that an earlier run's template goes, and that what is no template is not taken."""
    folder, run = own("macros.html.j2", "new"), tmp_path / "run"
    own("notes.txt", "no template")
    (tmp_path / "house.css").write_text("css", encoding="utf-8")
    appearance.keep(run, {"body.html.j2": b"old"})

    appearance.keep(run, appearance.gather(tmp_path, "own", "house.css"))

    found = appearance.of_run(run / "results.json")
    names = [file.relative_to(found).as_posix() for file in appearance.files_of(found)]
    assert names == ["css/house.css", "macros.html.j2"]
    assert appearance.of_run(tmp_path / "elsewhere" / "results.json") is None
    assert appearance.of_run(run / "results.json", folder) == folder


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(EnvironmentProblem, match=r"there is no folder .*nowhere"):
        appearance.gather(tmp_path, "nowhere", "")
    with pytest.raises(EnvironmentProblem, match=r"cannot read .*house\.css"):
        appearance.gather(tmp_path, "", "house.css")
    with pytest.raises(UsageError, match="there is no folder"):
        appearance.of_run(tmp_path / "results.json", tmp_path / "nowhere")
