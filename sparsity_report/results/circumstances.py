"""What differs between two runs besides their numbers: where a changed number may come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .model import Results


def circumstances(old: Results, new: Results) -> tuple[str, ...]:
    """One line each, in the order in which a reader would look."""
    return tuple(found(old, new))


def found(old: Results, new: Results) -> Iterator[str]:
    if old.quick != new.quick:
        yield f"{'OLD' if old.quick else 'NEW'} is a rehearsal (--quick)"
    if (old.spec.sha256, old.spec.overrides) != (new.spec.sha256, new.spec.overrides):
        yield "the spec changed"
    before, after = ({each.id: f"{each.source} {each.revision}".strip() for each in run.models} for run in (old, new))
    yield from changed("model", before, after)
    yield from changed("text", texts(old), texts(new))
    yield from changed("entry", versions(old), versions(new))
    if old.tool != new.tool:
        yield f"sparsity-report: {said(old)} → {said(new)}"
    yield from changed("package", old.environment.packages, new.environment.packages)
    if (old.environment.cpu, old.environment.threads) != (new.environment.cpu, new.environment.threads):
        names = (f"{each.cpu or 'unknown'}, {each.threads} threads" for each in (old.environment, new.environment))
        yield f"machine: {' → '.join(names)}"
    if not old.environment.fingerprint or old.environment.fingerprint != new.environment.fingerprint:
        yield "timings are not compared: another machine, software or number of threads"


def said(results: Results) -> str:
    tool = results.tool
    return " ".join([tool.version, *filter(None, [tool.commit[:10], "with local changes" if tool.dirty else ""])])


def texts(results: Results) -> dict[str, str]:
    """Protocol and fingerprint of every text, by what it is for."""
    found = {}
    for each in results.data:
        role = each.role if each.seed is None else f"{each.role} with seed {each.seed}"
        found[f"{each.called} ({role}, {each.model})"] = f"{each.protocol} [{each.token_ids_sha256[:10]}]"
    return found


def versions(results: Results) -> dict[str, str]:
    """Result versions of what was used."""
    return {f"{each.kind}/{each.name}": f"result version {each.result_version}" for each in results.entries}


def changed(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in {**old, **new}:
        before, after = old.get(name, "none"), new.get(name, "none")
        if before != after:
            yield f"{what} {name}: {before} → {after}"
