"""What is said of the worst case where no attack is exact: it goes by what certificates prove."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from markdown_tables import whole
from report_inputs import report_of

from robust_augcl.reports._summary import guide
from robust_augcl.reports._view import view_of
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Record
from robust_augcl.review.audit.between_attacks import nothing_below_the_exact_worst_case
from robust_augcl.review.audit.evidence import Evidence

Campaign = Callable[..., list[Record]]

SETTLED = (
    "Certificates and the attacks settle it together: each of the graphs is proved safe, broken, "
    "or wrong from the start."
)


@pytest.fixture
def records(campaign: Campaign) -> list[Record]:
    """An attack on two models, of which it leaves another share right."""
    return campaign(methods=["none", "augcl"], layers=[2], attacks=["grad_argmax"])


def certificate(record: Record, left_open: int = 0, broken: int = 0) -> Measurement:
    """Of all targets that an attack left right, the first are open, the next broken, the rest
    safe.
    """
    standing = [outcome.graph for outcome in record.outcomes if outcome.robust]
    unproved, hurt = standing[: left_open + broken], standing[left_open : left_open + broken]
    values = {
        "graphs": [outcome.graph for outcome in record.outcomes],
        "certified": [o.robust and o.graph not in unproved for o in record.outcomes],
        "witnesses": [[[[0, 1]], []] if o.graph in hurt else None for o in record.outcomes],
        "victim": record.victim.digest,
    }
    return Measurement("certificate", replace(record.cell, attack=""), values, 0.0)


def left_by(records: list[Record]) -> str:
    """The share that stays right, on average over the models, in percent."""
    return f"{100 * sum(record.robust_accuracy for record in records) / len(records):.1f} %"


def sentence_of(records: list[Record], proofs: list[Measurement]) -> str:
    """The point of the guide that speaks of the strongest attack."""
    view = view_of(report_of(records, measurements=proofs))
    (told,) = (line for line in guide(view, view.sections[0]) if "strongest single attack" in line)
    return told


def test_what_certificates_settle_is_the_exact_worst_case(records: list[Record]) -> None:
    told = sentence_of(records, [certificate(record) for record in records])
    assert f"It leaves {left_by(records)} of the graphs right" in told
    assert f"The exact worst case is {left_by(records)}. {SETTLED}" in told
    assert told.endswith("So this attack missed less than 0.1 points.")
    assert "not known" not in told


def test_what_a_witness_breaks_the_attack_missed(records: list[Record]) -> None:
    told = sentence_of(records, [certificate(record, broken=9) for record in records])
    (exact,) = re.findall(r"The exact worst case is ([0-9.]+) %", told)
    (left,) = re.findall(r"It leaves ([0-9.]+) %", told)
    assert float(left) - float(exact) == pytest.approx(10, abs=0.11)
    assert "So this attack missed 10.0 points: it left graphs right that other edits break." in told


def test_an_open_target_leaves_bounds(records: list[Record]) -> None:
    first, second = records
    told = sentence_of(records, [certificate(first, left_open=18), certificate(second)])
    lower = sum(record.robust_accuracy for record in records) / 2 - 18 / 90 / 2
    assert "the exact worst case is not known here" in told
    assert f"between {100 * lower:.1f} and {left_by(records)}." in told
    assert "missed" not in told


@pytest.mark.parametrize("certified", [0, 1])
def test_a_model_without_a_certificate_is_not_known(records: list[Record], certified: int) -> None:
    told = sentence_of(records, [certificate(record) for record in records[:certified]])
    assert told.endswith("A stronger attack may leave less: the worst case is not known here.")


def test_models_that_an_attack_was_not_run_on_do_not_count(campaign: Campaign) -> None:
    searched = campaign(methods=["none", "augcl"], layers=[2], attacks=["exhaustive"])
    attacked = campaign(methods=["none"], layers=[2], attacks=["grad_argmax"])
    told = sentence_of([*searched, *attacked], [])
    assert f"The exact worst case is {left_by(searched[:1])}." in told
    assert "one of the two numbers is wrong" not in told
    assert SETTLED not in told


def test_no_text_denies_an_exact_worst_case_that_is_proved(records: list[Record]) -> None:
    found = nothing_below_the_exact_worst_case(Evidence(records))
    assert found.status == "n/a"
    assert found.evidence.startswith("No attack here claims to be exact.")
    text = whole(report_of(records, measurements=[certificate(record) for record in records]))
    assert "stay right in the exact worst case" in text
    assert "not known" not in text.replace("It is not known how", "")
