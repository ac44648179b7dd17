"""
Whether a GGUF file's header keeps its word, before the reader follows it: counts and lengths lie within the file.

The reader believes a length of 2^60 and counts to it. Layout: magic, version, number of tensors, number of fields, then
each field as key, type and value; texts and arrays carry their length (the specification of GGUF, versions 2 and 3).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

MAGIC = b"GGUF"
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value by its type; 8 is text, 9 an array."""
TEXT, ARRAY = 8, 9
MOST_DIMENSIONS = 8


class Walk:
    """Over a header, from its start; raises ValueError at what goes beyond the file."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream, self.size = stream, size

    def take(self, layout: str) -> int:
        data = self.stream.read(struct.calcsize(layout))
        if len(data) < struct.calcsize(layout):
            raise ValueError("its header ends before it should")
        return int(struct.unpack(layout, data)[0])

    def skip(self, count: int) -> None:
        if count > self.size - self.stream.tell():
            raise ValueError("its header claims more than the file holds")
        self.stream.seek(count, 1)

    def text(self) -> None:
        self.skip(self.take("<Q"))

    def value(self, kind: int) -> None:
        if kind == TEXT:
            self.text()
        elif kind == ARRAY:
            inner, count = self.take("<I"), self.take("<Q")
            if inner in SIZES:
                self.skip(count * SIZES[inner])
            elif inner == TEXT and count <= self.size:
                for _ in range(count):
                    self.text()
            else:
                raise ValueError("its header has an array of no known type")
        elif kind in SIZES:
            self.skip(SIZES[kind])
        else:
            raise ValueError(f"its header has a value of type {kind}")

    def tensor(self) -> None:
        self.text()
        dimensions = self.take("<I")
        if dimensions > MOST_DIMENSIONS:
            raise ValueError(f"its header has a tensor of {dimensions} dimensions")
        elements = 1
        for _ in range(dimensions):
            elements *= self.take("<Q")
        if elements > 8 * self.size:  # no weight is stored in less than a bit
            raise ValueError("its header claims a tensor larger than the file")
        self.skip(4 + 8)


def check(path: Path) -> None:
    """Raises ValueError for a header that is none, OSError where it cannot be read."""
    with path.open("rb") as stream:
        walk = Walk(stream, path.stat().st_size)
        if stream.read(4) != MAGIC:
            raise ValueError("it does not begin like one")
        if (version := walk.take("<I")) not in (2, 3):
            raise ValueError(f"it is of version {version}")
        tensors, fields = walk.take("<Q"), walk.take("<Q")
        if tensors + fields > walk.size:
            raise ValueError("its header claims more than the file holds")
        for _ in range(fields):
            walk.text()
            walk.value(walk.take("<I"))
        for _ in range(tensors):
            walk.tensor()
