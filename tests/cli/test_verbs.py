"""What the verbs of this folder print and leave, one by one."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from tiny_results import cell, perplexity, results, stored, timing

from sparsity_report.cli import doctor, main
from sparsity_report.errors import CANNOT_CHECK, CHECK_FAILED, ENVIRONMENT, OK, SPEC, USAGE, worst
from sparsity_report.results.model import CheckRecord, RegistrationRecord, Results
from sparsity_report.spec.load import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main(tuple(map(str, arguments)))
    assert end.value.code is None or isinstance(end.value.code, int)
    return end.value.code or 0


def saved(folder: Path, found: Results) -> Path:
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(found.model_dump_json(), encoding="utf-8")
    return folder


@pytest.mark.parametrize("template", ["minimal", "course", "sweep"])
def test_init_writes_a_valid_spec_and_names_the_next_command(
    template: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.toml"

    assert run("init", file, "--template", template) == OK
    streams = capsys.readouterr()
    assert streams.out == f"{file}\n"
    assert f"sparsity-report run {file}" in streams.err
    assert load_spec(file).spec.variant


def test_init_never_overwrites(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text("mine", encoding="utf-8")

    assert run("init", file) == USAGE
    assert file.read_text(encoding="utf-8") == "mine"


def test_init_knows_its_templates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init", tmp_path / "study.toml", "--template", "curse") == USAGE
    assert "did you mean 'course'?" in capsys.readouterr().err


def test_validate_goes_on_after_a_bad_spec(capsys: pytest.CaptureFixture[str]) -> None:
    bad = ROOT / "tests" / "specs" / "bad_version.toml"

    assert run("validate", bad, "quickstart") == SPEC
    streams = capsys.readouterr()
    assert streams.out == "quickstart: valid, 19 cells\n"
    assert "spec_version: must be 1" in streams.err


def test_validate_json_holds_every_problem_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    bad = ROOT / "tests" / "specs" / "bad_unknown_key.toml"

    assert run("validate", bad, "--json") == SPEC
    (report,) = json.loads(capsys.readouterr().out)
    assert not report["valid"]
    assert [(problem["path"], problem["line"]) for problem in report["problems"]] == [
        ("study.titel", 5),
        ("variant[0].scop", 17),
    ]


def test_schema_check_tells_a_stale_file(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"

    assert run("schema", "--check", file) == USAGE
    assert run("schema", "--output", file) == OK
    assert run("schema", "--check", file) == OK
    file.write_text(file.read_text(encoding="utf-8").replace("magnitude", "magnetism"), encoding="utf-8")
    assert run("schema", "--check", file) == CHECK_FAILED


def test_list_shows_what_an_entry_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "formats", "csr") == OK
    shown = capsys.readouterr().out

    assert "parameter   index = 'int32'   ('int16' | 'int32' | 'int64')" in shown
    assert "Iterative Methods" in shown
    assert "[saad2003iterative]" in shown


def test_list_finds_an_entry_by_its_name_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """A method's equation, citation and parameters; a name of two kinds shows both."""
    assert run("list", "sparsegpt") == OK
    told = capsys.readouterr().out
    assert all(words in told for words in ("U_{jj}^2", "SparseGPT: Massive Language Models", "percdamp = 0.01", "gram"))
    assert run("list", "sensitivity") == OK
    told = capsys.readouterr().out
    assert "(allocation)" in told
    assert "(metrics)" in told
    assert run("list", "manual") == OK
    assert "sparsity must be given" in capsys.readouterr().out


def test_list_json_holds_every_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--json") == OK
    entries = json.loads(capsys.readouterr().out)

    kinds = {"methods", "allocation", "quantizers", "formats", "metrics", "corpora", "sources", "hardware"}
    assert kinds == {entry["kind"] for entry in entries}
    (storage,) = [entry for entry in entries if entry["name"] == "storage"]
    assert [quantity["name"] for quantity in storage["quantities"]] == ["stored_bytes"]


def test_list_shows_machines_with_their_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "hardware") == OK
    line = next(line for line in capsys.readouterr().out.splitlines() if line.split()[0] == "a100-80gb")
    assert "2039 GB/s, 80 GB, float32 19.5 TFLOP/s" in line
    assert "[NVIDIA A100 Tensor Core GPU datasheet]" in line
    assert run("list", "raspberry-pi-5") == OK
    assert "https://datasheets.raspberrypi.com/rpi5/" in capsys.readouterr().out


def test_list_asks_whether_another_machine_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "hardware", "rtx-4080") == USAGE
    assert "did you mean 'rtx-4090'?" in capsys.readouterr().err


def test_list_shows_the_splits_of_a_corpus(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "corpora", "wikitext-2") == OK
    assert "splits      train, validation, test" in capsys.readouterr().out
    assert run("list", "corpora") == OK
    assert "(splits: test, train)" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("method",), ("methods", "wnada")])
def test_list_refuses_what_it_does_not_have(words: tuple[str, ...]) -> None:
    assert run("list", *words) == USAGE


def test_watching_renders_again_and_outlives_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results half-written, then whole again; Ctrl-C is the end and no fault."""
    from sparsity_report.cli import render

    folder = saved(tmp_path / "run", results(cell("dense", stored(100, over="model"))))
    whole = (folder / "results.json").read_text(encoding="utf-8")
    watched = []

    def changes(files: Callable[[], Iterable[Path]]) -> Iterator[None]:
        yield
        (folder / "results.json").write_text(whole[:50], encoding="utf-8")
        yield
        (folder / "results.json").write_text(whole, encoding="utf-8")
        (folder / "templates").mkdir()
        (folder / "templates" / "summary.md.j2").write_text("ours", encoding="utf-8")
        watched.extend(files())
        yield
        raise KeyboardInterrupt

    monkeypatch.setattr(render, "changes", changes)

    assert run("render", folder, "--output", "html", "--watch") == OK
    streams = capsys.readouterr()
    assert streams.out.count("report.html") == 2
    assert "is not a results.json of this version" in streams.err
    assert watched == [folder / "results.json", folder / "templates" / "summary.md.j2"]
    assert (folder / "summary.md").read_text(encoding="utf-8") == "ours"


def test_render_knows_its_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt output would write nothing and look like success."""
    folder = saved(tmp_path / "run", results(cell("dense")))

    assert run("render", folder, "--output", "pfd") == USAGE
    assert "did you mean 'pdf'?" in capsys.readouterr().err
    assert [file.name for file in folder.iterdir()] == ["results.json"]


def gate(verdict: str, on_miss: str) -> CheckRecord:
    return CheckRecord.model_validate(
        {"what": "it", "expected": "at most 1", "observed": "2", "verdict": verdict, "on_miss": on_miss}
    )


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ([], OK),
        ([gate("pass", "fail"), gate("miss", "report"), gate("undecided", "report")], OK),
        ([gate("miss", "fail")], CHECK_FAILED),
        ([gate("undecided", "fail")], CANNOT_CHECK),
        ([gate("cannot_check", "report")], CANNOT_CHECK),
        ([gate("miss", "fail"), gate("cannot_check", "report")], CANNOT_CHECK),
    ],
)
def test_check_turns_verdicts_into_an_exit_code(
    checks: list[CheckRecord], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = saved(tmp_path / "run", results(cell("dense")).model_copy(update={"checks": tuple(checks)}))

    assert run("check", folder) == code
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == max(1, len(checks))
    assert run("check", folder / "results.json", "--json") == code
    assert json.loads(capsys.readouterr().out)["exit_code"] == code


def test_check_against_a_baseline(tmp_path: Path) -> None:
    """Getting worse fails, getting better does not, and nothing in common is no pass."""
    worse, better = (
        saved(tmp_path / name, results(cell("csr", stored(value)))) for name, value in (("w", 9), ("b", 8))
    )
    other = saved(tmp_path / "other", results(cell("dense", perplexity(1.0)), cell("csr")))

    assert run("check", worse, "--baseline", better) == CHECK_FAILED
    assert run("check", better, "--baseline", worse) == OK
    assert run("check", better, "--baseline", better) == OK
    assert run("check", better, "--baseline", saved(tmp_path / "none", results())) == CANNOT_CHECK
    assert run("check", better, "--baseline", other) == CHECK_FAILED


def test_diff_shows_changes_and_on_demand_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = saved(tmp_path / "old", results(cell("csr", stored(9), perplexity(3.0))))
    new = saved(tmp_path / "new", results(cell("csr", stored(8), perplexity(3.0)), cell("masked")))

    assert run("diff", old, new) == CHECK_FAILED
    shown = capsys.readouterr().out
    assert "better         csr  stored_bytes: 9 → 8" in shown
    assert "only in NEW     masked" in shown
    assert "perplexity" not in shown
    run("diff", old, new, "--all")
    assert "same           csr  perplexity(corpus=embedded): 3 → 3" in capsys.readouterr().out
    assert run("diff", old, old) == OK


def test_diff_json_is_plain_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = saved(tmp_path / "run", results(cell("csr", stored(9))))

    assert run("diff", folder, folder, "--json") == OK
    found = json.loads(capsys.readouterr().out)
    assert [each["verdict"] for each in found["differences"]] == ["same", "same"]


@pytest.mark.parametrize("wanted", ["text", "markdown", "json", "html"])
def test_diff_writes_each_format_where_it_is_told_to(
    wanted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = (saved(tmp_path / str(value), results(cell("csr", stored(value)))) for value in (9, 8))
    file = tmp_path / "diff"

    assert run("diff", old, new, "--format", wanted) == CHECK_FAILED
    printed = capsys.readouterr().out
    assert "better" in printed
    assert run("diff", old, new, "--format", wanted, "--output", file) == CHECK_FAILED
    assert (capsys.readouterr().out, file.read_text("utf-8")) == (f"{file}\n", printed)


def test_diff_knows_its_formats_and_says_what_it_could_not_compare(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = timing("prefill_latency_s", 1.0, (0.9, 1.1))
    here, there = (
        saved(tmp_path / name, results(cell("dense", stored(1), seconds), fingerprint=name)) for name in ("a", "b")
    )

    assert run("diff", here, there, "--format", "mardown") == USAGE
    assert "did you mean 'markdown'?" in capsys.readouterr().err
    assert run("diff", here, there) == OK
    assert "timings are not compared" in capsys.readouterr().out
    assert run("diff", here, there, "--timings") == CANNOT_CHECK
    assert "1 numbers could not be compared, which is no pass" in capsys.readouterr().err


def test_check_writes_junit_whatever_the_verdict(tmp_path: Path) -> None:
    folder = saved(
        tmp_path / "run", results(cell("dense", stored(2))).model_copy(update={"checks": (gate("miss", "fail"),)})
    )
    base = saved(tmp_path / "base", results(cell("dense", stored(1))))

    assert run("check", folder, "--baseline", base, "--junit", tmp_path / "deep" / "checks.xml") == CHECK_FAILED
    suite = ElementTree.parse(tmp_path / "deep" / "checks.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((6, 7, 0), 7),
        ((0, 6), 6),
        ((5, 7), 5),
        ((4, 5, 6, 7), 4),
        ((4, 3), 3),
        ((3, 2), 2),
        ((2, 1), 1),
        ((130, 1), 130),
        ((0, 0), 0),
        ((), 0),
    ],
    ids=str,
)
def test_of_several_exit_codes_one_goes_first(codes: tuple[int, ...], expected: int) -> None:
    """130, 1, 2, 3, 4, 5, 7, 6, 0: what stopped the work before what it found, and the unknown before the known."""
    assert worst(*codes) == expected


def test_doctor_tells_what_is_missing_beforehand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A PDF that cannot be made is exit 4 with the remedy, before any hour of computing is spent."""
    from sparsity_report.report import pdf

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(pdf, "problem", lambda: "apt-get install what-is-missing")

    assert run("doctor") == ENVIRONMENT
    shown = capsys.readouterr().out
    assert "→ apt-get install what-is-missing" in shown
    assert "not asked: HF_HUB_OFFLINE is set" in shown


def test_doctor_looks_for_every_package_that_the_project_requires() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    required = {re.split(r"[<>=]", each)[0] for each in project["dependencies"]}
    assert required == set(doctor.REQUIRED.values())
    assert all(importlib.util.find_spec(name) for name in doctor.REQUIRED)


def test_doctor_is_content_with_a_whole_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hub out of reach and absent optional packages are notes: the quickstart needs neither."""
    from sparsity_report.report import pdf

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(pdf, "problem", lambda: None)

    assert run("doctor", "--json") == OK
    states = {each["name"]: each["state"] for each in json.loads(capsys.readouterr().out)["findings"]}
    assert states["bundled model"] == "ok"
    assert states["model hub"] == "note"


def test_check_tells_of_expectations_that_came_after_the_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An edit is said, beside the verdict and above all of them; what the verdicts mean stays."""
    edited = RegistrationRecord(sha256="ab", registered="09:00", changed="10:00", late=("it",))
    late = gate("pass", "fail").model_copy(update={"late": True})
    made = results(cell("dense")).model_copy(update={"checks": (late,), "registration": edited})
    folder = saved(tmp_path / "run", made)

    assert run("check", folder) == OK
    first, second = capsys.readouterr().out.splitlines()
    assert first == (
        "warning: Expectations were edited after the first results (10:00; registered before them: 09:00): "
        "stated or changed: “it”."
    )
    assert "it (gate) (stated after results)" in second
    run("check", folder, "--json")
    assert len(json.loads(capsys.readouterr().out)["alerts"]) == 1


def test_render_makes_one_report_of_several_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = saved(tmp_path / "one", results(cell("dense", stored(100, over="model"))))
    two = saved(tmp_path / "two", results(cell("dense", stored(200, over="model"))))

    assert run("render", one, two, "--out", tmp_path / "both", "--output", "html") == OK
    rows = [line.split(",")[0] for line in (tmp_path / "both" / "results.csv").read_text("utf-8").splitlines()]
    assert rows == ["cell", "one.dense", "two.dense"]
    assert [file.name for file in one.iterdir()] == ["results.json"]


def test_render_of_several_runs_wants_a_folder_and_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = saved(tmp_path / "one", results(cell("dense")))
    same = saved(tmp_path / "deeper" / "one", results(cell("dense")))

    assert run("render", one, same) == USAGE
    assert "give --out FOLDER" in capsys.readouterr().err
    assert run("render", one, same, "--out", tmp_path / "both") == USAGE
    assert "several runs are called one" in capsys.readouterr().err
    loud = saved(tmp_path / "deeper" / "ONE", results(cell("dense")))  # the same name to some file systems
    assert run("render", one, loud, "--out", tmp_path / "both") == USAGE
    assert not (tmp_path / "both").exists()
