"""
What a spec says that its shape cannot tell: names, entries' parameters, and keys that contradict each other.

Everything goes through the registry's torch-free heads; nothing is loaded, downloaded or counted.
"""

from __future__ import annotations

import fnmatch
from itertools import product
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from .. import registry, selectors
from ..contracts import Pattern
from ..counting import refuses
from ..hardware import machines as table
from ..paths import slug
from . import bounds
from .findings import Finding, from_pydantic, written
from .model import QuantizeStep, StageKeys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from decimal import Decimal

    from ..contracts import Cell
    from .locate import Loc
    from .model import Expect, Format, PruneStep, Spec, Variant

SCAN = "nll_increase"
"""What the sensitivity scan measures, block by block."""

LEAF_CHECKS = ("max_abs_logit_difference",)
"""Quantities that the engine adds to every compressed leaf, whatever `metrics.use` says."""


def findings(spec: Spec) -> tuple[Finding, ...]:
    """Everything wrong with a spec whose shape is right. Cells are planned only once nothing else is."""
    found = [*duplicates(spec), *folder(spec), *metrics(spec), *texts(spec), *machines(spec), *said_twice(spec)]
    for number, each in enumerate(spec.variant):
        found += variant(each, ("variant", number))
        for step, loc in pruning_steps(each, ("variant", number)):
            found += calibrated(spec, step, loc)
    for number, expect in enumerate(spec.expect):
        found += expectation(spec, expect, ("expect", number))
    return tuple(found) or tuple(bounds.cells(spec)) or tuple(unmatched(spec))


def pruning_steps(each: Variant, loc: Loc) -> list[tuple[PruneStep, Loc]]:
    """The variant's pruning stages and where their keys stand: in a step, or beside `method`."""
    found = [(step, loc if each.step is None else (*loc, "step", place)) for place, step in enumerate(each.steps)]
    return [(step, place) for step, place in found if not isinstance(step, QuantizeStep)]


def method_key(loc: Loc) -> str:
    """What names the method there."""
    return "prune" if "step" in loc else "method"


def unknown(kind: str, what: str, name: str, loc: Loc) -> Iterator[Finding]:
    """A name that the registry does not have."""
    if name not in registry.names(kind):
        hint = f"{registry.suggest(name, registry.names(kind))}  (sparsity-report list {kind})"
        yield Finding(loc, f"{name!r} is not a known {what}", hint)


def repeated(names: Iterable[tuple[str, Loc]]) -> Iterator[Finding]:
    seen: set[str] = set()
    for name, loc in names:
        if name in seen:
            yield Finding(loc, f"the name {name!r} is taken already", "give each its own id")
        seen.add(name)


def duplicates(spec: Spec) -> Iterator[Finding]:
    """Models and variants are found by their names, so each has its own; "dense" is the reference's."""
    yield from repeated((model.name, ("model", number, "id")) for number, model in enumerate(spec.model))
    for number, model in enumerate(spec.model):
        for other in spec.model[:number]:
            if other == model.model_copy(update={"id": other.id}) and other.name != model.name:
                message = f"is the model {other.name!r} again"
                yield Finding(("model", number, "source"), message, "leave it out, or give another revision or dtype")
    for number, each in enumerate(spec.variant):
        if each.id == "dense":
            yield Finding(("variant", number, "id"), "'dense' names the reference, which every study has")
    numbered = enumerate(variant_names(spec))
    yield from repeated((name, ("variant", number, "id")) for number, name in numbered)
    texts = enumerate(spec.data.evaluation)
    yield from repeated((text.name, ("data", "evaluation", number, "id")) for number, text in texts)


def variant_names(spec: Spec) -> tuple[str, ...]:
    """The variants' ids; one without is called by its place."""
    return tuple(each.id or f"variant-{number}" for number, each in enumerate(spec.variant, start=1))


def folder(spec: Spec) -> Iterator[Finding]:
    """The study's short name is that of its folder, on every system."""
    if (nearest := slug(spec.study.slug)) != spec.study.slug:
        hint = f"such as {nearest!r}" if nearest else "letters, digits and '-'"
        yield Finding(("study", "slug"), f"{spec.study.slug[:40]!r} cannot name a folder on every system", hint)


def said_twice(spec: Spec) -> Iterator[Finding]:
    """Question and abstract stand in the spec or in a file of their own."""
    for name in ("question", "abstract"):
        if getattr(spec.study, name) and getattr(spec.report.notes, name):
            yield Finding(("report", "notes", name), f"study.{name} is given as well", "leave out one of the two")


def metrics(spec: Spec) -> Iterator[Finding]:
    for number, name in enumerate(spec.metrics.use):
        yield from unknown("metrics", "metric", name, ("metrics", "use", number))
    if "profile" in spec.metrics.use and "latency" not in spec.metrics.use:
        place = ("metrics", "use", spec.metrics.use.index("profile"))
        yield Finding(place, "'profile' splits the time of what is timed, and nothing is", "add 'latency'")
    if "reconstruction" in spec.metrics.use and spec.data.calibration is None:
        yield missing_calibration("the metric 'reconstruction' compares outputs on calibration inputs")
    yield from scanned(spec)
    for number, name in enumerate(spec.metrics.tasks.use):
        if name in spec.metrics.tasks.use[:number]:
            yield Finding(("metrics", "tasks", "use", number), f"the task {name!r} stands here twice")


def machines(spec: Spec) -> Iterator[Finding]:
    """Targets that the table has, each once; prices of machines that something is modelled for."""
    known, project = tuple(table.known()), spec.hardware.project
    for number, name in enumerate(project):
        if name not in known:
            longer = [each for each in known if each.startswith(name)]
            meant = f"did you mean {' or '.join(map(repr, longer))}?" if longer else registry.suggest(name, known)
            hint = f"{meant}  (sparsity-report list hardware)"
            yield Finding(("hardware", "project", number), f"{name!r} is not a known machine", hint)
        elif name in project[:number]:
            yield Finding(("hardware", "project", number), f"{name!r} is named twice")
    for name in spec.hardware.price:
        if name not in (table.THIS, *project):
            usable = (table.THIS, *dict.fromkeys(project))
            hint = f"add {name!r} to hardware.project" if name in known else registry.suggest(name, usable)
            yield Finding(("hardware", "price", name), f"nothing is modelled for {name!r}", hint)
    if (project or spec.hardware.price) and "roofline" not in spec.metrics.use:
        key = "project" if project else "price"
        yield Finding(("hardware", key), "nothing would be modelled", "add 'roofline' to metrics.use")


def scanned(spec: Spec) -> Iterator[Finding]:
    """The scan prunes blocks by a method that needs no data, at sparsities that leave something."""
    wanted, loc = spec.metrics.sensitivity, ("metrics", "sensitivity")
    wrong = tuple(unknown("methods", "method", wanted.method, (*loc, "method")))
    yield from wrong
    if not wrong and (registry.get("methods", wanted.method).NEEDS or brings_counts(wanted.method)):
        yield Finding((*loc, "method"), f"the scan needs a method without data, and {wanted.method!r} needs some")
    yield from fractions(wanted.sparsity, (*loc, "sparsity"))


def missing_calibration(why: str) -> Finding:
    hint = 'calibration = { source = "embedded", split = "train", windows = 16, length = 256 }, say'
    return Finding(("data", "calibration"), f"is missing: {why}", hint)


def texts(spec: Spec) -> Iterator[Finding]:
    """Every corpus that the spec names."""
    calibration = spec.data.calibration
    for number, each in enumerate(spec.data.evaluation):
        yield from corpus(each.source, each.split, ("data", "evaluation", number))
    for number, source in enumerate(calibration.source if calibration else ()):
        yield from corpus(source, calibration.split if calibration else "", ("data", "calibration"), number)
    steps = [found for place, each in enumerate(spec.variant) for found in pruning_steps(each, ("variant", place))]
    for step, loc in steps:
        if step.calibration is not None and step.calibration.source is not None:
            split = step.calibration.split or (calibration.split if calibration else "")
            for number, source in enumerate(step.calibration.source):
                yield from corpus(source, split, (*loc, "calibration"), number)


def corpus(source: str, split: str, table: Loc, number: int | None = None) -> Iterator[Finding]:
    """`embedded`, `wikitext-2`, `text:PATH`, `package:NAME/GLOB`: a corpus is named by what stands before the colon."""
    loc = (*table, "source") if number is None else (*table, "source", number)
    name, colon, argument = source.partition(":")
    yield from unknown("corpora", "corpus", name, loc)
    takes_argument = name in ("text", "package")
    if takes_argument and not argument:
        yield Finding(loc, f"{name!r} needs what to read", "text:PATH or package:NAME/GLOB")
    elif colon and not takes_argument and name in registry.names("corpora"):
        yield Finding(loc, f"{name!r} takes nothing after a colon, got {argument!r}", f'source = "{name}"')
    if name in registry.names("corpora"):
        yield from known_split(name, split, (*table, "split"))


def known_split(corpus: str, split: str, loc: Loc) -> Iterator[Finding]:
    """Another split than the corpus has would be measured under a false name."""
    splits = registry.get("corpora", corpus).SPLITS
    if split and split not in splits:
        hint = registry.suggest(split, splits) if splits else "leave out split: the text is read whole"
        yield Finding(loc, f"{corpus!r} has no split {split!r}", hint)


def brings_counts(method: str) -> bool:
    """Whether the method's masks come from elsewhere, with their own sparsity."""
    return bool(getattr(registry.get("methods", method), "BRINGS_COUNTS", False))


def calibrated(spec: Spec, each: PruneStep, loc: Loc) -> Iterator[Finding]:
    """What needs calibration gets it, and what is said about calibration has an effect."""
    known = [name for name in each.prune if name in registry.names("methods")]
    needing = [name for name in known if registry.get("methods", name).NEEDS]
    rule = each.allocation in registry.names("allocation") and registry.get("allocation", each.allocation).NEEDS
    if spec.data.calibration is None:
        if needing:
            yield missing_calibration(f"the method {needing[0]!r} looks at the model on calibration text")
        elif rule:
            yield missing_calibration(f"the allocation {each.allocation!r} looks at the model on calibration text")
        if each.calibration is not None:
            yield Finding((*loc, "calibration"), "changes data.calibration, and there is none")
    criteria = [name for name in needing if hasattr(registry.get("methods", name), "score")]
    walked = [name for name in criteria if registry.get("methods", name).NEEDS != ("gradient",)]
    if each.scope == "global" and each.propagate == "pruned" and walked:
        message = f"with scope global {walked[0]!r} must see every block before it prunes any: inputs cannot be pruned"
        yield Finding((*loc, "propagate"), message, 'propagate = "dense"')
    if each.within_block == "in-order" and each.scope in ("block", "global"):
        message = f"with scope {each.scope} a block's matrices compete with each other: they are pruned together"
        yield Finding((*loc, "within_block"), message, "leave out within_block")


def variant(each: Variant, loc: Loc) -> Iterator[Finding]:
    yield from one_form(each, loc)
    states: list[Pattern] = [Pattern()]
    for step, place in pruning_steps(each, loc):
        patterns, wrong = parse_patterns(step, place)
        yield from wrong
        yield from pruned(step, patterns, place)
        states = [state if not state.unstructured else pattern for state in states for pattern in patterns]
    for number, own in enumerate(each.steps):
        if isinstance(own, QuantizeStep):
            yield from quantized(each, own, number, (*loc, "step", number))
    for number, choice in enumerate(each.format):
        yield from storage(choice, states, (*loc, "format", number), quantises=each.quantises)
    yield from parameters(each, (*loc, "params"))


def one_form(each: Variant, loc: Loc) -> Iterator[Finding]:
    """A variant has one stage, its keys beside `method`, or an array of them, their keys inside."""
    if each.method is None and each.step is None:
        hint = 'or step = [{ prune = "magnitude", sparsity = 0.5 }, { quantize = "rtn" }]'
        yield Finding((*loc, "method"), "is missing", hint)
    if each.step is not None:
        beside = [name for name in ("method", *StageKeys.model_fields) if name in each.model_fields_set]
        yield from (Finding((*loc, name), "stands beside step", f"move {name} into a step") for name in beside)


def pruned(step: PruneStep, patterns: list[Pattern], loc: Loc) -> Iterator[Finding]:
    """One pruning stage by itself."""
    for number, name in enumerate(step.prune):
        yield from unknown("methods", "method", name, (*loc, method_key(loc), number))
    yield from amounts(step, patterns, loc)
    yield from combinations(step, patterns, loc)
    yield from spread(step, patterns, loc)


def quantized(each: Variant, step: QuantizeStep, place: int, loc: Loc) -> Iterator[Finding]:
    """A quantizer that exists, parameters that it knows, and nothing after it that would undo it."""
    if "prune" in step.given:
        yield Finding((*loc, "prune"), "a step prunes or quantizes", "make two steps of it, in their order")
    given = {key: values for key, values in step.given.items() if key != "prune"}
    for number, name in enumerate(step.quantize):
        wrong = tuple(unknown("quantizers", "quantizer", name, (*loc, "quantize", number)))
        yield from wrong
        if not wrong:
            params = registry.get("quantizers", name).Params
            for values in product(*given.values()):
                yield from valid(params, dict(zip(given, values, strict=True)), loc)
    for later, after in enumerate(each.steps[place + 1 :], start=place + 1):
        spot = (*loc[:-1], later)
        if isinstance(after, QuantizeStep):
            yield Finding(spot, "quantizes what is quantized already", "one of the two steps is enough")
            continue
        for name in after.prune:
            if name in registry.names("methods") and not hasattr(registry.get("methods", name), "score"):
                message = f"{name!r} changes weights, which then are no longer quantized"
                yield Finding((*spot, "prune"), message, "prune first, then quantize")


def combinations(each: PruneStep, patterns: list[Pattern], loc: Loc) -> Iterator[Finding]:
    """A method, a pattern and a scope that make no sense together are refused by name."""
    found: dict[str, None] = {}
    for name in each.prune:
        if name not in registry.names("methods"):
            continue
        module = registry.get("methods", name)
        for pattern in patterns:
            scope = each.scope or module.DEFAULT_SCOPE
            found |= dict.fromkeys(filter(None, (refuses(pattern, scope), module.refuses(pattern, scope))))
    yield from (Finding(loc, reason) for reason in found)


def spread(each: PruneStep, patterns: list[Pattern], loc: Loc) -> Iterator[Finding]:
    """An allocation spreads a sparsity over matrices; a permutation serves N:M."""
    wrong = tuple(unknown("allocation", "allocation", each.allocation, (*loc, "allocation")))
    yield from wrong
    uneven = each.allocation != "uniform" and not wrong
    grouped = next((pattern for pattern in patterns if pattern.is_nm), None)
    if uneven and grouped is not None:
        yield Finding((*loc, "allocation"), f"the pattern {grouped} gives every matrix the same sparsity")
    if uneven and each.scope == "global":
        message = "with scope global the scores decide how much of each matrix goes: an allocation means nothing"
        yield Finding((*loc, "allocation"), message, 'leave out one of them, or use scope = "layer"')
    if each.compat == "reference":
        yield from not_the_papers(uneven, patterns, loc)
    if each.permute and any(name in registry.names("methods") and brings_counts(name) for name in each.prune):
        message = "'given' brings masks in the model's own order of in_features"
        yield Finding((*loc, "permute"), message, "leave out permute")
    elif each.permute and grouped is None:
        yield Finding((*loc, "permute"), "reorders in_features for a pattern N:M, and there is none")


def not_the_papers(uneven: bool, patterns: list[Pattern], loc: Loc) -> Iterator[Finding]:
    """What the papers' own counting rules do not know of would not be counted by them."""
    loc = (*loc, "compat")
    if uneven:
        message = 'the papers\' own rule counts from one sparsity: with compat "reference" an allocation means nothing'
        yield Finding(loc, message, "leave out one of them")
    unit = next((pattern for pattern in patterns if pattern.unit), None)
    if unit is not None:
        yield Finding(loc, f'the papers\' own rule counts single weights, and the pattern "{unit}" removes whole units')


def parse_patterns(each: PruneStep, loc: Loc) -> tuple[list[Pattern], list[Finding]]:
    """The patterns that can be read, and what is wrong with the others."""
    patterns, wrong = [], []
    for number, text in enumerate(each.pattern):
        try:
            patterns.append(Pattern.parse(text))
        except ValueError as problem:
            hint = '"unstructured", "2:4", "row", "column" or "block:4x4"'
            wrong.append(Finding((*loc, "pattern", number), str(problem), hint))
    return patterns, wrong


def fractions(values: Iterable[Decimal], loc: Loc) -> Iterator[Finding]:
    for number, sparsity in enumerate(values):
        if not 0 <= sparsity < 1:
            percent = f"{sparsity} % is {sparsity / 100}" if 2 <= sparsity < 100 else ""
            hint = percent or "0.3 removes 30 % of the targeted weights"
            yield Finding((*loc, number), f"must be at least 0 and less than 1, got {sparsity}", hint)


def amounts(each: PruneStep, patterns: list[Pattern], loc: Loc) -> Iterator[Finding]:
    """Single weights and units have a sparsity and a scope; N:M implies the one and is the other."""
    yield from fractions(each.sparsity or (), (*loc, "sparsity"))
    given = [name for name in each.prune if name in registry.names("methods") and brings_counts(name)]
    for key in ("sparsity", "scope"):
        if given and getattr(each, key) is not None:
            message = f"{given[0]!r} brings its own masks: a {key} means nothing"
            hint = f"put {given[0]!r} into a [[variant]] of its own" if len(given) < len(each.prune) else ""
            yield Finding((*loc, key), message, hint or f"leave out {key}")
    grouped = [pattern for pattern in patterns if pattern.is_nm]
    split = "put N:M and other patterns into two [[variant]] tables"
    if grouped and each.sparsity is not None:
        share = 1 - grouped[0].n / grouped[0].m
        message = f"the pattern {grouped[0]} implies a sparsity of {share:.4g}: giving both is an error"
        yield Finding((*loc, "sparsity"), message, split if len(grouped) < len(patterns) else "leave out sparsity")
    if grouped and each.scope is not None:
        message = f"with the pattern {grouped[0]} weights compete in groups of {grouped[0].m}: a scope means nothing"
        yield Finding((*loc, "scope"), message, split if len(grouped) < len(patterns) else "leave out scope")
    if len(grouped) < len(patterns) and each.sparsity is None and len(given) < len(each.prune):
        yield Finding((*loc, "sparsity"), "is missing", 'give sparsity = 0.3, say, or pattern = "2:4"')


def storage(choice: Format, patterns: list[Pattern], loc: Loc, *, quantises: bool) -> Iterator[Finding]:
    """A format that exists, fits the patterns and is not the implicit reference, with parameters that it knows."""
    if choice.use == "dense" and not quantises:
        hint = "'masked' executes the pruned weights as a dense matrix"
        yield Finding(loc, "'dense' is the reference, which every study has; a variant has another format", hint)
        return
    wrong = tuple(unknown("formats", "format", choice.use, loc))
    yield from wrong
    if wrong:
        return
    module = registry.get("formats", choice.use)
    yield from valid(module.Params, choice.params, loc)
    refusals = dict.fromkeys(reason for pattern in patterns if (reason := module.refuses(pattern)))
    yield from (Finding(loc, reason) for reason in refusals)


def entries_of(each: Variant) -> tuple[tuple[str, str], ...]:
    """(kind, name) of what the variant's stages name: methods, allocations, quantizers."""
    found: dict[tuple[str, str], None] = {}
    for step in each.steps:
        if isinstance(step, QuantizeStep):
            found |= {("quantizers", name): None for name in step.quantize}
        else:
            found |= {("methods", name): None for name in step.prune}
            found["allocation", step.allocation] = None
    return tuple(found)


def parameters(each: Variant, loc: Loc) -> Iterator[Finding]:
    """`[variant.params.NAME]` belongs to an entry that a stage of this variant names; formats carry their own."""
    used = entries_of(each)
    for name, given in each.params.items():
        kinds = [kind for kind, own in used if own == name and name in registry.names(kind)]
        if name not in [own for _, own in used]:
            known = ", ".join(own for kind, own in used if (kind, own) != ("allocation", "uniform"))
            yield Finding((*loc, name), f"this variant does not use {name!r}", f"it uses: {known}")
        for kind in kinds:
            yield from valid(registry.get(kind, name).Params, given, (*loc, name))
    for kind, name in used:
        if name in registry.names(kind) and name not in each.params:
            fields = registry.get(kind, name).Params.model_fields.items()
            needed = [field for field, about in fields if about.is_required()]
            if needed:
                hint = f"[variant.params.{name}] after this variant, with {needed[0]} = …"
                yield Finding(loc[:-1], f"{name!r} needs the parameter {', '.join(needed)}", hint)


def valid(params: Any, given: dict[str, Any], loc: Loc) -> Iterator[Finding]:
    try:
        params.model_validate(given)
    except ValidationError as error:
        yield from from_pydantic(error, given, params, loc)


def families() -> dict[str, str]:
    """Quantity → the metric family that reports it."""
    kind = "metrics"
    return {
        quantity.name: name for name in registry.names(kind) for quantity in registry.get(kind, name).INFO.quantities
    }


def expectation(spec: Spec, expect: Expect, loc: Loc) -> Iterator[Finding]:
    """A metric that will be measured, bounds that can be met, and keys that cells have."""
    known = families()
    if expect.metric not in known and expect.metric not in LEAF_CHECKS:
        hint = registry.suggest(expect.metric, (*known, *LEAF_CHECKS))
        yield Finding((*loc, "metric"), f"{expect.metric!r} is not a known quantity", hint)
    elif expect.metric in known and known[expect.metric] not in spec.metrics.use:
        family = known[expect.metric]
        yield Finding((*loc, "metric"), f"{expect.metric!r} will not be measured", f"add {family!r} to metrics.use")
    yield from on_which_text(spec, expect, (*loc, "conditions"))
    yield from ordered(expect, loc) if expect.order else limits(expect, loc)
    keys = selectable(spec)
    for key in expect.where:
        if key not in keys:
            yield Finding((*loc, "where", key), "is no property of a cell", registry.suggest(key, keys))
    for place, selection in selections(expect):
        yield from selection_of(expect, selection, keys, (*loc, *place))
    if "block" in expect.conditions:
        yield from blocks(expect, expect.conditions["block"], (*loc, "conditions", "block"))


def selections(expect: Expect) -> Iterator[tuple[Loc, dict[str, Any]]]:
    """The tables by which an expectation names further cells, and where they stand in it."""
    if isinstance(expect.relative_to, dict):
        yield ("relative_to",), expect.relative_to
    for number, selection in enumerate(expect.order):
        yield ("order", number), selection


def selection_of(expect: Expect, selection: dict[str, Any], keys: tuple[str, ...], loc: Loc) -> Iterator[Finding]:
    """Keys as in `where`, and `block` where the metric is the scan's."""
    if not selection:
        yield Finding(loc, "selects nothing in particular", 'such as { method = "wanda" }')
    known = (*keys, *selectors.SCANNED)
    for key, wanted in selection.items():
        if key in selectors.SCANNED:
            yield from blocks(expect, wanted, (*loc, key))
        elif key not in keys:
            yield Finding((*loc, key), "is no property of a cell", registry.suggest(key, known))


def blocks(expect: Expect, wanted: Any, loc: Loc) -> Iterator[Finding]:
    """Only the scan looks at single blocks."""
    if expect.metric != SCAN:
        yield Finding(loc, f"only {SCAN!r} is known by block", f'metric = "{SCAN}"')
    elif not isinstance(wanted, int) and wanted not in selectors.PLACES:
        choices = ", ".join(map(repr, selectors.PLACES))
        yield Finding(loc, f"must be a block's number or one of {choices}, got {written(wanted)}")


def ordered(expect: Expect, loc: Loc) -> Iterator[Finding]:
    """An order of at least two, in place of bounds and of a reference."""
    if len(expect.order) < 2:
        yield Finding((*loc, "order"), "needs at least two", "from the lowest value of the metric to the highest")
    for key in ("relative_to", "between", "at_least", "at_most"):
        if getattr(expect, key) is not None:
            yield Finding((*loc, key), "stands beside order, which is a comparison itself", f"leave out {key}")


def on_which_text(spec: Spec, expect: Expect, loc: Loc) -> Iterator[Finding]:
    """Behaviour on several texts is several numbers: an expectation says which of them it is about."""
    names = [text.name for text in spec.data.evaluation]
    family = families().get(expect.metric, "")
    if not family or registry.get("metrics", family).LEVEL != "behaviour":
        return
    if "corpus" not in expect.conditions and len(names) > 1:
        message = f"{expect.metric!r} is measured on {len(names)} texts: say on which"
        yield Finding(loc, message, f'conditions = {{ corpus = "{names[0]}" }}')
    elif expect.conditions.get("corpus", names[0]) not in names:
        wanted = expect.conditions["corpus"]
        yield Finding(
            (*loc, "corpus"), f"{wanted!r} is no evaluation text of this study", f"it has: {', '.join(names)}"
        )


def limits(expect: Expect, loc: Loc) -> Iterator[Finding]:
    low, high = expect.at_least, expect.at_most
    if expect.between is not None:
        if low is not None or high is not None:
            yield Finding((*loc, "between"), "between stands alone", "leave out at_least and at_most")
        low, high = expect.between
    if low is None and high is None:
        yield Finding(loc, "has no bound", "give between = [low, high], at_least or at_most; or order = [{ … }, { … }]")
    elif low is not None and high is not None and low > high:
        place = "between" if expect.between is not None else "at_least"
        yield Finding((*loc, place), f"the lower bound {low:g} is above the upper bound {high:g}")


def selectable(spec: Spec) -> tuple[str, ...]:
    """What a `where` may name: the properties of every cell, and the parameters of formats and quantizers in use."""
    used = {("formats", choice.use) for each in spec.variant for choice in each.format}
    used |= {(kind, name) for each in spec.variant for kind, name in entries_of(each) if kind == "quantizers"}
    known = [(kind, name) for kind, name in used if name in registry.names(kind)]
    own = {key for kind, name in known for key in registry.get(kind, name).Params.model_fields}
    return (*selectors.KEYS, *sorted(own))


def unmatched(spec: Spec) -> Iterator[Finding]:
    """An expectation about no cell would never be checked, and so would seem to hold; a timing would be missing."""
    from ..planning import plan_cells

    cells = plan_cells(spec)
    variants = ("dense", *variant_names(spec))
    names = (*variants, *(cell.id for cell in cells))
    for number, pattern in enumerate(spec.metrics.latency.variants):
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            hint = f"{registry.suggest(pattern, variants)}; `sparsity-report plan` lists the cells"
            yield Finding(("metrics", "latency", "variants", number), f"{pattern!r} selects no variant or cell", hint)
    for number, expect in enumerate(spec.expect):
        yield from unselected(expect, cells, ("expect", number))


def unselected(expect: Expect, cells: Sequence[Cell], loc: Loc) -> Iterator[Finding]:
    """Selections that mean no cell, and cells without a counterpart to be compared with."""
    hint = "`sparsity-report plan` lists the cells"

    def nothing(wanted: dict[str, Any], place: Loc) -> Iterator[Finding]:
        if not any(selectors.selects(cell, wanted) for cell in cells):
            given = ", ".join(f"{key} = {written(value)}" for key, value in wanted.items())
            yield Finding((*loc, *place), f"selects no cell of this study: {given}", hint)

    missing = list(nothing(expect.where, ("where",))) if not expect.order else []
    for place, selection in selections(expect):
        own = selectors.split(selection)[0]
        missing += nothing({**(expect.where if expect.order else {}), **own}, place)
    yield from missing
    if missing or not isinstance(expect.relative_to, dict):
        return
    own, _ = selectors.split(expect.relative_to)
    known = [(selectors.facts_of_cell(cell), cell) for cell in cells]
    alone = [
        cell.id
        for facts, cell in known
        if selectors.matches(facts, expect.where) and own and not selectors.counterparts(facts, own, known)
    ]
    if alone:
        message = f"leaves {alone[0]} without a counterpart of the same model, pattern and sparsity"
        yield Finding((*loc, "relative_to"), message, "narrow where, or say in relative_to what may differ")
