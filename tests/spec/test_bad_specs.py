"""Every `tests/specs/bad_*.toml` is refused with exactly the message and exit code of the `.err` file beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsity_report.errors import SparsityReportError
from sparsity_report.spec.load import load_spec

FOLDER = Path(__file__).parents[1] / "specs"
BAD = sorted(path.stem for path in FOLDER.glob("bad_*.toml"))


def test_there_are_bad_specs() -> None:
    """An empty folder would make the test below pass without looking at anything."""
    assert len(BAD) > 20


@pytest.mark.parametrize("name", BAD)
def test_a_bad_spec_is_refused_with_its_message(
    name: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """`--update-golden` writes the messages anew; look at what changed."""
    monkeypatch.chdir(FOLDER)
    file = FOLDER / f"{name}.err"

    with pytest.raises(SparsityReportError) as refused:
        load_spec(Path(f"{name}.toml"))
    found = f"exit {refused.value.exit_code}\n{refused.value}\n"
    if request.config.getoption("--update-golden"):
        file.write_text(found, encoding="utf-8")

    assert file.read_text(encoding="utf-8") == found
