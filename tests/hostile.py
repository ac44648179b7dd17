"""Broken and hostile specs by the thousand: shipped ones mutated by text, by line and by value, from a seed."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHIPPED = sorted((Path(__file__).parents[1] / "specs").rglob("*.toml"))

VALUES = (
    *("0", "-1", "1", "3", "0.5", "1.0", "1e400", "nan", "-inf", "9" * 30, "9" * 5000, "0x1f", "1_000", "1e-300"),
    *("true", '""', '"x"', "''", '"\\u0000"', '"\\U0001F600"', '"\\u202Eabc"', '"é\\u0301"', '"' + "ab" * 12_000 + '"'),
    *("[]", "[[]]", "[1, 'a', {}]", "{}", "{ a = 1 }", "[" * 40 + "]" * 40, "2026-11-23", "07:32:00", "[nan, 0.5]"),
    *('"../../etc/passwd"', '"/dev/zero"', '"/dev/null"', '"C:\\\\x"', '"//server/share"', '"~nobody/x"', '"a/b/c/d"'),
    *(
        '"text:/dev/null"',
        '"text:."',
        '"package:os/../*"',
        '"package:json/*"',
        '"bundled:../x"',
        '"file:///etc"',
        '"*"',
    ),
    *('"{{ 7*7 }}"', '"${HOME}"', '"$(id)"', '"<script>alert(1)</script>"', '"%s%n"', '"; rm -rf /"', '"=cmd()"'),
)
NOISE = (
    *("\0", "\x1b", "\ufeff", "\u2028", "\u202e", "é", "\U0001f469\u200d\U0001f467", "\r", "\t"),
    *('"""', "'''", "[[", "]]", "{", "}", "=", "#", "."),
)


WORDS = (
    *("magnitude", "wanda", "ria", "sparsegpt", "dsnot", "taylor", "random", "given", "masked", "csr", "csc", "bsr"),
    *("bitmask", "nm", "semi-structured", "auto", "dense", "global", "block", "layer", "row", "uniform", "erk", "owl"),
    *(
        "2:4",
        "4:8",
        "1:256",
        "block:4x4",
        "block:7x3",
        "column",
        "float16",
        "bfloat16",
        "float32",
        "cuda",
        "cpu",
        "max",
    ),
    *("storage", "flips", "ranks", "confidence", "reconstruction", "sensitivity", "roofline", "flops", "divergence"),
    *("embedding", "lm_head", "mlp_linear", "attention_linear", "*", "nothing", "rtn", "cast", "text:spec.toml"),
    *("text:.", "package:json/*.py", "package:nowhere/*", "wikitext-2", "./nowhere", "facebook/opt-125m", "a--b"),
    *("bundled:nothing", "package:json/../os.gguf", "spec.toml", "é", "dense*", "html", "latex"),
)
NUMBERS = (
    "0",
    "1",
    "2",
    "3",
    "7",
    "64",
    "255",
    "256",
    "257",
    "100000",
    "0.0",
    "0.001",
    "0.37",
    "0.999999",
    "1.0",
    "1.5",
)


def lines_of(text: str) -> list[str]:
    return text.split("\n")


def a_value(text: str, chance: random.Random) -> str:
    """One value becomes another one."""
    lines = lines_of(text)
    keyed = [place for place, line in enumerate(lines) if re.match(r"\s*[\w.-]+\s*=", line)]
    if keyed:
        place = chance.choice(keyed)
        lines[place] = f"{lines[place].split('=')[0]}= {chance.choice(VALUES)}"
    return "\n".join(lines)


def a_key(text: str, chance: random.Random) -> str:
    """A key of one place stands in another, or a table gets another name."""
    words = sorted(set(re.findall(r"\b[a-z_]{3,}\b", text)))
    old, new = chance.choice(words), chance.choice([*words, "", "__proto__", "é", "a.b.c", '"x y"'])
    return re.sub(rf"\b{old}\b", lambda _: new, text, count=chance.randint(1, 3))


def a_literal(text: str, chance: random.Random) -> str:
    """A number, a name or a switch inside a line becomes another value."""
    found = list(re.finditer(r'"[^"\n]*"|\b\d+(?:\.\d+)?\b|\btrue\b|\bfalse\b', text))
    if not found:
        return text
    place = chance.choice(found)
    return text[: place.start()] + chance.choice(VALUES) + text[place.end() :]


def a_word(text: str, chance: random.Random) -> str:
    """A name becomes one that is known, and often makes sense there."""
    found = list(re.finditer(r'"[^"\n]*"', text))
    place = chance.choice(found) if found else None
    return f'{text[: place.start()]}"{chance.choice(WORDS)}"{text[place.end() :]}' if place else text


def a_number(text: str, chance: random.Random) -> str:
    """A number becomes another one of the same sort: these pass the shape, and meet the model."""
    found = list(re.finditer(r"(?<![\w:.-])\d+(?:\.\d+)?(?![\w:.-])", text))
    if not found:
        return text
    place = chance.choice(found)
    same = [each for each in NUMBERS if ("." in each) == ("." in place[0])]
    return text[: place.start()] + chance.choice(same) + text[place.end() :]


def a_line(text: str, chance: random.Random) -> str:
    """A line is gone, stands twice, or elsewhere."""
    lines = lines_of(text)
    line = lines.pop(chance.randrange(len(lines)))
    for _ in range(chance.choice((0, 1, 2))):
        lines.insert(chance.randint(0, len(lines)), line)
    return "\n".join(lines)


def a_cut(text: str, chance: random.Random) -> str:
    first, last = sorted(chance.choices(range(len(text) + 1), k=2))
    return text[:first] + text[last:] if chance.random() < 0.5 else text[:last]


def noise(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 5)):
        place = chance.randint(0, len(text))
        text = text[:place] + chance.choice(NOISE) + text[place:]
    return text


MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (
    *(a_value, a_value, a_literal, a_literal),
    *(a_word, a_number, a_key, a_line, a_cut, noise),
)
MILD = (a_word, a_word, a_number, a_number, a_literal, a_line)
"""What often leaves a spec valid."""


def valid_ones(count: int, seed: int, base: str, is_valid: Callable[[str], bool]) -> Iterator[bytes]:
    """So many mutants of `base` that are still valid, each with at least one thing changed."""
    chance, seen = random.Random(seed), {base}
    while len(seen) <= count:
        text = base
        for _ in range(chance.choice((1, 2, 3))):
            text = chance.choice(MILD)(text, chance)
        if text not in seen and is_valid(text):
            seen.add(text)
            yield text.encode()


def specs(count: int, seed: int = 0, base: str = "") -> Iterator[bytes]:
    """So many files, each a shipped spec (or `base`) after one to four mutations; a few with bytes that are no text."""
    chance = random.Random(seed)
    texts = [base] if base else [file.read_text("utf-8") for file in SHIPPED]
    for _ in range(count):
        text = chance.choice(texts)
        for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
            text = chance.choice(MUTATIONS)(text, chance)
        data = text.encode("utf-8", "surrogatepass")
        if chance.random() < 0.03:
            place = chance.randint(0, len(data))
            data = data[:place] + bytes(chance.choices(range(256), k=8)) + data[place:]
        yield data
