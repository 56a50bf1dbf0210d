"""Which comparisons stand in which family, and each word of the rule, from records made by hand.

There are several budgets, layers and protocols; pairs and margin are those of a suite's table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hand_made import TRAITS, make_record, ref_of
from report_inputs import data_of

from robust_augcl.results.comparisons import (
    PRIMARY,
    Family,
    Rules,
    exact_attack,
    family_of,
    primary,
)
from robust_augcl.results.method_tests import VERDICTS, Judged, judge
from robust_augcl.results.names import CLEAN
from robust_augcl.results.records import Outcome, Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.seed_differences import SeedDifferences
from robust_augcl.results.statistics import Group, by_group

N = 200  # graphs of a seed
NOISE = (0, 1, -1, 2, -2, 1, -1, 0, 2, -2)
"""Graphs that ten seeds differ by; their mean is 0."""
STATED = {"pairs": [["augcl", "graphcl"], ["graphcl", "none"]], "margin": 0.03}
RULES = Rules.of({"comparisons": STATED}, 10)
AHEAD = {
    "augcl": [130 + k for k in NOISE],
    "graphcl": [100 - k for k in NOISE],
    "none": [100] * 10,
}
"""Graphs that are right after the attack, one number a seed: AUGCL is 15 points ahead."""
EXACT = replace(TRAITS, claims_exact=True, name="Exhaustive search")


def found_in(right: int, exact: bool) -> list[Outcome]:
    """All graphs are right before, and so many after."""
    return [
        Outcome(i, 0, 0, 0 if i < right else 1, 1.0, 1.0, [], [], exact=exact) for i in range(N)
    ]


def records(
    right: Mapping[str, Sequence[int]] = AHEAD,
    layers: Sequence[int] = (2,),
    budgets: Sequence[int] = (1,),
    protocols: Sequence[str] = ("strict",),
    attacks: Sequence[str] = ("exhaustive",),
    shared: Sequence[str] = (),
) -> list[Record]:
    """A record for each cell; the victims of the methods in `shared` are one for all seeds."""
    return [
        make_record(
            found_in(count, attack == "exhaustive"),
            suite="mine",
            method=method,
            layers=layer,
            seed=seed,
            attack=attack,
            budget=budget,
            protocol=protocol,
            key=f"attack-{method}-{layer}-{budget}-{protocol}-{attack}-{seed}",
            traits=EXACT if attack == "exhaustive" else TRAITS,
            dataset=ref_of("dataset", seed),
            victim=ref_of("victim", method, layer, protocol, 0 if method in shared else seed),
        )
        for method, counts in right.items()
        for layer in layers
        for budget in budgets
        for protocol in protocols
        for attack in attacks
        for seed, count in enumerate(counts)
    ]


def judged(made: Sequence[Record], rules: Rules = RULES) -> Family:
    """The primary family of records whose seeds draw graphs of their own."""
    return primary(made, data_of(made), rules)["mine"]


def about(
    family: Family, left: str, right: str, layers: int = 2, budget: int = 1, attack: str = ""
) -> Judged:
    """What a family says of two methods."""
    label = attack or "exhaustive"
    group = Group("mine", "data", left, "gin", layers, label, "strict", budget)
    found = family.of(group, replace(group, method=right))
    assert found is not None
    return found


# --- which comparisons stand where ----------------------------------------------------------------


def test_primary_is_the_first_budget_of_the_named_pairs_under_every_protocol_and_layers() -> None:
    made = records(
        layers=(2, 3),
        budgets=(2, 1, 3),
        protocols=("strict", "paper"),
        attacks=("exhaustive", "rand_sampling"),
    )
    family = judged(made)
    asked = {
        (left.method, right.method, left.layers, left.protocol, left.budget, left.attack)
        for left, right in family.found
    }
    assert asked == {
        (left, right, layers, protocol, 1, "exhaustive")
        for left, right in RULES.pairs
        for layers in (2, 3)
        for protocol in ("strict", "paper")
    }
    assert {found.size for found in family.found.values() if found} == {8}
    assert {found.family for found in family.found.values() if found} == {PRIMARY}


def test_more_budgets_leave_the_primary_family_as_it_is() -> None:
    one, several = judged(records()), judged(records(budgets=(1, 2, 5)))
    assert one == several


def test_the_family_s_size_corrects_what_is_said_of_each() -> None:
    two = about(judged(records()), "augcl", "graphcl")
    four = about(judged(records(layers=(2, 3))), "augcl", "graphcl")
    assert (two.size, four.size) == (2, 4)
    assert two.low is not None
    assert four.low is not None
    assert four.low < two.low < two.difference == four.difference
    assert two.p_value == four.p_value
    assert four.corrected == pytest.approx(2 * two.corrected)  # type: ignore[operator]


def test_a_pair_whose_records_are_missing_keeps_its_place() -> None:
    made = records()
    without = [record for record in made if record.cell.method != "none"]
    family = judged(without)
    assert sorted(found is None for found in family.found.values()) == [False, True]
    left = about(family, "augcl", "graphcl")
    assert left == about(judged(made), "augcl", "graphcl")
    assert left.size == 2


def test_without_an_exact_worst_case_at_the_first_budget_there_is_no_primary_one() -> None:
    first = records(budgets=(1,), attacks=("rand_sampling",))
    later = records(budgets=(2,), attacks=("exhaustive",))
    assert judged([*first, *later]).found == {}
    unproved = [
        replace(record, outcomes=[replace(each, exact=False) for each in record.outcomes])
        for record in records()
    ]
    assert judged(unproved).found == {}


def test_without_named_pairs_there_is_no_primary_one() -> None:
    assert judged(records(), Rules()).found == {}
    assert judged(records(), Rules.of({"name": "mine"}, 10)).found == {}


def test_of_several_exact_attacks_the_first_of_the_suite_counts() -> None:
    made = records()
    other = [replace(record, cell=replace(record.cell, attack="all edits")) for record in made]
    both = [*made, *other]
    assert exact_attack(both) == "all edits"
    assert exact_attack(both, ["exhaustive", "all edits"]) == "exhaustive"
    assert exact_attack(records(attacks=("rand_sampling",))) is None


def test_suites_have_families_of_their_own() -> None:
    made = records()
    other = [replace(record, cell=replace(record.cell, suite="other")) for record in made]
    families = primary([*made, *other], data_of(made), RULES)
    assert {name: len(family.found) for name, family in families.items()} == {
        "mine": 2,
        "other": 2,
    }
    assert families["other"].found != families["mine"].found
    assert [about(families["mine"], *pair).size for pair in RULES.pairs] == [2, 2]


# --- the words ------------------------------------------------------------------------------------

WORDS: list[tuple[str, dict[str, Sequence[int]], int | None, bool]] = [
    ("better", AHEAD, 10, True),
    ("worse", {**AHEAD, "augcl": [70 + k for k in NOISE]}, 10, True),
    ("equivalent", {**AHEAD, "augcl": [100] * 10}, 10, False),
    ("undecided", {**AHEAD, "augcl": [101 + 20 * k for k in NOISE]}, 10, False),
    ("one model each", {"augcl": [150], "graphcl": [50], "none": [50]}, 1, False),
    ("no verdict", AHEAD, 9, False),
    ("no verdict", AHEAD, 30, False),
    ("better", AHEAD, None, True),
]


def test_no_word_of_the_rule_is_left_out() -> None:
    assert {word for word, *_ in WORDS} == set(VERDICTS)


@pytest.mark.thorough(but=["*budgets0-layers0-*", "*budgets1-layers1-better-*"])
@pytest.mark.parametrize(("word", "right", "planned", "decided"), WORDS)
@pytest.mark.parametrize("layers", [(2,), (2, 3)])
@pytest.mark.parametrize("budgets", [(1,), (1, 4)])
def test_each_word_from_records_that_must_give_it(
    word: str,
    right: dict[str, Sequence[int]],
    planned: int | None,
    decided: bool,
    layers: tuple[int, ...],
    budgets: tuple[int, ...],
) -> None:
    made = records(right, layers, budgets)
    family = judged(made, replace(RULES, planned=planned))
    for number in layers:
        found = about(family, "augcl", "graphcl", number)
        assert (found.verdict, found.decided) == (word, decided)
        assert (found.planned, found.margin) == (planned, 0.03)


def test_a_margin_that_was_changed_is_none() -> None:
    """And the family is that without equivalence, so that what is decided stays so."""
    same, wider = ({**STATED, "margin": margin} for margin in (0.03, 0.2))
    made = records({**AHEAD, "augcl": [100] * 10})
    for first, word in ((same, "equivalent"), (wider, "undecided"), ({}, "undecided")):
        rules = Rules.of({"comparisons": STATED, "threat": {"budget": 1}}, 10, first)
        pairs = rules.primary if first else rules.pairs
        found = about(judged(made, replace(rules, pairs=pairs, changed=())), "augcl", "graphcl")
        assert found.verdict == word
        assert [each.what for each in rules.changed] == {
            0.03: [], 0.2: ["margin"], None: ["pairs", "margin"],
        }[first.get("margin")]  # fmt: skip


def test_pairs_that_were_changed_are_not_primary() -> None:
    rules = Rules.of({"comparisons": STATED}, 10, {**STATED, "pairs": STATED["pairs"][:1]})
    assert rules.primary == ()
    assert judged(records(), rules).found == {}
    turned = [pair[::-1] for pair in reversed(STATED["pairs"])]
    assert Rules.of({"comparisons": STATED}, 10, {**STATED, "pairs": turned}).primary == RULES.pairs


def test_another_number_of_seeds_than_planned_in_the_run_decides_nothing() -> None:
    """Though as many are compared: some were left out, and somebody chose which."""
    for held, word in ((10, "better"), (12, "no verdict"), (9, "no verdict"), (None, "better")):
        found = about(judged(records(), replace(RULES, held=held)), "augcl", "graphcl")
        assert found.verdict == word


def test_without_a_margin_nothing_is_equivalent() -> None:
    made = records({**AHEAD, "augcl": [100] * 10})
    rules = Rules.of({"comparisons": {"pairs": STATED["pairs"]}}, 10)
    assert about(judged(made, rules), "augcl", "graphcl").verdict == "undecided"


def test_one_victim_for_all_seeds_is_one_model() -> None:
    found = about(judged(records(shared=("graphcl",))), "augcl", "graphcl")
    assert (found.verdict, found.low, found.corrected) == ("one model each", None, None)


def test_a_planned_number_that_is_missed_keeps_the_estimates() -> None:
    """And where only some cells have fewer seeds, only these get no verdict."""
    made = records(layers=(2, 3))
    kept = [r for r in made if (r.cell.method, r.cell.layers, r.cell.seed) != ("augcl", 3, 9)]
    whole, fewer = judged(made), judged(kept)
    assert about(fewer, "augcl", "graphcl", 2).verdict == "better"
    found = about(fewer, "augcl", "graphcl", 3)
    assert (found.verdict, found.n_seeds, found.planned) == ("no verdict", 9, 10)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.15 < found.high
    assert about(whole, "augcl", "graphcl", 3).verdict == "better"


def test_where_nobody_knows_whether_seeds_share_graphs_there_is_no_verdict() -> None:
    made = records()
    assert about(primary(made, [], RULES)["mine"], "augcl", "graphcl").verdict == "no verdict"


def test_a_secondary_family_is_judged_by_the_same_numbers() -> None:
    """Of all budgets, and before any attack, against the rule itself."""
    made = records(budgets=(1, 2), attacks=("exhaustive", "rand_sampling"))
    groups = by_group(made)
    group = Group("mine", "data", "augcl", "gin", 2, "rand_sampling", "strict", 2)
    clean = replace(group, attack=CLEAN)
    questions = [(one, replace(one, method="none")) for one in (group, clean)]
    family = family_of("secondary", questions, groups, data_of(made), RULES)
    shares = tuple((right - 100) / N for right in AHEAD["augcl"])
    pairs = [SeedDifferences(shares, 10 * N, 10), SeedDifferences((0.0,) * 10, 10 * N, 10)]
    expected = judge(pairs, "secondary", 0.03, 10)
    for found, wanted in zip(family.found.values(), expected, strict=True):
        assert found is not None
        assert wanted is not None
        assert (found.verdict, found.size) == (wanted.verdict, wanted.size)
        assert found.difference == pytest.approx(wanted.difference)
        assert found.corrected == pytest.approx(wanted.corrected)
    assert [found.verdict for found in expected if found] == ["better", "equivalent"]


def test_a_report_takes_them_from_the_suite_as_in_its_file() -> None:
    made = records(budgets=(1, 2))
    table: dict[str, Any] = {"methods": [], "attacks": [{"name": "exhaustive"}]}
    stated = ReportInput(made, None, None, data_of(made), {**table, "comparisons": STATED}, 10)
    assert stated.primary["mine"] == judged(made)
    missed = replace(stated, planned_seeds=11)
    assert about(missed.primary["mine"], "augcl", "graphcl").verdict == "no verdict"
    silent = replace(stated, settings=table)
    assert silent.primary["mine"].found == {}


@pytest.mark.parametrize("there", [(2,), (2, 3), (2, 3, 4)])
def test_planned_layers_that_are_missing_keep_their_places(there):
    """So that no verdict of a run that is not finished changes when it is."""
    suite = {"comparisons": STATED, "encoder": {"layers": [2, 3, 4]}}
    made = records(layers=there)
    family = primary(made, data_of(made), Rules.of(suite, 10))["mine"]
    assert len(family.found) == 6
    known = [found for found in family.found.values() if found is not None]
    assert len(known) == 2 * len(there)
    assert {found.size for found in known} == {6}
