"""What a suite file becomes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from robust_augcl.errors import InputError
from robust_augcl.plan.planner import plan
from robust_augcl.plan.suite import make_suite

TABLE: dict[str, Any] = {
    "name": "budgets",
    "dataset": {"source": "components", "nodes": [15, 20], "graphs_per_class": 10},
    "encoder": {"name": "structure2vec"},
    "threat": {"within_component": True, "budget": [3, 1]},
    "methods": [{"name": "none"}],
    "attacks": [{"name": "rand_sampling"}, {"name": "grad_argmax", "budgets": [3]}],
}


def cells(table: dict[str, Any]) -> list[tuple[str, int | float]]:
    return [
        (step.cell.attack, step.cell.budget)
        for step in plan(make_suite(table, "here")).attacks
        if step.cell
    ]


def changed(**changes: Any) -> dict[str, Any]:
    table = copy.deepcopy(TABLE)
    for path, value in changes.items():
        *parents, key = path.split("__")
        inner = table
        for parent in parents:
            inner = inner[parent]
        inner[key] = value
    return table


def test_each_attack_runs_with_each_of_its_budgets_smallest_first():
    assert cells(TABLE) == [("rand_sampling", 1), ("rand_sampling", 3), ("grad_argmax", 3)]
    threats = {
        step.cell.budget: step.settings["threat"].budget
        for step in plan(make_suite(TABLE, "here")).attacks
        if step.cell
    }
    assert threats == {1: 1, 3: 3}


def test_all_budgets_share_their_victim():
    victims = {step.inputs["victim"].key for step in plan(make_suite(TABLE, "here")).attacks}
    assert len(victims) == 1


def test_an_attack_without_budgets_of_its_own_runs_with_those_that_it_can_use():
    attacks = [{"name": "rand_sampling"}, {"name": "exhaustive"}]
    assert cells(changed(attacks=attacks, threat__budget=[1, 7])) == [
        ("rand_sampling", 1),
        ("exhaustive", 1),
        ("rand_sampling", 7),
    ]


def test_fractions_are_budgets_too():
    assert cells(changed(attacks=[{"name": "rand_sampling"}], threat__budget=[0.1, 0.05])) == [
        ("rand_sampling", 0.05),
        ("rand_sampling", 0.1),
    ]


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"threat__budget": []}, ["`budget`", "[]"]),
        ({"threat__budget": [1, 1]}, ["`budget`", "[1, 1]"]),
        ({"threat__budget": [1, 0.5]}, ["`budget`", "0.5"]),
        ({"threat__budget": [1, -2]}, ["`budget`", "-2"]),
        (
            {"attacks": [{"name": "rand_sampling", "budgets": [2]}]},
            ["rand_sampling", "`budgets`", "[1, 3]", "[2]"],
        ),
        (
            {"attacks": [{"name": "rand_sampling", "budgets": [[1]]}]},
            ["rand_sampling", "`budgets`", "[[1]]"],
        ),
        (
            {"attacks": [{"name": "rand_sampling", "budgets": [True]}]},
            ["rand_sampling", "`budgets`", "True"],
        ),
        (
            {"attacks": [{"name": "rand_sampling", "budgets": [1]}], "threat__budget": [0.5, 1.0]},
            ["`budgets`", "[0.5, 1.0]", "[1]"],
        ),
        (
            {
                "attacks": [{"name": "rand_sampling"}],
                "certificates": {"budgets": [1]},
                "threat__budget": [0.5, 1.0],
            },
            ["[certificates]", "[0.5, 1.0]", "[1]"],
        ),
        (
            {"attacks": [{"name": "rand_sampling", "budgets": 1}]},
            ["rand_sampling", "`budgets`", "1"],
        ),
        ({"attacks": [{"name": "exhaustive", "budgets": [3]}]}, ["exhaustive", "`budget`", "3"]),
        (
            {"attacks": [{"name": "exhaustive"}], "threat__budget": [8, 9]},
            ["exhaustive", "`budget`", "8"],
        ),
    ],
)
def test_bad_budgets_are_named(changes, parts):
    with pytest.raises(InputError) as caught:
        make_suite(changed(**changes), "here")
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "entries", "other", "label"),
    [
        (
            "methods",
            [{"name": "graphcl", "label": "wide"}, {"name": "graphcl", "label": "Wide"}],
            "wide",
            "Wide",
        ),
        ("methods", [{"name": "augcl"}, {"name": "augcl", "label": "AUGCL"}], "augcl", "AUGCL"),
        (
            "attacks",
            [{"name": "exhaustive"}, {"name": "exhaustive", "label": "Exhaustive Search"}],
            "exhaustive",
            "Exhaustive Search",
        ),
    ],
)
def test_entries_that_would_look_the_same_in_a_report_are_refused(kind, entries, other, label):
    with pytest.raises(
        InputError,
        match=rf"^here: \[\[{kind}\]\]: Expected `label` to look unlike '{other}' in reports, "
        rf"got '{label}'",
    ):
        make_suite(
            changed(**{"attacks": [{"name": "beam"}], kind: entries, "threat__budget": 1}), "here"
        )


def test_an_entry_may_be_called_by_its_own_name_and_one_exact_search_by_any():
    attacks = [
        {"name": "exhaustive", "label": "every edit"},
        {"name": "rand_sampling", "label": "RandSampling"},
    ]
    methods = [
        {"name": "augcl", "label": "AUGCL"},
        {"name": "augcl", "label": "AUGCL, wide", "reward": 1.5},
    ]
    suite = make_suite(changed(attacks=attacks, methods=methods, threat__budget=1), "here")
    assert [attack.label for attack in suite.attacks] == ["every edit", "RandSampling"]
    assert [method.label for method in suite.methods] == ["AUGCL", "AUGCL, wide"]
