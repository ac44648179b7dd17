"""Tasks through lm-evaluation-harness: the numbers are those of the harness run by hand (T49)."""

from __future__ import annotations

import contextlib
import copy

import pytest
import tiny_lm_tasks
import torch
from jinja2 import TemplateError

from sparsity_report.contracts import FormatChoice
from sparsity_report.engine import harness
from sparsity_report.engine.state import ModelState, targeted
from sparsity_report.engine.variant import build
from sparsity_report.errors import EnvironmentProblem, SparsityReportError, SpecError
from sparsity_report.models.anatomy import anatomy
from sparsity_report.models.blocks import shared_copy
from sparsity_report.results.stats import bootstrap_strata
from sparsity_report.spec.model import Target, Tasks

lm_eval = pytest.importorskip("lm_eval")
NAMES = ("tiny_facts", "tiny_pairs")


@pytest.fixture(scope="module", autouse=True)
def _no_hub(tmp_path_factory):
    """The harness' data sets are cached apart, and the hub is not asked."""
    import datasets

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        patched.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_lm_tasks.write(tmp_path_factory.mktemp("study") / "tasks")


@pytest.fixture(scope="module")
def task_set(folder):
    return harness.load(Tasks(use=NAMES, include="tasks"), base=str(folder.parent), quick=False)


def pruned(loaded):
    """Half of every targeted matrix gone, in a way that can be repeated."""
    parts = anatomy(loaded.model)
    targets = targeted(parts, Target())
    dense = ModelState(loaded.model, parts, targets)
    masks = {}
    for each in targets:
        weight = dense.weight_OI(each)
        masks[each.shape.path] = weight.abs() > weight.abs().flatten().quantile(0.5)
    return ModelState(loaded.model, parts, targets, keep_masks=masks)


def by_hand(model, tokenizer, folder, **options):
    """What a user of the harness types."""
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    with contextlib.chdir(folder):
        return simple_evaluate(
            model=HFLM(pretrained=model, tokenizer=copy.deepcopy(tokenizer), batch_size=8),
            tasks=list(NAMES),
            task_manager=TaskManager(include_path=str(folder), include_defaults=False),
            num_fewshot=0,
            **options,
        )


def test_the_numbers_are_those_of_the_harness_run_by_hand(tiny_opt, task_set, folder):
    """Of the dense model and of a pruned one whose weights were set to zero in the model itself."""
    state = pruned(tiny_opt)
    zeroed = copy.deepcopy(tiny_opt.model)
    with torch.no_grad():
        for each in state.targets:
            zeroed.get_submodule(each.module).weight.mul_(state.keep_masks[each.shape.path])

    for model, reference in ((tiny_opt.model, tiny_opt.model), (build(state, FormatChoice("masked")).model, zeroed)):
        found = harness.evaluate(task_set, model, tiny_opt.tokenizer)
        expected = by_hand(reference, tiny_opt.tokenizer, folder)["results"]
        for scores in found:
            for measure, value in scores.values.items():
                assert value == expected[scores.task][f"{measure},none"]
                assert scores.stderr[measure] == expected[scores.task][f"{measure}_stderr,none"]
                assert sum(scores.items[measure]) / len(scores.items[measure]) == pytest.approx(value)
        assert [sorted(scores.values) for scores in found] == [["acc", "acc_norm"], ["acc"]]
        assert [scores.fewshot for scores in found] == [0, 0]


def test_a_limit_takes_the_first_items(tiny_opt, folder):
    limited = harness.load(Tasks(use=NAMES, include="tasks", limit=5), base=str(folder.parent), quick=False)
    (facts, _), whole = (
        harness.evaluate(limited, tiny_opt.model, tiny_opt.tokenizer),
        by_hand(tiny_opt.model, tiny_opt.tokenizer, folder, limit=5),
    )

    assert len(facts.items["acc"]) == 5
    assert facts.values["acc"] == whole["results"]["tiny_facts"]["acc,none"]
    assert [(each.items, each.of) for each in limited.records] == [(5, 24), (5, 18)]


def test_every_format_of_a_state_answers_alike(tiny_opt, task_set):
    """Behaviour belongs to the node: CSR executes what masked does."""
    state = pruned(tiny_opt)
    masked, csr = (
        harness.evaluate(task_set, build(state, choice).model, tiny_opt.tokenizer)
        for choice in (FormatChoice("masked"), FormatChoice("csr", {"index": "int32"}))
    )

    assert masked == csr


def test_an_output_projection_of_its_own_is_not_tied_to_the_embedding(tiny_opt):
    """The harness ties the weights of every model that it is given."""
    model = shared_copy(tiny_opt.model)
    own = model.get_output_embeddings()
    own.weight = torch.nn.Parameter(torch.zeros_like(own.weight), requires_grad=False)

    executed = harness.language_model(model, tiny_opt.tokenizer, 1).model

    assert executed.get_output_embeddings().weight.count_nonzero() == 0
    assert executed.get_input_embeddings().weight.count_nonzero() > 0


def test_the_tokenizer_of_the_study_stays_as_it_is(tiny_opt, task_set):
    before = tiny_opt.tokenizer.pad_token
    harness.language_model(tiny_opt.model, tiny_opt.tokenizer, 1)

    assert tiny_opt.tokenizer.pad_token == before


def test_the_record_says_what_a_number_depends_on(task_set):
    """T49: version of harness and task, examples in the prompt, chat template, split and items."""
    facts = task_set.records[0]

    assert facts.harness == f"lm-eval {lm_eval.__version__}"
    assert (facts.task, facts.version, facts.fewshot, facts.prompt) == ("tiny_facts", "1.5", 0, "no chat template")
    assert (facts.split, facts.dataset, facts.items, facts.of) == ("validation", "json", 24, 24)


def test_other_items_are_another_key(tmp_path):
    """Data beside a task file are no part of the spec, so the key of what is kept looks at them."""
    tiny_lm_tasks.write(tmp_path / "tasks")
    keys = set()
    for _ in range(2):
        keys.add(harness.load(Tasks(use=NAMES, include="tasks"), base=str(tmp_path), quick=False).key)
        file = tmp_path / "tasks" / "tiny_facts.jsonl"
        file.write_text(file.read_text("utf-8").replace("about", "on"), "utf-8")

    assert len(keys) == 2


@pytest.mark.parametrize(
    ("wanted", "error", "code", "message"),
    [
        ({"use": ("tiny_fact",), "include": "tasks"}, SpecError, 3, "did you mean 'tiny_facts'"),
        ({"use": ("mmlu",), "include": "tasks"}, SpecError, 3, "names several tasks"),
        ({"use": ("wikitext",), "include": "tasks"}, EnvironmentProblem, 4, "metrics.tasks.include"),
        ({"use": ("piqa",)}, EnvironmentProblem, 4, "cannot be loaded"),
        ({"use": NAMES, "include": "nowhere"}, EnvironmentProblem, 4, "no folder of tasks 'nowhere'"),
    ],
)
def test_what_is_missing_is_said_with_a_remedy(folder, wanted, error, code, message):
    with pytest.raises(error, match=message) as refused:
        harness.load(Tasks(**wanted), base=str(folder.parent), quick=False)

    assert refused.value.exit_code == code


def test_a_task_without_accuracy_is_refused(tmp_path):
    tiny_lm_tasks.write(tmp_path / "tasks")
    file = tmp_path / "tasks" / "tiny_pairs.yaml"
    file.write_text(file.read_text("utf-8").replace("metric: acc", "metric: brier_score"), "utf-8")

    with pytest.raises(SpecError, match="has no accuracy: it reports brier_score"):
        harness.load(Tasks(use=("tiny_pairs",), include="tasks"), base=str(tmp_path), quick=False)


EVIL = "import pathlib\npathlib.Path({path!r}).touch()\nrun = print\nclass Task: pass\n"


@pytest.mark.parametrize(
    "line",
    [
        "process_docs: !function evil.run",
        "process_docs: !function {folder}/evil.run",
        "class: {folder}/evil.Task",
        "include: ../elsewhere.yaml",
        "include: [hidden.txt]",
        "dataset_path: evil.py",
        "dataset_kwargs: {{ trust_remote_code: true }}",
        "metric_list: [{{ metric: {folder}/evil.py }}]",
        "doc_to_text: '{{{{ cycler.__init__.__globals__.os.system(\"touch {touched}\") }}}}'",
        "doc_to_choice: '{{{{ [].__class__.__base__.__subclasses__() }}}}'",
    ],
)
def test_code_that_comes_with_a_study_is_not_run(tiny_opt, tmp_path, line):
    """Of a task file the harness imports and evaluates much: with us it is refused, or the task fails."""
    folder = tiny_lm_tasks.write(tmp_path / "tasks")
    touched = tmp_path / "touched"
    (folder / "evil.py").write_text(EVIL.format(path=str(touched)), "utf-8")
    for name in ("hidden.txt", "../elsewhere.yaml"):
        (folder / name).write_text(f"process_docs: !function {folder}/evil.run\n", "utf-8")
    file = folder / "tiny_pairs.yaml"
    key, asked = line.partition(":")[0], line.format(folder=folder, touched=touched)
    kept = [each for each in file.read_text("utf-8").splitlines() if not each.startswith(f"{key}:")]
    if key in ("metric_list", "dataset_kwargs"):  # and what is indented below it
        head = file.read_text("utf-8").partition(f"{key}:")
        kept = [*head[0].splitlines(), *(each for each in head[2].splitlines()[1:] if not each.startswith(" "))]
    file.write_text("\n".join([*kept, asked]) + "\n", "utf-8")

    def run() -> None:
        found = harness.load(Tasks(use=("tiny_pairs",), include="tasks"), base=str(tmp_path), quick=True)
        harness.evaluate(found, tiny_opt.model, tiny_opt.tokenizer)

    with pytest.raises((SparsityReportError, TemplateError)):
        run()
    assert not touched.exists()


def test_the_extra_that_is_missing_is_named(monkeypatch, folder):
    monkeypatch.setitem(__import__("sys").modules, "lm_eval", None)

    with pytest.raises(EnvironmentProblem, match=r"sparsity-report\[all\]"):
        harness.load(Tasks(use=NAMES, include="tasks"), base=str(folder.parent), quick=False)


# In a study

SPEC = """
spec_version = 1
[study]
title = "Tasks"
[[model]]
source = "bundled:tiny-opt"
[data]
evaluation = { source = "embedded", length = 64, windows = 2 }
[[variant]]
id = "half"
method = "magnitude"
sparsity = 0.8
format = ["masked", "csr"]
[metrics]
use = ["perplexity", "tasks"]
tasks = { use = ["tiny_facts", "tiny_pairs"], include = "tasks" }
"""


@pytest.fixture
def spec_file(tmp_path):
    tiny_lm_tasks.write(tmp_path / "tasks")
    file = tmp_path / "small.toml"
    file.write_text(SPEC, encoding="utf-8")
    return file


def test_a_study_keeps_each_nodes_scores(study, tmp_path, monkeypatch):
    """Three cells, two nodes, two evaluations; the formats of a node have the same numbers; resuming runs none."""
    ran = []
    original = harness.evaluate
    monkeypatch.setattr(harness, "evaluate", lambda *arguments: (ran.append(arguments), original(*arguments))[1])
    results, _ = study(tmp_path / "run")
    dense, masked, csr = results.cells

    assert len(ran) == 2
    assert [each.task for each in results.tasks] == ["tiny_facts", "tiny_pairs"]
    facts, pairs = (masked.value("task_acc", task=name) for name in NAMES)
    base = [dense.value("task_acc", task=name) for name in NAMES]
    assert masked.value("task_mean") == pytest.approx((facts + pairs) / 2)
    assert masked.value("task_retained") == pytest.approx((facts + pairs) / sum(base))
    assert dense.value("task_retained") == 1.0
    assert dense.find("task_retained").ci == (1.0, 1.0)
    assert masked.find("task_acc", task="tiny_facts").n == 24
    assert masked.find("task_acc", task="tiny_facts").stderr > 0
    assert [each for each in masked.metrics if "task" in each.metric] == [
        each for each in csr.metrics if "task" in each.metric
    ]
    (tmp_path / "run" / "cells" / f"{csr.id}.json").unlink()
    again, _ = study(tmp_path / "run")
    assert len(ran) == 2
    assert again.cells[2].metrics == csr.metrics


def test_a_failure_on_tasks_is_the_reason_of_the_nodes_cells(study, tmp_path, monkeypatch):
    original = harness.evaluate

    def broken(tasks, model, tokenizer):
        if (model.model.decoder.layers[0].fc1.weight == 0).any():
            raise RuntimeError("a choice is empty")
        return original(tasks, model, tokenizer)

    monkeypatch.setattr(harness, "evaluate", broken)
    results, _ = study(tmp_path / "run")

    assert [cell.status for cell in results.cells] == ["ok", "failed", "failed"]
    assert results.cells[1].reason == "tasks: RuntimeError: a choice is empty"


def test_a_rehearsal_takes_a_few_items(folder):
    found = harness.load(Tasks(use=NAMES, include="tasks"), base=str(folder.parent), quick=True)

    assert [each.items for each in found.records] == [harness.QUICK_ITEMS] * 2


# The interval of the share retained


def test_the_interval_draws_each_task_by_itself():
    """Two constant tasks cannot vary, however they are drawn; drawn together they would mix."""
    import numpy as np

    values = [np.zeros(10), np.ones(30)]
    ends = bootstrap_strata(
        [10, 30], lambda *indices: np.mean([v[i].mean(axis=-1) for v, i in zip(values, indices, strict=True)], axis=0)
    )

    assert ends == (0.5, 0.5)


def test_the_interval_of_a_mean_has_the_width_of_its_standard_error():
    """Half of 400 items right: 1.96 × 0.025."""
    import numpy as np

    values = np.tile([0.0, 1.0], 200)
    low, high = bootstrap_strata([400], lambda indices: values[indices].mean(axis=-1))

    assert low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.005)
    assert high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.005)
