"""Results whose every text from outside carries markup, script and formulas of the languages that it passes through."""

from __future__ import annotations

from typing import Any

from sparsity_report.results.model import Results

PAYLOADS = (
    "\"'><pwned onpwned=1></pwned><script>pwned=1</script><img src=x onerror=pwned=1>",
    "</style></title></script></textarea></svg><pwned><svg onload=pwned=1>]]>--><!--",
    "&lt;pwned&gt;&#60;pwned&#62;<a href=javascript:pwned=1>x</a><iframe srcdoc='<script>parent.pwned=1</script>'>",
    "[x](javascript:pwned=1) ![x](https://example.org/x) <https://example.org> `<pwned>` | **x** <b onpwned=1>",
    "{{ 7*7 }}{% for x in ().__class__.__base__.__subclasses__() %}x{% endfor %}{# pwned #} ${pwned} #{pwned} %s %n",
    "$\\frac{1}{$ \\input{/etc/passwd} \\write18{id} ^^M \\end{document} @import url(https://example.org) url(file:///x)",
    "é \u202egnp.exe \u2028 \u0301\u0301 👩\u200d👩\u200d👧 \ufffd \t\n \x07 =HYPERLINK(1) +1 -1 @x",
)
OURS = frozenset(
    {
        *("metric", "unit", "kind", "noise", "direction", "status", "op", "entry", "verdict", "on_miss", "origin"),
        *("level", "role", "group", "values", "timing_process", "architecture", "dtype", "family", "pattern"),
        *("scope", "sparsity", "equation", "cite", "spoken", "metric_over", "use", "method", "schema_version", "needs"),
        *("name", "outputs", "started", "finished", "date", "layout", "tied_to", "params", "where", "activation"),
        *("type", "license_url", "quantity", "over", "compat", "index", "fingerprint", "device", "part", "traits"),
        *("phase", "packages", "variables"),
    }
)
"""Keys whose values come from our own lists: names of entries, verdicts, classes. References keep fitting: equal texts
stay equal."""
CONDITIONS = ("corpus", "task", "machine")
"""Those that name something of the user's."""


def poisoned(plain: Any, payload: str, key: str = "") -> Any:
    """The same with the payload after every text that is not one of ours."""
    if key in OURS:
        return plain
    if key == "conditions":
        return {name: f"{each}{payload}" if name in CONDITIONS else each for name, each in plain.items()}
    if isinstance(plain, dict):
        return {name: poisoned(each, payload, name) for name, each in plain.items()}
    if isinstance(plain, list):
        return [poisoned(each, payload, key) for each in plain]
    return f"{plain}{payload}" if isinstance(plain, str) and plain else plain


def results(made: Results, payload: str) -> Results:
    """Names of texts and machines are the user's, too, though their key is that of names of ours."""
    plain = poisoned(made.model_dump(mode="json"), payload)
    for kind in ("data", "machines"):
        for each in plain[kind]:
            each["name"] = f"{each['name']}{payload}" if each["name"] else ""
    return Results.model_validate(plain)
