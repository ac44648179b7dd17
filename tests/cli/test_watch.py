"""Watching: once at first, then after every change, and not in between."""

from __future__ import annotations

from itertools import islice

from sparsity_report.cli.watch import changes


def test_every_change_is_seen_once(tmp_path):
    """A file is written, nothing happens, it grows, another comes, it goes: five looks see four changes."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("1", encoding="utf-8")
    steps = iter(
        (
            lambda: None,
            lambda: one.write_text("12", encoding="utf-8"),
            lambda: None,
            lambda: other.write_text("x", encoding="utf-8"),
            other.unlink,
        )
    )
    looks = []

    def pause():
        looks.append(None)
        next(steps)()

    assert sum(1 for _ in islice(changes(lambda: (one, other), pause), 4)) == 4
    assert len(looks) == 5
