"""All checks, in the order in which they are shown.

Each is a small pure function from evidence to a finding.
"""

from __future__ import annotations

from robust_augcl.results.findings import Finding
from robust_augcl.review.audit import between_attacks, effort, foundations, rest, single_records
from robust_augcl.review.audit.evidence import Check, Evidence

CHECKS: tuple[Check, ...] = (
    # the attack against the victim
    single_records.never_beats_clean,
    single_records.own_loss_rises,
    single_records.within_budget,
    single_records.label_is_preserved,
    single_records.edits_reproduce_the_verdict,
    # attacks against one another
    between_attacks.nothing_below_the_exact_worst_case,
    between_attacks.nothing_broken_that_is_proved,
    between_attacks.more_access_does_no_less,
    effort.larger_budgets_do_no_less,
    effort.large_budget_reaches_what_can_be_broken,
    effort.more_iterations_change_little,
    rest.attackers_are_at_rest,
    between_attacks.worst_of_attacks_is_the_worst,
    foundations.attack_works_on_planted_victims,
    # what they rest on
    single_records.victim_has_learned,
    rest.victims_are_at_rest,
    foundations.victim_is_deterministic,
    foundations.gradients_are_usable,
    foundations.no_test_graph_was_used_before,
    foundations.parts_of_the_data_differ,
)


def examine(evidence: Evidence) -> tuple[Finding, ...]:
    """Every check's finding."""
    return tuple(check(evidence) for check in CHECKS)
