"""Text of the user's own: `text:PATH`, a file or a folder of .txt files, counted from the spec's folder."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ..contracts import Info, Text
from ..errors import EnvironmentProblem
from ..paths import beside, is_dir, is_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..contracts import CorpusRequest

INFO = Info(name="text", summary="a text file, or all .txt files of a folder: text:PATH")
SPLITS: tuple[str, ...] = ()

JOINER = "\n\n"


def read_files(files: Sequence[Path]) -> tuple[str, ...]:
    """The files' contents. Raises EnvironmentProblem when one cannot be read or is not UTF-8."""
    contents = []
    for file in files:
        try:
            contents.append(file.read_text(encoding="utf-8"))
        except UnicodeDecodeError as problem:
            raise EnvironmentProblem(
                f"the text {file} is not UTF-8 (byte {problem.start})", remedy="convert it: iconv -t UTF-8 FILE"
            ) from None
        except OSError as problem:
            raise EnvironmentProblem(f"the text {file} cannot be read: {problem.strerror}") from None
    return tuple(contents)


def join(documents: Sequence[str], split: str = "") -> Text:
    """Documents joined by a blank line."""
    text = JOINER.join(documents)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return Text(text=text, documents=len(documents), joiner=JOINER, split=split, sha256=sha256)


def read(request: CorpusRequest) -> Text:
    """The file, or the .txt files of the folder in order of their names. Raises EnvironmentProblem."""
    path = beside(request.folder, request.argument)
    if is_dir(path):
        files = sorted(path.glob("*.txt"))
        if not files:
            raise EnvironmentProblem(f"there is no .txt file in the folder {path}")
        return join(read_files(files))
    if not is_file(path):
        raise EnvironmentProblem(
            f"there is no text {request.argument!r} (looked for {path})",
            remedy="a path counts from the spec's folder, with --set from the current one; 'embedded' needs none",
        )
    return join(read_files([path]))
