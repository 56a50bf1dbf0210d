"""The checks as a whole: their names, their tests, and the audit that is kept of them."""

from __future__ import annotations

import pytest
from audited import first
from hand_made import key_of, ref_of

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results.findings import VERSION, Audit, Finding
from robust_augcl.results.intervals import ALPHA, mcnemar
from robust_augcl.review.audit.all_checks import CHECKS, examine
from robust_augcl.review.audit.evidence import (
    Evidence,
)
from robust_augcl.review.audit.pairs import decidedly_weaker


def test_without_records_no_check_stumbles_and_none_fails():
    assert {finding.status for finding in examine(Evidence([]))} == {"n/a"}


def test_every_check_has_a_name_and_a_docstring_of_its_own(record, outcomes):
    one = record("a", outcomes(first(30, 90)))
    findings = examine(Evidence([one]))
    assert len({finding.check for finding in findings}) == len(CHECKS)
    assert all(check.__doc__ for check in CHECKS)
    assert not [finding for finding in findings if finding.status == "FAIL"]


def test_fair_pairs_are_judged_by_mcnemars_test_corrected_for_their_number(record, outcomes):
    """The smallest decided difference moves as the number of tests grows."""
    for tests in (1, 9):
        least = next(n for n in range(1, 90) if mcnemar(0, n) < ALPHA / tests)
        pairs = [
            (record("r", outcomes(first(n, 90))), record("w", outcomes(first(0, 90))))
            for n in (least - 1, least)
        ]
        assert [decidedly_weaker(weak, random, tests) for random, weak in pairs] == [
            False,
            True,
        ]


def test_an_audit_is_kept_and_an_altered_one_is_not_believed():
    one, two, three = (key_of("attack", number) for number in range(3))
    audit = Audit(
        ref_of("stamp").digest,
        (
            Finding("a", "FAIL", "Seen.", (one, two)),
            Finding("b", "FAIL", "Too.", (two,)),
            Finding("c", "WARN", "x.", (three,)),
        ),
    )
    assert audit.failed == {one: ("a",), two: ("a", "b")}
    assert audit.summary == "2 FAIL, 1 WARN"
    text = audit.dumps()
    assert Audit.loads(text, "audit.json") == audit
    for altered in (
        text.replace("FAIL", "PASS", 1),
        text[:-10],
        "[]",
        text.replace(f'"version": {VERSION}', '"version": 0'),
    ):
        with pytest.raises(ArtifactDamaged, match=r"audit\.json"):
            Audit.loads(altered, "audit.json")
