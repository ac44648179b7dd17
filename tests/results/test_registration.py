"""What counts as an expectation from before the results, on folders made by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sparsity_report.results import registration
from sparsity_report.spec.model import Expect

if TYPE_CHECKING:
    from pathlib import Path

    from sparsity_report.results.model import RegistrationRecord


def expect(what: str = "small", **changed: Any) -> Expect:
    return Expect.model_validate({"what": what, "metric": "stored_bytes", "at_most": 0.5} | changed)


def alert(record: RegistrationRecord) -> str:
    return " ".join(each.text for each in registration.alerts(record))


def finish(folder: Path, name: str = "cells/csr.json") -> None:
    """A result is there."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}", encoding="utf-8")


def test_the_expectations_of_a_new_folder_are_registered(tmp_path: Path) -> None:
    record = registration.register(tmp_path, [expect()], "09:00")

    assert (record.registered, record.changed, record.late, record.dropped) == ("09:00", "", (), ())
    assert len(record.sha256) == 64
    assert registration.read(tmp_path).versions[0].expectations[registration.fingerprint(expect())] == {
        "what": "small", "metric": "stored_bytes", "at_most": 0.5,
    }  # fmt: skip


def test_a_resumed_run_keeps_the_first_time(tmp_path: Path) -> None:
    registration.register(tmp_path, [expect()], "09:00")
    finish(tmp_path)
    record = registration.register(tmp_path, [expect()], "10:00")

    assert record.registered == "09:00"
    assert alert(record) == ""


def test_an_edit_before_the_first_result_is_no_edit(tmp_path: Path) -> None:
    registration.register(tmp_path, [expect()], "09:00")
    record = registration.register(tmp_path, [expect(at_most=0.6)], "09:30")

    assert (record.registered, alert(record)) == ("09:30", "")


@pytest.mark.parametrize("left", ["cells/csr.json", "nodes/abc.json", "evidence/abc.json", "results.json"])
def test_an_edit_after_any_result_is_an_alert(tmp_path: Path, left: str) -> None:
    """The bound was moved to where the number is, one was dropped and one added."""
    registration.register(tmp_path, [expect("small"), expect("fast")], "09:00")
    finish(tmp_path, left)
    record = registration.register(tmp_path, [expect("small", at_most=0.7), expect("new")], "10:00")

    assert record.late == ("small", "new")
    assert record.dropped == ("small", "fast")
    assert alert(record) == (
        "Expectations were edited after the first results (10:00; registered before them: 09:00): "
        "stated or changed: “small”; “new”; no longer there: “small”; “fast”."
    )


def test_the_alert_stays_until_the_edit_is_taken_back(tmp_path: Path) -> None:
    """Running again does not launder an edit."""
    registration.register(tmp_path, [expect()], "09:00")
    finish(tmp_path)
    registration.register(tmp_path, [expect(at_most=0.7)], "10:00")

    again = registration.register(tmp_path, [expect(at_most=0.7)], "11:00")
    back = registration.register(tmp_path, [expect()], "12:00")

    assert (again.late, again.changed) == (("small",), "10:00")
    assert (back.registered, alert(back)) == ("09:00", "")


def test_without_a_record_from_before_nothing_can_be_shown(tmp_path: Path) -> None:
    """The register was removed, or the folder is from a version that had none."""
    registration.register(tmp_path, [expect()], "09:00")
    finish(tmp_path)
    (tmp_path / registration.FILE).unlink()

    record = registration.register(tmp_path, [expect()], "10:00")
    assert (record.registered, record.late) == ("", ("small",))
    assert "cannot be shown" in alert(record)


def test_a_study_without_expectations_has_nothing_to_be_late_with(tmp_path: Path) -> None:
    finish(tmp_path)

    assert alert(registration.register(tmp_path, [], "09:00")) == ""


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"source": "elsewhere"}, True),
        ({"where": {"sparsity": 0.30}}, False),
        ({"need": "any"}, False),
        ({"on_miss": "fail"}, False),
        ({"relative_to": "dense"}, False),
        ({"at_most": 0.5000001}, False),
        ({"at_most": 0.50, "need": "all"}, True),
        ({"what": "other words"}, False),
    ],
)
def test_the_fingerprint_is_of_what_decides(changed: dict[str, Any], same: bool) -> None:
    assert (registration.fingerprint(expect()) == registration.fingerprint(expect(**changed))) is same


def test_neither_order_nor_spelling_of_a_number_changes_the_hash() -> None:
    one, other = (expect("a", where={"sparsity": value}) for value in (Decimal("0.3"), Decimal("0.30")))

    assert registration.sha256_of([one, expect("b")]) == registration.sha256_of([expect("b"), other])
