"""
Curation of a calibration text: which of its paragraphs a method gets to see.

Paragraphs are what blank lines separate. Headings, short paragraphs and repetitions are dropped in this order, and
every paragraph that is dropped is counted once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .spec.model import Curation

BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
MARKED_HEADING = re.compile(r"[^\S\n]*(=(?: =)*) .*\S.* \1[^\S\n]*|#{1,6} .*\S.*")
""" "= Robert Boulter =" and "= = Career = =" (WikiText), "## Notes" (Markdown)."""
UNDERLINE = re.compile(r"([=\-~*^+#])\1{2,}[^\S\n]*")
"""What stands below a heading in plain text: "*******"."""
HEADING_WORDS = 8
"""A line that stands alone, has at most so many words and ends with no punctuation is a heading, too."""
ENDS_OF_SENTENCES = tuple(".!?…:;,")
ITEMS = (" ", "\t", "* ", "- ", "• ")
"""How code and the items of lists begin."""
CLOSING = "\"'”’)]»"

SAME = 0.8
"""Jaccard index of word triples from which paragraphs are near-duplicates."""
PERMUTATIONS = 128
SEED = 1


def curate(text: str, rules: Curation) -> tuple[str, dict[str, int]]:
    """
    The text that is left, its paragraphs joined by a blank line, and how many paragraphs there were "before", how many
    were dropped as "headings", "short" or "duplicates" (the filters that the rules name), and how many are left
    "after". Raises EnvironmentProblem when near-duplicates are asked for and `datasketch` is not installed.
    """
    found = list(paragraphs(text, split_headings=not rules.headings))
    counts = {"before": len(found)}
    if not rules.headings:
        found = _count(counts, "headings", found, [each for each in found if not is_heading(each)])
    if rules.min_words:
        found = _count(counts, "short", found, [each for each in found if len(each.split()) >= rules.min_words])
    if rules.duplicates == "exact":
        found = _count(counts, "duplicates", found, list(without_repetitions(found)))
    elif rules.duplicates == "near":
        found = _count(counts, "duplicates", found, list(without_near_repetitions(found)))
    counts["after"] = len(found)
    return "\n\n".join(found), counts


def _count(counts: dict[str, int], name: str, before: list[str], after: list[str]) -> list[str]:
    counts[name] = len(before) - len(after)
    return after


def paragraphs(text: str, *, split_headings: bool) -> Iterator[str]:
    """What blank lines separate, without what is only blank. With `split_headings` a marked heading stands alone."""
    for paragraph in BLANK_LINES.split(text):
        if not paragraph.strip():
            continue
        if split_headings:
            yield from _around_headings(paragraph.strip("\n"))
        else:
            yield paragraph.strip("\n")


def _around_headings(paragraph: str) -> Iterator[str]:
    """The paragraph, its marked and underlined headings taken off as paragraphs of their own."""
    rest: list[str] = []
    for line in paragraph.split("\n"):
        if UNDERLINE.fullmatch(line) and len(rest) == 1:
            yield f"{rest.pop()}\n{line}"
        elif MARKED_HEADING.fullmatch(line):
            if rest:
                yield "\n".join(rest)
            rest = []
            yield line
        else:
            rest.append(line)
    if rest:
        yield "\n".join(rest)


def is_heading(paragraph: str) -> bool:
    """Marked, underlined, or one short line, neither indented nor an item, that does not end as a sentence does."""
    lines = paragraph.split("\n")
    if len(lines) == 2:
        return UNDERLINE.fullmatch(lines[1]) is not None
    if len(lines) > 1:
        return False
    if MARKED_HEADING.fullmatch(paragraph):
        return True
    ends_as_a_sentence = paragraph.rstrip().rstrip(CLOSING).endswith(ENDS_OF_SENTENCES)
    return len(paragraph.split()) <= HEADING_WORDS and not (ends_as_a_sentence or paragraph.startswith(ITEMS))


def without_repetitions(found: Iterable[str]) -> Iterator[str]:
    """The first of equal paragraphs; how they are wrapped and spaced makes no difference."""
    seen: set[str] = set()
    for paragraph in found:
        words = " ".join(paragraph.split())
        if words not in seen:
            seen.add(words)
            yield paragraph


def without_near_repetitions(found: Iterable[str]) -> Iterator[str]:
    """
    The first of paragraphs whose word triples, in lower case, have a Jaccard index of at least `SAME`.

    MinHash with locality-sensitive hashing (Broder, 1997) finds the candidates, and their exact index decides: a pair
    can be overlooked by chance, though by the same chance each time, but none is dropped wrongly.
    """
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError:
        raise EnvironmentProblem(
            "curation with duplicates = \"near\" needs the package 'datasketch', which is not installed.",
            remedy="pip install 'sparsity-report[curation]'   (or: pip install datasketch)\n"
            'Without it: duplicates = "exact"',
        ) from None
    index = MinHashLSH(threshold=SAME, num_perm=PERMUTATIONS)
    kept: list[frozenset[str]] = []
    for paragraph in found:
        triples = word_triples(paragraph)
        sketch = MinHash(num_perm=PERMUTATIONS, seed=SEED)
        sketch.update_batch([triple.encode() for triple in sorted(triples)])
        if any(jaccard(triples, kept[number]) >= SAME for number in index.query(sketch)):
            continue
        index.insert(len(kept), sketch)
        kept.append(triples)
        yield paragraph


def word_triples(paragraph: str) -> frozenset[str]:
    """Every three consecutive words; all words together where there are fewer than three."""
    words = paragraph.lower().split()
    return frozenset(" ".join(words[start : start + 3]) for start in range(max(1, len(words) - 2)))


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    return len(first & second) / len(first | second)
