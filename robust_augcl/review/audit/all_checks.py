"""All checks, in the order in which they are shown.

Each is a small pure function from evidence to a finding.
"""

from __future__ import annotations

from robust_augcl.results.findings import Finding
from robust_augcl.review.audit import effort, foundations, outcomes, rest, strength
from robust_augcl.review.audit.evidence import Check, Evidence

CHECKS: tuple[Check, ...] = (
    # the attack against the victim
    outcomes.never_beats_clean,
    outcomes.own_loss_rises,
    outcomes.within_budget,
    outcomes.label_is_preserved,
    outcomes.edits_reproduce_the_verdict,
    # attacks against one another
    strength.nothing_below_the_exact_worst_case,
    strength.nothing_broken_that_is_proved,
    strength.more_access_does_no_less,
    effort.larger_budgets_do_no_less,
    effort.large_budget_reaches_what_can_be_broken,
    effort.more_iterations_change_little,
    rest.attackers_are_at_rest,
    strength.worst_of_attacks_is_the_worst,
    foundations.attack_works_on_planted_victims,
    # what they rest on
    outcomes.victim_has_learned,
    rest.victims_are_at_rest,
    foundations.victim_is_deterministic,
    foundations.gradients_are_usable,
    foundations.no_test_graph_was_used_before,
    foundations.parts_of_the_data_differ,
)


def examine(evidence: Evidence) -> tuple[Finding, ...]:
    """Every check's finding."""
    return tuple(check(evidence) for check in CHECKS)
