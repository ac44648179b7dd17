"""One visual language: told apart without colour, readable, and light."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsity_report.report import style


@pytest.mark.parametrize("known", [style.FORMATS, style.METHODS], ids=["formats", "methods"])
def test_marks_differ_in_colour_and_without_it(known: dict[str, style.Mark]):
    """Colour, hatch and marker each identify a mark by themselves."""
    for channel in ("colour", "hatch", "marker"):
        assert len({getattr(mark, channel) for mark in known.values()}) == len(known)


@pytest.mark.parametrize("known", [style.GROUPS, style.COMPONENTS], ids=["groups", "components"])
def test_neighbours_of_a_stack_differ_without_colour(known: dict[str, style.Mark]):
    """Parts that can touch in a stack differ in hatch or by a contrast of at least 1.5."""
    for first, second in itertools.pairwise(known.values()):
        assert first.hatch != second.hatch or style.contrast(first.colour, second.colour) >= 1.5


def test_lines_of_known_methods_stand_out_from_the_page():
    """Graphics need a contrast of 3 with what is behind them (WCAG 2.1, 1.4.11); outlines and text need more."""
    assert all(style.contrast(mark.colour, "#ffffff") >= 3 for mark in style.METHODS.values())
    assert style.contrast(style.INK, "#ffffff") >= 7
    assert style.contrast(style.MUTED, "#ffffff") >= 4.5


def test_contrast_is_that_of_the_standard():
    """Black on white is 21, a colour on itself is 1."""
    assert style.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert style.contrast("#336699", "#336699") == 1


@pytest.mark.parametrize("fill", ["#ffffff", "#9cc9e3", style.BLUE, "#00314f", style.ORANGE])
def test_text_on_a_fill_is_readable(fill: str):
    """Whatever the tile, one of the two inks reaches the contrast of text."""
    assert style.contrast(style.ink_on(fill), fill) >= 4.5


def test_unknown_names_get_spare_marks_in_order():
    """A plug-in's format looks like no known one, and two of them do not look alike."""
    found = style.marks(["masked", "mine", "yours", "mine"], style.FORMATS)

    assert found["masked"] == style.FORMATS["masked"]
    assert found["mine"] == style.SPARE[0]
    assert found["yours"] == style.SPARE[1]


def test_text_from_outside_is_not_read_as_mathematics():
    """A dollar sign in a name is a dollar sign: "$x$" draws three glyphs, not one."""
    svg = style.render("test", 20, lambda figure: figure.text(0.1, 0.1, "$x$") and None)

    assert svg.count("<use") == 3


def test_lighter_svg_keeps_scales_and_shortens_the_rest():
    """Coordinates lose digits that nobody can see; a scale of 1/64 must keep all of its own."""
    heavy = '<?xml version="1.0"?>\n<svg>\n <!-- words -->\n <g id="text_1">\n <path d="M 1.23456 -2.0001" transform="scale(0.015625)"/></g>\n</svg>\n'  # noqa: E501 - one document

    assert style.lighter(heavy) == '<svg><g><path d="M 1.23 -2" transform="scale(0.015625)"/></g></svg>'


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12), st.floats(0.1, 10))
def test_labels_are_moved_apart_and_keep_their_order(wanted: list[float], gap: float):
    """Whatever the places, neighbours end up at least a gap apart, in the order of what they label."""
    placed = style.spread(wanted, gap)
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    moved = [placed[index] for index in order]

    assert all(after - before >= gap * (1 - 1e-9) - 1e-9 for before, after in itertools.pairwise(moved))


def test_labels_with_room_stay_where_they_are():
    """Two that touch share the push; a third far away does not move."""
    assert style.spread([0.0, 0.0, 10.0], 2.0) == [-1.0, 1.0, 10.0]


def test_rounding_of_the_layout_does_not_show():
    """Two layouts that differ in the fourteenth digit clip at the same rectangle, and must not differ in its name."""
    made = [
        f'<svg><clipPath id="{name}"><rect x="{x}"/></clipPath><path clip-path="url(#{name})"/></svg>'
        for name, x in (("p12ab", "15.30000000000001"), ("pffee", "15.29999999999999"))
    ]

    assert style.lighter(made[0]) == style.lighter(made[1])
    assert "url(#clip0)" in style.lighter(made[0])
