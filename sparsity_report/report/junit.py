"""Verdicts as JUnit XML, which every CI system shows: a test case for each check, and for each cell of a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from .comparison import named, shown, verdict
from .printable import text as clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..results.compare import Comparison, Difference
    from ..results.model import CheckRecord, Results


def case(suite: Element, group: str, name: str) -> Element:
    return SubElement(suite, "testcase", {"classname": clean(group), "name": clean(name), "time": "0"})


def tell(found: Element, tag: str, message: str, text: str = "") -> None:
    SubElement(found, tag, {"message": clean(message)}).text = clean(text or message)


def of_check(suite: Element, check: CheckRecord) -> None:
    """
    A missed gate is a failure, what could not be decided about one an error; a miss that is only reported passes, with
    its words.
    """
    found = case(suite, f"check.{check.origin}", check.what)
    words = f"expected {check.expected}, observed {check.observed}"
    if check.verdict == "cannot_check" or (check.verdict == "undecided" and check.on_miss == "fail"):
        tell(found, "error", f"{check.verdict.replace('_', ' ')}: {words}")
    elif check.verdict == "miss" and check.on_miss == "fail":
        tell(found, "failure", words)
    else:
        SubElement(found, "system-out").text = clean(f"{check.verdict}: {words}")


def of_cell(suite: Element, name: str, bad: Iterable[Difference], unjudged: Iterable[Difference]) -> None:
    found = case(suite, "baseline", name)
    for tag, differences in (("error", unjudged), ("failure", bad)):
        lines = [
            f"{verdict(each)}: {named(each)}: {shown(each.old)} → {shown(each.new)} {each.why}".rstrip()
            for each in differences
        ]
        if lines:
            tell(found, tag, f"{len(lines)} numbers" if len(lines) > 1 else lines[0], "\n".join(lines))
            return  # a test case has one outcome; an error is no pass, and comes first


def xml(results: Results, comparison: Comparison | None = None, *, timings: bool = False) -> bytes:
    """The whole document. A baseline of which nothing could be compared is an error of its own."""
    suite = Element("testsuite", {"name": clean(results.study.title)})
    for check in results.checks:
        of_check(suite, check)
    if comparison is not None:
        decisive = [each for each in comparison.differences if timings or each.noise != "timing"]
        for name in dict.fromkeys(each.cell for each in comparison.differences):
            own = [each for each in decisive if each.cell == name]
            of_cell(
                suite,
                name,
                [each for each in own if each.verdict in ("worse", "changed", "lost")],
                [each for each in comparison.unjudged_with(timings=timings) if each.cell == name],
            )
        for name in comparison.only_old:
            tell(case(suite, "baseline", name), "failure", "the cell is in the baseline only")
        if not comparison.compared:
            tell(case(suite, "baseline", "something is compared"), "error", "nothing could be compared")
    for tag, name in (("testcase", "tests"), ("failure", "failures"), ("error", "errors")):
        suite.set(name, str(len(list(suite.iter(tag)))))
    root = Element("testsuites")
    root.append(suite)
    indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode").encode() + b"\n"
