"""What a decision says beside its outcome: the audit, drops, times, revisions."""

from __future__ import annotations

from dataclasses import replace

from gate_decisions import why

from robust_augcl.gate import self_test
from robust_augcl.gate.decision import decide
from robust_augcl.gate.rendering import FORMS
from robust_augcl.gate.self_test import Truth, made_up
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_parts import Found


def audited(held: Baseline, *found: Found) -> Baseline:
    return replace(held, audit=list(found))


def test_only_a_new_failure_of_the_audit_is_a_regression(base):
    fails = Found("a check", "FAIL", "seen", [0])
    passes = Found("a check", "PASS", "seen", [])
    assert decide(audited(base, passes), audited(base, fails)).outcome == "regressed"
    assert decide(audited(base, fails), audited(base, fails)).outcome == "holds"
    # Records 0 and 2 are of one attack, of other seeds; record 1 is of another attack.
    other_seed = audited(base, replace(fails, records=[2]))
    assert decide(audited(base, fails), other_seed).outcome == "holds"
    spread = decide(audited(base, fails), audited(base, replace(fails, records=[0, 1])))
    assert spread.outcome == "regressed"
    mended = decide(audited(base, fails), audited(base, passes))
    assert (mended.outcome, len(mended.improved)) == ("holds", 1)
    warns = audited(base, replace(fails, status="WARN"))
    assert decide(audited(base, passes), warns).outcome == "holds"
    assert decide(replace(base, audit=None), audited(base, fails)).outcome == "regressed"
    assert decide(base, replace(base, audit=None)).outcome == "cannot tell"


def test_a_check_that_fails_for_more_seeds_is_a_regression(base):
    """Records 0, 2, 4 ... are of one attack, one for each seed."""

    def failing(*places: int) -> Baseline:
        return audited(base, Found("a check", "FAIL", "seen", list(places)))

    every = decide(failing(0), failing(*range(0, 16, 2)))
    assert (every.outcome, every.exit_code) == ("regressed", 1)
    assert "(for 8 of 8 seeds, before for 1 of 8). seen" in why(every)
    assert decide(failing(0, 2), failing(4, 6)).outcome == "holds"
    assert decide(failing(0, 2), failing(4)).outcome == "holds"


def test_a_check_may_fail_for_as_large_a_share_of_more_seeds(base):
    """Eight seeds hold twice as many chances to fail as four do."""
    few = self_test.failed_audit(made_up(range(4), Truth()))
    for seeds, outcome in ((2, "holds"), (3, "regressed")):
        found = decide(few, self_test.failed_audit(base, seeds))
        assert found.outcome == outcome
    assert "(for 3 of 8 seeds, before for 1 of 4)" in why(found)
    passes = made_up(range(4), Truth())
    assert decide(passes, self_test.failed_audit(base)).outcome == "regressed"


def test_that_nobody_audited_is_said(base):
    bare = replace(base, audit=None)
    found = decide(bare, bare)
    assert found.outcome == "holds"
    assert found.notes[0].startswith("neither side is audited")
    for name, form in FORMS.items():
        assert "neither side is audited" in " ".join(form(found).split()), name
        assert "neither side is audited" not in " ".join(form(decide(base, base)).split()), name


def test_the_drop_of_a_weaker_attack_is_above_0_in_every_output(base):
    found = decide(base, self_test.dulled_attack(base))
    (weaker,) = found.of("regressed")
    assert weaker.drop == 3 * 8 / 1600
    (row,) = [r for r in FORMS["markdown"](found).splitlines() if r.startswith("| regressed")]
    assert row.split("|")[5].strip() == "1.5"


def test_times_are_ratios_on_the_same_processor(base):
    slow = replace(base, attacked=[replace(r, attack_seconds=1.5) for r in base.attacked])
    notes = " ".join(decide(base, slow).notes)
    assert "Weaker (1 edit) 1.50" in notes
    assert "training 1.00" in notes
    assert "peak memory of attacks, new over baseline (same processor): 1.00" in notes
    elsewhere = replace(slow, machines=[replace(slow.machines[0], processor="another")])
    (note,) = decide(base, elsewhere).notes
    assert note.startswith("time and memory are not compared")


def test_what_was_revised_is_said(base):
    before, after = (replace(base, revisions={"attack beam": number}) for number in (1, 2))
    assert "revised since: attack beam (1, now 2)" in decide(before, after).notes
