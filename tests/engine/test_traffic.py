"""The least work of a forward, on real tiny models, against hand computation."""

from __future__ import annotations

from decimal import Decimal

import pytest
import torch
from tiny_models import build_model

from sparsity_report.contracts import FormatChoice, Pattern
from sparsity_report.engine.state import ModelState, targeted
from sparsity_report.engine.timing import Setting
from sparsity_report.engine.traffic import traffic
from sparsity_report.engine.variant import build
from sparsity_report.metrics import roofline as family
from sparsity_report.models.anatomy import anatomy
from sparsity_report.spec.model import Target

SETTING = Setting(batch=2, prompt=4, decode=(3,), runs=3, seconds=0.0)
BLOCK = 32 * (32 + 16 + 16 + 32) + 3 * 48 * 32
"""Weights of a block of the tiny Llama: q and o of 32 rows, k and v of 16, three maps of the MLP."""


def works(model, entry="dense", pattern="unstructured", dtype="float32", setting=SETTING):
    parts = anatomy(model)
    targets = targeted(parts, Target())
    masks = {
        each.shape.path: (torch.arange(each.shape.cols) % 4 < 2).expand(each.shape.rows, -1).clone() for each in targets
    }
    state = ModelState(
        model, parts, targets, pattern=Pattern.parse(pattern), keep_masks=masks if entry != "dense" else {}
    )
    params = {"index": "int32"} if entry == "csr" else {}
    variant = build(state, FormatChoice(entry, params))
    found = traffic(parts, variant, entry, Pattern.parse(pattern), dtype, [setting])
    return found, {point.phase: point.work for point in found.points}


def test_an_untied_model_reads_everything_but_the_embedding():
    model = build_model("llama")
    found, at = works(model)

    held = sum(each.nbytes for each in (*model.parameters(), *model.buffers()))
    cache = 2 * 2 * 2 * 8 * 4  # keys and values, two layers, two heads of width 8, four bytes
    assert found.weight_bytes == held
    assert at["decode"].bytes == pytest.approx(held - 96 * 32 * 4 + 2 * (32 * 4 + cache * 6))
    assert at["prefill"].bytes == held - 96 * 32 * 4 + 8 * 32 * 4 + 2 * cache * 4


def test_a_tied_embedding_is_read_because_the_head_reads_it():
    model = build_model("qwen2")
    found, at = works(model)

    cache = 2 * 2 * 2 * 8 * 4
    assert at["decode"].bytes == pytest.approx(found.weight_bytes + 2 * cache * 6)


def test_operations_are_of_all_tokens_and_of_the_head_once():
    _, at = works(build_model("llama"))

    keys = 2 * 2 * 4 * 8 * 2  # two products of two operations, four heads of width 8, two layers
    assert at["decode"].flops == pytest.approx(2 * (2 * (2 * BLOCK + 96 * 32) + keys * 6))
    assert at["prefill"].flops == 2 * (8 * 2 * BLOCK + 2 * 96 * 32) + 2 * keys * (1 + 2 + 3 + 4)


def test_csr_multiplies_what_it_stores_and_reads_its_indices():
    dense, csr = works(build_model("llama")), works(build_model("llama"), "csr")

    assert dense[1]["prefill"].flops - csr[1]["prefill"].flops == 8 * 2 * BLOCK  # half of the weights, twice each
    # Half of the values, as many indices of the same size, and a pointer for each row and one more.
    pointers = 2 * (32 + 16 + 16 + 32 + 48 + 48 + 32 + 7) * 4
    assert csr[1]["decode"].bytes - dense[1]["decode"].bytes == pytest.approx(pointers)


def test_2_4_packed_says_what_a_2_4_unit_could_take():
    _, at = works(build_model("llama"), "nm", "2:4")
    records = family.measure(works(build_model("llama"), "nm", "2:4")[0])

    assert at["prefill"].flops_2_4 == 2 * 8 * 2 * BLOCK
    [eligible] = [e.value for e in records if e.metric == "prefill_flops" and e.conditions.get("unit") == "2:4"]
    assert eligible == at["prefill"].flops_2_4
    assert works(build_model("llama"), "masked", "2:4")[1]["prefill"].flops_2_4 == 0


def test_without_decoding_the_first_token_stands_for_it():
    none = Setting(batch=1, prompt=4, decode=(), runs=3, seconds=0.0)
    one = Setting(batch=1, prompt=4, decode=(1,), runs=3, seconds=0.0)

    assert works(build_model("opt"), setting=none)[1]["decode"] == works(build_model("opt"), setting=one)[1]["decode"]


def test_half_precision_moves_half_the_bytes():
    whole = works(build_model("opt"))[1]["decode"].bytes
    half = works(build_model("opt").to(torch.bfloat16), dtype="bfloat16")[1]["decode"].bytes

    assert half == whole / 2
    assert Decimal(half) > 0
