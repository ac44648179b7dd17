"""`export` writes a cell of a run: compressed and loadable, or dense for every other tool; and says what it cannot."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sparsity_report import load_sparse
from sparsity_report.cli import main
from sparsity_report.engine.run import Options, run_study
from sparsity_report.errors import OK, USAGE
from sparsity_report.spec.load import load_spec

SPEC = """
spec_version = 1
[study]
title = "A pipeline"
[[model]]
source = "bundled:tiny-opt"
[data]
evaluation = { source = "embedded", length = 64, windows = 2 }
[[variant]]
id = "pipeline"
step = [{ prune = "magnitude", sparsity = 0.6 }, { quantize = "rtn" }]
format = ["masked", "csr", "dense"]
[metrics]
use = ["storage", "sparsity", "perplexity"]
[report]
notes = { discussion = "own.md" } # neither of them stands beside the copy of the spec in the run folder
style = "own.css"
"""


def run(*arguments):
    with pytest.raises(SystemExit) as end:
        main(tuple(map(str, arguments)))
    return end.value.code or 0


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    (folder / "pipeline.toml").write_text(SPEC, encoding="utf-8")
    (folder / "own.md").write_text("Dense has {{ perplexity | variant=dense }}.", encoding="utf-8")
    (folder / "own.css").write_text("", encoding="utf-8")
    results = run_study(load_spec(folder / "pipeline.toml"), folder / "run", Options(), lambda _: None)
    return folder / "run", results


def cell_of(results, entry):
    return next(cell for cell in results.cells if cell.variant.stages and cell.variant.format.entry == entry)


def test_a_pipeline_is_a_study_like_any_other(study):
    """Behaviour belongs to the node: masked, CSR and dense codes share it; codes take a byte, a scale four a row."""
    _, results = study
    masked, csr, dense = (cell_of(results, entry) for entry in ("masked", "csr", "dense"))

    assert [cell.status for cell in results.cells] == ["ok"] * 4
    assert masked.value("perplexity") == csr.value("perplexity") == dense.value("perplexity")
    assert masked.value("stored_bytes", over="target") == 1_536_000 * 4
    assert dense.value("stored_bytes", over="target") == 1_536_000 + 7_200 * 4
    kept = csr.value("stored_bytes", over="target", component="values")
    assert 600_000 < kept <= 1_536_000 * 0.4
    assert csr.value("stored_bytes", over="target") == kept * 5 + 7_230 * 4 + 7_200 * 4
    assert (masked.variant.values, csr.variant.values) == ("", "int8 with row scales")
    assert [check.verdict for check in results.checks] == ["pass", "pass"]
    assert {fallback.what for fallback in csr.fallbacks} == {"widened"}
    assert {fallback.what for fallback in dense.fallbacks} == {"unpacked"}


def test_a_compressed_cell_is_written_and_loaded(study, tmp_path, capsys):
    folder, results = study
    csr, out = cell_of(results, "csr"), tmp_path / "out"

    assert run("export", folder, csr.id, "--out", out) == OK
    printed = capsys.readouterr().out.split()
    model = load_sparse(out)
    head = json.loads((out / "sparse.json").read_text())

    assert {"sparse.safetensors", "sparse.json", "config.json", "tokenizer.json", "README.md"} <= {
        each.rpartition("/")[2] for each in printed
    }
    assert head["provenance"]["cell"] == csr.id
    assert [stage["entry"] for stage in head["provenance"]["stages"]] == ["magnitude", "rtn"]
    stored = sum(
        tensor.nbytes for tensor in {t.data_ptr(): t for t in (*model.parameters(), *model.buffers())}.values()
    )
    assert csr.value("stored_bytes", over="model") == stored
    assert AutoTokenizer.from_pretrained(out)("a b").input_ids
    card = (out / "README.md").read_text(encoding="utf-8")
    assert f"{stored / 2**20:.2f} MiB" in card


def test_dense_is_a_checkpoint_with_the_same_function(study, tmp_path):
    folder, results = study
    ids = torch.arange(40)[None]
    assert run("export", folder, "*-csr-*", "--out", tmp_path / "sparse") == OK
    assert run("export", folder, "*-csr-*", "--out", tmp_path / "dense", "--dense") == OK
    assert run("export", folder, cell_of(results, "masked").id, "--out", tmp_path / "masked") == OK
    dense, masked = (AutoModelForCausalLM.from_pretrained(tmp_path / name).eval() for name in ("dense", "masked"))

    with torch.inference_mode():
        one, other = dense(input_ids=ids).logits, load_sparse(tmp_path / "sparse")(input_ids=ids).logits
        assert torch.equal(one, masked(input_ids=ids).logits)
    assert torch.allclose(one, other, atol=1e-3)
    weight = dense.get_submodule("model.decoder.layers.0.fc1").weight
    assert (weight == 0).float().mean() >= 0.6
    assert json.loads((tmp_path / "dense" / "provenance.json").read_text())["stages"]
    assert "pruned weights are zeros" in (tmp_path / "dense" / "README.md").read_text(encoding="utf-8")


def test_what_is_no_cell_or_no_empty_folder_is_wrong_usage(study, tmp_path, capsys):
    folder, _ = study
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")

    assert run("export", folder, "nonsense", "--out", tmp_path / "out") == USAGE
    assert "'nonsense' is no cell of this study" in capsys.readouterr().err
    assert run("export", folder, "magnitude*", "--out", tmp_path / "out") == USAGE
    assert "means 3 cells" in capsys.readouterr().err
    assert run("export", folder, "*-csr-*", "--out", tmp_path / "full") == USAGE
    assert "is there already" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
