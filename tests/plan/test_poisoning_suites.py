"""What a suite may ask of poisoning, and which steps it takes."""

from __future__ import annotations

import copy
from collections import Counter

import pytest

from robust_augcl import evaluate
from robust_augcl.errors import InputError
from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import with_inputs
from robust_augcl.plan.suite import load_suite, make_suite
from robust_augcl.testing import bench
from robust_augcl.threat.model import ThreatModel

TABLE = {
    "name": "small",
    "seeds": [0, 1],
    "dataset": {"source": "planetoid"},
    "encoder": {"name": "gcn_relu", "width": 8},
    "pretraining": {"base": "grace"},
    "linear": {},
    "threat": {"budget": [0.05, 0.1], "shared": True, "setting": "poisoning"},
    "methods": [{"name": "none"}, {"name": "grace"}, {"name": "hcl"}],
    "attacks": [{"name": "rand_sampling"}],
}


def changed(**tables):
    return {**copy.deepcopy(TABLE), **tables}


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"certificates": {}}, r"\[certificates\]: Expected no such table"),
        (
            {"attacks": [{"name": "exhaustive"}]},
            r"\[\[attacks\]\] exhaustive: Expected an attack that does not claim to be exact",
        ),
        (
            {"attacks": [{"name": "rand_sampling"}, {"name": "worst_case"}]},
            r"worst_case: Expected an attack that does not combine others",
        ),
        ({"attacks": [{"name": "beam"}]}, r"beam: .* edit a graph once for all"),
        ({"threat": {"setting": "poisoning"}}, r"\[threat\]: Expected `shared` to be true"),
        ({"threat": {"setting": "evading"}}, r"\[threat\]: Expected `setting` to be 'evasion' or"),
        ({"threat": {"setting": 3}}, r"setting"),
    ],
)
def test_what_cannot_be_poisoned_or_proved_is_refused(tables, words):
    with pytest.raises(InputError, match=words):
        make_suite(changed(**tables), "small")


def test_graphs_are_not_poisoned():
    table = changed(dataset={"source": "tu", "name": "MUTAG"}, methods=[{"name": "none"}])
    del table["linear"]
    with pytest.raises(InputError, match="only data sets of nodes of one graph can be poisoned"):
        make_suite(table, "small")


@pytest.mark.parametrize("name", ["quick", "components"])
def test_whoever_asks_to_poison_a_suite_of_graphs_is_told_that_first(name):
    """And not what else to set, which would not help."""
    with pytest.raises(InputError, match="only data sets of nodes of one graph can be poisoned"):
        load_suite(name, ["threat.setting=poisoning"])


def test_given_models_are_not_poisoned():
    threat = ThreatModel(shared=True, setting="poisoning")
    with pytest.raises(InputError, match="a given model cannot be trained again"):
        evaluate(bench.new_victim().model, bench.random_graphs([4, 5]), threat=threat)


def test_each_attack_budget_method_and_seed_takes_one_training_on_its_own_graph():
    planned = plan(make_suite(TABLE, "small"))
    kinds = Counter(step.kind for step in with_inputs(planned.steps))
    cells = 3 * 2 * 2  # methods, budgets, seeds
    clean = 3 * 2
    assert len(planned.attacks) == kinds["poisoning"] == kinds["edited_data"] == cells
    assert kinds["linear_victim"] == clean + cells
    assert kinds["pretraining"] == (clean + cells) * 2 // 3  # one of three methods has none
    assert kinds["warm_up"] == 2 + cells * 2 // 3  # on the clean graph methods share them
    assert kinds["attack"] == 0
    for step in planned.attacks:
        victim, retrained = step.inputs["victim"], step.inputs["retrained"]
        assert dict(victim.settings) == dict(retrained.settings)
        assert retrained.inputs["dataset"] is step.inputs["edited"]
        assert step.inputs["edited"].inputs["victim"] is victim
        assert step.inputs["edited"].inputs["dataset"] is step.inputs["dataset"]


def test_evasion_has_the_addresses_that_it_had_before_there_was_a_setting():
    """A setting at its default is left out of addresses, so no stored result is computed again."""
    said = changed(threat={"budget": 0.1, "shared": True, "setting": "evasion"})
    unsaid = changed(threat={"budget": 0.1, "shared": True})
    keys = [[step.key for step in plan(make_suite(t, "small")).attacks] for t in (said, unsaid)]
    assert keys[0] == keys[1]
    poisoned = {step.key for step in plan(make_suite(TABLE, "small")).attacks}
    assert not poisoned & set(keys[0])
