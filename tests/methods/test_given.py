"""Masks and pruned checkpoints from elsewhere are taken as they are, or refused with the place that is wrong."""

from __future__ import annotations

import copy

import pytest
import torch
from safetensors.torch import save_file
from tiny_tasks import task_of, weight_of

from sparsity_report.contracts import ModelRequest, Pattern
from sparsity_report.errors import EnvironmentProblem
from sparsity_report.methods import given
from sparsity_report.models.anatomy import anatomy, read, write_

PATH = "model.decoder.layers.1.fc1"


@pytest.fixture
def saved(tiny_opt, tmp_path):
    """Writes the bundled model, after `change` has been at one of its matrices, into a directory of its own."""

    def save(change, path=PATH):
        model = copy.deepcopy(tiny_opt.model)
        matrix = next(each for each in anatomy(model).matrices if each.shape.path == path)
        write_(model, matrix, change(read(model, matrix).clone()))
        model.save_pretrained(tmp_path / "rival")
        tiny_opt.tokenizer.save_pretrained(tmp_path / "rival")
        return tmp_path

    return save


@pytest.fixture
def weight(tiny_opt):
    matrix = next(each for each in anatomy(tiny_opt.model).matrices if each.shape.path == PATH)
    return read(tiny_opt.model, matrix)


def prune(weight_OI, source, folder, kind="auto", path=PATH, **task):
    asked = task_of(weight_OI, path=path, folder=str(folder), offline=True, **task)
    (outcome,) = given.prune([weight_OI], [asked], given.Params(source=source, kind=kind))
    return outcome


class TestCheckpoint:
    def test_zeros_are_what_was_removed(self, saved, weight):
        """The count of the task means nothing; weights that are as ours are not carried along."""
        removed = torch.rand(weight.shape, generator=torch.Generator().manual_seed(0)) < 0.37
        folder = saved(lambda values: values.masked_fill(removed, 0.0))
        outcome = prune(weight, "./rival", folder, count=1)

        assert torch.equal(outcome.keep_mask, ~removed)
        assert outcome.weight_OI is None

    def test_changed_weights_come_along(self, saved, weight):
        """As a rival's weight update left them; removed positions are +0 even where the file says −0.0."""
        folder = saved(lambda values: (2 * values).masked_fill(values < 0, -0.0))
        outcome = prune(weight, "./rival", folder)

        assert torch.equal(outcome.keep_mask, weight > 0)
        assert torch.equal(outcome.weight_OI, (2 * weight).masked_fill(weight < 0, 0.0))
        assert not torch.signbit(outcome.weight_OI[~outcome.keep_mask]).any()

    def test_half_precision_is_compared_in_our_dtype(self, saved, weight):
        """A study in bfloat16 reads the rival in bfloat16: rounding is no weight update."""
        folder = saved(lambda values: values.masked_fill(values < 0, 0.0))

        assert prune(weight.bfloat16(), "./rival", folder).weight_OI is None

    def test_a_checkpoint_is_read_once(self, saved, weight, monkeypatch):
        folder = saved(lambda values: values)
        prune(weight, "./rival", folder)
        monkeypatch.setattr("sparsity_report.models.loading.load_weights", None)

        assert prune(weight, "./rival", folder).keep_mask.any()

    def test_it_needs_no_tokenizer(self, saved, weight):
        """Pruning scripts save the model alone; nothing is tokenised with it."""
        folder = saved(lambda values: values.masked_fill(values < 0, 0.0))
        for file in (folder / "rival").glob("*token*"):
            file.unlink()

        assert torch.equal(prune(weight, "./rival", folder).keep_mask, weight > 0)

    def test_its_fingerprint_is_that_of_its_files(self, saved, weight):
        studied = ModelRequest("bundled:tiny-opt", offline=True, folder=str(saved(lambda values: values)))
        first = given.fingerprint(given.Params(source="./rival"), studied)
        again = given.fingerprint(given.Params(source="./rival"), studied)
        saved(lambda values: values.masked_fill(values < 0, 0.0))

        assert first == again
        assert given.fingerprint(given.Params(source="./rival"), studied) != first

    def test_another_model_is_refused_by_matrix_and_shape(self, saved, weight):
        folder = saved(lambda values: values)

        with pytest.raises(
            EnvironmentProblem, match=r"rival has no model\.layers\.0\.q_proj; it has lm_head, model\.dec"
        ):
            prune(weight, "./rival", folder, path="model.layers.0.q_proj")
        rows, cols = weight.shape
        with pytest.raises(
            EnvironmentProblem, match=f"{rows} × {cols} in ./rival and {rows} × {cols - 4} in the model"
        ):
            prune(weight[:, 4:], "./rival", folder)

    def test_a_source_that_is_not_there_says_so(self, weight, tmp_path):
        with pytest.raises(EnvironmentProblem, match="no directory"):
            prune(weight, "./nowhere", tmp_path)


class TestMasks:
    def file(self, folder, **tensors):
        save_file(tensors, folder / "masks.safetensors")
        return folder

    @pytest.mark.parametrize("dtype", [torch.bool, torch.uint8])
    def test_they_are_taken_as_they_are(self, tmp_path, dtype):
        keep_mask = torch.rand(6, 8, generator=torch.Generator().manual_seed(0)) < 0.3
        folder = self.file(tmp_path, a=keep_mask.to(dtype))
        outcome = prune(weight_of(6, 8), "masks.safetensors", folder, path="a")

        assert torch.equal(outcome.keep_mask, keep_mask)
        assert outcome.keep_mask.dtype == torch.bool
        assert outcome.weight_OI is None

    def test_an_outcome_is_its_own(self, tmp_path):
        """Changing one does not change the next state that is given the same masks."""
        folder = self.file(tmp_path, a=torch.ones(2, 4, dtype=torch.bool))
        prune(weight_of(2, 4), "masks.safetensors", folder, path="a").keep_mask.zero_()

        assert prune(weight_of(2, 4), "masks.safetensors", folder, path="a").keep_mask.all()

    @pytest.mark.parametrize("wrong", [torch.ones(6, 8), torch.full((6, 8), 2, dtype=torch.uint8)])
    def test_weights_are_no_masks(self, tmp_path, wrong):
        with pytest.raises(EnvironmentProblem, match="a is no keep mask"):
            prune(weight_of(6, 8), "masks.safetensors", self.file(tmp_path, a=wrong), path="a")

    def test_a_missing_matrix_and_another_shape_are_named(self, tmp_path):
        folder = self.file(tmp_path, a=torch.ones(6, 8, dtype=torch.bool))

        with pytest.raises(EnvironmentProblem, match=r"masks.safetensors has no b; it has a"):
            prune(weight_of(6, 8), "masks.safetensors", folder, path="b")
        with pytest.raises(EnvironmentProblem, match=r"a is 6 × 8 in .* and 8 × 6 in the model"):
            prune(weight_of(8, 6), "masks.safetensors", folder, path="a")

    def test_a_file_that_is_not_there_or_is_none_says_so(self, tmp_path):
        with pytest.raises(EnvironmentProblem, match=r"none\.safetensors cannot be read"):
            prune(weight_of(2, 2), "none.safetensors", tmp_path)
        (tmp_path / "text.masks").write_text("no tensors")
        with pytest.raises(EnvironmentProblem, match=r"text\.masks cannot be read"):
            prune(weight_of(2, 2), "text.masks", tmp_path, kind="masks")

    def test_groups_are_checked_to_the_place(self, tmp_path):
        """T6: at most N kept of every M; a tail group of two of 2:4 keeps one."""
        keep_mask = torch.tensor([[1, 1, 0, 0, 0, 0, 0, 1, 1, 0], [0, 1, 0, 1, 1, 0, 1, 0, 0, 0]], dtype=torch.bool)
        folder = self.file(tmp_path, good=keep_mask, middle=keep_mask.clone(), tail=keep_mask.clone())

        def take(path):
            return prune(weight_of(2, 10), "masks.safetensors", folder, path=path, pattern="2:4")

        assert torch.equal(take("good").keep_mask, keep_mask)
        keep_mask[1, 5] = True
        wrong_tail = keep_mask.clone()
        wrong_tail[1, 5], wrong_tail[0, 9] = False, True
        self.file(tmp_path, middle=keep_mask, tail=wrong_tail)
        with pytest.raises(EnvironmentProblem, match=r"middle is not 2:4: row 1 keeps 3 of its columns 4–7, and 2 are"):
            take("middle")
        with pytest.raises(EnvironmentProblem, match=r"tail is not 2:4: row 0 keeps 2 of its columns 8–9, and 1 are"):
            take("tail")


def test_it_brings_its_own_counts():
    """The engine and the rules ask for neither a sparsity nor a scope."""
    assert given.BRINGS_COUNTS is True
    assert '"given"' in given.refuses(Pattern.parse("row"), "layer")
    assert given.refuses(Pattern(), "layer") == given.refuses(Pattern.parse("2:4"), "layer") == ""
