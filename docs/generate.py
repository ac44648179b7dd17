"""
Writes the pages of `docs/` that the code knows better than we do; `--check` exits with 6 where one is not current.

    python docs/generate.py            # after a change of the spec, of a registry, of a figure or of the command line
    python docs/generate.py --check
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from generator import catalogue, commands, figures, index, specification, studies

from sparsity_report.errors import CHECK_FAILED, OK

DOCS = Path(__file__).parent
WHOLLY_GENERATED = "reference"
"""A folder in which every page is written here, so that one too many is stale."""


def pages() -> dict[str, str]:
    """Text of every generated page, by its path inside `docs/`."""
    reference = {
        "spec.md": specification.page(),
        "commands.md": commands.page(),
        "studies.md": studies.page(),
        **catalogue.pages(),
    }
    return {
        "figures.md": figures.page(),
        f"{WHOLLY_GENERATED}/README.md": index.page(reference),
        **{f"{WHOLLY_GENERATED}/{name}": text for name, text in reference.items()},
    }


def stale(docs: Path) -> list[str]:
    """Pages that differ from what would be written, are not there, or would not be written any more."""
    wanted = pages()
    surplus = {f"{WHOLLY_GENERATED}/{path.name}" for path in (docs / WHOLLY_GENERATED).glob("*.md")} - set(wanted)
    differing = {name for name, text in wanted.items() if text != _text(docs / name)}
    return sorted(surplus | differing)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def write(docs: Path) -> None:
    for name in stale(docs):
        (docs / name).unlink(missing_ok=True)
    for name, text in pages().items():
        (docs / name).parent.mkdir(exist_ok=True)
        (docs / name).write_text(text, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the generated pages of docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 6 where a page is not current")
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder, by default this script's")
    arguments = parser.parse_args()
    if not arguments.check:
        write(arguments.docs)
        return OK
    found = stale(arguments.docs)
    for name in found:
        print(f"{arguments.docs / name} is not current; remedy: python docs/generate.py")
    return CHECK_FAILED if found else OK


if __name__ == "__main__":
    sys.exit(main())
