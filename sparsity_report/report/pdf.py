"""
The report as PDF/A-3a: tagged, with results and spec attached. The only file that imports WeasyPrint.

WeasyPrint needs the system library Pango, which no Python package carries; `problem` says what is missing here.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import sys
import warnings
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import EnvironmentProblem
from .economy import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from ..results.model import Results

VARIANT = "pdf/a-3a"
REMEDIES = {
    "linux": "Debian/Ubuntu: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0   "
    "(Fedora: dnf install pango; Arch: pacman -S pango)",
    "darwin": "brew install pango",
    "win32": "install MSYS2, run `pacman -S mingw-w64-ucrt-x86_64-pango`, and set WEASYPRINT_DLL_DIRECTORIES to its "
    "bin folder",
}
PACKAGE_REMEDY = "pip install 'weasyprint>=70'"


def _load() -> ModuleType:
    """WeasyPrint without the notice that it prints to stdout. Raises EnvironmentProblem with the remedy."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            # Without libharfbuzz-subset WeasyPrint announces that it will be required one day; it still works.
            warnings.simplefilter("ignore", DeprecationWarning)
            import weasyprint
    except ImportError as error:
        raise EnvironmentProblem(
            "The PDF needs WeasyPrint, which cannot be imported.", remedy=PACKAGE_REMEDY
        ) from error
    except (OSError, AttributeError) as error:
        remedy = REMEDIES.get(sys.platform, REMEDIES["linux"])
        raise EnvironmentProblem(
            "The PDF needs the system library Pango, which was not found.", remedy=remedy
        ) from error
    module: ModuleType = weasyprint
    return module


def problem() -> str | None:
    """Why no PDF can be made on this machine, with the remedy; None if it can."""
    try:
        _load()
    except EnvironmentProblem as found:
        return str(found)
    return None


def created(results: Results) -> datetime:
    """The date that the PDF carries: that of the run, not of the rendering, so that equal results give equal bytes."""
    for text in (results.environment.finished, results.study.date):
        with contextlib.suppress(ValueError):
            found = datetime.fromisoformat(text)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
    return datetime(2000, 1, 1, tzinfo=UTC)


def _attachments(weasyprint: ModuleType, results: Results) -> list[Any]:
    """results.json and the specs; without explicit dates they would carry the present time."""
    when = created(results)
    files = (
        ("results.json", results.model_dump_json(indent=1), "All numbers of this report"),
        *((name, text, "The study as it was specified") for name, text in results.spec_files.items()),
    )
    return [
        weasyprint.Attachment(
            file_obj=io.BytesIO(text.encode()),
            name=name,
            description=words,
            created=when,
            modified=when,
            relationship="Data",
        )
        for name, text, words in files
    ]


def _finish(document: Any, pdf: Any) -> None:
    """PDF/A wants its XMP metadata uncompressed; all else pydyf would compress twice, once for the identifier."""
    for each in pdf.objects:
        if getattr(each, "extra", {}).get("Type") == "/Metadata":
            each.compress = False
        elif getattr(each, "compress", False):
            each.compress = False
            _, _, content = each.data.partition(b"\nstream\n")
            each.stream = [zlib.compress(content.removesuffix(b"\nendstream"), level=9)]
            each.extra = {**each.extra, "Filter": "/FlateDecode"}


def render_pdf(results: Results, html: str) -> bytes:
    """The PDF of a page that was rendered for target "pdf". Raises EnvironmentProblem where it cannot be made."""
    weasyprint = _load()
    from . import floats

    # The page carries all that it shows: anything else that it might name is refused.
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=("data",), allow_redirects=False)
    options = {"pdf_variant": VARIANT, "pdf_tags": True, "attachments": _attachments(weasyprint, results)}
    with _quiet(), uncollected():
        page = weasyprint.HTML(string=html, url_fetcher=fetcher)
        single = results.study.layout == "single-column"
        document = floats.render(weasyprint, page, **options) if single else page.render(**options)
        made: bytes = document.write_pdf(finisher=_finish, **options)
    return made


def figure_pdf(svg: str) -> bytes:
    """A figure alone on a page of its size, in vectors, for a paper. Raises EnvironmentProblem."""
    from . import images, labels

    weasyprint = _load()
    width, height = (_points(svg, side) for side in ("width", "height"))
    page = (
        f"<style>@page {{ size: {width}pt {height}pt; margin: 0 }} html, body {{ margin: 0; font-size: 0 }} "
        f'img {{ width: {width}pt }}</style><img alt="" src="{images.svg_uri(labels.as_text(svg))}">'
    )
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=("data",), allow_redirects=False)
    with _quiet():
        made: bytes = weasyprint.HTML(string=page, url_fetcher=fetcher).write_pdf()
    return made


def _points(svg: str, side: str) -> float:
    """A side of an SVG of ours, whose root says it in points."""
    found = re.search(rf'<svg\b[^>]*?\b{side}="([\d.]+)pt"', svg)
    if found is None:
        raise ValueError(f"the figure has no {side} in points")
    return float(found[1])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """fontTools reports every table that it drops; WeasyPrint 70 leaves its colour profile to the garbage collector."""
    logger = logging.getLogger("fontTools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    finally:
        logger.setLevel(level)
