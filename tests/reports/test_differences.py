"""What a page says of methods: each word of the statistics, from records made by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pytest
from report_inputs import SUITE, data_of, report_of

from robust_augcl.reports.markdown import appendix
from robust_augcl.results.records import ArtifactRef, Outcome, Record

Campaign = Callable[..., list[Record]]
PAIR = {**SUITE, "comparisons": {"pairs": [["augcl", "graphcl"]]}}
PAIRS = {
    **SUITE,
    "comparisons": {"pairs": [["augcl", "graphcl"], ["augcl", "none"], ["graphcl", "none"]]},
}
NOISE = (0, 1, -1, 2, -2)
"""Graphs that seeds differ by."""


def rows(text: str) -> list[list[str]]:
    """All rows of the tables of differences, without the rules under headers."""
    part = text.split("### Differences between methods\n", 1)[1].split("\n### ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|") and ":---" not in line]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def row(text: str, difference: str, attack: str) -> list[str]:
    return next(found for found in rows(text) if found[:2] == [difference, attack])


def with_right(record: Record, right: int, n: int) -> Record:
    """The record with so many graphs that are right after the attack; all are right before."""
    outcomes = [
        Outcome(i, i % 3, i % 3, i % 3 if i < right else (i + 1) % 3, 1.0, 1.0, [], [], exact=True)
        for i in range(n)
    ]
    victim = ArtifactRef("victim/x", f"{record.cell.method} {record.cell.seed}")
    return dataclasses.replace(record, outcomes=outcomes, victim=victim)


def made(
    campaign: Campaign, augcl: Sequence[int], graphcl: Sequence[int], none: Sequence[int], n: int
) -> list[Record]:
    """Exact worst cases of three methods: graphs that are right, a number a seed."""
    right = {"augcl": augcl, "graphcl": graphcl, "none": none}
    base = campaign(layers=[2], attacks=["exhaustive"], seeds=range(len(augcl)), n=n)
    return [with_right(r, right[r.cell.method][r.cell.seed], n) for r in base]


def told(records: list[Record], table: dict[str, object], planned: int | None = None) -> str:
    return appendix(report_of(records, measurements=data_of(records), table=table, planned=planned))


def test_a_primary_difference_is_bold_and_says_its_power(campaign: Campaign) -> None:
    records = made(campaign, [70 + k for k in NOISE], [60] * 5, [60 - k for k in NOISE], 100)
    text = told(records, PAIR)
    found = row(text, "AUGCL \N{MINUS SIGN} GraphCL", "Exact worst case")
    # Mean 10 points, s 1.58, error 0.71; t(0.975; 4) = 2.776.
    assert found[2:] == ["**+10.0** (+8.0 to +12.0)", "< 0.001", "better", "2.7", "-"]
    assert "**Primary**: 1 comparison in the family" in text
    told_of = "AUGCL \N{MINUS SIGN} GraphCL, exact worst case, 1 edit: robust accuracy differs by"
    assert f"{told_of} +10.0 points (95 % interval +8.0 to +12.0). AUGCL is better than" in text
    secondary = row(text, "AUGCL \N{MINUS SIGN} No pretraining", "Exact worst case")
    assert "**" not in secondary[2]
    assert secondary[4] == "better"
    # GraphCL is compared with no pretraining in the second family alone: nobody is best.
    assert not any("**" in line for line in text.splitlines() if line.startswith("| Exact"))


def test_worse_is_said_of_the_left_one(campaign: Campaign) -> None:
    records = made(campaign, [50 + k for k in NOISE], [60] * 5, [60] * 5, 100)
    text = told(records, PAIR)
    assert row(text, "AUGCL \N{MINUS SIGN} GraphCL", "Exact worst case")[4] == "worse"


def test_the_best_method_of_all_primary_pairs_is_bold(campaign: Campaign) -> None:
    records = made(campaign, [80 + k for k in NOISE], [60] * 5, [60 - k for k in NOISE], 100)
    lines = told(records, PAIRS).splitlines()
    (line,) = [line for line in lines if line.startswith("| Exact worst case |")][:1]
    bold = ["**" in cell for cell in line.strip("|").split(" | ")]
    assert bold == [False, False, False, True]


def test_without_primary_pairs_nothing_is_bold(campaign: Campaign) -> None:
    records = made(campaign, [80 + k for k in NOISE], [60] * 5, [60 - k for k in NOISE], 100)
    text = told(records, SUITE)
    assert not any("**" in line for line in text.splitlines() if line.startswith("|"))
    assert "Nothing is bold" in text
    assert row(text, "AUGCL \N{MINUS SIGN} GraphCL", "Exact worst case")[4] == "better"


def test_undecided_says_how_many_seeds_would_decide(campaign: Campaign) -> None:
    records = made(campaign, [61, 59, 63], [60] * 3, [60] * 3, 100)
    text = told(records, PAIR)
    found = row(text, "AUGCL \N{MINUS SIGN} GraphCL", "Exact worst case")
    assert (found[4], found[6]) == ("undecided", "34")
    assert "This is undecided: 3 seeds do not show that the two differ." in text
    assert "about 34 seeds in total have a chance of 80 % to show whether they differ." in text


def test_equivalent_within_the_margin_of_the_suite(campaign: Campaign) -> None:
    augcl = [600, 601, 599, 600, 601, 599]
    records = made(campaign, augcl, [600] * 6, [600] * 6, 1000)
    pairs: dict = PAIR["comparisons"]  # type: ignore[assignment]
    stated = {**PAIR, "comparisons": {**pairs, "margin": 0.02}}
    text = told(records, stated)
    assert row(text, "AUGCL \N{MINUS SIGN} GraphCL", "Exact worst case")[4] == "equivalent"
    assert "Equivalent: the two are shown to differ by less than 2.0 points" in text
    assert "The two are equivalent: they are shown to differ by less than 2.0 points." in text
    assert (
        row(told(records, PAIR), "AUGCL \N{MINUS SIGN} GraphCL", "Exact worst case")[4]
        == "undecided"
    )


def test_one_seed_is_one_model_each_and_only_there_mcnemar(campaign: Campaign) -> None:
    records = made(campaign, [59], [50], [50], 100)
    text = told(records, PAIRS)
    found = row(text, "AUGCL \N{MINUS SIGN} GraphCL", "Exact worst case")
    # 9 discordant graphs, all for one side: p = 2 / 2^9. Bonett and Price, by hand.
    assert found[2:] == ["+9.0 (+2.7 to +15.0)", "0.004", "one model each"]
    assert "and not two methods. One model each says nothing of methods." in text
    assert "One trained model each: only several seeds can show whether the methods differ." in text
    assert not any("**" in line for line in text.splitlines() if line.startswith("|"))
    several = told(made(campaign, [59, 60], [50, 50], [50, 51], 100), PAIRS)
    assert "McNemar" not in several
    assert "one model each" not in several


@pytest.mark.parametrize("planned", [3, 10])
def test_another_number_of_seeds_than_planned_gets_no_verdict(
    campaign: Campaign, planned: int
) -> None:
    records = made(campaign, [70 + k for k in NOISE], [60] * 5, [60 - k for k in NOISE], 100)
    text = told(records, PAIRS, planned)
    assert {found[4] for found in rows(text) if found[0] != "Difference"} == {"no verdict"}
    assert f"No verdict: {planned} seeds were planned, and 5 are compared." in text
    assert not any("**" in line for line in text.splitlines() if line.startswith("|"))
    assert (
        row(told(records, PAIRS, 5), "AUGCL \N{MINUS SIGN} GraphCL", "Exact worst case")[4]
        == "better"
    )


def test_who_does_not_know_whether_seeds_share_graphs_says_no_verdict(campaign: Campaign) -> None:
    records = made(campaign, [70 + k for k in NOISE], [60] * 5, [60 - k for k in NOISE], 100)
    text = appendix(report_of(records, table=PAIRS))
    assert row(text, "AUGCL \N{MINUS SIGN} GraphCL", "Exact worst case")[4] == "no verdict"
    assert "it is not known whether the seeds share graphs" in text


def test_seeds_of_a_fixed_data_set_decide_less(campaign: Campaign) -> None:
    records = made(campaign, [64 + k for k in NOISE], [60] * 5, [60 - k for k in NOISE], 100)
    own = appendix(report_of(records, measurements=data_of(records), table=PAIR))
    shared = appendix(report_of(records, measurements=data_of(records, False, 100), table=PAIR))
    verdicts = [
        row(text, "AUGCL \N{MINUS SIGN} GraphCL", "Exact worst case")[4] for text in (own, shared)
    ]
    assert verdicts == ["better", "undecided"]
    assert "as of resampled splits of this data set" in shared
    assert "resampled splits" not in own


def test_a_pair_that_is_missing_still_counts_in_the_primary_family(campaign: Campaign) -> None:
    records = made(campaign, [70 + k for k in NOISE], [60] * 5, [60 - k for k in NOISE], 100)
    two = {**SUITE, "comparisons": {"pairs": [["augcl", "none"], ["graphcl", "augcl"]]}}
    assert "**Primary**: 2 comparisons in the family" in told(records, two)
    for gone in ("graphcl", "none"):  # once a left method, once a right one
        text = told([record for record in records if record.cell.method != gone], two)
        assert "**Primary**: 2 comparisons in the family" in text


def test_no_budget_takes_the_place_of_the_first(campaign: Campaign) -> None:
    records = made(campaign, [70 + k for k in NOISE], [60] * 5, [60 - k for k in NOISE], 100)
    assert "**Primary**" in told(records, {**PAIR, "threat": {"budget": [2, 1]}})
    # All records of budget 1 are missing: those of budget 2 stay secondary.
    second = [dataclasses.replace(r, cell=dataclasses.replace(r.cell, budget=2)) for r in records]
    assert "**Primary**" not in told(second, {**PAIR, "threat": {"budget": [1, 2]}})


def test_what_no_number_of_seeds_shows_is_said(campaign: Campaign) -> None:
    records = made(campaign, [61, 59, 63], [60] * 3, [60] * 3, 100)
    text = appendix(report_of(records, measurements=data_of(records, False, 100), table=PAIR))
    found = row(text, "AUGCL \N{MINUS SIGN} GraphCL", "Exact worst case")
    assert (found[4], found[6]) == ("undecided", "over 10,000")
    assert "even 10,000 seeds have no chance of 80 % to show whether they differ." in text
    assert "and all this speaks for this data set only" in text
    assert "speaks for this data set" not in told(records, PAIR)


def test_so_few_seeds_that_nothing_is_left_out_are_said_in_words(campaign: Campaign) -> None:
    records = made(campaign, [70, 50], [60, 60], [60, 61], 100)
    text = told(records, PAIR, planned=5)
    found = row(text, "AUGCL \N{MINUS SIGN} GraphCL", "Exact worst case")
    assert found[2:] == ["+0.0 (no interval)", "-", "no verdict", "none", "-"]
    assert text.count("No interval: with so few seeds it contains every possible difference.") == 3
    assert "Detectable, none: so few seeds would miss even the largest possible difference." in text
    assert "With so few seeds the 95 % interval contains every possible difference." in text
    assert "100.0 to" not in text
    assert "points (no interval)" in text  # of a published claim
    enough = made(campaign, [70 + k for k in NOISE], [60] * 5, [60 - k for k in NOISE], 100)
    assert "so few" not in told(enough, PAIR)
