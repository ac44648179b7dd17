"""
Reads and writes a run folder: every file is complete or absent, and one run at a time owns the folder.

    spec.toml  spec.lock.json  cells/<id>.json  nodes/<key>.json  detail/<id>.json.gz  results.json  …
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from ..errors import CannotCheck, EnvironmentProblem, UsageError
from ..paths import readable
from .model import Results

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again; finished cells are kept",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
    errno.EFBIG: "the file would be larger than the system allows (ulimit -f): raise the limit",
    errno.EROFS: "the file system is read-only: choose another folder with --out",
    errno.EACCES: "no permission to write there: choose another folder with --out",
    errno.EPERM: "no permission to write there: choose another folder with --out",
    errno.ENOTDIR: "a part of the path is a file: choose another folder with --out",
    errno.ENOENT: "there is no such folder, and none can be made: choose another one with --out",
    errno.EISDIR: "a folder stands where the file should be: give another name",
    errno.ENAMETOOLONG: "the path is longer than this system takes: choose a shorter folder with --out",
    errno.EEXIST: "a file stands where the folder should be: choose another folder with --out",
}
ENDS_THE_RUN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""What no other cell would survive either."""
PARTIAL = ".partial"
"""How the names of unfinished files end, after the number of the process that writes them."""


@contextlib.contextmanager
def disk_problems(path: Path) -> Iterator[None]:
    """Turns what a disk can do to us into an EnvironmentProblem with its remedy."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in REMEDIES:
            raise
        raise EnvironmentProblem(
            f"cannot write {path}: {problem.strerror}", remedy=REMEDIES[problem.errno]
        ) from problem


@contextlib.contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """
    A file to write beside `path`, which takes its name when all is well: `path` is either as before or complete, also
    after a crash or a loss of power. Raises EnvironmentProblem.
    """
    partial = path.parent / f".{path.name}.{os.getpid()}{PARTIAL}"
    with disk_problems(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(path)
            sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """After this a new name in the folder outlives a loss of power; Windows cannot say so of a folder."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, data: bytes) -> Path:
    """Writes atomically, as `appearing` does; returns the path. Raises EnvironmentProblem."""
    with appearing(path) as partial:
        partial.write_bytes(data)
    return path


def sweep(folder: Path) -> int:
    """Removes what writers left that were killed in the middle, and says how many files; living ones are left alone."""
    found = [file for file in folder.rglob(f".*{PARTIAL}") if not is_alive(file.name.split(".")[-2])]
    for file in found:
        with contextlib.suppress(OSError):
            file.unlink()
    return len(found)


def is_alive(process: str) -> bool:
    """Whether a process of this number runs on this machine and is not our own; where nobody can say, it does."""
    if not process.isdecimal() or int(process) == os.getpid():
        return False
    if os.name == "nt":  # there, signal 0 would end it
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """UTF-8, atomically."""
    write_bytes(path, text.encode())


def json_text(value: Any) -> str:
    """Indented JSON; NaN and infinity are refused, they are no JSON."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    write_text(path, json_text(value))


def read_json(path: Path) -> Any:
    """The file's content; None if there is none or it is damaged (it is then made anew)."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_detail(folder: Path, cell: str, detail: dict[str, Any]) -> None:
    """Bulk of a cell (raw samples, per-window losses), gzipped with a fixed time so that equal data are equal bytes."""
    data = json.dumps(detail, ensure_ascii=False).encode()
    write_bytes(detail_file(folder, cell), gzip.compress(data, mtime=0))


def detail_file(folder: Path, cell: str) -> Path:
    return folder / "detail" / f"{cell}.json.gz"


def sha256_of(file: Path) -> str:
    """Of a file's bytes; "" where there is none that can be read."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """
    Owns the folder for one run. Raises EnvironmentProblem if another run does, or if the folder cannot be written.
    """
    if readable(folder.resolve()) != str(folder.resolve()):  # safetensors opens no such file
        raise EnvironmentProblem(
            f"the folder {readable(folder.resolve())} has bytes in its name that are no UTF-8",
            remedy="choose another folder with --out",
        )
    with disk_problems(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise EnvironmentProblem(
                f"another run owns the folder {folder}",
                remedy="wait for it to finish, or choose another folder with --out",
            ) from None
    try:
        yield
    finally:
        lock.release()


def results_file(path: Path) -> Path:
    """`results.json` of a run folder, or the file itself. Raises UsageError."""
    file = path / "results.json" if path.is_dir() else path
    if not file.is_file():
        raise UsageError(
            f"there are no results in {path}", remedy="give a run folder or a results.json: sparsity-report run SPEC"
        )
    return file


def read(path: Path) -> Results:
    """The results of a run folder or a results.json. Raises UsageError or CannotCheck."""
    file = results_file(path)
    try:
        return Results.model_validate_json(file.read_bytes())
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CannotCheck(
            f"{file} is not a results.json of this version: {where}: {first['msg']}",
            remedy="make it anew: sparsity-report run SPEC",
        ) from None


def dump(results: Results) -> dict[str, Any]:
    """Results as plain data; what is empty or default stays out of the file."""
    return results.model_dump(mode="json", exclude_defaults=True) | {"schema_version": results.schema_version}


def text(results: Results) -> str:
    """What `results.json` contains."""
    return json_text(dump(results))


def write(folder: Path, results: Results) -> Path:
    """Writes `results.json`."""
    file = folder / "results.json"
    write_text(file, text(results))
    return file
