"""Runs of tokens that calibration and evaluation share, counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sparsity_report.contamination import alert, hashes, shared


def tokens(count: int, length: int, seed: int) -> Tensor:
    """Windows of random tokens of a vocabulary so large that a shared run of four is out of the question."""
    return torch.randint(50_000, (count, length), generator=torch.Generator().manual_seed(seed))


def brute_force(calibration_ids: Tensor, evaluation_ids: Tensor, span: int) -> int:
    """Every run against every run, by the definition."""
    known = {
        tuple(row[start : start + span]) for row in calibration_ids.tolist() for start in range(len(row) - span + 1)
    }
    count = 0
    for row in evaluation_ids.tolist():
        inside = [tuple(row[start : start + span]) in known for start in range(len(row) - span + 1)]
        count += sum(any(inside[max(0, place - span + 1) : place + 1]) for place in range(len(row)))
    return count


def test_identical_sets_share_every_token() -> None:
    windows = tokens(4, 64, 0)

    assert shared(windows, windows.flip(0)) == 256


def test_disjoint_sets_share_none() -> None:
    assert shared(tokens(8, 64, 0), tokens(8, 64, 1)) == 0


@pytest.mark.parametrize(("length", "counted"), [(31, 0), (32, 32), (40, 40)])
def test_a_planted_run_counts_from_the_span_on(length: int, counted: int) -> None:
    """At another place of another window: alignment makes no difference."""
    calibration, evaluation = tokens(3, 128, 0), tokens(2, 96, 1)
    evaluation[1, 50 : 50 + length] = calibration[2, 7 : 7 + length]

    assert shared(calibration, evaluation) == counted


def test_one_text_cut_at_another_place_is_still_the_same_text() -> None:
    """Of each evaluation window, 10 tokens are in one calibration window and 54 in the next; 10 are too few."""
    text = tokens(1, 64 * 5, 0)[0]
    calibration, evaluation = text.view(5, 64), text[54 : 54 + 64 * 4].view(4, 64)

    assert shared(calibration, evaluation) == 4 * 54


def test_a_run_does_not_cross_from_window_to_window() -> None:
    text = tokens(1, 128, 0)[0]
    evaluation = tokens(1, 64, 1)
    evaluation[0, :32] = text[48:80]  # 16 tokens of one calibration window, 16 of the next

    assert shared(text.view(2, 64), evaluation) == 0


@pytest.mark.parametrize("vocabulary", [2, 3])
def test_it_agrees_with_comparing_all_runs(vocabulary: int) -> None:
    """Few kinds of tokens make many accidental runs, repeated and overlapping ones among them."""
    generator = torch.Generator().manual_seed(vocabulary)
    calibration = torch.randint(vocabulary, (5, 40), generator=generator)
    evaluation = torch.randint(vocabulary, (6, 50), generator=generator)
    expected = brute_force(calibration, evaluation, 7)

    assert 0 < expected < evaluation.numel()
    assert shared(calibration, evaluation, span=7) == expected


def test_order_matters() -> None:
    forward = torch.arange(32)[None]

    assert shared(forward, forward.flip(1)) == 0


def test_windows_shorter_than_the_span_are_compared_whole() -> None:
    calibration, evaluation = tokens(3, 16, 0), tokens(2, 16, 1)
    evaluation[0] = calibration[2]

    assert shared(calibration, evaluation) == 16


def test_different_runs_have_different_hashes() -> None:
    """A million runs, all of them different: a weak hash would show itself."""
    runs = torch.cartesian_prod(*[torch.arange(10)] * 6)

    assert len(set(hashes(runs.numpy(), 6)[:, 0].tolist())) == 1_000_000


def test_the_alert_says_how_much_of_what() -> None:
    calibration, evaluation = tokens(4, 100, 0), tokens(5, 80, 1)
    assert alert(calibration, evaluation, "c4 (train)", "wikitext-2 (test)") == ""

    evaluation[0, :40] = calibration[0, :40]
    text = alert(calibration, evaluation, "c4 (train)", "wikitext-2 (test)")

    assert text.startswith("40 of 400 evaluated tokens (10.0 %) lie in runs of 32 tokens or more")
    assert text.endswith("Calibration: c4 (train). Evaluation: wikitext-2 (test).")


def test_a_small_share_is_not_printed_as_none() -> None:
    calibration, evaluation = tokens(1, 64, 0), tokens(200, 200, 1)
    evaluation[9, :32] = calibration[0, :32]

    assert "less than 0.1 %" in alert(calibration, evaluation, "a", "b")


def test_the_same_text_gets_a_stronger_sentence() -> None:
    windows = tokens(4, 64, 0)
    text = alert(windows, windows[:2], "embedded (test)", "embedded (test)")

    assert text.startswith("Calibration and evaluation are the same text")
