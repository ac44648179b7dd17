"""What saves time when a report is rendered, and changes nothing of it."""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Subject = TypeVar("Subject")
Answer = TypeVar("Answer")
_thawed: list[bool] = []
"""Not empty where rendering left garbage."""


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """
    Rendering makes millions of objects that live to its end: looking for garbage among them takes a tenth of it.

    So it does when the collector is back and finds them all new. Freezing and thawing makes them old at once; what of
    them is garbage stays until `collect_earlier`.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            if not gc.get_freeze_count():  # what somebody else has frozen stays so
                gc.freeze()
                gc.unfreeze()
                _thawed.append(True)
            gc.enable()


def collect_earlier() -> None:
    """Frees what earlier reports left: a process that makes one never takes the time, and one that makes many must."""
    if _thawed:
        _thawed.clear()
        gc.collect()


def remembered(function: Callable[[Subject], Answer]) -> Callable[[Subject], Answer]:
    """The function with its last answer kept, for as long as it is asked about the very same object."""
    last: list[tuple[Subject, Answer]] = []

    def answer(subject: Subject) -> Answer:
        if not last or last[0][0] is not subject:
            last[:] = [(subject, function(subject))]
        return last[0][1]

    return answer
