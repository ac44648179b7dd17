"""
How to read each figure, from the figures' own code: nothing is drawn, and no plotting library is imported.

The first paragraph of a figure's module says what it shows, its `how_to_read` how to read it, the docstring of `draw`
when it is absent. The picture is that of a finished report which has it.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from .markdown import document, sentence, text

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "sparsity_report" / "report" / "figures"
EXAMPLES = ROOT / "reports" / "examples"
PREFERRED = ("quickstart",)
SAYING = ("Drawing", "savings.Saving")
"""What is called with the words of `how_to_read`."""

LEAD = """\
A figure appears when its data exist. Each has a caption that says what was counted, measured or modelled, with `n`,
unit and uncertainty; it lies as SVG, and its data as CSV, under its name here in the run's `figures/`. Whiskers and
bands are 95 % intervals. One colour, marker and hatch belongs to one format or method throughout a report, and nothing
is told by colour alone."""


def page() -> str:
    return document("How to read the figures", LEAD, *map(_section, ordered()))


def ordered() -> list[str]:
    """Modules that draw, in the order of the paper."""
    tree = _parsed("__init__")
    (order,) = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["order"]
    )
    return [ast.unparse(each) for each in getattr(order, "elts", ())]


def _parsed(module: str) -> ast.Module:
    return ast.parse((FIGURES / f"{module}.py").read_text(encoding="utf-8"))


def _section(module: str) -> str:
    tree = _parsed(module)
    shows = (ast.get_docstring(tree) or "").partition("\n\n")[0]
    (draw,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "draw")
    absent = (ast.get_docstring(draw) or "").partition("\n\n")[0].removeprefix("None ")
    parts = [f"## `{module}`", _picture(module), sentence(shows)]
    parts += [f"**How to read it.** {sentence(each)}" for each in how_to_read(tree)]
    parts += [f"It is left out {text(absent)}"] if absent.startswith("wh") else []
    return "\n\n".join(part for part in parts if part)


def how_to_read(tree: ast.Module) -> list[str]:
    """What a module hands to `Drawing(how_to_read=…)` or the like; where a number is put in, "…" stands for it."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in SAYING)
    given = (word.value for call in calls for word in call.keywords if word.arg == "how_to_read")
    return list(dict.fromkeys("".join(_words(value)) for value in given))


def _words(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        for each in node.values:
            yield from _words(each)
    elif isinstance(node, ast.BinOp):
        yield from _words(node.left)
        yield from _words(node.right)
    elif isinstance(node, ast.IfExp):
        yield from _words(node.body)
    else:
        yield "…"


def _picture(module: str) -> str:
    """The figure of the first finished report that has it; "" where none has."""
    reports = sorted(EXAMPLES.iterdir(), key=lambda folder: (folder.name not in PREFERRED, folder.name))
    found = [folder / "figures" / f"{module}.svg" for folder in reports]
    shown = next((path for path in found if path.is_file()), None)
    if shown is None:
        return ""
    study = shown.parents[1].name
    path = shown.relative_to(ROOT).as_posix()
    return f"![{module.replace('_', ' ').capitalize()} of the study {study}](../{path})"
