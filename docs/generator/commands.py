"""The command line, from the functions behind it, and the exit codes."""

from __future__ import annotations

import re
from typing import Any

from typer.main import get_command

from sparsity_report.cli import EXIT_CODES, VERBS, app

from .markdown import code, document, sentence, table, text

LEAD = """\
stdout carries the product (paths, tables, `--json`), stderr progress, warnings and errors. Where a run is asked for,
its folder or its `results.json` may be given."""


def page() -> str:
    group: Any = get_command(app)
    return document("Commands", LEAD, *(_verb(name, group.get_command(None, name)) for name in VERBS), _codes())


def _verb(name: str, command: Any) -> str:
    options = [each for each in command.params if each.name != "help"]
    arguments = [each for each in options if each.param_type_name == "argument"]
    usage = " ".join([name, *(_argument(each) for each in arguments), *(["[OPTIONS]"] if options != arguments else [])])
    rows = [(code(_called(each)), text(each.help or ""), _default(each)) for each in options]
    body = table(("argument or option", "meaning", "default"), rows)
    return "\n\n".join(
        part
        for part in (f"## `{name}`", sentence(command.help), f"```text\nsparsity-report {usage}\n```", body)
        if part
    )


def _argument(each: Any) -> str:
    upper = str(each.name).upper()
    return upper if each.required else f"[{upper}]"


def _called(each: Any) -> str:
    return str(each.name).upper() if each.param_type_name == "argument" else ", ".join(each.opts)


def _default(each: Any) -> str:
    if each.required:
        return "must be given"
    return code(each.default) if each.default not in (None, False, "", (), []) else ""


def _codes() -> str:
    rows = re.findall(r"^  (\d+)\s+(.+)$", EXIT_CODES, re.MULTILINE)
    return "## Exit codes\n\n" + table(("code", "meaning"), [(number, text(meaning)) for number, meaning in rows])
