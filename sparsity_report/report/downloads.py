"""
Files inside the page, to be saved from it: data of figures, all numbers, the spec, the references.

Links save their `data:` address under a name; browsers refuse to go to one (snakemake/snakemake#1162). All but small
files are gzipped. Where scripts run, the page unpacks them while it saves; without scripts the `.gz` is saved.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..results import store
from . import images, tidy

if TYPE_CHECKING:
    from .build import ReportModel

PLAIN_BYTES = 1_500
"""A smaller file is not packed."""
PAGE_BYTES = 1_000_000
"""results.json goes into the page as long as the page stays below this, and can be mailed."""


@dataclass(frozen=True)
class Download:
    """A file of the page. `name` is what it is called when it is plain again; `saved` what the link saves it as."""

    name: str
    uri: str
    packed: bool

    @property
    def saved(self) -> str:
        return f"{self.name}.gz" if self.packed else self.name


def download(name: str, text: str) -> Download:
    data = text.encode()
    if len(data) < PLAIN_BYTES:
        return Download(name, images.text_uri(text), packed=False)
    return Download(name, images.data_uri(gzip.compress(data, mtime=0), "application/gzip"), packed=True)


def of_figures(report: ReportModel) -> dict[str, Download]:
    """The plotted data of every figure, by its drawing's id."""
    return {name: download(f"{name}.csv", drawing.csv) for name, drawing in report.drawings.items()}


def of_study(report: ReportModel, page_bytes: int) -> tuple[Download, ...]:
    """Specs, references and numbers; `page_bytes` is what the page is large without them."""
    results = report.results
    files = {**results.spec_files, "references.bib": report.bibtex, "results.csv": tidy.results_csv(results)}
    found = [download(name, text) for name, text in files.items()]
    everything = download("results.json", store.text(results))
    room = PAGE_BYTES - page_bytes - sum(len(each.uri) for each in found)
    return (*found, everything) if len(everything.uri) <= room else tuple(found)
