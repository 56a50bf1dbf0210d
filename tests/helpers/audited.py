"""Records and attacks that checks of the audit are tried on, and what they must find."""

from __future__ import annotations

from dataclasses import replace

from hand_made import TRAITS

from robust_augcl.results.findings import Finding
from robust_augcl.review.audit.evidence import (
    Evidence,
)

RANDOM, BLACK, WHITE = (replace(TRAITS, access=access) for access in ("none", "query", "gradient"))
EXACT = replace(TRAITS, claims_exact=True)
LONG = replace(TRAITS, effort="steps")


def with_traits(*pairs, **facts) -> Evidence:
    """Evidence from records and the traits of their attacks.

    Where an attack claims to be exact, all its targets are proved.
    """
    records = []
    for record, traits in pairs:
        outcomes = record.outcomes
        if traits.claims_exact:
            outcomes = [replace(outcome, exact=True) for outcome in outcomes]
        records.append(replace(record, traits=traits, outcomes=outcomes))
    return Evidence(records, **facts)


def first(count: int, of: int) -> list[bool]:
    return [i < count for i in range(of)]


def expect(finding: Finding, status: str, *records) -> None:
    assert finding.status == status, finding
    assert finding.cells == tuple(record.key for record in records)
    assert finding.evidence.endswith(".")
    assert "\n" not in finding.evidence
