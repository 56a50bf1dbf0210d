"""Each check finds what is wrong where something is, and nothing where nothing is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hand_made import TRAITS, key_of, ref_of

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results.findings import VERSION, Audit, Finding
from robust_augcl.results.intervals import ALPHA, mcnemar
from robust_augcl.results.records import Cell, Outcome
from robust_augcl.results.rest import Rest
from robust_augcl.review.audit import effort, foundations, rest, strength
from robust_augcl.review.audit import outcomes as single
from robust_augcl.review.audit.all_checks import CHECKS, examine
from robust_augcl.review.audit.evidence import (
    DataFacts,
    Evidence,
    IterationFacts,
    LargeBudgetFacts,
    PlantedFacts,
    Use,
    VictimFacts,
)
from robust_augcl.review.audit.pairs import decidedly_weaker

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


# --- single records -------------------------------------------------------------------------------


def test_graphs_put_right_beyond_chance_fail_for_an_attack_that_chooses(record, outcomes):
    put_right = [Outcome(i, 0, 1, 0, -1.0, 1.0, [[0, 1]], []) for i in range(20)]
    helps, fine = record("helps", put_right), record("fine", outcomes(first(5, 20), wrong=5))
    expect(single.never_beats_clean(with_traits((helps, BLACK), (fine, BLACK))), "FAIL", helps)
    expect(single.never_beats_clean(with_traits((helps, RANDOM), (fine, BLACK))), "WARN", helps)
    expect(single.never_beats_clean(with_traits((fine, BLACK))), "PASS")
    few = record("few", put_right[:3])  # 3 to 0 is chance
    expect(single.never_beats_clean(with_traits((few, BLACK))), "PASS")


def test_a_rising_margin_fails_and_one_that_stays_is_warned_of(record):
    def changed(label, by):
        return record(
            label,
            [Outcome(i, 0, 0, 0, 2.0, 2.0 + change, [[0, 1]], []) for i, change in enumerate(by)],
        )

    rises, stays, falls = (
        changed("rises", [0.5, 0.6, 0.4]),
        changed("stays", [0.0, 0.0]),
        changed("falls", [-1.0, -0.5]),
    )
    expect(single.own_loss_rises(with_traits((rises, WHITE), (falls, WHITE))), "FAIL", rises)
    expect(single.own_loss_rises(with_traits((stays, WHITE), (falls, WHITE))), "WARN", stays)
    expect(single.own_loss_rises(with_traits((falls, WHITE))), "PASS")
    expect(single.own_loss_rises(with_traits((rises, RANDOM))), "n/a")
    unlearned = {falls.key: [(100, 0.5, 0.8), (200, 0.4, 0.8), (300, 0.4, 0.9)]}
    expect(single.own_loss_rises(with_traits((falls, BLACK), curves=unlearned)), "WARN", falls)


@pytest.mark.parametrize(
    ("budget", "added", "removed", "status"),
    [
        (1, [[0, 1]], [], "PASS"),
        (1, [[0, 1], [0, 2]], [], "FAIL"),
        (1, [[0, 1]], [[2, 3]], "FAIL"),
        (2, [[0, 1], [1, 0]], [], "FAIL"),  # one undirected edge, counted twice
        (2, [[0, 1], [3, 3]], [], "FAIL"),
        (0.1, [[0, 1], [0, 2], [0, 3]], [], "PASS"),  # a tenth of 30 edges
        (0.1, [[0, 1], [0, 2], [0, 3], [0, 4]], [], "FAIL"),
        (1, [], [], "WARN"),
    ],
)
def test_a_budget_that_is_not_kept(record, budget, added, removed, status):
    one = record("a", [Outcome(7, 0, 0, 0, 1.0, 1.0, added, removed)], budget=budget)
    data = {one.dataset.key: DataFacts("d", {(7, None): 30})}
    expect(
        single.within_budget(Evidence([one], data=data)),
        status,
        *([one] if status != "PASS" else []),
    )


def test_a_threat_that_says_more_than_its_cell_does_not_widen_the_budget(record):
    one = record("a", [Outcome(0, 0, 0, 0, 1.0, 1.0, [[0, 1], [0, 2]], [])])
    forged = replace(one, threat={**one.threat, "budget": 5})
    expect(single.within_budget(Evidence([forged])), "FAIL", forged)


def test_what_does_not_replay_or_changes_its_class_fails(record, outcomes):
    good, bad = record("a", outcomes(first(1, 3))), record("b", outcomes(first(1, 3)))
    expect(
        single.edits_reproduce_the_verdict(
            Evidence([good, bad], replayed={good.key: [], bad.key: ["the margin"]})
        ),
        "FAIL",
        bad,
    )
    expect(single.edits_reproduce_the_verdict(Evidence([good], replayed={good.key: []})), "PASS")
    expect(
        single.edits_reproduce_the_verdict(
            Evidence([good, bad], replayed={good.key: []}, unproved={bad.key: "gone"})
        ),
        "WARN",
        bad,
    )
    expect(
        single.label_is_preserved(Evidence([good, bad], miscounted={good.key: [], bad.key: [4]})),
        "FAIL",
        bad,
    )
    expect(single.label_is_preserved(Evidence([good], miscounted={good.key: []})), "PASS")
    expect(single.label_is_preserved(Evidence([good])), "n/a")


@pytest.mark.parametrize(
    ("right", "status"), [(30, "FAIL"), (10, "FAIL"), (33, "WARN"), (80, "PASS")]
)
def test_a_victim_that_has_not_learned(record, outcomes, right, status):
    one = record("a", outcomes(first(0, right), wrong=90 - right))
    expect(single.victim_has_learned(Evidence([one])), status, *([one] if status != "PASS" else []))


# --- rest -----------------------------------------------------------------------------------------


def rests_of(*epochs):
    """Of victims of several seeds: best epoch and number of epochs."""
    cells = [Cell("s", "d", "augcl", "gin", 2, seed, "", "strict", 0) for seed in range(9)]
    return [Rest(cell, *pair) for cell, pair in zip(cells, epochs, strict=False)]


def test_victims_that_still_got_better_are_named(record, outcomes):
    one, two = record("a", outcomes([True])), record("a", outcomes([True]), seed=1)
    still, moving = rests_of((60, 100), (81, 100))
    evidence = Evidence([one, two], rests={one.key: still, two.key: moving})
    found = rest.victims_are_at_rest(evidence)
    expect(found, "WARN", two)
    assert "1 of 2 victims" in found.evidence
    assert "augcl, 2 layers, seed 1: best epoch 81 of 100" in found.evidence
    assert Audit("0" * 64, (found,)).at_rest == found
    expect(rest.victims_are_at_rest(replace(evidence, rests={one.key: still})), "PASS")


def test_of_given_models_nobody_says_whether_they_rest(record, outcomes):
    found = rest.victims_are_at_rest(Evidence([record("a", outcomes([True]))]))
    expect(found, "n/a")
    assert Audit("0" * 64, (found,)).at_rest is None


@pytest.mark.parametrize(
    ("epoch", "epochs", "at_rest"),
    [(80, 100, True), (81, 100, False), (1, 20, False), (360, 400, True), (361, 400, False)],
)
def test_the_best_epoch_of_a_victim_at_rest_does_not_lie_near_the_end(epoch, epochs, at_rest):
    """20 epochs must follow it, and a tenth of all."""
    (one,) = rests_of((epoch, epochs))
    assert one.at_rest is at_rest


# --- records against one another ------------------------------------------------------------------


def test_weaker_than_random_beyond_chance_fails(record, outcomes):
    random = record("random", outcomes(first(40, 90)))
    for access in (BLACK, WHITE):
        weak, strong = (
            record("weak", outcomes(first(20, 90))),
            record("strong", outcomes(first(50, 90))),
        )
        expect(
            strength.more_access_does_no_less(with_traits((random, RANDOM), (weak, access))),
            "FAIL",
            weak,
        )
        expect(
            strength.more_access_does_no_less(with_traits((random, RANDOM), (strong, access))),
            "PASS",
        )
        close = record("close", outcomes(first(38, 90)))  # two graphs are noise
        expect(
            strength.more_access_does_no_less(with_traits((random, RANDOM), (close, access))),
            "PASS",
        )


def test_white_box_is_held_against_black_boxes_but_not_against_searches(record, outcomes):
    white, better = (
        record("white", outcomes(first(20, 90))),
        record("better", outcomes(first(25, 90))),
    )
    black = record("black", outcomes(first(60, 90)))
    expect(
        strength.more_access_does_no_less(with_traits((white, WHITE), (black, BLACK))),
        "FAIL",
        white,
    )
    expect(
        strength.more_access_does_no_less(
            with_traits((white, WHITE), (better, WHITE), (black, BLACK))
        ),
        "FAIL",
        better,
    )
    searching = with_traits((white, WHITE), (black, BLACK), searches={black.key})
    exact = with_traits((white, WHITE), (black, EXACT))
    combining = with_traits((white, WHITE), (black, replace(RANDOM, combines=True)))
    for evidence in (searching, exact, combining):
        assert strength.more_access_does_no_less(evidence).status == "n/a"


def test_only_equal_realised_budgets_are_compared(record, outcomes):
    few, many = (
        record("few", outcomes(first(20, 90), edits=1), budget=5),
        record("many", outcomes(first(60, 90), edits=5), budget=5),
    )
    expect(strength.more_access_does_no_less(with_traits((few, WHITE), (many, RANDOM))), "PASS")
    gave_up = record(
        "gave_up", [o if o.broken else replace(o, added=[]) for o in few.outcomes], budget=5
    )
    expect(
        strength.more_access_does_no_less(with_traits((gave_up, WHITE), (many, RANDOM))),
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
            strength.more_access_does_no_less(with_traits((random, RANDOM), (other, WHITE))).status
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
    finding = strength.nothing_below_the_exact_worst_case(
        with_traits((exact, EXACT), (below, BLACK), (within, BLACK))
    )
    expect(finding, "FAIL", below, exact)
    assert "graph 50" in finding.evidence
    expect(
        strength.nothing_below_the_exact_worst_case(with_traits((exact, EXACT), (within, BLACK))),
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
    expect(strength.nothing_below_the_exact_worst_case(tie), "PASS")
    more = record("more", outcomes(first(60, 90)), budget=2)
    expect(
        strength.nothing_below_the_exact_worst_case(with_traits((exact, EXACT), (more, BLACK))),
        "n/a",
    )
    exact_of_two = record("exact", outcomes(first(30, 90)), budget=2)
    fewer = record("fewer", outcomes(first(31, 90)), budget=1)
    expect(
        strength.nothing_below_the_exact_worst_case(
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
    finding = strength.nothing_below_the_exact_worst_case(Evidence([partly, below]))
    expect(finding, "WARN", partly)
    assert "budget 1: 98.9% of its graphs" in finding.evidence
    refuted = replace(claims, outcomes=[replace(o, exact=True) for o in claims.outcomes])
    found = strength.nothing_below_the_exact_worst_case(Evidence([refuted, below]))
    expect(found, "FAIL", below, refuted)


def test_targets_in_one_graph_are_told_apart(record):
    """Nodes of one graph: what is proved of one says nothing of another."""
    node = Outcome(0, 0, 0, 1, 1.0, -1.0, [[0, 1]], [], node=4)
    attack = record("attack", [node, replace(node, node=5)])
    evidence = Evidence([attack], proved={attack.key: {(0, 7)}})
    expect(strength.nothing_broken_that_is_proved(replace(evidence, proved={})), "n/a")
    finding = strength.nothing_broken_that_is_proved(
        Evidence([attack], proved={attack.key: {(0, 5)}})
    )
    expect(finding, "FAIL", attack)
    assert "node 5 of graph 0" in finding.evidence
    expect(strength.nothing_broken_that_is_proved(evidence), "PASS")


def test_a_certified_graph_that_is_broken_is_found(record, outcomes):
    attack, other = (
        record("attack", outcomes(first(10, 20))),
        record("other", outcomes(first(3, 20))),
    )
    standing = {o.target for o in attack.outcomes if o.robust}
    evidence = replace(with_traits((attack, BLACK), (other, BLACK)), proved={attack.key: standing})
    expect(strength.nothing_broken_that_is_proved(evidence), "PASS")
    wrong = replace(
        evidence, proved={attack.key: standing, other.key: {o.target for o in other.outcomes}}
    )
    expect(strength.nothing_broken_that_is_proved(wrong), "FAIL", other)
    expect(strength.nothing_broken_that_is_proved(replace(evidence, proved={})), "n/a")


def test_a_union_is_no_better_than_its_parts(record, outcomes):
    part, other = record("part", outcomes(first(10, 20))), record("other", outcomes(first(3, 20)))
    union = replace(RANDOM, combines=True, of=["part"])
    worse = record("worst", outcomes(first(9, 20)))
    expect(
        strength.worst_of_attacks_is_the_worst(
            with_traits((part, BLACK), (other, BLACK), (worse, union))
        ),
        "FAIL",
        worse,
    )
    expect(
        strength.worst_of_attacks_is_the_worst(
            with_traits((part, BLACK), (other, BLACK), (worse, replace(union, of=["gone"])))
        ),
        "n/a",
    )
    same = record("worst", part.outcomes)
    expect(
        strength.worst_of_attacks_is_the_worst(with_traits((part, BLACK), (same, union))), "PASS"
    )
    fewer = [record("part", part.outcomes), record("worst", worse.outcomes, budget=2)]
    expect(
        strength.worst_of_attacks_is_the_worst(with_traits((fewer[0], BLACK), (fewer[1], union))),
        "FAIL",
        fewer[1],
    )
    more = [record("part", part.outcomes, budget=2), record("worst", worse.outcomes)]
    expect(
        strength.worst_of_attacks_is_the_worst(with_traits((more[0], BLACK), (more[1], union))),
        "n/a",
    )
    of_other = replace(union, of=["other"])  # which it has less damage than, on no graph
    expect(
        strength.worst_of_attacks_is_the_worst(
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
        halved = [IterationFacts((short.key,), "rl on none", "steps", 50, 100, 12, 0, only_full)]
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
    facts = LargeBudgetFacts((one.key,), "a on none", 10, 50, broken, random, own)
    expect(
        effort.large_budget_reaches_what_can_be_broken(Evidence([one], large=[facts])),
        status,
        *([one] if status != "PASS" else []),
    )


# --- what they rest on ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "deterministic", "gradients"),
    [
        (VictimFacts(12, 0.0, 1e-7), "PASS", "PASS"),
        (VictimFacts(12, 0.1, 1e-7), "FAIL", "PASS"),
        (VictimFacts(12, 0.0, 0.3), "FAIL", "PASS"),
        (VictimFacts(12, float("nan"), 0.0), "FAIL", "PASS"),
        (VictimFacts(12, 0.0, 0.0, zero_gradients=12), "PASS", "FAIL"),
        (VictimFacts(12, 0.0, 0.0, zero_gradients=1), "PASS", "WARN"),
        (VictimFacts(12, 0.0, 0.0, nonfinite_gradients=1), "PASS", "FAIL"),
        (VictimFacts(12, 0.0, 0.0, no_gradients="RuntimeError"), "PASS", "FAIL"),
    ],
)
def test_victims_and_their_gradients(record, outcomes, facts, deterministic, gradients):
    white, black = record("white", outcomes(first(1, 3))), record("black", outcomes(first(1, 3)))
    evidence = with_traits((white, WHITE), (black, BLACK), victims={white.victim.key: facts})
    spoiled = {"FAIL": [black, white], "PASS": []}
    expect(foundations.victim_is_deterministic(evidence), deterministic, *spoiled[deterministic])
    expect(
        foundations.gradients_are_usable(evidence),
        gradients,
        *([white] if gradients != "PASS" else []),
    )


def test_without_gradients_an_attack_that_needs_none_is_fine(record, outcomes):
    black = record("black", outcomes(first(1, 3)))
    evidence = with_traits(
        (black, BLACK), victims={black.victim.key: VictimFacts(12, 0.0, 0.0, no_gradients="none")}
    )
    expect(foundations.gradients_are_usable(evidence), "n/a")


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ((8, 0, None), "PASS"),
        ((7, 0, None), "FAIL"),
        ((8, 1, None), "FAIL"),
        ((0, 0, "ValueError: x"), "FAIL"),
    ],
)
def test_planted_victims(record, outcomes, facts, status):
    one = record("a", outcomes(first(1, 3)))
    planted = PlantedFacts((one.key,), "a", 8, *facts)
    expect(
        foundations.attack_works_on_planted_victims(Evidence([one], planted=[planted])),
        status,
        *([one] if status == "FAIL" else []),
    )


@pytest.mark.parametrize(
    ("use", "overlap", "status"),
    [
        (Use(), 0, "PASS"),
        (Use(fit=3), 0, "FAIL"),
        (Use(selection=18), 0, "FAIL"),
        (Use(), 1, "FAIL"),
        (Use(fit=None), 0, "WARN"),
    ],
)
def test_test_graphs_that_were_used(record, outcomes, use, overlap, status):
    one = record("a", outcomes(first(1, 3)))
    data = {one.dataset.key: DataFacts("d", {}, overlap)}
    expect(
        foundations.no_test_graph_was_used_before(Evidence([one], uses={one.key: use}, data=data)),
        status,
        *([one] if status != "PASS" else []),
    )
    paper = record("a", outcomes(first(1, 3)), protocol="paper")
    expect(
        foundations.no_test_graph_was_used_before(
            Evidence([paper], uses={paper.key: use}, data=data)
        ),
        "n/a",
    )


def test_twins_in_other_parts_are_warned_of(record, outcomes):
    one = record("a", outcomes(first(1, 3)))
    expect(
        foundations.parts_of_the_data_differ(
            Evidence([one], data={one.dataset.key: DataFacts("d", {(0, None): 3}, 0, 1)})
        ),
        "WARN",
        one,
    )
    expect(
        foundations.parts_of_the_data_differ(
            Evidence([one], data={one.dataset.key: DataFacts("d", {(0, None): 3})})
        ),
        "PASS",
    )


# --- all of them ----------------------------------------------------------------------------------


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
