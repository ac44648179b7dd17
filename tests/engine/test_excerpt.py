"""The corner of the first targeted matrix that the visualizer shows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from sparsity_report.engine.excerpt import COLS, ROWS, excerpt
from sparsity_report.engine.state import ModelState
from sparsity_report.models.anatomy import anatomy
from sparsity_report.models.blocks import ResidentBlocks


@pytest.fixture
def prepared(build_tiny):
    """What the engine has of a tiny model, its targets beginning in the second block; 4 windows of 16 tokens."""
    model = build_tiny("llama")
    parts = anatomy(model)
    targets = tuple(matrix for matrix in parts.matrices if matrix.shape.block >= 1)
    ids = torch.randint(2, 96, (4, 16), generator=torch.Generator().manual_seed(1))
    windows = SimpleNamespace(ids=ids, token_ids_sha256="a")
    return SimpleNamespace(
        model=SimpleNamespace(name="tiny"),
        loaded=SimpleNamespace(revision="1"),
        dense=ModelState(model, parts, targets),
        blocks=ResidentBlocks(model, parts.blocks_path),
        calibration={"first": SimpleNamespace(windows=windows)},
    )


def test_it_is_what_the_model_holds_and_reads(prepared, tmp_path):
    """Weights to the last bit, inputs from a forward of the whole model; the largest input is among them."""
    record = excerpt(prepared, tmp_path)
    matrix, seen = prepared.dense.targets[0], []
    module = prepared.dense.model.get_submodule(matrix.module)
    handle = module.register_forward_pre_hook(lambda module, args: seen.append(args[0].flatten(0, -2)))
    with torch.inference_mode():
        prepared.dense.model(input_ids=prepared.calibration["first"].windows.ids)
    handle.remove()
    rms_I = torch.cat(seen).square().mean(0).sqrt()

    columns = slice(record.col, record.col + COLS)
    assert record.matrix == matrix.shape.path
    assert record.tokens == 64
    assert torch.equal(torch.tensor(record.weights), prepared.dense.weight_OI(matrix)[:ROWS, columns].detach())
    assert torch.tensor(record.input_rms) == pytest.approx(rms_I[columns], rel=1e-5)
    assert max(record.input_rms) == pytest.approx(float(rms_I.max()), rel=1e-5)
    assert record.col % COLS == 0


def test_numbers_take_no_more_digits_than_they_need(prepared, tmp_path):
    """A float32 has at most nine."""
    record = excerpt(prepared, tmp_path)

    assert all(len(repr(abs(weight)).split("e")[0].lstrip("0.")) <= 10 for row in record.weights for weight in row)


def test_without_a_calibration_text_there_are_no_inputs(prepared, tmp_path):
    prepared.calibration = {}
    record = excerpt(prepared, tmp_path)

    assert (record.input_rms, record.tokens, record.col) == ((), 0, 0)
    assert len(record.weights) == ROWS


def test_it_is_looked_up_once(prepared, tmp_path):
    """A run that is resumed does not run the model for it again; other tokens are another excerpt."""
    record = excerpt(prepared, tmp_path)
    prepared.blocks = None

    assert excerpt(prepared, tmp_path) == record
    prepared.calibration["first"].windows.token_ids_sha256 = "b"
    with pytest.raises(AttributeError):
        excerpt(prepared, tmp_path)
