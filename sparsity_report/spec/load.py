"""From a TOML file to a frozen `Spec`, or to every problem in it at once, with file, line and hint."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import ValidationError

from .. import resources
from ..errors import Problem, SpecError, UsageError
from ..models.loading import is_path
from ..paths import is_file, slug
from . import bounds, look, notes, rules
from .findings import Finding, dotted, from_pydantic, in_the_text
from .locate import Loc, lines_of, locate
from .model import Spec
from .notes import Notes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class LoadedSpec:
    """
    A valid spec and where it came from. Relative paths in it count from `folder`: the file's own, or the current
    directory for a shipped spec, which a short name finds.

    `text` is the file as it was written; what it extends follows as comments. `sha256` is of `text`.
    """

    spec: Spec
    text: str
    sha256: str
    file: str
    overrides: tuple[str, ...]
    folder: Path
    notes: Notes = field(default_factory=Notes)

    @property
    def slug(self) -> str:
        """The study's short name, by default of its file."""
        return self.spec.study.slug or slug(Path(self.file).stem) or f"study-{self.sha256[:6]}"


@dataclass(frozen=True)
class Source:
    """TOML texts and the data that came of them: the file, what it extends, and what `--set` put on top."""

    file: Path
    text: str
    data: dict[str, Any]
    base: Path | None = None
    base_text: str = ""
    set_locs: tuple[Loc, ...] = ()


def load_spec(path: Path, *, overrides: Sequence[str] = ()) -> LoadedSpec:
    """
    Reads, merges and checks a spec, and the author's text that goes with it.

    Each override is `KEY.KEY=VALUE`, the value as TOML writes it or a bare word.

    Raises SpecError with every problem; UsageError for what is not a file and for malformed overrides.
    """
    folder = Path() if resources.folder("specs") in path.parents else path.parent
    source = overridden(extended(parse(path)), overrides, folder)
    if beyond_bounds := bounds.findings(source.data):
        refuse(source, beyond_bounds)
    try:
        spec = Spec.model_validate(frozen(source.data), strict=True)
    except ValidationError as error:
        found = from_pydantic(error, source.data, Spec)
        refuse(source, (*found, *beyond(found, source.data)))
    if broken := rules.findings(spec):
        refuse(source, broken)
    text = source.text
    if source.base is not None:
        lines = [f"extends {source.base.name}:", *source.base_text.splitlines()]
        text += "\n" + "".join(f"# {line}".rstrip() + "\n" for line in lines)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    missing, texts = notes.read(spec.report.notes, folder)
    if missing := (*look.findings(spec.report, folder), *missing):
        refuse(source, missing)
    notes.check(spec, texts, folder)
    return LoadedSpec(spec, text, sha256, str(path), tuple(overrides), folder, texts)


def frozen(data: Any) -> Any:
    """Arrays as tuples, so that strict validation accepts them and nothing can change them."""
    if isinstance(data, dict):
        return {key: frozen(value) for key, value in data.items()}
    return tuple(frozen(value) for value in data) if isinstance(data, list) else data


def beyond(found: Sequence[Finding], data: dict[str, Any]) -> tuple[Finding, ...]:
    """What the rules say about the parts whose shape is right, so that one reading shows every problem."""
    sound = data
    for finding in found:
        sound = without(sound, finding.loc)
    try:
        spec = Spec.model_validate(frozen(sound), strict=True)
    except ValidationError:
        return ()
    wrong = [finding.loc for finding in found]
    return tuple(
        each
        for each in rules.findings(spec)
        if not any(each.loc[: len(loc)] == loc or loc[: len(each.loc)] == each.loc for loc in wrong)
    )


def without(data: Any, loc: Loc) -> Any:
    """A copy of `data` without the table entry that `loc` lies in; an array keeps its length and so its numbering."""
    last_key = max((at for at, part in enumerate(loc) if isinstance(part, str)), default=-1)
    return dropped(data, loc[: last_key + 1]) if last_key >= 0 else data


def dropped(data: Any, loc: Loc) -> Any:
    key, rest = loc[0], loc[1:]
    if isinstance(data, list):
        return [dropped(each, rest) if at == key else each for at, each in enumerate(data)]
    if not rest or key not in data:  # an earlier finding may have taken what holds this one
        return {name: value for name, value in data.items() if name != key}
    return {**data, str(key): dropped(data[key], rest)}


def read(path: Path) -> str:
    """The file's text. Raises UsageError if there is none, SpecError if it is not UTF-8 or empty."""
    try:
        with path.open("rb") as file:
            data = file.read(bounds.LARGEST_FILE + 1)
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder", remedy="give the spec's file, such as specs/quickstart.toml") from None
    except OSError as problem:
        raise UsageError(f"the spec {path} cannot be read: {problem.strerror}") from None
    if len(data) > bounds.LARGEST_FILE:
        raise SpecError(Problem("", f"the file is larger than {bounds.LARGEST_FILE:,} bytes"), file=str(path))
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")  # a byte order mark, as some editors write, is no fault
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        hint = "save the file as UTF-8"
        found = Problem("", f"byte {problem.start} is not UTF-8", line, hint)
        raise SpecError(found, file=str(path)) from None
    if not text.strip():
        raise SpecError(
            Problem("", "the file is empty", 0, "sparsity-report init writes one to start from"), file=str(path)
        )
    return text


def parse(path: Path) -> Source:
    """TOML to plain data; numbers with a point become decimals, exactly as written. Raises SpecError."""
    text = read(path)
    try:
        source = Source(path, text, tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as problem:
        raise SpecError(syntax_problem(problem, text), file=str(path), text=text) from None
    except (ValueError, ArithmeticError):  # a number of thousands of digits is none for Python either
        raise SpecError(Problem("", "a number in it is too long to be read"), file=str(path)) from None
    except RecursionError:
        raise SpecError(Problem("", "it is nested too deeply to be read"), file=str(path)) from None
    if broken := bounds.findings(source.data):
        refuse(source, broken)
    return source


def syntax_problem(problem: tomllib.TOMLDecodeError, text: str) -> Problem:
    """Before Python 3.14 the place is only in the message, after "at line"."""
    message = str(problem)
    found = re.search(r"\(at line (\d+), column (\d+)\)$", message)
    line, column = map(int, found.groups()) if found else (text.count("\n") + 1, 0)
    what = re.sub(r" \(at [^)]*\)$", "", message)
    where = f"column {column}" if column else "at the end of the file"
    return Problem("", f"not valid TOML, {where}: {what[:1].lower()}{what[1:]}", line)


def extended(source: Source) -> Source:
    """`extends = "base.toml"`, once: tables merge, everything else is replaced."""
    if "extends" not in source.data:
        return source
    own = {key: value for key, value in source.data.items() if key != "extends"}
    name = source.data["extends"]
    if not isinstance(name, str) or Path(name).is_absolute():
        refuse(source, [Finding(("extends",), "must be the path of another spec, relative to this one")])
    path = source.file.parent / name
    if not is_file(path):
        refuse(source, [Finding(("extends",), f"there is no file {name!r}", f"looked for {path}")])
    base = parse(path)
    if "extends" in base.data:
        refuse(source, [Finding(("extends",), f"{name!r} extends a spec itself: one level is all there is")])
    return Source(source.file, source.text, merged(base.data, own), path, base.text)


def merged(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in top.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        result[key] = merged(base[key], value) if both else value
    return result


def overridden(source: Source, overrides: Sequence[str], folder: Path) -> Source:
    """
    `variant.0.sparsity=0.5` sets one value; numbers index arrays. Raises UsageError.

    Paths given so count from the current directory: they are made absolute where the spec's count from elsewhere.
    """
    data, locs = source.data, []
    is_here = folder.resolve() == Path.cwd()
    for override in overrides:
        path, equals, value = override.partition("=")
        keys = [key.strip() for key in path.split(".")]
        if not equals or not all(keys):
            raise UsageError(f"--set {override!r} is not KEY=VALUE", remedy="such as --set variant.0.sparsity=0.5")
        if len(keys) > bounds.DEEPEST:
            raise UsageError(f"--set {override[:80]!r}…: no key of a spec lies that deep")
        loc = tuple(int(key) if key.isascii() and key.isdecimal() else key for key in keys)
        given = toml_value(value.strip())
        data = replaced(data, loc, given if is_here else counted_from_here(loc, given), override)
        locs.append(loc)
    return Source(source.file, source.text, data, source.base, source.base_text, tuple(locs))


def toml_value(text: str) -> Any:
    """A TOML value; what is none is text: `--set study.title=Quick` needs no quotes."""
    try:
        return tomllib.loads(f"value = {text}", parse_float=Decimal)["value"]
    except (ValueError, ArithmeticError, RecursionError):
        return text


def counted_from_here(loc: Loc, value: Any) -> Any:
    """The value with absolute paths where a spec has paths: the text's, the models', the tasks' and the report's."""
    if isinstance(value, dict):
        return {key: counted_from_here((*loc, key), each) for key, each in value.items()}
    if isinstance(value, list):
        return [counted_from_here((*loc, number), each) for number, each in enumerate(value)]
    if not isinstance(value, str):
        return value
    if loc[:2] == ("data", "evaluation") and loc[-1] == "source":
        corpus, colon, argument = value.partition(":")
        return f"text:{absolute(argument)}" if corpus == "text" and colon else value
    is_model = loc[:1] == ("model",) and loc[2:] == ("source",) and is_path(value)
    is_report = loc[:2] == ("report", "notes") or loc in (("report", "templates"), ("report", "style"))
    is_file = is_report or loc == ("metrics", "tasks", "include")
    return absolute(value) if is_model or is_file else value


def absolute(path: str) -> str:
    """A relative path from the current directory; what begins with the home stays as it is."""
    return path if not path or path.startswith("~") else (Path.cwd() / path).as_posix()


def replaced(data: Any, loc: Loc, value: Any, override: str) -> Any:
    """A copy of `data` with `value` at `loc`; tables on the way are made, array elements are not."""
    if not loc:
        return value
    key, rest = loc[0], loc[1:]
    if isinstance(data, list):
        if not isinstance(key, int) or key >= len(data):
            count = f"{len(data)} element{'' if len(data) == 1 else 's'}, numbered from 0"
            raise UsageError(f"--set {override!r}: {key!r} is no element of an array of {count}")
        return [replaced(each, rest, value, override) if at == key else each for at, each in enumerate(data)]
    table = data if isinstance(data, dict) else {}
    name = str(key)
    return {**table, name: replaced(table.get(name, {}), rest, value, override)}


def refuse(source: Source, found: Iterable[Finding]) -> NoReturn:
    """Raises the SpecError of all findings, each at its line."""
    lines, base_lines = lines_of(source.text), lines_of(source.base_text)
    problems = [place(finding, source, lines, base_lines) for finding in found]
    raise SpecError(*problems, file=str(source.file), text=source.text)


def place(finding: Finding, source: Source, lines: dict[Loc, int], base_lines: dict[Loc, int]) -> Problem:
    """A finding where the reader can mend it: in the file, in the file that it extends, or on the command line."""
    loc = in_the_text(finding.loc, source.data, missing=True)
    line, depth = locate(loc, lines)
    message = finding.message
    if any(loc[: len(each)] == each for each in source.set_locs):
        line, message = 0, f"{message} (from --set)"
    elif source.base is not None:
        base_line, base_depth = locate(loc, base_lines)
        if base_depth > depth:
            line, message = 0, f"{message} ({source.base.name}, line {base_line})"
    return Problem(dotted(loc), message, line, finding.hint)
