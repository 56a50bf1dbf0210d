"""A search for several budgets is a part of attack steps: records are the same without it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from robust_augcl.errors import ArtifactDamaged, ThreatViolation
from robust_augcl.plan.kinds import KINDS
from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import Step, with_inputs
from robust_augcl.plan.suite import make_suite
from robust_augcl.review.differences import records_differ
from robust_augcl.steps.attacking import compute_attack
from robust_augcl.steps.compute import compute
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import read_inputs
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import load_record
from robust_augcl.store.store import Store


def attacks(budget: Any, **beam: Any) -> list[Step]:
    table = {
        "name": "searches",
        "dataset": {
            "source": "components",
            "nodes": [12, 16],
            "graphs_per_class": 12,
            "edge_probability": 0.2,
        },
        "split": {"test": 0.5, "validation": 0.2},
        "encoder": {"name": "structure2vec", "width": 8},
        "training": {"epochs": 3},
        "threat": {"within_component": True, "budget": budget},
        "methods": [{"name": "none"}],
        "attacks": [{"name": "beam", **beam}, {"name": "rand_sampling"}],
    }
    return [step for step in plan(make_suite(table, "here")).attacks if step.cell.attack == "beam"]


def searches(steps: list[Step]) -> dict[str, Step]:
    return {step.key: step for step in with_inputs(steps) if step.kind == "attack_search"}


def in_one_piece(step: Step) -> Step:
    whole = {role: need for role, need in step.inputs.items() if not KINDS[need.kind].is_part}
    return dataclasses.replace(step, inputs=whole)


def make(step: Step, store: Store) -> None:
    for needed in step.inputs.values():
        make(needed, store)
    if not store.path(step).exists():
        compute(step, Context(store))


def test_one_search_answers_all_whole_budgets():
    steps = attacks([1, 2, 3])
    assert len(searches(steps)) == 1
    assert all("search" in step.inputs for step in steps)
    assert len(searches(attacks([1, 2, 3], budgets=[1, 3]))) == 1


@pytest.mark.parametrize(
    ("budget", "beam"), [(2, {}), ([1, 2], {"budgets": [2]}), ([0.1, 0.2], {})]
)
def test_there_is_none_for_one_budget_or_for_shares(budget, beam):
    assert searches(attacks(budget, **beam)) == {}


def test_the_address_of_a_record_does_not_hold_its_search():
    for step in attacks([1, 2, 3]):
        assert step.key == in_one_piece(step).key


def test_records_are_those_of_their_own_searches(tmp_path):
    steps = attacks([1, 2, 3], width=3)
    together, alone = Store(tmp_path / "together"), Store(tmp_path / "alone")
    for step in steps:
        make(step, together)
        make(in_one_piece(step), alone)
        records = [load_record(store, step.key) for store in (together, alone)]
        assert records_differ(*records) == []
        assert records[0].outcomes == records[1].outcomes
        assert records[0].queries == records[1].queries
        assert records[0].attack_seconds > 0
    assert not list(alone.artifacts.glob("attack_search-*"))
    assert len(list(together.artifacts.glob("attack_search-*"))) == 1


@pytest.mark.parametrize("forged", ["victim", "dataset", "budget", "seconds"])
def test_a_search_of_something_else_is_refused(tmp_path, forged):
    store, step = Store(tmp_path), attacks([1, 2])[0]
    make(step, store)
    inputs = read_inputs(step, store)
    search = inputs.artifacts["search"]
    info, about = dict(search.info), dict(search.about)
    if forged == "budget":
        info["answers"] = info["answers"][1:]
        about["answer_seconds"] = about["answer_seconds"][1:]
    elif forged == "seconds":
        about["answer_seconds"] = []
    else:
        info[forged] = "0" * 64
    other = inputs._replace(
        artifacts={**inputs.artifacts, "search": Artifact(search.tensors, info, about)}
    )
    with pytest.raises(ArtifactDamaged, match="another data set, victim or budget"):
        compute_attack(step, other, Context(store))


def test_edits_that_the_threat_does_not_allow_are_refused(tmp_path):
    store, step = Store(tmp_path), attacks([1, 2])[0]
    make(step, store)
    inputs = read_inputs(step, store)
    search = inputs.artifacts["search"]
    info = dict(search.info)
    answers = [dict(answer) for answer in info["answers"]]
    answers[0]["edits"] = [[[[0, 99]], []], *answers[0]["edits"][1:]]
    info["answers"] = answers
    other = inputs._replace(
        artifacts={**inputs.artifacts, "search": Artifact(search.tensors, info, search.about)}
    )
    with pytest.raises(ThreatViolation):
        compute_attack(step, other, Context(store))
