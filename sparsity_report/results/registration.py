"""
Pre-registration: expectations are written into the run folder, with hash and time, before its first result.

What counts is what stood there before the first result. An expectation that came later is late, whatever it says; one
that is changed back is not. Its `source` and its place in the spec may change: they decide nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..planning import digest
from .model import Alert, CheckRecord, Record, RegistrationRecord
from .store import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..spec.model import Expect

FILE = "expectations.json"
RESULTS = ("results.json", "cells/*.json", "nodes/*.json", "evidence/*.json")
"""What a run leaves of its measurements, from the first one on."""


class Version(Record):
    """The expectations as they were at one time, by their fingerprints."""

    registered: str
    after_results: bool
    sha256: str
    expectations: dict[str, dict[str, Any]]


class Register(Record):
    versions: tuple[Version, ...] = ()


def plain(value: Any) -> Any:
    """Numbers by value, so that 0.30 is 0.3; everything else as it is."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def canonical(expect: Expect) -> dict[str, Any]:
    """What an expectation says: its words and all that decides its verdict, without what is left at its default."""
    said: dict[str, Any] = plain(expect.model_dump(exclude={"source"}, exclude_defaults=True))
    return said


def fingerprint(expect: Expect) -> str:
    return digest(canonical(expect))


def sha256_of(expectations: Sequence[Expect]) -> str:
    """Of all expectations together, in whatever order."""
    return digest(sorted(map(fingerprint, expectations)))


def has_results(folder: Path) -> bool:
    return any(next(folder.glob(pattern), None) is not None for pattern in RESULTS)


def read(folder: Path) -> Register:
    """What was registered in the folder; nothing where there is no such file or a damaged one."""
    try:
        return Register.model_validate(read_json(folder / FILE))
    except ValueError:
        return Register()


def register(folder: Path, expectations: Sequence[Expect], now: str) -> RegistrationRecord:
    """Writes the expectations down, unless they stand there already; says which of them were there in time."""
    versions, sha256 = read(folder).versions, sha256_of(expectations)
    if not versions or versions[-1].sha256 != sha256:
        said = {fingerprint(each): canonical(each) for each in expectations}
        version = Version(registered=now, after_results=has_results(folder), sha256=sha256, expectations=said)
        versions = (*versions, version)
        write_json(folder / FILE, Register(versions=versions).model_dump(mode="json"))
    in_time = next((each for each in reversed(versions) if not each.after_results), None)
    known = in_time.expectations if in_time else {}
    own = set(map(fingerprint, expectations))
    return RegistrationRecord(
        sha256=sha256,
        registered=in_time.registered if in_time else "",
        changed="" if own == known.keys() else versions[-1].registered,
        late=tuple(each.what for each in expectations if fingerprint(each) not in known),
        dropped=tuple(said["what"] for key, said in known.items() if key not in own),
    )


def marked(
    checks: Sequence[CheckRecord], expectations: Sequence[Expect], late: Sequence[str]
) -> tuple[CheckRecord, ...]:
    """The checks of the expectations, in their order, with the late ones marked."""
    return tuple(
        check.model_copy(update={"late": expect.what in late})
        for check, expect in zip(checks, expectations, strict=True)
    )


def quoted(texts: Sequence[str]) -> str:
    return "; ".join(f"“{text}”" for text in texts)


def alerts(registration: RegistrationRecord) -> tuple[Alert, ...]:
    """What a reader must know about expectations that are not those from before the results."""
    if not registration.late and not registration.dropped:
        return ()
    if not registration.registered:
        text = (
            "Expectations were first written down when this folder had results already "
            f"({registration.changed}): that they were not made to fit cannot be shown."
        )
        return (Alert(text=text),)
    parts = [f"stated or changed: {quoted(registration.late)}"] if registration.late else []
    parts += [f"no longer there: {quoted(registration.dropped)}"] if registration.dropped else []
    text = (
        f"Expectations were edited after the first results ({registration.changed}; registered before them: "
        f"{registration.registered}): {'; '.join(parts)}."
    )
    return (Alert(text=text),)
