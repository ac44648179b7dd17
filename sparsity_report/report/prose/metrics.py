"""Section 3: what each metric is, and what it can and cannot claim. Only metrics that occur are defined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...results import timing
from .. import numbers, tables
from ..document import Section
from ..markup import cite, emphasis, formula, ref
from . import setup
from .words import defined, equation, paragraph, recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import Results
    from ..document import Block
    from ..drawing import Drawing

PROXY = (
    f"A {emphasis('proxy')} is a quantity that can be counted or measured with the means at hand and that moves with "
    "the "
    "quantity of interest without being it. Top-1 agreement and KL divergence are proxies of quality, the FLOPs "
    "count is "
    "one of time. Proxies are read by comparison, never as absolute performance."
)

VALUE = formula("b", "b")
INDEX = formula(r"b_{\mathrm{idx}}", "b index")
POINTER = formula(r"b_{\mathrm{ptr}}", "b pointer")
OUT, IN = emphasis("O"), emphasis("I")
TARGET = formula(r"\mathcal{T}", "T")


def storage(results: Results) -> tuple[Block, ...]:
    formats = {each.name for each in setup.used(results, "format")} | {
        cell.variant.format.entry for cell in results.cells
    }
    chosen = [name for name in LEADS if name in formats]
    pays = (*paragraph("so that CSR is smaller than dense above its break-even sparsity:"), equation("break_even"))
    return (
        *defined(
            "Stored bytes are the bytes of every tensor that a variant holds, parameters and buffers, indices and "
            f"pointers included, each counted once. A dense matrix of {OUT} rows and {IN} columns has {OUT} times {IN} "
            f"values of {VALUE} bytes",
            recorded(results, "format", "dense", "dense_bytes"),
        ),
        *(
            block
            for name in chosen
            for block in (
                *defined(LEADS[name], recorded(results, "format", name, f"{name}_bytes")),
                *(pays if name == "csr" else ()),
            )
        ),
        *paragraph(
            "It can claim what a format needs in memory for the weights; it says nothing of a compressed file, of "
            "activations or of the key–value cache.",
            heading="Limits.",
        ),
    )


LEADS = {
    "csr": f"CSR{cite('saad2003iterative')} stores the non-zero values, a column index of {INDEX} bytes for each of "
    f"them and a pointer of {POINTER} bytes for each row",
    "csc": f"CSC{cite('saad2003iterative')} stores the same column by column: a row index of {INDEX} bytes for each "
    f"non-zero value and a pointer of {POINTER} bytes for each column",
    "bsr": f"BSR{cite('saad2003iterative')} stores every block of h rows and w columns that is not all zero, with the "
    "zeros in it, and an index for each block",
    "nm": f"The packed N:M form{cite('mishra2021accelerating')} stores N values of every M and their positions in "
    "the group",
    "semi-structured": f"CUDA’s 2:4 form{cite('mishra2021accelerating')} stores two of every four values and two bits "
    "for each of their positions",
    "bitmask": f"A bitmask{cite('fan2025spinfer')} stores the non-zero values and one bit for every weight",
}


def sparsity(results: Results) -> tuple[Block, ...]:
    return (
        *defined(
            f"Sparsity is the fraction of parameters that are zero, with {emphasis('N')} parameters of "
            f"{emphasis('T')} not zero, each counted once",
            recorded(results, "metric", "sparsity", "sparsity"),
        ),
        *paragraph(
            "Since only some matrices are pruned, the sparsity of the model is below the sparsity of these target "
            f"matrices {TARGET}, which is what a spec requests:"
        ),
        equation("sparsity_target"),
        *paragraph(
            f"For a group {emphasis('g')} of parameters {emphasis('θ')} (embedding, attention, MLP, LM head, norms), "
            "sparsity and share are"
        ),
        equation("group_sparsity"),
        equation("parameter_fraction"),
        *paragraph(
            "Sparsity is the same for every format of one mask, also for one that stores no zeros. It does not say "
            "whether the zeros save anything.",
            heading="Limits.",
        ),
    )


def flops(results: Results) -> tuple[Block, ...]:
    return (
        *defined(
            "The FLOPs proxy counts two operations for every weight that a linear map multiplies, per token: all "
            "weights where dense kernels run, the non-zeros where the format skips zeros",
            recorded(results, "metric", "flops", "flops"),
        ),
        *paragraph(
            "The proxy is optimistic. It leaves out attention’s products between tokens, norms and look-ups, and the "
            "cost of indices, of irregular memory access and of lower arithmetic intensity: fewer FLOPs do not imply "
            "a shorter time, least of all on a CPU.",
            heading="Limits.",
        ),
    )


def agreement(results: Results) -> tuple[Block, ...]:
    return (
        *defined(
            f"Top-1 agreement is the share of the {emphasis('n')} predicted positions at which dense model "
            f"({emphasis('d')}) and variant ({emphasis('v')}), given the same tokens, rank the same token first",
            recorded(results, "metric", "agreement", "agreement_top1"),
        ),
        *paragraph(
            f"Logits suffice, since the softmax keeps their order ({ref('app:argmax')}). The interval is Wilson’s"
            f"{cite('wilson1927probable')}."
        ),
        *paragraph(
            "Two more shares forgive a decision that was nearly tied: how often the dense model’s first token is among "
            f"the variant’s first five, and how many of the first five ({emphasis('K')}) both have in common:"
            if _has(results, "overlap_top5")
            else ""
        ),
        *((equation("overlap_top5"),) if _has(results, "overlap_top5") else ()),
        *paragraph(
            "It measures the stability of single decisions. It ignores confidence, so that probability may move "
            "while the first token stays, and a tiny change may flip a nearly tied decision; it ignores all ranks "
            "but the first; it depends on the text; and it says nothing about long generations. It is not a "
            "quality score: a variant may disagree with the dense model and be right.",
            heading="Limits.",
        ),
    )


def divergence(results: Results) -> tuple[Block, ...]:
    return (
        *defined(
            f"The Kullback–Leibler divergence{cite('kullback1951information')} of the variant’s next-token "
            "distribution from the dense one is taken over the whole vocabulary and given in nats",
            recorded(results, "metric", "divergence", "kl_divergence"),
        ),
        *(
            (
                *paragraph(
                    f"The Jensen–Shannon divergence{cite('lin1991divergence')} is its bounded, symmetric sister:"
                ),
                equation("jensen_shannon"),
            )
            if _has(results, "js_divergence")
            else ()
        ),
        *paragraph(
            "It sees shifts of probability that agreement cannot. It says how far two distributions are apart, not "
            "which of them is better.",
            heading="Limits.",
        ),
    )


def perplexity(results: Results) -> tuple[Block, ...]:
    return (
        *defined(
            f"Perplexity{cite('jelinek1977perplexity')} is the exponential of the mean negative log-likelihood of "
            "the token that follows",
            recorded(results, "metric", "perplexity", "perplexity"),
        ),
        *paragraph(
            f"Its interval is a bootstrap over windows{cite('efron1993bootstrap')}. Bits per byte put the same "
            "likelihood on a scale that does not depend on the tokenizer:"
        ),
        equation("bits_per_byte"),
        *paragraph(
            "Perplexities are comparable only within one protocol: the same text, tokenizer, window length and "
            "BOS policy. They are no measure of usefulness.",
            heading="Limits.",
        ),
    )


def flips(results: Results) -> tuple[Block, ...]:
    return (
        *defined(
            "A flip is a position at which the variant’s first token is not the dense model’s. Flips are counted by "
            f"the margin {emphasis('m')} of the dense model’s decision, and by how frequent its token is in the text",
            recorded(results, "metric", "flips", "flip_rate"),
        ),
        *paragraph(
            "A flip is a change, not an error: it says how stable a decision was, not which of the two is right.",
            heading="Limits.",
        ),
    )


def ranks(results: Results) -> tuple[Block, ...]:
    return (
        *defined(
            f"Spearman’s rank correlation{cite('spearman1904proof')} compares the order of the dense model’s k = 10 "
            "most likely tokens with the ranks r that the variant gives the same tokens among themselves",
            recorded(results, "metric", "ranks", "rank_correlation"),
        ),
        *paragraph(
            "It is blind to tokens that rise from below the first ten, and to how far their probabilities lie apart.",
            heading="Limits.",
        ),
    )


def confidence(results: Results) -> tuple[Block, ...]:
    return (
        *defined(
            f"The expected calibration error{cite('guo2017calibration')} sorts positions into ten bins of the "
            "probability of the first token, and compares that probability with how often the token follows",
            recorded(results, "metric", "confidence", "calibration_error"),
        ),
        *paragraph(
            "It depends on the bins and is never quite 0 on a finite text. A model may be well calibrated and bad.",
            heading="Limits.",
        ),
    )


def greedy(results: Results) -> tuple[Block, ...]:
    return paragraph(
        "Dense and variant continue the same prompts greedily; counted are the tokens before the first that differs. "
        "One nearly tied decision ends the count, prompts are few, and what follows the difference may be as good.",
    )


def tipping(results: Results) -> tuple[Block, ...]:
    """Of series of states, which is no metric of a cell."""
    if not results.tipping:
        return ()
    return paragraph(
        "Between the sparsities that were studied, and from 0 at dense, window means are joined by straight lines: of "
        "the logarithm of the perplexity ratio, and of the share of changed first tokens. The tipping point is where "
        "the line first passes a stated level. For its interval windows are drawn with replacement, the same for all "
        f"states{cite('efron1993bootstrap')}. It is as fine as the sparsities are dense, and it holds for its text.",
    )


def _has(results: Results, metric: str) -> bool:
    return any(each.metric == metric for cell in results.cells for each in cell.metrics)


def tasks(results: Results) -> tuple[Block, ...]:
    return (
        *defined(
            f"Tasks are run by lm-evaluation-harness{cite('gao2024framework')}: of the answers to a question, the "
            "model chooses the one of highest likelihood (acc), or of highest likelihood per character (acc_norm). The "
            "share retained is the mean accuracy over tasks, each with the same weight, over that of dense",
            recorded(results, "metric", "tasks", "task_retained"),
        ),
        *paragraph(
            "An accuracy depends on the versions of harness and task, on the examples in the prompt and on the prompt; "
            "acc and acc_norm are not comparable. Guessing is right, too: a model that knows nothing still retains "
            "what chance gives. Some hundred items leave a standard error of several per cent.",
            heading="Limits.",
        ),
    )


def process_sentence(results: Results) -> str:
    """Where a variant meets dense."""
    if results.environment.timing_process == "fresh":
        return "Variant and dense model run in turns, in a process of their own for every variant."
    return "Variant and dense model run in turns in one process."


def latency(results: Results) -> tuple[Block, ...]:
    return (
        *paragraph(
            "Latency is wall-clock time, of prefill (one pass over the prompt) and of decoding (one token after "
            f"another). {process_sentence(results)} A round runs either model twice, in the order variant, dense, "
            "dense, variant, because who comes second finds a warmer machine. The speed-up is the median over rounds "
            "of the dense time over the variant’s time of the same round, with a bootstrap interval"
            f"{cite('efron1993bootstrap')}. Dense is also timed against a copy of itself: the end of that interval "
            f"that is further from 1 gives the noise floor {emphasis('ε')}, at least "
            f"{numbers.percent(timing.LEAST_EFFECT, 0)}. With {emphasis('h')}, the half of the interval of "
            f"ln {emphasis('R')} that faces 0, this is the rule:"
        ),
        equation("noise_floor"),
        *paragraph(
            "Latency holds for this machine, its load, its threads, and these batch sizes and prompt lengths; ratios "
            "travel better than seconds.",
            heading="Limits.",
        ),
    )


def reconstruction(results: Results) -> tuple[Block, ...]:
    return (
        *defined(
            "The reconstruction error compares the outputs of pruned matrices with those of the dense ones on the same "
            f"inputs {emphasis('X')}, which are the calibration inputs of the dense model, pooled over all targeted "
            f"matrices {emphasis('m')}",
            recorded(results, "metric", "reconstruction", "reconstruction_error"),
        ),
        *paragraph(
            "It is what layer-wise methods minimise. It sees one matrix at a time and calibration text only: a method "
            "may win here and lose in perplexity, where errors of all blocks meet other text.",
            heading="Limits.",
        ),
    )


def sensitivity(results: Results) -> tuple[Block, ...]:
    return (
        *defined(
            f"The sensitivity of a decoder block {emphasis('b')} is the increase of the mean negative log-likelihood "
            f"per token when {emphasis('b')} alone is pruned to a probe sparsity {emphasis('s')}",
            recorded(results, "metric", "sensitivity", "sensitivity"),
        ),
        *paragraph(
            "It sees one block at a time: blocks that are pruned together can lose more, or less, than the sum.",
            heading="Limits.",
        ),
    )


def overlap(results: Results) -> tuple[Block, ...]:
    """Of the pairs of masks, which are no metric of a cell."""
    if not results.overlaps:
        return ()
    return (
        *paragraph(
            f"The Jaccard index compares the sets {emphasis('A')} and {emphasis('B')} of weights that two states "
            f"remove; two independent random masks of sparsities {emphasis('s')} have the chance level:"
        ),
        equation("jaccard"),
        *paragraph(
            "It says how alike two masks are, not which is better: different masks may serve equally well.",
            heading="Limits.",
        ),
    )


FAMILIES = (
    ("stored_bytes", "Stored bytes", storage),
    ("sparsity", "Sparsity and parameter share", sparsity),
    ("flops_per_token", "FLOPs proxy", flops),
    ("agreement_top1", "Top-1 agreement", agreement),
    ("kl_divergence", "Divergence from dense", divergence),
    ("perplexity", "Perplexity", perplexity),
    ("flip_rate", "Flips", flips),
    ("rank_correlation", "Rank correlation", ranks),
    ("calibration_error", "Calibration of confidence", confidence),
    ("greedy_prefix_tokens", "Greedy continuations", greedy),
    ("reconstruction_error", "Reconstruction error", reconstruction),
    ("nll_increase", "Sensitivity of blocks", sensitivity),
    ("task_acc", "Tasks", tasks),
    ("prefill_latency_s", "Latency", latency),
)


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """3 Metrics."""
    present = {each.metric for cell in results.cells for each in cell.metrics}
    found = tuple(
        Section(f"sec:metric-{metric}", title, define(results))
        for metric, title, define in FAMILIES
        if metric in present
    )
    opening = paragraph(
        "The chain of reasoning is: where zeros are, what they change in storage and work, and how predictions react.",
        PROXY,
    )
    glossary = tables.quantities(results)
    masks = Section("sec:metric-overlap", "Overlap of masks", overlap(results))
    left = Section("sec:metric-tipping", "Tipping points", tipping(results))
    sections = (*found, *(each for each in (left, masks) if not each.empty))
    return Section("sec:metrics", "Metrics", (*opening, *((glossary,) if glossary.rows else ())), sections)
