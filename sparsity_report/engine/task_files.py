"""
Task files of lm-evaluation-harness that come with a study are data: what the harness would run of them is refused.

It imports what "!function" and "class" name, also from beside the file, and its templates may reach anything.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from ..errors import EnvironmentProblem
from ..models.plausible import everything
from ..paths import is_dir, is_file, regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDINGS = (".yaml", ".yml")
STANDARD = ("", "!!")
"""How tags are written that YAML itself knows; all others are the harness'."""


def check(folder: Path) -> None:
    """Raises EnvironmentProblem for a file that asks for code, or for files elsewhere."""
    for file in sorted(each for each in folder.rglob("*") if each.suffix in ENDINGS):
        if found := refused(file, folder):
            raise EnvironmentProblem(
                f"the task file {file} asks for {found}: code of a study is never run, nor is anything read elsewhere",
                remedy="write what it computes into the items, and keep task files and data in one folder",
            )


def refused(file: Path, folder: Path) -> str:
    """What a task file asks for and may not; empty where there is nothing. What is no YAML, the harness refuses."""
    import yaml

    try:
        text = regular(file).read_text(encoding="utf-8")
        tags = [token.value for token in yaml.scan(text) if isinstance(token, yaml.TagToken)]
        if other := next((f"{handle or ''}{name}" for handle, name in tags if (handle or "") not in STANDARD), ""):
            return other
        plain = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return ""
    return next(filter(None, (asked(key, value, file, folder) for key, value in everything(plain))), "")


def asked(key: str, value: Any, file: Path, folder: Path) -> str:
    """The code or the file elsewhere that one key asks for."""
    if key in ("class", "trust_remote_code") and value:
        return f"{key} = {value!r}"
    if key == "include":
        for name in value if isinstance(value, list) else [value]:
            found = (file.parent / str(name)).resolve()
            if found.suffix not in ENDINGS or not found.is_relative_to(folder.resolve()):
                return f"include = {name!r}"
    if key == "dataset_path":
        script = folder / str(value)
        if (is_file(script) and script.suffix == ".py") or (is_dir(script) and any(script.glob("*.py"))):
            return f"dataset_path = {value!r}"
    return ""


def sandbox() -> None:
    """From now on the harness' templates, which stand in task files, arrange texts and reach nothing else."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment
    from lm_eval import utils

    if not isinstance(utils.env, SandboxedEnvironment):
        closed = ImmutableSandboxedEnvironment(
            loader=utils.env.loader,
            undefined=utils.env.undefined,
            keep_trailing_newline=utils.env.keep_trailing_newline,
        )
        closed.filters.update(utils.env.filters)
        utils.env = closed


@contextlib.contextmanager
def without_metrics_of_the_hub() -> Iterator[None]:
    """The harness asks the package evaluate for metrics that it does not know, which fetches and runs them."""
    known = sys.modules.get("evaluate")
    sys.modules["evaluate"] = None  # type: ignore[assignment]  # what importlib takes for "not installed"
    try:
        yield
    finally:
        del sys.modules["evaluate"]
        sys.modules |= {"evaluate": known} if known is not None else {}
