"""Lines of keys in shapes of TOML that a search for `key =` would get wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from sparsity_report.spec.locate import Loc, lines_of, locate

HOSTILE = '''\
# not = "a key"
top.dotted = 1
"quoted.key" = 'has # no comment'  # but this is one

[table] # [other]
text = """
[fake]
key = 1 \\""" still text"""
array = [
  1,
  [2, "]"],  # ]
  { inline = 1, deep.er = [3] },
]

[[many]]
name = "first"
[many.sub."x.y"]
value = 1

[[many]]
name = { a = 1, b = { c = 'x' } }
  [[many.inner]]
  value = 1
  [[many.inner]]
  value = 1979-05-27T07:32:00Z
'''


@pytest.mark.parametrize(
    ("loc", "line"),
    [
        (("top", "dotted"), 2),
        (("quoted.key",), 3),
        (("table",), 5),
        (("table", "text"), 6),
        (("table", "array", 0), 10),
        (("table", "array", 1, 1), 11),
        (("table", "array", 2, "deep", "er", 0), 12),
        (("many", 0, "name"), 16),
        (("many", 0, "sub", "x.y", "value"), 18),
        (("many", 1), 20),
        (("many", 1, "name", "b", "c"), 21),
        (("many", 1, "inner", 0, "value"), 23),
        (("many", 1, "inner", 1, "value"), 25),
    ],
)
def test_hostile_shapes(loc: Loc, line: int) -> None:
    assert line == lines_of(HOSTILE)[loc]


def paths(data: Any, here: Loc = ()) -> list[Loc]:
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [here, *(path for key, value in children for path in paths(value, (*here, key)))]


SHIPPED = sorted((Path(__file__).parents[2] / "specs").glob("*.toml"))


@pytest.mark.parametrize("text", [HOSTILE, *(file.read_text(encoding="utf-8") for file in SHIPPED)])
def test_finds_everything_that_tomllib_finds_and_nothing_else(text: str) -> None:
    """The walk and tomllib agree on all paths of a text, so none is lost and no text in a string is taken for a key."""
    assert set(paths(tomllib.loads(text))) - {()} == set(lines_of(text))


def test_a_missing_key_is_placed_at_its_table() -> None:
    assert locate(("many", 1, "missing"), lines_of(HOSTILE)) == (20, 2)


def test_a_missing_table_has_no_place() -> None:
    assert locate(("absent", "key"), lines_of(HOSTILE)) == (0, 0)
