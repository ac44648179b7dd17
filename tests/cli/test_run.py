"""`run` from the command line: what it leaves, what it prints where, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from sparsity_report.cli import main

SPEC = """
spec_version = 1
[study]
title = "From the command line"
[[model]]
source = "bundled:tiny-opt"
[data]
evaluation = { source = "embedded", length = 64, windows = 3 }
[[variant]]
method = "magnitude"
sparsity = 0.5
format = ["masked", "csr"]
[metrics]
use = ["storage", "sparsity", "flops", "agreement", "divergence", "perplexity"]
[report]
outputs = ["html"]
"""


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SPEC, encoding="utf-8")
    return tmp_path / "small.toml"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)


def test_run_leaves_a_report_and_prints_its_paths_on_stdout(spec, tmp_path, capsys):
    assert run("run", "small.toml") == 0

    out, err = capsys.readouterr()
    assert "reports/small/report.html" in out.splitlines()
    assert "magnitude-layer-50-csr" in err
    assert "magnitude-layer-50-csr" not in out
    assert (tmp_path / "reports/small/report.html").stat().st_size > 50_000
    assert len(json.loads((tmp_path / "reports/small/results.json").read_text("utf-8"))["cells"]) == 3


def test_render_rebuilds_the_same_report(spec, tmp_path):
    """In the study's own style, which the run folder keeps; the model's corner for the visualizer is in it."""
    house = tmp_path / "house.css"
    house.write_text(":root { --link: #7a0019; }", encoding="utf-8")
    spec.write_text(f'{SPEC}style = "house.css"\n', encoding="utf-8")
    run("run", "small.toml")
    report = tmp_path / "reports/small/report.html"
    before = report.read_bytes()
    report.unlink()
    house.unlink()

    assert run("render", "reports/small") == 0
    assert before == report.read_bytes()
    assert b"--link: #7a0019" in before
    assert b"Rows 1 to 8, columns 1 to 16 of model.decoder.layers.0.self_attn" in before


def test_a_style_that_is_not_there_is_said_before_anything_runs(spec, tmp_path, capsys):
    spec.write_text(f'{SPEC}style = "house.css"\n', encoding="utf-8")

    assert run("validate", "small.toml") == 3
    assert run("run", "small.toml") == 3
    said = f"small.toml:{SPEC.count(chr(10)) + 1}: report.style: 'house.css' cannot be read: No such file or directory"
    assert capsys.readouterr().err.count(said) == 2
    assert not (tmp_path / "reports").exists()


def test_a_failed_cell_is_exit_5_and_the_report_is_written(spec, tmp_path, monkeypatch, capsys):
    from sparsity_report import registry

    def broken(*_):
        raise MemoryError("not enough")

    monkeypatch.setattr(registry.get("formats", "csr"), "encode", broken)

    assert run("run", "small.toml") == 5
    assert "MemoryError: not enough" in (tmp_path / "reports/small/report.html").read_text("utf-8")


def test_an_interrupt_is_exit_130_and_says_how_to_resume(spec, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sparsity_report.engine.run.execute", interrupt)

    assert run("run", "small.toml") == 130
    assert "resumes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run", "missing.toml"), 2, "there is no spec"),
        (("run", "small.toml", "--set", "variant.0.sparsity=1.3"), 3, "sparsity"),
        (("run", "small.toml", "--set", 'target.include=["none"]'), 3, "matches no matrix"),
        (("run", "small.toml", "--set", "data.evaluation.length=257"), 3, "context"),
        (("run", "small.toml", "--set", 'data.evaluation.source="text:no.txt"'), 4, "there is no text"),
        (("run", "small.toml", "--set", 'model.0.source="./none"'), 4, "there is no directory"),
        (("run", "small.toml", "--set", "model.0.source=foo--bar"), 4, "'foo--bar' names no model"),
        (("plan", "small.toml", "--set", "model.0.source=foo--bar"), 4, "'foo--bar' names no model"),
        (("run", "small.toml", "--offline", "--set", "model.0.source=foo--bar"), 4, "'foo--bar' names no model"),
        (("run", "small.toml", "--set", "model.0.source=modèle/été"), 4, "'modèle/été' names no model"),
        (("run", "small.toml", "--only", "nothing"), 2, "matches no cell"),
        (("render", "nowhere"), 2, "there are no results"),
    ],
)
def test_bad_input_has_its_message_and_its_exit_code(spec, capsys, arguments, code, message):
    assert code == run(*arguments)
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_an_empty_text_is_the_specs_fault(spec, tmp_path, capsys):
    (tmp_path / "empty.txt").write_text("  \n", encoding="utf-8")

    assert run("run", "small.toml", "--set", 'data.evaluation.source="text:empty.txt"') == 3
    assert "is empty" in capsys.readouterr().err


def test_a_locked_folder_is_exit_4(spec, tmp_path, capsys):
    from sparsity_report.results import store

    with store.locked(tmp_path / "reports/small"):
        assert run("run", "small.toml") == 4
    assert "another run owns" in capsys.readouterr().err


def test_a_missing_pango_keeps_the_html_and_is_exit_4(spec, tmp_path, monkeypatch, capsys):
    from sparsity_report.errors import EnvironmentProblem
    from sparsity_report.report import pdf

    def unavailable(*_, **__):
        raise EnvironmentProblem("The PDF needs Pango", remedy="apt-get install libpango-1.0-0")

    monkeypatch.setattr(pdf, "render_pdf", unavailable)

    assert run("run", "small.toml", "--set", 'report.outputs=["html", "pdf"]') == 4
    out, err = capsys.readouterr()
    assert "apt-get install" in err
    assert "the report as reports/small/report.html" in err
    assert out.splitlines()[0] == "reports/small/report.html"
    assert (tmp_path / "reports/small/report.html").exists()


def test_a_study_of_the_hub_without_a_network_names_its_offline_twin(tmp_path):
    """The first thing that many will try, on a machine that cannot: a plain install has no pyarrow either."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_") and "proxy" not in name}
    away = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "home")}
    code = "import sys; sys.modules['pyarrow'] = None; from sparsity_report.cli import main; main()"
    command = [sys.executable, "-c", code, "run", "opt125m_30pct"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean | away, cwd=tmp_path)

    assert done.returncode == 4
    assert "facebook/opt-125m" in done.stderr
    assert "sparsity-report run quickstart" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is Unicode")
def test_names_that_are_no_unicode_end_no_run(spec, tmp_path, capsys):
    """Linux allows any bytes: those of the spec and of the command stand in the results with "?" for them."""
    odd = os.fsdecode(b"odd\xff")
    (tmp_path / odd).mkdir()
    spec.rename(tmp_path / odd / f"{odd}.toml")

    assert run("run", f"{odd}/{odd}.toml", "--out", f"{odd}/run") == 4
    assert "choose another folder with --out" in capsys.readouterr().err
    assert run("run", f"{odd}/{odd}.toml", "--only", "*masked*") == 0
    kept = json.loads((tmp_path / "reports" / "odd" / "results.json").read_text("utf-8"))
    assert kept["spec"]["file"] == "odd?.toml"


def test_plan_knows_what_is_finished(spec, capsys):
    run("plan", "small.toml", "--json")
    before = json.loads(capsys.readouterr().out)
    run("run", "small.toml")
    capsys.readouterr()
    run("plan", "small.toml", "--json")
    after = json.loads(capsys.readouterr().out)

    assert [cell["state"] for cell in before["cells"]] == ["to run"] * 3
    assert [cell["state"] for cell in after["cells"]] == ["finished"] * 3
    assert before["models"][0]["accounting"]["parameters"] == 1_915_680


def test_plan_says_why_a_cell_is_to_be_run(spec, tmp_path, capsys, monkeypatch):
    """What is new, what changed, what failed, what is damaged; and that nothing need be pruned again."""
    from sparsity_report import registry

    def planned(*overrides):
        run("plan", "small.toml", "--json", *(word for each in overrides for word in ("--set", each)))
        cells = json.loads(capsys.readouterr().out)["cells"]
        return {cell["id"].split("-")[-2] if "-" in cell["id"] else cell["id"]: cell for cell in cells}

    def broken(*_):
        raise MemoryError("not enough")

    assert {cell["why"] for cell in planned().values()} == {"not run yet"}
    with monkeypatch.context() as patched:
        patched.setattr(registry.get("formats", "csr"), "encode", broken)
        run("run", "small.toml")
    capsys.readouterr()
    (tmp_path / "reports/small/cells").joinpath(planned()["masked"]["id"] + ".json").write_text("{}", "utf-8")

    found = planned()
    assert [(cell["state"], cell["why"], cell["pruned"]) for cell in found.values()] == [
        ("finished", "", False),
        ("to run", "its entry is damaged", True),
        ("to retry", "it failed: MemoryError: not enough", True),
    ]
    (detail,) = (tmp_path / "reports/small/detail").glob("dense-*")
    whole = detail.read_bytes()
    detail.write_bytes(whole[:-1])
    assert planned()["dense"]["why"] == "its bulk data are damaged"
    detail.write_bytes(whole)
    assert planned('metrics.use=["storage", "perplexity", "flips"]')["dense"]["why"] == (
        "new metric flips, metric sparsity is no longer wanted, metric flops is no longer wanted, "
        "metric agreement is no longer wanted, metric divergence is no longer wanted"
    )
    assert planned("data.evaluation.windows=2")["dense"]["why"] == "evaluation changed"
    run("plan", "small.toml")
    assert "its entry is damaged; its pruned state is kept" in capsys.readouterr().out


def test_a_reader_who_goes_away_cannot_cut_the_report_short(spec, tmp_path, monkeypatch):
    """`sparsity-report render … | head -1` closes the pipe after the first path; every file is written by then."""
    import subprocess
    import sys

    run("run", "small.toml")
    for file in (tmp_path / "reports/small/figures").iterdir():
        file.unlink()
    (tmp_path / "reports/small/summary.md").unlink()

    subprocess.run(f"{sys.executable} -m sparsity_report render reports/small | head -1", shell=True, check=True)

    assert (tmp_path / "reports/small/summary.md").exists()
    assert (tmp_path / "reports/small/figures/break_even.svg").exists()
