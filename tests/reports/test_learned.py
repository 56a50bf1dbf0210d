"""What a report says of how much attacks that learn found of what an exact attack breaks."""

from __future__ import annotations

import dataclasses

import pytest
from hand_made import ref_of
from report_inputs import report_of

from robust_augcl.reports.markdown import appendix, page
from robust_augcl.results.learned import found_of_exact
from robust_augcl.results.records import Outcome, Record

SENTENCE = (
    "RL-S2V, which learns, breaks 90.0 % or more of the graphs that the exact worst case breaks on "
)


def records_of(campaign, found):
    """Twenty graphs, of which the exact attack breaks ten, and RL-S2V so many, by method."""
    records = []
    for record in campaign(
        methods=["none", "augcl"], layers=[2], seeds=[0, 1], attacks=["rl_s2v", "exhaustive"]
    ):
        exact = record.traits.claims_exact
        breaks = 10 if exact else found[record.cell.method][record.cell.seed]
        outcomes = [
            Outcome(k, k % 3, k % 3, (k + (k < breaks)) % 3, 1.0, 1.0, [], [], exact=exact)
            for k in range(20)
        ]
        records.append(dataclasses.replace(record, outcomes=outcomes))
    return records


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({"none": [9, 10], "augcl": [10, 9]}, f"{SENTENCE}each of 4 models."),
        (
            {"none": [9, 8], "augcl": [10, 3]},
            f"{SENTENCE}2 of 4 models. On the others it breaks less: No pretraining, 2 layers, "
            "seed 1 (80.0 %, 8 of 10); AUGCL, 2 layers, seed 1 (30.0 %, 3 of 10). It learned too "
            "little, or cannot find more. Do not take its row as the worst case.",
        ),
    ],
)
def test_victims_on_which_it_is_not_at_strength_are_named(campaign, found, sentence):
    report = report_of(records_of(campaign, found))
    guide = page(report).split("## How to read this")[1]
    title = "### How much of the worst case the learning attacks find"
    under_own = appendix(report).split(title)[1]
    assert sentence in guide
    assert sentence in under_own.split("###")[0]


METHODS = ("none", "graphcl", "augcl")


def nine_victims(campaign, found):
    """Records of the nine victims of `quick`, of ten breaks so many, by method and seed."""
    made = []
    for record in campaign(layers=[2], seeds=[0, 1, 2], attacks=["rl_s2v", "exhaustive"]):
        own = 10 if record.traits.claims_exact else found[record.cell.method][record.cell.seed]
        made.append(broken(record, set(range(own)), 20))
    return made


@pytest.mark.parametrize("weak", [0, 1, 3, 4, 9])
def test_of_nine_victims_few_below_nine_tenths_are_named_and_more_are_a_range(campaign, weak):
    """The appendix names each of them, however many there are."""
    names = [(method, seed) for method in METHODS for seed in range(3)]
    found = {method: [10, 10, 10] for method in METHODS}
    for method, seed in names[:weak]:
        found[method][seed] = 8
    report = report_of(nine_victims(campaign, found))
    guide = page(report).split("## How to read this")[1]
    whole = appendix(report)
    few = weak <= 3
    ends = "80.0 to 80.0" if weak == 9 else "80.0 to 100.0"
    among = (
        f"- RL-S2V, which learns, breaks {ends} % of the graphs that the exact worst case breaks, "
        f"and 90.0 % or more on {9 - weak or 'none'} of 9 models. "
    )
    assert (among in guide) != few
    assert ("The appendix lists each model." in guide) != few
    told = {"none": "No pretraining", "graphcl": "GraphCL", "augcl": "AUGCL"}
    for place, (method, seed) in enumerate(names):
        victim = f"{told[method]}, 2 layers, seed {seed} (80.0 %, 8 of 10)"
        assert (victim in guide) == (place < weak and few)
        assert (victim in whole) == (place < weak)
    assert (f"{SENTENCE}each of 9 models." in guide) == (weak == 0)
    named = f"{SENTENCE}{9 - weak or 'none'} of 9 models."
    assert (named in guide) == (weak > 0 and few)
    assert (named in whole) == (weak > 0)


def test_victims_without_an_exact_attack_beside_it_are_named(campaign):
    """It is not at strength on each of six where three more were attacked."""
    whole = nine_victims(campaign, {method: [10, 10, 10] for method in METHODS})
    records = [r for r in whole if not (r.traits.claims_exact and r.cell.seed == 2)]
    guide = page(report_of(records)).split("### Accuracy under attack", 1)[0]
    unknown = "It is not known how many graphs it could have broken on: "
    assert f"{SENTENCE}each of 6 models. {unknown}" in guide
    assert "No pretraining, 2 layers, seed 2; GraphCL, 2 layers, seed 2; AUGCL, 2 layers" in guide


def test_the_table_has_each_share(campaign):
    text = appendix(report_of(records_of(campaign, {"none": [9, 8], "augcl": [10, 3]})))
    rows = [line for line in text.splitlines() if line.startswith("| RL-S2V | 90.0, 80.0")]
    assert rows == ["| RL-S2V | 90.0, 80.0 | 100.0, 30.0 |"]


def test_nothing_is_said_where_no_exact_attack_stands_beside_it(campaign):
    records = [
        record
        for record in records_of(campaign, {"none": [9, 8], "augcl": [10, 3]})
        if not record.traits.claims_exact
    ]
    assert "which learns" not in appendix(report_of(records))


# --- the shares themselves ---------------------------------------------------------------------


def broken(record: Record, which: set[int], n: int = 40) -> Record:
    """The record with these graphs broken, of n that were right."""
    exact = record.traits.claims_exact
    outcomes = [
        Outcome(k, 0, 0, int(k in which), 1.0, -1.0 if k in which else 1.0, [], [], exact=exact)
        for k in range(n)
    ]
    return dataclasses.replace(record, outcomes=outcomes)


def test_the_share_is_of_what_the_exact_attack_breaks(campaign):
    base = campaign(methods=["none"], layers=[2], attacks=["rl_s2v", "grad_argmax", "exhaustive"])
    ours = {"rl_s2v": {*range(18), 39}, "grad_argmax": set(), "exhaustive": set(range(20))}
    records = [broken(record, ours[record.cell.attack]) for record in base]
    (found,) = found_of_exact(records)  # GradArgmax does not learn
    assert found.cell.attack == "rl_s2v"
    assert (found.found, found.broken) == (18, 20)
    assert found.share == 0.9
    assert found.is_enough
    (less,) = found_of_exact([broken(r, ours[r.cell.attack] - {3}) for r in base[:1]] + records[2:])
    assert not less.is_enough


def test_what_is_not_proved_or_of_another_victim_or_threat_is_no_oracle(campaign):
    learned, exact = (
        broken(record, set(range(20)))
        for record in campaign(methods=["none"], layers=[2], attacks=["rl_s2v", "exhaustive"])
    )
    assert len(found_of_exact([learned, exact])) == 1
    unproved = [dataclasses.replace(outcome, exact=False) for outcome in exact.outcomes]
    for other in (
        dataclasses.replace(exact, outcomes=unproved),
        dataclasses.replace(exact, victim=ref_of("victim", "another")),
        dataclasses.replace(exact, threat={**exact.threat, "budget": 2}),
    ):
        assert found_of_exact([learned, other]) == []


def test_where_nothing_can_be_broken_nothing_is_missed(campaign):
    records = [
        broken(record, set())
        for record in campaign(methods=["none"], layers=[2], attacks=["rl_s2v", "exhaustive"])
    ]
    assert [(each.share, each.is_enough) for each in found_of_exact(records)] == [(1.0, True)]
