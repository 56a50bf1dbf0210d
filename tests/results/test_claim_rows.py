"""What a run says of claims: each verdict and each exception, from records that must give it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hand_made import make_record, method_called
from report_inputs import data_of

from robust_augcl.results.brackets import bracket_group
from robust_augcl.results.claim_rows import ClaimRow, claim_rows, rows_of_runs
from robust_augcl.results.claims import Claim
from robust_augcl.results.comparisons import Rules, family_of
from robust_augcl.results.findings import Audit, Finding
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import ArtifactRef, Cell, Outcome, Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.rest import victim_cell
from robust_augcl.results.statistics import Group, by_group
from robust_augcl.results.traits import Traits

N = 100
SEEDS = 5
WIGGLE = (-1, 0, 1, 0, 0)
"""Graphs by which seeds differ: mean 0, so that intervals are narrow and centred."""
DATA = "components 40-50"
ATTACKED = Claim(
    "robust", "a paper", "table 5", "second hand", "published", "maximum", "under attack",
    "augcl", 0.08, "graphcl", run_as="paper", budget=1, attacks=("rand_sampling", "grad_argmax"),
    datasets=(DATA,), encoder="gin", layers=(2,),
)  # fmt: skip


def record(method: str, seed: int, right: int, **more) -> Record:
    """A record in which the first `right` of 100 graphs withstand the attack.

    Keywords are fields of the cell, or `exact`, `clean` (graphs that are right before), `plug_in`.
    """
    exact, clean = more.pop("exact", False), more.pop("clean", N)
    plug_in, victim = more.pop("plug_in", method), more.pop("victim", f"{method} {seed}")
    attack, dataset = more.pop("attack", "rand_sampling"), more.pop("dataset", DATA)
    cell = Cell("suite", dataset, method, "gin", 2, seed, attack, "paper", 1)
    cell = replace(cell, **more)
    outcomes = [
        Outcome(g, 0, int(g >= clean), int(g >= right), 1.0, 1.0, [], [], exact=exact)
        for g in range(N)
    ]
    return make_record(
        outcomes,
        cell=cell,
        key=f"attack-{cell}",
        traits=Traits("query", False, False, [], exact, None, attack.upper()),
        method_traits=method_called(method, plug_in),
        dataset=ArtifactRef("dataset", f"{dataset} {seed}"),
        victim=ArtifactRef("victim", f"{victim} {cell.layers} {cell.protocol}"),
    )


def records(left: int, right: int, seeds: int = SEEDS, **more) -> list[Record]:
    """Records of augcl, which keeps `left` graphs on average, and of graphcl, which keeps `right`.

    Of both attacks, where none is named.
    """
    attacks = [more.pop("attack")] if "attack" in more else ATTACKED.attacks
    return [
        record(method, seed, kept + by * WIGGLE[seed % len(WIGGLE)], attack=attack, **more)
        for method, kept, by in (("augcl", left, 1), ("graphcl", right, 0))
        for attack in attacks
        for seed in range(seeds)
    ]


def row_of(
    made: list[Record], claim: Claim = ATTACKED, measured=None, planned=None, **more
) -> ClaimRow:
    """What is said of one claim."""
    measured = data_of(made) if measured is None else measured
    report = ReportInput(made, measurements=measured, planned_seeds=planned, **more)
    (row,) = claim_rows(report, [claim])
    return row


# --- verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "word"),
    [
        (70, 60, "reproduced"),
        (63, 60, "smaller than claimed"),
        (60, 60, "refuted"),
        (50, 60, "refuted"),
    ],
)
def test_each_verdict_of_an_attacked_claim(left: int, right: int, word: str) -> None:
    row = row_of(records(left, right))
    assert (row.verdict.word, row.missing) == (word, ())
    assert len(row.reproduced) == 2
    for cell in row.reproduced:
        assert cell.mean == pytest.approx((left - right) / 100)
        assert cell.low < cell.mean < cell.high
        assert (cell.n_seeds, cell.notes) == (SEEDS, ())


def test_what_the_seeds_cannot_tell_is_undecided_with_their_power() -> None:
    made = records(63, 60)
    far = [r if r.cell.method == "graphcl" or r.cell.seed else record(
        "augcl", 0, 90, attack=r.cell.attack) for r in made]  # fmt: skip
    row = row_of(far)
    assert row.verdict.word == "undecided at this scale"
    shown = max(cell.detectable for cell in row.reproduced)
    assert f"{100 * shown:.1f} points with 80 % power" in row.verdict.why


def test_one_cell_reproduces_a_maximum_and_all_must_refute_it() -> None:
    best = [*records(70, 60, attack="grad_argmax"), *records(60, 60, attack="rand_sampling")]
    assert row_of(best).verdict.word == "reproduced"
    poor = records(60, 60)
    assert row_of(poor).verdict.word == "refuted"
    row = row_of([r for r in poor if r.cell.attack != "grad_argmax"])
    assert row.verdict.word == "undecided at this scale"
    assert row.missing == ("grad_argmax",)


def test_a_maximum_over_depths_is_not_refuted_by_one_depth() -> None:
    claim = replace(ATTACKED, layers=(2, 3))
    row = row_of(records(60, 60), claim)
    assert (row.verdict.word, row.missing) == ("undecided at this scale", ("3 layers",))
    both = [*records(60, 60), *records(60, 60, layers=3)]
    assert row_of(both, claim).verdict.word == "refuted"


def test_intervals_are_simultaneous_over_all_cells_of_the_claim() -> None:
    """As wide as the rule of methods makes them for as many, missing ones included."""
    made = records(63, 60, attack="rand_sampling")
    groups = by_group(made)
    group = next(g for g in groups if g.method == "augcl")
    other = replace(group, method="graphcl")
    for claim, size in ((ATTACKED, 2), (replace(ATTACKED, layers=(2, 3, 4)), 6)):
        absent = [(replace(group, layers=9 + k), replace(other, layers=9)) for k in range(size - 1)]
        family = family_of("x", [(group, other), *absent], groups, data_of(made), Rules())
        judged = family.of(group, other)
        (cell,) = row_of(made, claim).reproduced
        # Every graph is right before the attack: both shares are the same.
        assert (cell.low, cell.high) == pytest.approx((judged.low, judged.high))
        assert cell.detectable == pytest.approx(judged.detectable)


def test_the_published_share_counts_what_the_attack_put_right() -> None:
    """40 graphs are wrong before, and right after, as in the published tables."""
    row = row_of(records(70, 60, clean=40))
    assert {round(cell.mean, 6) for cell in row.reproduced} == {0.1}


@pytest.mark.parametrize(
    ("left", "right", "word"), [(70, 60, "reproduced"), (50, 60, "refuted"), (60, 60, "undecided")]
)
def test_better_without_a_value(left: int, right: int, word: str) -> None:
    row = row_of(records(left, right), replace(ATTACKED, how="better", value=None))
    assert row.verdict.word.startswith(word)


def test_clean_accuracy_of_the_same_classifiers() -> None:
    claim = replace(
        ATTACKED, how="difference", evaluation="clean", value=0.02, attacks=(), budget=None
    )
    made = [
        record("augcl", seed, 50, attack=attack, clean=90 + WIGGLE[seed])
        for attack in ATTACKED.attacks
        for seed in range(SEEDS)
    ]
    made += [record("graphcl", seed, 50, clean=85) for seed in range(SEEDS)]
    row = row_of(made, claim)
    (cell,) = row.reproduced
    assert (row.verdict.word, round(cell.mean, 6)) == ("reproduced", 0.05)


# --- no verdict -----------------------------------------------------------------------------------


def test_one_seed_is_one_trained_model_each() -> None:
    row = row_of(records(70, 60, seeds=1))
    assert row.verdict.word == "no verdict"
    assert "one trained model each" in row.verdict.why
    assert {(cell.low, cell.high, cell.detectable) for cell in row.reproduced} == {(None,) * 3}


def test_one_model_in_all_seeds_is_one_trained_model_too() -> None:
    row = row_of([replace(r, victim=ArtifactRef("victim", "1")) for r in records(70, 60)])
    assert (row.verdict.word, "one trained model each" in row.verdict.why) == ("no verdict", True)


def test_victims_not_at_rest_give_no_verdict() -> None:
    made = records(70, 60)
    values = {"selected": {"epoch": 99}, "losses": [0.5] * 100}
    moving = Measurement("victim", victim_cell(made[0].cell), values, 0.0)
    row = row_of(made, measured=[*data_of(made), moving])
    assert (row.verdict.word, row.verdict.why) == ("no verdict", "victims not at rest")
    rested = replace(moving, values={**values, "selected": {"epoch": 50}})
    assert row_of(made, measured=[*data_of(made), rested]).verdict.word == "reproduced"


@pytest.mark.parametrize("planned", [SEEDS - 1, SEEDS + 1])
def test_another_number_of_seeds_than_planned_gives_no_verdict(planned: int) -> None:
    row = row_of(records(70, 60), planned=planned)
    assert row.verdict.word == "no verdict"
    assert f"{SEEDS} seeds, {planned} were planned" in row.verdict.why
    assert row_of(records(70, 60), planned=SEEDS).verdict.word == "reproduced"


def test_a_failed_audit_gives_no_verdict() -> None:
    made = records(70, 60)
    audit = Audit("of", (Finding("a check", "FAIL", "So.", (made[0].key,)),))
    row = row_of(made, audit=audit)
    assert (row.verdict.word, row.verdict.why) == ("no verdict", "failed its audit")


def test_where_nobody_knows_whether_seeds_share_graphs_there_is_no_verdict() -> None:
    row = row_of(records(70, 60), measured=[])
    assert (row.verdict.word, "share graphs" in row.verdict.why) == ("no verdict", True)


# --- not measured here ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"dataset": "MUTAG"}, "no data set components 40-50 (here: MUTAG)"),
        ({"dataset": "components 15-20"}, "no data set components 40-50"),
        ({"dataset": f"{DATA}, scale 0.1"}, "no data set components 40-50"),
        ({"budget": 1.0}, "no budget 1 (here: 1.0)"),
        ({"protocol": "strict"}, "no protocol paper (here: strict)"),
        ({"encoder": "gcn"}, "no encoder gin (here: gcn)"),
        ({"budget": 2}, "no budget 1 (here: 2)"),
        ({"layers": 3}, "no number of layers 2 (here: 3)"),
        ({"attack": "prbcd"}, "no attack rand_sampling or grad_argmax"),
    ],
)
def test_the_part_that_is_missing_is_named(change: dict, part: str) -> None:
    row = row_of(records(70, 60, **change))
    assert row.verdict.word == "not measured here"
    assert part in row.verdict.why
    assert row.reproduced == ()


def test_where_nobody_knows_how_many_seeds_were_planned_that_is_said() -> None:
    said = "not known how many seeds were planned"
    assert said in row_of(records(70, 60)).verdict.why
    assert said not in row_of(records(70, 60), planned=SEEDS).verdict.why


ANY_SIZE = replace(ATTACKED, datasets=("components",))


@pytest.mark.parametrize(
    ("left", "word"),
    [
        (70, "reproduced"),
        (63, "undecided at this scale"),
        (60, "undecided at this scale"),
        (50, "undecided at this scale"),
    ],
)
def test_one_of_several_sizes_can_show_a_maximum_and_not_refute_it(left: int, word: str) -> None:
    row = row_of(records(left, 60), ANY_SIZE)
    assert (row.verdict.word, row.missing) == (word, ("other sizes of components",))


@pytest.mark.parametrize("dataset", ["componentsish", f"{DATA}, scale 0.1", "components large"])
def test_what_only_begins_like_a_data_set_is_another_one(dataset: str) -> None:
    row = row_of(records(70, 60, dataset=dataset), ANY_SIZE)
    assert row.verdict.word == "not measured here"
    assert f"no data set components (here: {dataset})" in row.verdict.why


def test_a_method_that_is_missing_is_named() -> None:
    made = [r for r in records(70, 60) if r.cell.method == "augcl"]
    row = row_of(made)
    assert (row.verdict.word, row.is_told) == ("not measured here", False)
    assert "no method graphcl" in row.verdict.why


def test_a_label_does_not_make_a_method() -> None:
    """A suite may call anything augcl; what the plug-in is decides."""
    made = [replace(r, method_traits=method_called("x", "mine")) for r in records(70, 60)]
    why = row_of(made).verdict.why
    assert "no method augcl and no method graphcl" in why


def test_nodes_are_not_measured() -> None:
    claim = replace(
        ATTACKED, evaluation="nodes", run_as=None, attacks=(), budget=None, layers=(), encoder=None
    )
    row = row_of(records(70, 60), claim)
    assert (row.verdict.word, "node classification" in row.verdict.why) == (
        "not measured here",
        True,
    )


# --- exact and bracket ----------------------------------------------------------------------------


def exact_records(left: int, right: int, **more) -> list[Record]:
    """Records of the exact worst case."""
    return records(left, right, attack="exhaustive", exact=True, **more)


def test_the_exact_worst_case_stands_beside_what_is_reproduced() -> None:
    row = row_of([*records(70, 60), *exact_records(52, 50)])
    (cell,) = row.exact
    assert (round(cell.mean, 6), cell.name) == (0.02, f"{DATA}, 2 layers, protocol paper")
    assert {round(each.mean, 6) for each in row.reproduced} == {0.1}
    assert row.verdict.word == "reproduced"


def test_under_another_protocol_the_exact_worst_case_is_shown_and_gives_no_verdict() -> None:
    made = [*records(70, 60, protocol="strict"), *exact_records(52, 50, protocol="strict")]
    row = row_of(made)
    assert (row.verdict.word, row.reproduced) == ("not measured here", ())
    assert [cell.name for cell in row.exact] == [f"{DATA}, 2 layers, protocol strict"]
    assert row.is_told


def test_a_search_that_is_not_proved_is_no_exact_worst_case() -> None:
    made = [*records(70, 60), *exact_records(52, 50)]
    last = made[-1].outcomes
    unproved = replace(made[-1], outcomes=[*last[:-1], replace(last[-1], exact=False)])
    assert row_of([*made[:-1], unproved]).exact == ()


def test_a_primary_comparison_is_told_as_the_report_tells_it() -> None:
    """The suite's family has two comparisons, so its interval is wider than that of one."""
    third = [
        replace(r, cell=replace(r.cell, method="hcl"), method_traits=method_called("hcl", "hcl"))
        for r in exact_records(51, 50)
        if r.cell.method == "augcl"
    ]
    made = [*records(70, 60), *exact_records(52, 50), *third]
    own = row_of(made).exact[0]
    settings = {"comparisons": {"pairs": [["augcl", "graphcl"], ["hcl", "graphcl"]]}}
    report = ReportInput(made, measurements=data_of(made), settings=settings)
    (row,) = claim_rows(report, [ATTACKED])
    left = next(g for g in by_group(made) if (g.method, g.attack) == ("augcl", "exhaustive"))
    judged = report.primary["suite"].of(left, replace(left, method="graphcl"))
    assert (row.exact[0].low, row.exact[0].high) == (judged.low, judged.high)
    assert row.exact[0].high > own.high


def test_the_exact_column_carries_its_own_notes() -> None:
    made = exact_records(52, 50, protocol="strict")
    values = {"selected": {"epoch": 99}, "losses": [0.5] * 100}
    moving = Measurement("victim", victim_cell(made[0].cell), values, 0.0)
    row = row_of(made, measured=[*data_of(made), moving], planned=SEEDS + 1)
    assert row.exact[0].notes == (
        "victims not at rest",
        f"{SEEDS} seeds, {SEEDS + 1} were planned",
    )


def test_the_bracket_runs_from_what_is_proved_to_the_best_attack() -> None:
    made = [*records(70, 60, seeds=1, attack="rand_sampling"),
            *records(65, 55, seeds=1, attack="grad_argmax")]  # fmt: skip
    left = next(r for r in made if r.cell.method == "augcl")
    certificate = Measurement(
        "certificate",
        replace(left.cell, attack=""),
        {
            "graphs": list(range(N)),
            "certified": [graph < 30 for graph in range(N)],
            "settled": [graph < 30 for graph in range(N)],
            "witnesses": [None] * N,
            "victim": left.victim.digest,
        },
        0.0,
    )
    row = row_of(made, measured=[*data_of(made), certificate])
    (found,) = row.brackets
    # The wiggle takes one graph from AUGCL in seed 0.
    assert found.left == (0.30, pytest.approx(0.64))
    assert found.right == (None, pytest.approx(0.55))
    assert bracket_group(Group.of(left.cell), 1).method == "augcl"


# --- embeddings -----------------------------------------------------------------------------------

SVM = Claim(
    "svm", "a paper", "table 3", "second hand", "SVM", "accuracy", "embeddings", "graphcl", 0.868,
    datasets=("MUTAG",), encoder="gin", within=0.01,
)  # fmt: skip


def scores(method: str, mean: float, seeds: int = SEEDS) -> list[Measurement]:
    """Accuracies of ten folds a seed, around a mean."""
    return [
        Measurement(
            "representation",
            Cell("suite", "MUTAG", method, "gin", 3, seed, "", "unsupervised", 0),
            {"accuracy": [mean + 0.001 * WIGGLE[seed]] * 10},
            1.0,
        )
        for seed in range(seeds)
    ]


def embedded(mean: float, left: float | None = None, seeds: int = SEEDS):
    """Records of a run on MUTAG, and its measurements: graphcl around `mean`, augcl `left`."""
    made = records(60, 60, seeds=seeds, dataset="MUTAG", layers=3)
    measured = [*data_of(made, draws_graphs=False), *scores("graphcl", mean, seeds)]
    return made, measured + (scores("augcl", left, seeds) if left is not None else [])


@pytest.mark.parametrize(
    ("mean", "word"),
    [(0.90, "reproduced"), (0.80, "smaller than claimed"), (0.858, "undecided at this scale")],
)
def test_each_verdict_of_an_accuracy(mean: float, word: str) -> None:
    made, measured = embedded(mean)
    row = row_of(made, SVM, measured)
    (cell,) = row.reproduced
    assert (row.verdict.word, cell.mean) == (word, pytest.approx(mean))
    assert (row.exact, row.brackets) == ((), ())


def test_the_interval_of_embeddings_is_that_of_resampled_splits() -> None:
    """s^2 (1 / S + 1 / 9), with Student's t of 4 degrees of freedom, 2.776 from a table."""
    made, measured = embedded(0.9)
    wide = [
        replace(m, values={"accuracy": [0.9 + 0.05 * WIGGLE[m.cell.seed]] * 10})
        if m.kind == "representation"
        else m
        for m in measured
    ]
    (cell,) = row_of(made, SVM, wide).reproduced
    half = 2.7764 * (0.05 * 0.5**0.5) * (1 / 5 + 1 / 9) ** 0.5
    assert (cell.low, cell.high) == pytest.approx((0.9 - half, 0.9 + half), abs=1e-5)


def test_a_difference_of_embeddings_on_data_sets_that_are_not_all_known() -> None:
    claim = replace(
        SVM, how="maximum", value=0.02, left="augcl", right="graphcl", within=None,
        datasets=("MUTAG", "NCI1"), more_datasets=True,
    )  # fmt: skip
    made, measured = embedded(0.85, left=0.90)
    assert row_of(made, claim, measured).verdict.word == "reproduced"
    made, measured = embedded(0.85, left=0.80)
    row = row_of(made, claim, measured)
    assert row.verdict.word == "undecided at this scale"
    assert row.missing[0] == "NCI1"
    assert "not known here" in row.missing[1]
    known = replace(claim, datasets=("MUTAG",), more_datasets=False)
    assert row_of(made, known, measured).verdict.word == "refuted"


def test_a_count_of_data_sets() -> None:
    claim = replace(SVM, how="count", value=1.0, left="augcl", right="graphcl", within=None)
    made, measured = embedded(0.85, left=0.90)
    assert row_of(made, claim, measured).verdict.word == "reproduced"
    made, measured = embedded(0.85, left=0.80)
    assert row_of(made, claim, measured).verdict.word == "refuted"


def test_embeddings_of_one_seed_and_of_too_few_seeds_give_no_verdict() -> None:
    made, measured = embedded(0.9, seeds=1)
    row = row_of(made, SVM, measured)
    assert (row.verdict.word, row.verdict.why) == ("no verdict", "one trained model each")
    made, measured = embedded(0.9)
    assert row_of(made, SVM, measured, planned=10).verdict.word == "no verdict"


def test_without_scores_of_embeddings_that_is_what_is_missing() -> None:
    made, measured = embedded(0.9)
    row = row_of(made, SVM, [m for m in measured if m.kind != "representation"])
    assert (row.verdict.word, "[representations]" in row.verdict.why) == ("not measured here", True)


def test_rows_are_json() -> None:
    made = [*records(70, 60), *exact_records(52, 50)]
    told = json.loads(json.dumps(row_of(made).as_json()))
    assert list(told) == [
        "claim", "verdict", "why", "reproduced", "exact", "bracket", "missing",
    ]  # fmt: skip
    assert told["claim"]["value"] == 0.08
    assert told["reproduced"][0]["mean"] == pytest.approx(0.1)


# --- settings of the source -----------------------------------------------------------------------


def suite_with(methods: dict | None = None, attacks: dict | None = None) -> dict:
    """A suite whose methods and attacks have these settings, by label."""
    asked = {"methods": ("augcl", "graphcl"), "attacks": ATTACKED.attacks}
    given = {"methods": methods or {}, "attacks": attacks or {}}
    return {
        kind: [{"name": name, **given[kind].get(name, {})} for name in names]
        for kind, names in asked.items()
    }


@pytest.mark.parametrize(
    ("methods", "attacks", "note"),
    [
        ({"augcl": {"alpha": 1.0}}, {}, "with other settings: augcl: alpha=1.0"),
        (
            {"graphcl": {"pretraining": {"base": "simgrace"}}},
            {},
            'with other settings: graphcl: pretraining={"base": "simgrace"}',
        ),
        ({}, {"grad_argmax": {"tries": 1}}, "with other settings: grad_argmax: tries=1"),
        (
            {},
            {"grad_argmax": {"name": "genetic", "label": "grad_argmax"}},
            "with other settings: grad_argmax: name=genetic",
        ),
    ],
)
def test_other_settings_than_the_published_ones_give_no_verdict(
    methods: dict, attacks: dict, note: str
) -> None:
    made = records(70, 60)
    row = row_of(made, settings=suite_with(methods, attacks))
    assert (row.verdict.word, row.verdict.why) == ("no verdict", note)
    assert {round(cell.mean, 6) for cell in row.reproduced} == {0.1}
    assert row_of(made, settings=suite_with()).verdict.word == "reproduced"


def test_a_setting_of_the_source_is_no_other_one() -> None:
    claim = replace(ATTACKED, settings={"grad_argmax": {"tries": 9}, "augcl": {"alpha": 1.0}})
    asked = suite_with({"augcl": {"alpha": 1.0}}, {"grad_argmax": {"tries": 9}})
    used = [
        replace(r, method_settings={"alpha": 1.0}, attack_settings={"tries": 9})
        for r in records(70, 60)
    ]
    assert row_of(used, claim, settings=asked).verdict.word == "reproduced"
    fewer = suite_with({"augcl": {"alpha": 1.0}}, {"grad_argmax": {"tries": 3}})
    why = row_of(used, claim, settings=fewer).verdict.why
    assert why == "with other settings: grad_argmax: tries=3"


def test_a_default_that_is_not_the_source_s_is_found_in_the_records() -> None:
    """The suite sets nothing, and the attack ran with what its plug-in has."""
    claim = replace(ATTACKED, settings={"grad_argmax": {"tries": 9}})
    made = [replace(r, attack_settings={"tries": 2}) for r in records(70, 60)]
    row = row_of(made, claim, settings=suite_with())
    assert row.verdict.why == "with other settings: grad_argmax: tries=2"
    wrong = replace(ATTACKED, settings={"grad_argmax": {"tires": 9}})
    assert "grad_argmax: tires=not known" in row_of(made, wrong).verdict.why


def test_embeddings_of_other_settings_give_no_verdict() -> None:
    made, measured = embedded(0.9)
    row = row_of(made, SVM, measured, settings=suite_with({"graphcl": {"x": True}}))
    assert row.verdict.why == "with other settings: graphcl: x=true"
    assert row_of(made, SVM, measured, settings=suite_with()).verdict.word == "reproduced"


def test_the_exact_column_says_other_settings_too() -> None:
    made = [*records(70, 60), *exact_records(52, 50)]
    row = row_of(made, settings=suite_with({"augcl": {"alpha": 1.0}}))
    assert row.exact[0].notes == ("with other settings: augcl: alpha=1.0",)


def test_settings_are_of_what_the_claim_names() -> None:
    with pytest.raises(ValueError, match="`settings` to be of methods and attacks"):
        replace(ATTACKED, settings={"beam": {"width": 1}})


# --- several runs ---------------------------------------------------------------------------------

THREE = replace(
    SVM, how="count", value=3.0, left="augcl", right="graphcl", within=None, more_datasets=True,
    datasets=("MUTAG", "PROTEINS", "NCI1", "IMDB-BINARY"),
)  # fmt: skip


def run_on(dataset: str, left: float, right: float, planned: int | None = SEEDS, **more):
    """What a run on one data set holds: embeddings of augcl and of graphcl."""
    made = records(60, 60, dataset=dataset, layers=3)
    measured = [*data_of(made, draws_graphs=False)]
    for method, mean in (("augcl", left), ("graphcl", right)):
        measured += [
            replace(m, cell=replace(m.cell, dataset=dataset, suite=dataset.lower()))
            for m in scores(method, mean)
        ]
    return ReportInput(made, measurements=measured, planned_seeds=planned, **more)


def test_a_claim_on_three_data_sets_gets_its_verdict_from_three_runs() -> None:
    runs = {f"runs/{name}": run_on(name, 0.9, 0.8) for name in ("MUTAG", "PROTEINS", "NCI1")}
    (row,) = rows_of_runs(runs, [THREE])
    assert row.verdict.word == "reproduced"
    assert [cell.name for cell in row.reproduced] == [
        f"{name}, 3 layers, runs/{name}" for name in ("MUTAG", "PROTEINS", "NCI1")
    ]
    for name in runs:
        others = {run: report for run, report in runs.items() if run != name}
        (row,) = rows_of_runs(others, [THREE])
        assert row.verdict.word == "undecided at this scale"
        assert name.removeprefix("runs/") in row.missing


def test_of_three_data_sets_two_are_too_few() -> None:
    known = replace(THREE, datasets=("MUTAG", "PROTEINS", "NCI1"), more_datasets=False)
    ahead = {name: 0.7 if name == "NCI1" else 0.9 for name in known.datasets}
    runs = {name: run_on(name, left, 0.8) for name, left in ahead.items()}
    (row,) = rows_of_runs(runs, [known])
    assert (row.verdict.word, row.missing) == ("smaller than claimed", ())


def test_the_cells_of_all_runs_are_one_family() -> None:
    """So the interval of each is wider than in a run by itself."""
    runs = {name: run_on(name, 0.9, 0.8) for name in ("MUTAG", "PROTEINS", "NCI1")}
    (together,) = rows_of_runs(runs, [THREE])
    (alone,) = claim_rows(runs["MUTAG"], [THREE])
    wide, narrow = (row.reproduced[0].high - row.reproduced[0].low for row in (together, alone))
    # Student's t of 4 degrees of freedom, 0.05 / 6 and 0.05 / 2 above, from a table.
    assert wide / narrow == pytest.approx(3.9608 / 2.7764, abs=1e-3)


def test_what_one_run_lacks_another_one_has() -> None:
    """Attacks of two runs, and a cell that is missing in one of them, count once."""
    one = [r for r in records(70, 60) if r.cell.attack == "rand_sampling"]
    other = [r for r in records(63, 60, suite="another") if r.cell.attack == "grad_argmax"]
    runs = {
        name: ReportInput(made, measurements=data_of(made), planned_seeds=SEEDS)
        for name, made in (("a", one), ("b", other))
    }
    (row,) = rows_of_runs(runs, [ATTACKED])
    whole = row_of(records(70, 60), planned=SEEDS)
    assert (row.verdict.word, row.missing) == ("reproduced", ())
    assert row.reproduced[0].high == pytest.approx(whole.reproduced[0].high)
    (alone,) = claim_rows(runs["a"], [ATTACKED])
    assert alone.missing == ("grad_argmax",)


def test_what_cannot_carry_a_verdict_in_one_run_cannot_together() -> None:
    runs = {
        "a": run_on("MUTAG", 0.9, 0.8),
        "b": run_on("PROTEINS", 0.9, 0.8, planned=9),
        "c": run_on("NCI1", 0.9, 0.8),
    }
    (row,) = rows_of_runs(runs, [THREE])
    assert (row.verdict.word, row.verdict.why) == ("no verdict", "5 seeds, 9 were planned")
    runs["b"] = run_on("PROTEINS", 0.9, 0.8, planned=None)
    (row,) = rows_of_runs(runs, [THREE])
    assert row.verdict.word == "reproduced"
    assert "not known how many seeds were planned" in row.verdict.why


def test_where_no_run_has_a_part_each_is_named() -> None:
    runs = {name: run_on(name, 0.9, 0.8) for name in ("COX2", "DD")}
    (row,) = rows_of_runs(runs, [THREE])
    assert row.verdict.word == "not measured here"
    for name in runs:
        assert f"{name} has no data set" in row.verdict.why
        assert f"(here: {name})" in row.verdict.why


def test_seeds_that_took_the_place_of_others_give_no_verdict() -> None:
    row = row_of(records(70, 60), planned=SEEDS, held_seeds=SEEDS + 2)
    assert (row.verdict.word, row.verdict.why) == ("no verdict", "5 of 7 seeds, 5 were planned")
