"""A figure as the report sees it: an SVG with its words and its data. Plain text, so that tests need no plotting."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Drawing:
    """
    One figure. All texts are plain: whoever puts them into HTML escapes them.

    `caption` says n, unit, uncertainty and kind of what is shown; `alt` gives the finding in words and numbers;
    `csv` is the plotted data. `wide` asks for both columns of a two-column page.
    """

    id: str
    title: str
    svg: str
    alt: str
    caption: str
    how_to_read: str
    csv: str
    wide: bool = True


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV with a header; numbers keep every digit, None is an empty field, spaces are plain ones."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue().replace("\u00a0", " ")
