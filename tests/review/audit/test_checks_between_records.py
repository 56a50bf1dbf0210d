"""Checks of records against one another, and of an attack against itself with more effort."""

from __future__ import annotations

from dataclasses import replace

import pytest
from audited import BLACK, EXACT, LONG, RANDOM, WHITE, expect, first, with_traits
from hand_made import TRAITS

from robust_augcl.results.records import Outcome
from robust_augcl.review.audit import between_attacks, effort
from robust_augcl.review.audit.evidence import (
    Evidence,
    IterationFacts,
    LargeBudgetFacts,
)


def test_weaker_than_random_beyond_chance_fails(record, outcomes):
    random = record("random", outcomes(first(40, 90)))
    for access in (BLACK, WHITE):
        weak, strong = (
            record("weak", outcomes(first(20, 90))),
            record("strong", outcomes(first(50, 90))),
        )
        expect(
            between_attacks.more_access_does_no_less(with_traits((random, RANDOM), (weak, access))),
            "FAIL",
            weak,
        )
        expect(
            between_attacks.more_access_does_no_less(
                with_traits((random, RANDOM), (strong, access))
            ),
            "PASS",
        )
        close = record("close", outcomes(first(38, 90)))  # two graphs are noise
        expect(
            between_attacks.more_access_does_no_less(
                with_traits((random, RANDOM), (close, access))
            ),
            "PASS",
        )


def test_an_attack_that_sees_weights_is_held_against_those_that_see_less(record, outcomes):
    weak, black = record("weak", outcomes(first(20, 90))), record("black", outcomes(first(60, 90)))
    given = with_traits((weak, replace(WHITE, access="weights")), (black, BLACK))
    found = between_attacks.more_access_does_no_less(given)
    expect(found, "FAIL", weak)
    assert "which sees the model's weights" in found.evidence


def test_white_box_is_held_against_black_boxes_but_not_against_searches(record, outcomes):
    white, better = (
        record("white", outcomes(first(20, 90))),
        record("better", outcomes(first(25, 90))),
    )
    black = record("black", outcomes(first(60, 90)))
    expect(
        between_attacks.more_access_does_no_less(with_traits((white, WHITE), (black, BLACK))),
        "FAIL",
        white,
    )
    expect(
        between_attacks.more_access_does_no_less(
            with_traits((white, WHITE), (better, WHITE), (black, BLACK))
        ),
        "FAIL",
        better,
    )
    searching = with_traits((white, WHITE), (black, BLACK), searches={black.key})
    exact = with_traits((white, WHITE), (black, EXACT))
    combining = with_traits((white, WHITE), (black, replace(RANDOM, combines=True)))
    for evidence in (searching, exact, combining):
        assert between_attacks.more_access_does_no_less(evidence).status == "n/a"


def test_only_equal_realised_budgets_are_compared(record, outcomes):
    few, many = (
        record("few", outcomes(first(20, 90), edits=1), budget=5),
        record("many", outcomes(first(60, 90), edits=5), budget=5),
    )
    expect(
        between_attacks.more_access_does_no_less(with_traits((few, WHITE), (many, RANDOM))), "PASS"
    )
    gave_up = record(
        "gave_up", [o if o.broken else replace(o, added=[]) for o in few.outcomes], budget=5
    )
    expect(
        between_attacks.more_access_does_no_less(with_traits((gave_up, WHITE), (many, RANDOM))),
        "FAIL",
        gave_up,
    )


def test_victims_and_threats_are_never_mixed(record, outcomes):
    random = record("random", outcomes(first(60, 90)))
    weak = record("weak", outcomes(first(1, 90)))
    other_victim = replace(weak, victim=replace(weak.victim, key="another"))
    other_threat = replace(weak, threat={**weak.threat, "operations": ["delete"]})
    for other in (other_victim, other_threat):
        assert (
            between_attacks.more_access_does_no_less(
                with_traits((random, RANDOM), (other, WHITE))
            ).status
            == "n/a"
        )


def test_a_larger_budget_that_does_less_fails_by_a_paired_test(record, outcomes):
    small = record("a", outcomes(first(40, 90)), budget=1)
    worse, noise, more = (
        record("a", outcomes(first(count, 90), edits=2), budget=2) for count in (20, 38, 60)
    )
    expect(
        effort.larger_budgets_do_no_less(with_traits((small, BLACK), (worse, BLACK))),
        "FAIL",
        worse,
    )
    expect(
        effort.larger_budgets_do_no_less(with_traits((small, RANDOM), (worse, RANDOM))),
        "WARN",
        worse,
    )
    expect(effort.larger_budgets_do_no_less(with_traits((small, BLACK), (noise, BLACK))), "PASS")
    expect(effort.larger_budgets_do_no_less(with_traits((small, BLACK), (more, BLACK))), "PASS")
    expect(effort.larger_budgets_do_no_less(with_traits((small, BLACK))), "n/a")
    # An exact search has no excuse: one graph is enough.
    expect(
        effort.larger_budgets_do_no_less(with_traits((small, EXACT), (noise, EXACT))),
        "FAIL",
        noise,
    )
    fraction = record("a", outcomes(first(20, 90)), budget=0.05)
    expect(effort.larger_budgets_do_no_less(with_traits((small, BLACK), (fraction, BLACK))), "n/a")


def test_nothing_is_below_the_exact_worst_case(record, outcomes):
    exact = record("exact", outcomes(first(30, 90)))
    below, within = (
        record("below", outcomes([i in (3, 50) for i in range(90)])),
        record("within", outcomes(first(10, 90))),
    )
    finding = between_attacks.nothing_below_the_exact_worst_case(
        with_traits((exact, EXACT), (below, BLACK), (within, BLACK))
    )
    expect(finding, "FAIL", below, exact)
    assert "graph 50" in finding.evidence
    expect(
        between_attacks.nothing_below_the_exact_worst_case(
            with_traits((exact, EXACT), (within, BLACK))
        ),
        "PASS",
    )
    tied = [
        replace(o, attacked_margin=1e-6) if i == 50 else o for i, o in enumerate(exact.outcomes)
    ]
    barely = [
        replace(o, attacked_margin=-1e-6) if i == 50 else o for i, o in enumerate(below.outcomes)
    ]
    tie = with_traits(
        (replace(exact, outcomes=tied), EXACT), (replace(below, outcomes=barely), BLACK)
    )
    expect(between_attacks.nothing_below_the_exact_worst_case(tie), "PASS")
    more = record("more", outcomes(first(60, 90)), budget=2)
    expect(
        between_attacks.nothing_below_the_exact_worst_case(
            with_traits((exact, EXACT), (more, BLACK))
        ),
        "n/a",
    )
    exact_of_two = record("exact", outcomes(first(30, 90)), budget=2)
    fewer = record("fewer", outcomes(first(31, 90)), budget=1)
    expect(
        between_attacks.nothing_below_the_exact_worst_case(
            with_traits((exact_of_two, EXACT), (fewer, BLACK))
        ),
        "FAIL",
        exact_of_two,
        fewer,
    )


def test_only_what_is_proved_of_a_claim_is_held_against_others(record, outcomes):
    """A foreign attack that says that it is exact is believed for the targets that are proved."""
    claims = replace(
        record("claims", outcomes(first(30, 90))), traits=replace(TRAITS, claims_exact=True)
    )
    proved = [replace(o, exact=o.graph != 50) for o in claims.outcomes]
    partly = replace(claims, outcomes=proved)
    below = record("below", outcomes([i in (3, 50) for i in range(90)]))
    finding = between_attacks.nothing_below_the_exact_worst_case(Evidence([partly, below]))
    expect(finding, "WARN", partly)
    assert "budget 1: 98.9 % of its graphs" in finding.evidence
    refuted = replace(claims, outcomes=[replace(o, exact=True) for o in claims.outcomes])
    found = between_attacks.nothing_below_the_exact_worst_case(Evidence([refuted, below]))
    expect(found, "FAIL", below, refuted)


def test_targets_in_one_graph_are_told_apart(record):
    """Nodes of one graph: what is proved of one says nothing of another."""
    node = Outcome(0, 0, 0, 1, 1.0, -1.0, [[0, 1]], [], node=4)
    attack = record("attack", [node, replace(node, node=5)])
    evidence = Evidence([attack], proved={attack.key: {(0, 7)}})
    expect(between_attacks.nothing_broken_that_is_proved(replace(evidence, proved={})), "n/a")
    finding = between_attacks.nothing_broken_that_is_proved(
        Evidence([attack], proved={attack.key: {(0, 5)}})
    )
    expect(finding, "FAIL", attack)
    assert "node 5 of graph 0" in finding.evidence
    expect(between_attacks.nothing_broken_that_is_proved(evidence), "PASS")


def test_a_certified_graph_that_is_broken_is_found(record, outcomes):
    attack, other = (
        record("attack", outcomes(first(10, 20))),
        record("other", outcomes(first(3, 20))),
    )
    standing = {o.target for o in attack.outcomes if o.robust}
    evidence = replace(with_traits((attack, BLACK), (other, BLACK)), proved={attack.key: standing})
    expect(between_attacks.nothing_broken_that_is_proved(evidence), "PASS")
    wrong = replace(
        evidence, proved={attack.key: standing, other.key: {o.target for o in other.outcomes}}
    )
    expect(between_attacks.nothing_broken_that_is_proved(wrong), "FAIL", other)
    expect(between_attacks.nothing_broken_that_is_proved(replace(evidence, proved={})), "n/a")


def test_a_union_is_no_better_than_its_parts(record, outcomes):
    part, other = record("part", outcomes(first(10, 20))), record("other", outcomes(first(3, 20)))
    union = replace(RANDOM, combines=True, of=["part"])
    worse = record("worst", outcomes(first(9, 20)))
    expect(
        between_attacks.worst_of_attacks_is_the_worst(
            with_traits((part, BLACK), (other, BLACK), (worse, union))
        ),
        "FAIL",
        worse,
    )
    expect(
        between_attacks.worst_of_attacks_is_the_worst(
            with_traits((part, BLACK), (other, BLACK), (worse, replace(union, of=["gone"])))
        ),
        "n/a",
    )
    same = record("worst", part.outcomes)
    expect(
        between_attacks.worst_of_attacks_is_the_worst(with_traits((part, BLACK), (same, union))),
        "PASS",
    )
    fewer = [record("part", part.outcomes), record("worst", worse.outcomes, budget=2)]
    expect(
        between_attacks.worst_of_attacks_is_the_worst(
            with_traits((fewer[0], BLACK), (fewer[1], union))
        ),
        "FAIL",
        fewer[1],
    )
    more = [record("part", part.outcomes, budget=2), record("worst", worse.outcomes)]
    expect(
        between_attacks.worst_of_attacks_is_the_worst(
            with_traits((more[0], BLACK), (more[1], union))
        ),
        "n/a",
    )
    of_other = replace(union, of=["other"])  # which it has less damage than, on no graph
    expect(
        between_attacks.worst_of_attacks_is_the_worst(
            with_traits((part, BLACK), (other, BLACK), (worse, of_other))
        ),
        "PASS",
    )


def test_more_iterations_that_still_change_the_result_are_warned_of(record, outcomes):
    def of(steps, broken):
        return record(
            f"rl{steps}",
            outcomes(first(broken, 90)),
            attack_settings={"type": "RL", "steps": steps, "width": 8},
        )

    short, longer, same = of(100, 20), of(200, 50), of(200, 21)
    expect(
        effort.more_iterations_change_little(with_traits((short, LONG), (longer, LONG))),
        "WARN",
        short,
    )
    expect(effort.more_iterations_change_little(with_traits((short, LONG), (same, LONG))), "PASS")
    other = replace(longer, attack_settings={"type": "RL", "steps": 200, "width": 16})
    expect(effort.more_iterations_change_little(with_traits((short, LONG), (other, LONG))), "n/a")
    for only_full, status in ((4, "WARN"), (1, "PASS")):
        halved = [IterationFacts((short.key,), "rl on none", 12, "steps", 50, 100, 0, only_full)]
        found = effort.more_iterations_change_little(with_traits((short, LONG), halved=halved))
        expect(found, status, *([short] if status == "WARN" else []))


@pytest.mark.parametrize(
    ("broken", "random", "own", "status"),
    [(2, 9, 0, "FAIL"), (8, 2, 0, "WARN"), (10, 0, 3, "PASS"), (40, 1, 0, "PASS")],
)
def test_a_large_budget_that_does_not_reach_what_random_edits_do(
    record, outcomes, broken, random, own, status
):
    one = record("a", outcomes(first(1, 3)))
    facts = LargeBudgetFacts((one.key,), "a on none", 50, 10, broken, random, own)
    expect(
        effort.large_budget_reaches_what_can_be_broken(Evidence([one], large=[facts])),
        status,
        *([one] if status != "PASS" else []),
    )
