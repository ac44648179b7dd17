"""Whatever is done to a spec, it is accepted or refused with places; it never ends in a traceback."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sparsity_report.errors import SPEC, USAGE, SparsityReportError, SpecError
from sparsity_report.spec.load import load_spec

QUICKSTART = Path(__file__).parents[2] / "specs" / "quickstart.toml"
LINES = QUICKSTART.read_text(encoding="utf-8").splitlines()
KEYS = [number for number, line in enumerate(LINES) if " = " in line and not line.startswith("#")]
VALUES = ("3", "-1", "1e400", "nan", "true", '""', '"x"', "[]", "[[]]", "[1, 'a', {}]", "{}", "{ a = 1 }", "2026-11-23")
PATHS = ("study", "model", "model.0", "data.evaluation", "variant", "variant.1.format.0", "expect.0.where")
PARTS = ("", ".title", ".0", ".7", ".source", ".use", ".a-b")


DAMAGE = settings(max_examples=150, deadline=None, derandomize=True)


def refusal(file: Path, *overrides: str) -> SparsityReportError | None:
    """The error on purpose, if there is one; any other exception passes through and fails the test."""
    try:
        load_spec(file, overrides=overrides)
    except SparsityReportError as refused:
        return refused
    return None


@DAMAGE
@given(line=st.sampled_from(KEYS), value=st.sampled_from(VALUES), again=st.booleans())
def test_a_wrong_value_anywhere(line: int, value: str, again: bool) -> None:
    """A value is replaced, and sometimes its line stands twice."""
    damaged = f"{LINES[line].split(' = ')[0]} = {value}"
    text = "\n".join([*LINES[:line], damaged, *([damaged] if again else []), *LINES[line + 1 :]])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "damaged.toml")
        file.write_text(text, encoding="utf-8")
        refused = refusal(file)

    assert refused is not None or not again
    assert refused is None or isinstance(refused, SpecError)
    assert refused is None or all(0 <= problem.line <= len(LINES) + 1 for problem in refused.problems)


@DAMAGE
@given(path=st.sampled_from(PATHS), key=st.sampled_from(PARTS), value=st.sampled_from(VALUES))
def test_a_wrong_override_anywhere(path: str, key: str, value: str) -> None:
    refused = refusal(QUICKSTART, f"{path}{key}={value}")

    assert refused is None or refused.exit_code in (USAGE, SPEC)
