"""A study from the spec to results.json: what is finished is kept, what fails is a row, what cannot be is refused."""

from __future__ import annotations

import errno
import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sparsity_report import registry
from sparsity_report.engine import leaves, memory, nodes, stopwatch
from sparsity_report.engine.run import Options, run_study
from sparsity_report.engine.state import ModelState
from sparsity_report.errors import EnvironmentProblem, SpecError, UsageError
from sparsity_report.kernels import dots
from sparsity_report.models.anatomy import anatomy
from sparsity_report.results import store
from sparsity_report.spec.load import load_spec

from .conftest import SPEC


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The small study, run once: its results and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "small.toml").write_text(SPEC, encoding="utf-8")
    return run_study(load_spec(folder / "small.toml"), folder / "run", Options(), lambda _: None), folder / "run"


@pytest.fixture
def undisturbed(whole):
    """The results of the small study."""
    return whole[0]


@pytest.fixture
def finished(whole, tmp_path):
    """The same, and a folder `run` that it leaves."""
    shutil.copytree(whole[1], tmp_path / "run")
    return whole[0]


def numbers(results):
    """Everything but timings: what two runs must have in common."""
    return {
        (cell.id, each.metric, tuple(sorted(each.conditions.items(), key=str))): each.value
        for cell in results.cells
        for each in cell.metrics
        if each.noise != "timing"
    }


def test_a_study_leaves_valid_results(finished, tmp_path):
    """Every cell is there, the file reads back equal, and the numbers are those of the bundled model."""
    dense = next(cell for cell in finished.cells if cell.is_reference)
    csr = next(cell for cell in finished.cells if cell.variant.format.entry == "csr")
    masked = next(cell for cell in finished.cells if cell.id.startswith("magnitude-global-30-masked"))

    assert [cell.status for cell in finished.cells] == ["ok"] * 5
    assert finished == store.read(tmp_path / "run")
    assert dense.value("stored_bytes", over="model") == 1_915_680 * 4
    assert csr.value("stored_bytes", over="target") == 1_075_200 * 8 + 7_230 * 4
    assert csr.node == masked.node != dense.node
    assert csr.value("perplexity") == masked.value("perplexity") > dense.value("perplexity")
    assert 0 <= csr.value("max_abs_logit_difference") < 1e-3
    assert finished.cells[-1].fallbacks == ()
    assert [check.verdict for check in finished.checks] == ["pass", "pass"]


def test_perplexity_is_that_of_the_models_own_loss(undisturbed, tiny_opt):
    """The closing pass over the head gives what the model's own forward with labels gives."""
    from sparsity_report.contracts import CorpusRequest
    from sparsity_report.corpora import embedded
    from sparsity_report.windows import cut

    windows = cut(embedded.read(CorpusRequest()), tiny_opt.tokenizer, corpus="embedded", length=64, count=4, bos="auto")
    with torch.inference_mode():
        loss = tiny_opt.model(input_ids=windows.ids, labels=windows.ids).loss.item()

    assert undisturbed.cells[0].value("perplexity") == pytest.approx(math.exp(loss), rel=1e-5)


def test_the_same_study_gives_the_same_numbers(undisturbed, study, tmp_path):
    again, _ = study(tmp_path / "run")

    assert numbers(undisturbed) == numbers(again)


def test_finished_cells_are_kept_and_not_run_again(finished, study, tmp_path, monkeypatch):
    monkeypatch.setattr(nodes, "run_node", lambda *_: pytest.fail("a finished node ran again"))
    monkeypatch.setattr("sparsity_report.engine.run.execute", lambda *_: pytest.fail("a finished cell ran again"))

    second, _ = study(tmp_path / "run")

    assert finished.cells == second.cells


@pytest.mark.usefixtures("finished")
def test_force_runs_finished_cells_again(study, tmp_path):
    _, events = study(tmp_path / "run", force=True)

    assert sum(type(event).__name__ == "CellFinished" for event in events) == 5


@pytest.mark.usefixtures("finished")
def test_a_changed_format_runs_only_its_own_cell(study, tmp_path):
    """A new format of a known node neither prunes nor evaluates again."""
    _, events = study(tmp_path / "run", overrides=['variant.0.format=["masked", "csr", {use="csr", index="int64"}]'])
    names = [type(event).__name__ for event in events]

    assert names.count("CellFinished") == 1
    assert names.count("NodeStarted") == 0


TIMED = (
    "metrics.latency={ batch = [1], prompt = [8], decode = 2, runs = 3, seconds = 0, max_seconds = 0,"
    ' process = "shared" }'
)
USED = ("storage", "perplexity", "latency", "profile")


def use(*names):
    return f"metrics.use={json.dumps(names)}"


def test_a_new_metric_neither_prunes_nor_times_again(study, tmp_path, monkeypatch):
    """Down to the stage: only the metric's own forward runs; what the clock said before stands as it was."""
    one = ("*30-csr*",)
    first, _ = study(tmp_path / "run", only=one, overrides=(TIMED, use(*USED)))
    monkeypatch.setattr(nodes, "STAGES", {"prune": lambda *_: pytest.fail("pruned again")})
    monkeypatch.setattr("sparsity_report.engine.leaves.profile_pair", lambda *_: pytest.fail("profiled again"))
    monkeypatch.setattr("sparsity_report.engine.stopwatch.time_cell", lambda *_: pytest.fail("timed again"))

    second, events = study(tmp_path / "run", only=one, overrides=(TIMED, use(*USED, "flips")))

    def clocked(results):
        return [each for cell in results.cells for each in cell.metrics if each.noise == "timing"]

    assert sum(type(event).__name__ == "CellFinished" for event in events) == 2
    assert clocked(first) == clocked(second) != []
    assert numbers(first).items() < numbers(second).items()


def test_force_and_another_machine_time_again(study, tmp_path, monkeypatch):
    times = []
    time_cell = stopwatch.time_cell
    monkeypatch.setattr(stopwatch, "time_cell", lambda *a: (times.append(a), time_cell(*a))[1])
    options = {"overrides": (TIMED, use("storage", "latency")), "only": ("dense*",)}
    study(tmp_path / "run", **options)
    study(tmp_path / "run", **options)
    assert len(times) == 1
    study(tmp_path / "run", force=True, **options)
    assert len(times) == 2
    monkeypatch.setenv("OMP_PROC_BIND", "false")  # one of what the fingerprint is made of
    study(tmp_path / "run", **options)
    assert len(times) == 3


def test_a_failed_cell_is_a_row_with_its_reason_and_is_tried_again(study, tmp_path, monkeypatch):
    csr = registry.get("formats", "csr")
    with monkeypatch.context() as broken:
        broken.setattr(csr, "encode", lambda *_: (_ for _ in ()).throw(MemoryError("3 GiB needed")))
        results, _ = study(tmp_path / "run")
    again, _ = study(tmp_path / "run")

    statuses = {cell.variant.format.entry: (cell.status, cell.reason) for cell in results.cells}
    assert statuses["csr"] == ("failed", "MemoryError: 3 GiB needed")
    assert statuses["nm"] == ("ok", "")
    assert [cell.status for cell in again.cells] == ["ok"] * 5


def test_a_cell_that_does_not_fit_is_refused_with_the_estimate_and_alone(study, tmp_path, monkeypatch):
    """CSR at 30 % is larger than masked: with room between the two, it alone is refused, before anything is built."""
    csr, masked = 1_075_200 * 8 + 7_230 * 4, 1_536_000 * 4
    monkeypatch.setattr(leaves, "available_bytes", lambda: (csr + masked) // 2)
    results, _ = study(tmp_path / "run")
    reasons = {cell.variant.format.entry: cell.reason for cell in results.cells if cell.status != "ok"}
    monkeypatch.setattr(leaves, "available_bytes", lambda: None)  # a system that does not say
    again, _ = study(tmp_path / "run")

    assert reasons == {"csr": "it needs about 8 MiB of memory, and 7 MiB are left"}
    assert [cell.status for cell in again.cells] == ["ok"] * 5


@pytest.mark.parametrize(
    ("limit", "expected"), [("max", 2_000 * 1024), (str(10**6), 10**6 - 400_000 + 300_000), ("1000", 0)]
)
def test_memory_that_is_left_is_the_least_that_anybody_says(tmp_path, monkeypatch, limit, expected):
    for name, text in {
        "meminfo": "MemTotal: 9000 kB\nMemAvailable:   2000 kB\n",
        "memory.max": f"{limit}\n",
        "memory.current": "400000\n",
        "memory.stat": "anon 1\ninactive_file 100000\nactive_file 200000\n",
    }.items():
        (tmp_path / name).write_text(text, "utf-8")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)

    assert memory.available_bytes() == expected
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "none")
    assert memory.available_bytes() is None


def test_a_failed_node_fails_all_its_formats(study, tmp_path, monkeypatch):
    magnitude = registry.get("methods", "magnitude")
    with monkeypatch.context() as broken:
        broken.setattr(magnitude, "score", lambda weight, *_, **__: weight * math.nan)
        results, _ = study(tmp_path / "run")

    assert [cell.status for cell in results.cells] == ["ok", "failed", "failed", "failed", "failed"]
    assert "NaN" in results.cells[1].reason


def test_a_collapsed_model_is_diverged_and_not_dropped(study, tmp_path, monkeypatch):
    """T48: infinite weights after pruning: the cell is kept, its perplexity is null, its bytes are counted."""
    original = ModelState.module_weight_OI

    def collapsed(state, path):
        weight = original(state, path)
        return weight / 0 if state.keep_masks else weight

    monkeypatch.setattr(ModelState, "module_weight_OI", collapsed)
    results, _ = study(tmp_path / "run")
    masked = results.cells[1]

    assert masked.status == "diverged"
    assert masked.value("perplexity") is None
    assert masked.value("stored_bytes", over="model") > 0


def test_an_interrupted_study_resumes_with_the_same_numbers(undisturbed, study, tmp_path, monkeypatch):
    """Ctrl-C in the middle of the leaves: the same command finishes, and the numbers are the undisturbed ones."""
    calls = []

    def interrupt(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return leaves.execute(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr("sparsity_report.engine.run.execute", interrupt)
        with pytest.raises(KeyboardInterrupt):
            study(tmp_path / "run")
    resumed, events = study(tmp_path / "run")

    assert sum(type(event).__name__ == "CellFinished" for event in events) == 3
    assert numbers(undisturbed) == numbers(resumed)


def test_interrupted_nodes_are_taken_up_from_their_hidden_states(study, tmp_path, monkeypatch):
    ran = []
    original = nodes.forward_hidden

    def interrupt(*arguments):
        ran.append(arguments)
        if len(ran) == 3:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(nodes, "forward_hidden", interrupt)
        with pytest.raises(KeyboardInterrupt):
            study(tmp_path / "run")
    monkeypatch.setattr(nodes, "forward_hidden", lambda *a: (ran.append(a), original(*a))[1])
    study(tmp_path / "run")

    assert len(ran) == 4
    assert list((tmp_path / "run" / "artifacts").glob("*.hidden.*")) == []


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the system does not tell what is mapped")
def test_hidden_states_wait_on_the_disk(study, tmp_path, monkeypatch):
    """Else every state would add its own to the memory that pruning the next is said to have needed."""
    waiting = []

    def mapped(tensor):
        for line in Path("/proc/self/maps").read_text().splitlines():
            first, last = (int(end, 16) for end in line.split()[0].split("-"))
            if first <= tensor.data_ptr() < last:
                return line.endswith(".hidden.safetensors")
        return False

    def closing_pass(ids, dense, stack, *rest):
        waiting.extend(mapped(each.hidden_NLD) for each in (dense, *stack))
        return made(ids, dense, stack, *rest)

    made = nodes.closing_pass
    monkeypatch.setattr(nodes, "closing_pass", closing_pass)
    study(tmp_path / "run")

    assert waiting == [True] * 4
    assert not list((tmp_path / "run" / "artifacts").glob("*.hidden.*"))


KINDS_OF_ENTRIES = ("cells/*.json", "nodes/*.json", "artifacts/*.state.safetensors", "detail/*.json.gz")


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_files_of_an_earlier_run_are_made_again(finished, study, tmp_path, damage):
    """Cut short, or with one digit or bit changed so that it can still be read: its hash tells."""
    files = [file for kind in KINDS_OF_ENTRIES for file in (tmp_path / "run").glob(kind)]
    assert len({file.parent.name for file in files}) == len(KINDS_OF_ENTRIES)
    for file in files:
        whole = file.read_bytes()
        place = next((at for at in range(len(whole) - 9, 0, -1) if whole[at : at + 1].isdigit()), 0)
        changed = bytes([whole[place] ^ 1])
        file.write_bytes(whole[:20] if damage == "cut" else whole[:place] + changed + whole[place + 1 :])

    second, events = study(tmp_path / "run")

    assert numbers(finished) == numbers(second)
    assert sum(type(event).__name__ == "CellFinished" for event in events) == 5


def test_a_full_disk_ends_the_run_with_a_remedy_and_loses_nothing(study, tmp_path, monkeypatch):
    """Exit 4; what was finished before is kept."""
    original, written = store.write_bytes, []

    def full(path, data):
        if path.parent.name == "cells" and len(written) == 2:
            with store.disk_problems(path):
                raise OSError(errno.ENOSPC, "No space left on device")
        original(path, data)
        written.extend([path] if path.parent.name == "cells" else [])

    with monkeypatch.context() as patched:
        patched.setattr(store, "write_bytes", full)
        with pytest.raises(EnvironmentProblem, match="disk is full") as problem:
            study(tmp_path / "run")
    _, events = study(tmp_path / "run")

    assert problem.value.exit_code == 4
    assert sum(type(event).__name__ == "CellFinished" for event in events) == 3


def test_a_second_run_in_the_same_folder_is_refused(study, tmp_path):
    with store.locked(tmp_path / "run"), pytest.raises(EnvironmentProblem, match="another run owns"):
        study(tmp_path / "run")


def test_a_folder_below_a_file_is_refused(study, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        study(tmp_path / "file" / "run")


def test_a_read_only_folder_is_refused(study, tmp_path, monkeypatch):
    """What a user without permission sees: the system refuses to make the folder."""
    original = type(tmp_path).mkdir

    def refuse(path, *arguments, **options):
        if path == tmp_path / "run":
            raise PermissionError(errno.EACCES, "Permission denied")
        return original(path, *arguments, **options)

    monkeypatch.setattr(type(tmp_path), "mkdir", refuse)
    with pytest.raises(EnvironmentProblem, match="--out") as problem:
        study(tmp_path / "run")

    assert problem.value.exit_code == 4


def test_only_selects_cells_and_keeps_the_reference(study, tmp_path):
    results, _ = study(tmp_path / "run", only=("*csr*",))

    assert [cell.variant.format.entry for cell in results.cells] == ["dense", "csr"]
    with pytest.raises(UsageError, match="matches no cell"):
        study(tmp_path / "run", only=("nothing*",))


def test_only_leaves_the_other_finished_cells_in_the_results(finished, study, tmp_path):
    part, events = study(tmp_path / "run", only=("*csr*",), force=True)

    assert [cell.id for cell in finished.cells] == [cell.id for cell in part.cells]
    assert sum(type(event).__name__ == "CellFinished" for event in events) == 2


def test_quick_takes_little_text_and_says_so(study, tmp_path):
    results, _ = study(tmp_path / "run", quick=True)

    assert results.quick
    assert results.data[0].windows == 2


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("data.evaluation.length=512", SpecError, "more than the model's context"),
        ('target.include=["nowhere.*"]', SpecError, "matches no matrix"),
        ('data.evaluation.source="text:missing.txt"', EnvironmentProblem, "there is no text"),
        ('data.evaluation.source="package:no_such_package/*.txt"', EnvironmentProblem, "not installed"),
        ('model.0.source="./no/such/model"', EnvironmentProblem, "no directory"),
        ("hardware.device=cuda", EnvironmentProblem, "CUDA"),
    ],
)
def test_what_makes_the_study_impossible_is_said_before_anything_is_pruned(study, tmp_path, override, error, message):
    if "cuda" in override and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(error, match=message):
        study(tmp_path / "run", overrides=(override,))


def test_one_model_out_of_reach_among_two_is_failed_cells(study, spec_file, tmp_path):
    text = spec_file.read_text(encoding="utf-8")
    spec_file.write_text(text.replace("[data]", '[[model]]\nsource = "./missing"\nid = "missing"\n[data]'), "utf-8")

    results, _ = study(tmp_path / "run")

    by_model = {cell.variant.model: cell.status for cell in results.cells}
    assert by_model == {"tiny-opt": "ok", "missing": "failed"}
    assert json.loads((tmp_path / "run" / "results.json").read_text("utf-8"))["schema_version"] == 1


def test_planned_bytes_are_the_executed_bytes(undisturbed, spec_file):
    """`plan` counts by arithmetic what `run` counts of real tensors."""
    from sparsity_report import estimate
    from sparsity_report.contracts import ModelRequest
    from sparsity_report.models import arithmetic, loading
    from sparsity_report.planning import plan_cells

    spec = load_spec(spec_file).spec
    shape = arithmetic.shape_of(loading.config(ModelRequest("bundled:tiny-opt")))
    planned = estimate.account(shape, spec, spec.model[0], plan_cells(spec))["cells"]

    executed = {cell.id: cell.value("stored_bytes", over="target") for cell in undisturbed.cells}
    assert executed == {name: cell["target_bytes"] for name, cell in planned.items()}


@pytest.mark.usefixtures("finished")
def test_a_renamed_variant_is_found_by_its_new_name(study, spec_file, tmp_path):
    """Finished cells are kept, and are called what the spec calls them now."""
    text = spec_file.read_text(encoding="utf-8")
    spec_file.write_text(text.replace('id = "course"', 'id = "paper"'), encoding="utf-8")

    results, events = study(tmp_path / "run")

    assert [event for event in events if type(event).__name__ == "CellFinished"] == []
    assert {"dense", "paper", "semi"} == {cell.variant.id for cell in results.cells}


def test_a_renamed_model_is_called_by_its_new_name_everywhere(study, tmp_path):
    """What the folder keeps of it is good under any name; records that speak of one that is gone broke the report."""
    more = ('metrics.use=["storage", "perplexity", "sensitivity"]', "data.evaluation.windows=1")
    before, _ = study(tmp_path / "run", overrides=more)
    after, _ = study(tmp_path / "run", overrides=(*more, 'model.0.id="renamed"'))

    assert {each.id for each in after.models} == {"renamed"}
    for records in (after.nodes, after.overlaps, after.histograms, after.excerpts, after.sensitivity, after.tipping):
        assert {each.model for each in records} <= {"renamed"}
    assert [each.sparsity for each in after.nodes] == [each.sparsity for each in before.nodes] != []


def test_a_dense_model_that_fails_fails_every_cell_and_the_results_are_written(study, tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("no forward")

    monkeypatch.setattr(nodes, "forward_hidden", broken)
    results, _ = study(tmp_path / "run")

    assert {"failed"} == {cell.status for cell in results.cells}
    assert results.cells[1].reason == "dense failed: RuntimeError: no forward"


def test_half_precision_runs_and_says_what_is_widened(study, tmp_path):
    """bfloat16: packed N:M equals masked within the type's rounding; CSR's product widens it (T54)."""
    results, _ = study(tmp_path / "run", overrides=("model.0.dtype=bfloat16",))
    by_format = {cell.variant.format.entry: cell for cell in results.cells}

    assert by_format["csr"].status == "ok"
    assert by_format["csr"].fallbacks[0].what == "widened"
    assert "bfloat16" in by_format["csr"].fallbacks[0].why
    assert by_format["nm"].status == "ok"
    unpacked = [25] if dots.takes() else []  # of 30: what reads 160 inputs, no whole chunks of 64
    assert unpacked == [each.count for each in by_format["nm"].fallbacks if each.what == "unpacked for many tokens"]
    assert [check.verdict for check in results.checks] == ["pass", "pass"]
    assert by_format["dense"].value("stored_bytes", over="model") == 1_915_680 * 2


def test_masks_from_elsewhere_that_have_changed_are_taken_anew(spec_file, tmp_path, tiny_opt):
    """`given`: a file of the same name with other masks is another state; the same file is not read twice."""
    shapes = [each.shape for each in anatomy(tiny_opt.model).matrices if each.shape.block >= 0]
    text = spec_file.read_text(encoding="utf-8")
    spec = text[: text.index("[[variant]]")] + text[text.index("[metrics]") :]
    given = '[[variant]]\nmethod = "given"\nformat = "masked"\n[variant.params.given]\nsource = "masks.safetensors"\n'
    spec_file.write_text(spec + given, encoding="utf-8")

    def sparsity(kept):
        save_file(
            {shape.path: torch.arange(shape.numel).view(shape.rows, -1) % 4 < kept for shape in shapes},
            tmp_path / "masks.safetensors",
        )
        events = []
        results = run_study(load_spec(spec_file), tmp_path / "run", Options(), events.append)
        finished = sum(type(event).__name__ == "CellFinished" for event in events)
        return results.cells[1].value("pruned_fraction"), finished

    assert sparsity(3) == (0.25, 2)
    assert sparsity(1) == (0.75, 1)
    assert sparsity(1) == (0.75, 0)


def test_the_lock_pins_what_was_run(finished, tmp_path):
    lock = json.loads((tmp_path / "run" / "spec.lock.json").read_text("utf-8"))

    assert finished.models[0].revision == lock["models"]["tiny-opt"]["revision"]
    assert finished.data[0].token_ids_sha256 == lock["data"][0]["token_ids_sha256"]


def test_the_authors_text_travels_in_the_results(study, spec_file, tmp_path):
    """So that a report can be made again without the files."""
    text = spec_file.read_text(encoding="utf-8")
    spec_file.write_text(
        text + '\n[report]\nnotes = { discussion = "own.md", references = "own.bib" }\n', encoding="utf-8"
    )
    with pytest.raises(SpecError, match=r"'own\.md' cannot be read"):
        study(tmp_path / "run")
    (tmp_path / "own.md").write_text("Dense: {{ perplexity | variant=dense }} [@me2026].", encoding="utf-8")
    (tmp_path / "own.bib").write_text("@misc{me2026, author = {Me}, title = {Mine}}", encoding="utf-8")

    results, _ = study(tmp_path / "run", only=("dense*",))

    assert results.study.note("discussion").text == "Dense: {{ perplexity | variant=dense }} [@me2026]."
    assert results.study.references == {"me2026": {"type": "misc", "author": "Me", "title": "Mine"}}


def test_the_attention_implementation_is_pinned_and_recorded(undisturbed):
    """T28: implementations differ in the last digits, so that one is chosen and told."""
    assert [model.attention for model in undisturbed.models] == ["sdpa"]


EXPECT = """
[[expect]]
what = "CSR is smaller"
where = { format = "csr" }
metric = "stored_bytes"
over = "target"
relative_to = "dense"
at_most = 1.0
"""


def edit(spec_file, old, new):
    spec_file.write_text(spec_file.read_text("utf-8").replace(old, new), "utf-8")


def interrupt(*_):
    raise KeyboardInterrupt


def test_expectations_are_registered_before_the_first_result(study, spec_file, tmp_path, monkeypatch):
    """An interrupted run resumes under its registration; what is edited in between is late, also with --force."""
    spec_file.write_text(spec_file.read_text("utf-8") + EXPECT, "utf-8")
    with monkeypatch.context() as patched:
        patched.setattr("sparsity_report.engine.run.run_model", interrupt)
        with pytest.raises(KeyboardInterrupt):
            study(tmp_path / "run")
    written = json.loads((tmp_path / "run" / "expectations.json").read_text("utf-8"))
    assert not (tmp_path / "run" / "cells").exists()
    assert [each["after_results"] for each in written["versions"]] == [False]

    resumed, _ = study(tmp_path / "run", only=("*csr*",))
    assert resumed.registration.registered == written["versions"][0]["registered"]
    assert resumed.registration.sha256 == written["versions"][0]["sha256"]
    assert (resumed.alerts, [each.late for each in resumed.checks if each.origin == "expect"]) == ((), [False])
    assert [each.verdict for each in resumed.checks if each.origin == "expect"] == ["miss"]

    edit(spec_file, "at_most = 1.0", "at_most = 1.5")
    edited, events = study(tmp_path / "run", only=("*csr*",), force=True)
    (check,) = (each for each in edited.checks if each.origin == "expect")
    assert (check.verdict, check.late) == ("pass", True)
    assert "edited after the first results" in edited.alerts[0].text
    assert any("edited after" in getattr(event, "text", "") for event in events)

    fresh, _ = study(tmp_path / "new", only=("*csr*",))
    assert fresh.alerts == ()
    assert fresh.registration.registered
