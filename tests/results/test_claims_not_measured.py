"""Claims of which a run lacks a part, or whose source had other settings: the part is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from claimed import (
    ATTACKED,
    DATA,
    SEEDS,
    SVM,
    embedded,
    exact_records,
    records,
    row_of,
)
from hand_made import method_called

from robust_augcl.methods.augcl import AUGCL
from robust_augcl.plan.declared import defaults_of


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"dataset": "MUTAG"}, "the data set components 40-50; this run used the data set MUTAG"),
        ({"dataset": "components 15-20"}, "the data set components 40-50; this run used"),
        ({"dataset": f"{DATA}, scale 0.1"}, "the data set components 40-50; this run used"),
        ({"budget": 1.0}, "budget 1; this run used budget 1.0"),
        ({"protocol": "strict"}, "the paper protocol; this run used the strict protocol"),
        ({"encoder": "gcn"}, "the encoder gin; this run used the encoder gcn"),
        ({"budget": 2}, "budget 1; this run used budget 2"),
        ({"layers": 3}, "2 layers; this run used 3 layers"),
        ({"attack": "prbcd"}, "the attack rand_sampling or grad_argmax; this run lacks it"),
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
    assert f"the data set components; this run used the data set {dataset}" in row.verdict.why


def test_a_method_that_is_missing_is_named() -> None:
    made = [r for r in records(70, 60) if r.cell.method == "augcl"]
    row = row_of(made)
    assert (row.verdict.word, row.is_told) == ("not measured here", False)
    assert "the method graphcl; this run lacks it" in row.verdict.why


def test_a_label_does_not_make_a_method() -> None:
    """A suite may call anything augcl; what the plug-in is decides."""
    made = [replace(r, method_traits=method_called("x", "mine")) for r in records(70, 60)]
    why = row_of(made).verdict.why
    assert "the method augcl and the method graphcl; this run lacks" in why


def test_nodes_are_not_measured() -> None:
    claim = replace(
        ATTACKED, evaluation="nodes", run_as=None, attacks=(), budget=None, layers=(), encoder=None
    )
    row = row_of(records(70, 60), claim)
    assert (row.verdict.word, "node classification" in row.verdict.why) == (
        "not measured here",
        True,
    )


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


def test_a_default_that_a_suite_states_is_no_other_setting() -> None:
    """Where defaults are known, as the folder of a run knows those of our plug-ins."""
    made, reward = records(70, 60), AUGCL().reward
    stated = suite_with({"augcl": {"reward": reward, "label": "augcl"}})
    known = {"settings": stated, "defaults_of": defaults_of}
    assert row_of(made, **known).verdict.word == "reproduced"
    assert "reward" in row_of(made, settings=stated).verdict.why
    claim = replace(ATTACKED, settings={"augcl": {"reward": reward + 1}})
    other = suite_with({"augcl": {"reward": reward + 1}})
    unknown = suite_with({"augcl": {"rewards": reward}})
    for row, why in [
        (row_of(made, claim, **known), f"augcl: reward={reward}"),
        (row_of(made, **{**known, "settings": other}), f"augcl: reward={reward + 1}"),
        (row_of(made, **{**known, "settings": unknown}), f"augcl: rewards={reward}"),
    ]:
        assert row.verdict.why == f"with other settings: {why}"


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
