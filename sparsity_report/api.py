"""
sparsity-report from Python and in a notebook: what the command line does, as three functions and a result.

    import sparsity_report as sr
    study = sr.run("study.toml")     # or sr.read("reports/study"): what a run left
    study                            # in a notebook: title, answers, table, alerts
    study.frame()                    # every number, one a row
    study.render()                   # report.html, report.pdf, figures …

Heavy packages are imported when they are used, so that `import sparsity_report` costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .engine.events import Event
    from .results.model import Results
    from .spec.load import LoadedSpec


@dataclass(frozen=True)
class Study:
    """A study that was run: its results and the folder in which they are."""

    results: Results
    folder: Path

    def frame(self) -> Any:
        """
        A pandas DataFrame with the columns of `results.csv`: one measurement a row.

        Raises EnvironmentProblem without pandas (extra "notebook").
        """
        from .errors import EnvironmentProblem
        from .report.tidy import HEADER, rows

        try:
            import pandas as pd
        except ImportError as problem:
            raise EnvironmentProblem(
                "a data frame needs pandas, which is not installed", remedy="pip install 'sparsity-report[notebook]'"
            ) from problem
        return pd.DataFrame(rows(self.results), columns=list(HEADER))

    def render(self, outputs: Iterable[str] | None = None, *, out: str | Path | None = None) -> list[Path]:
        """The files written: "html", "pdf", "latex" (by default what the spec asks for), figures, tables, summary."""
        from .report.render import render as write

        wanted = self.results.study.outputs if outputs is None else tuple(outputs)
        return list(write(self.results, Path(out) if out is not None else self.folder, wanted))

    def summary(self) -> str:
        """`summary.md` as text."""
        from .report.markdown import summary

        return summary(self.results)

    def _repr_html_(self) -> str:
        """How a notebook shows the study."""
        from markdown_it import MarkdownIt

        return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(self.summary()))

    def __repr__(self) -> str:
        cells = self.results.cells
        done = sum(cell.status == "ok" for cell in cells)
        return f"Study({self.results.study.title!r}, {done} of {len(cells)} cells ok, folder={str(self.folder)!r})"


def load_spec(path: str | Path, *, overrides: Iterable[str] = ()) -> LoadedSpec:
    """
    A checked spec from a file, or from the name of a shipped one. An override is `KEY=VALUE`, as for `--set`.

    Raises SpecError with every problem, UsageError for what is not there.
    """
    from .resources import spec_file
    from .spec.load import load_spec as load

    return load(spec_file(str(path)), overrides=tuple(overrides))


def run(
    spec: LoadedSpec | str | Path,
    *,
    out: str | Path | None = None,
    only: Iterable[str] = (),
    force: bool = False,
    offline: bool = False,
    quick: bool = False,
    notify: Callable[[Event], None] | None = None,
) -> Study:
    """
    Executes what is not finished yet, as `sparsity-report run` does, and writes results.json; renders nothing.

    The folder is `out`, by default reports/<slug>. `notify` receives the run's events; by default nobody does.
    Raises EnvironmentProblem where this machine cannot run the study; a failed cell is a row of the results.
    """
    from .engine.run import Options, run_study

    loaded = load_spec(spec) if isinstance(spec, str | Path) else spec
    folder = run_folder(Path(out) if out is not None else None, loaded.slug, quick)
    options = Options(only=tuple(only), force=force, offline=offline, quick=quick, command="sparsity_report.run")
    return Study(run_study(loaded, folder, options, notify or _nobody), folder)


def read(run: str | Path) -> Study:
    """What a run left: `run` is its folder or its results.json. Raises UsageError, CannotCheck. Needs no torch."""
    from .results import store

    path = Path(run)
    return Study(store.read(path), store.results_file(path).parent)


def run_folder(out: Path | None, slug: str, quick: bool) -> Path:
    """Where a run goes: reports/<slug>, and apart from it for quick runs."""
    return out or Path("reports") / (f"{slug}-quick" if quick else slug)


def _nobody(event: Event) -> None:
    """Nobody is told."""
