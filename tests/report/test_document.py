"""Numbers of sections, figures, tables and equations."""

from __future__ import annotations

import pytest
from markupsafe import Markup

from sparsity_report.report.document import Column, Entry, Equation, Row, RowGroup, Section, Table, number


def draw(tex, spoken):
    return Markup(spoken)


def table(name):
    return Table(name, "caption", (Column("a"),), (RowGroup((Row((Entry("1"),)),)),))


def intervals(rows, columns, below="[0.001, 0.002]"):
    entries = (Entry("magnitude 30 %"), *(Entry("0.001", below=below) for _ in range(columns)))
    heads = (Column("State"), *(Column("x", numeric=True) for _ in range(columns)))
    return Table("t", "caption", heads, (RowGroup((Row(entries),) * rows),), small=True)


def test_second_lines_stand_beside_the_first_where_the_columns_leave_room():
    """Four such columns fit into a line, seven do not: then a row has two lines."""
    assert [bool(each) for each in intervals(5, 4).beside] == [False, True, True, True, True]
    assert intervals(5, 4).lines == 5
    assert intervals(5, 7).beside == ()
    assert intervals(5, 7).lines == 10
    assert intervals(5, 7, below="").lines == 5


def test_sections_count_and_appendices_are_lettered():
    sections = (
        Section("one", "", sections=(Section("one-one", ""), Section("one-two", ""))),
        Section("two", ""),
        Section("app", "", appendix=True),
    )

    numbers = number(sections, (), draw).numbers

    assert numbers == {"one": "1", "one-one": "1.1", "one-two": "1.2", "two": "2", "app": "A"}


def test_tables_and_equations_count_separately_through_all_sections():
    sections = (
        Section("one", "", (table("t1"), Equation("e1", "x", "x"))),
        Section("two", "", (Equation("e2", "x", "x"), table("t2"))),
    )

    labels = number(sections, (), draw).labels

    assert [labels[each] for each in ("t1", "t2", "e1", "e2")] == ["Table 1", "Table 2", "Eq. (1)", "Eq. (2)"]


def test_an_id_that_occurs_twice_is_refused():
    with pytest.raises(ValueError, match="t1"):
        number((Section("one", "", (table("t1"), table("t1"))),), (), draw)
