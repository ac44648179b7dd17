"""`cache`: what run folders keep so that it need not be made again, and how to make room."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..results.cache import Entry

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", re.IGNORECASE)


def size_of(text: str) -> int:
    """ "2GB", "1.5 GiB", "500M" or bytes. Raises UsageError."""
    found = SIZE.fullmatch(text.strip())
    if found is None or found[2].lower() not in UNITS:
        raise UsageError(f"{text!r} is no size", remedy="such as 500MB, 2GiB or 0")
    return int(float(found[1]) * UNITS[found[2].lower()])


def shown(count: int) -> str:
    """Bytes in a fitting unit."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def summary(folder: Path, known: Sequence[Entry]) -> dict[str, Any]:
    """Files and bytes of every kind, as plain data."""
    from ..results.cache import KINDS

    kinds = {}
    for kind, (_, what) in KINDS.items():
        own = [each for each in known if each.kind == kind]
        if own:
            damaged = [each.path.relative_to(folder).as_posix() for each in own if each.sound is False]
            kinds[kind] = {"files": len(own), "bytes": sum(each.bytes for each in own), "what": what}
            kinds[kind] |= {"damaged": damaged} if damaged else {}
    return {"folder": str(folder), "bytes": sum(each.bytes for each in known), "kinds": kinds}


def lines(found: dict[str, Any]) -> list[str]:
    rows = [f"{found['folder']}: {shown(found['bytes'])}"]
    for kind, each in found["kinds"].items():
        rows.append(f"  {kind:<11}{each['files']:>5} files {shown(each['bytes']):>10}  {each['what']}")
        rows += [f"    damaged: {name}" for name in each.get("damaged", ())]
    if "freed" in found:
        rows.append(f"  dropped {len(found['dropped'])} files, {shown(found['freed'])}")
    return rows


def cache(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Run folders; by default all in reports/.", show_default=False)
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read everything through and name what is damaged.")] = False,
    trim: Annotated[
        str | None,
        typer.Option(help="Drop what is damaged, and pruned states until no more than this is left: 2GB, 0."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print plain data.")] = False,
) -> None:
    """Show what runs keep, and drop what takes room: no number is lost, at most made again."""
    from ..results import cache as kept
    from ..results import store

    limit = None if trim is None else size_of(trim)
    found = []
    for folder in folders or kept.runs(Path("reports")):
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}", remedy="give a run folder: reports/NAME")
        if limit is None:
            found.append(summary(folder, kept.entries(folder, verify=verify)))
            continue
        with store.locked(folder):  # nobody reads what is dropped
            gone = kept.to_drop(kept.entries(folder, verify=True), limit)
            freed = kept.drop(gone)
            names = [each.path.relative_to(folder).as_posix() for each in gone]
            found.append(summary(folder, kept.entries(folder)) | {"dropped": names, "freed": freed})
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(line for each in found for line in lines(each)) or "no run folder in reports/")
