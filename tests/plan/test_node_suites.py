"""What a suite about nodes may say, and what is refused in one line."""

from __future__ import annotations

import re

import pytest
from tree import TREE

from robust_augcl.contrast.node_pretrain import NodePretraining
from robust_augcl.errors import InputError
from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import with_inputs
from robust_augcl.plan.suite import load_suite
from robust_augcl.registry.families import families


def test_the_suite_of_cora_has_the_published_settings():
    suite = load_suite("nodes-cora")
    found = suite.pretraining
    assert isinstance(found, NodePretraining)
    assert (found.learning_rate, found.temperature, found.weight_decay) == (0.0005, 0.4, 1e-5)
    assert (found.drop_edges, found.mask_features) == ((0.2, 0.4), (0.3, 0.4))
    assert found.warm_up_epochs + found.continued_epochs == 200
    assert suite.split.test == 0.8
    assert suite.split.validation == 0.1
    gca = next(method for method in suite.methods if method.name == "gca")
    assert suite.pretraining_of(gca).base == "gca"


def test_victims_of_nodes_are_linear_and_rest_on_one_data_set():
    steps = list(with_inputs(plan(load_suite("nodes-cora", seeds=[0])).steps))
    kinds = {step.kind for step in steps}
    assert "linear_victim" in kinds
    assert "victim" not in kinds
    assert sum(step.kind == "dataset" for step in steps) == 1
    assert sum(step.kind == "warm_up" for step in steps) == 2  # of GRACE and of GCA


def test_no_protocol_chooses_a_linear_victim_by_test_nodes():
    suite = load_suite("nodes-cora", ['protocols=["paper"]'], seeds=[0])
    victims = [step for step in with_inputs(plan(suite).steps) if step.kind == "linear_victim"]
    assert victims
    assert {step.settings["selection"] for step in victims} == {"validation"}


@pytest.mark.parametrize(
    ("suite", "overrides", "words"),
    [
        ("nodes-cora", ["training.epochs=3"], "one of the tables `linear` and `training`"),
        ("nodes-cora", ["pretraining.base=graphcl"], "drop_edges"),
        ("nodes-cora", ["pretraining.base=gca"], "to be grace for the method grace, got 'gca'"),
        ("nodes-cora", ["pretraining.drop_edges=[0.2]"], "`drop_edges` to be an array"),
        ("nodes-cora", ["pretraining.centrality=closeness"], "`centrality`"),
        ("nodes-cora", ["pretraining.augmentations=[]"], "augmentations"),
        ("nodes-cora", ["linear.c=[]"], "`c` to be one or more"),
        ("nodes-cora", ["linear.strength=1"], "strength"),
        ("nodes-cora", ["dataset.name=Corra"], "Cora"),
        ("nodes-cora", ["dataset.parts_from=lists"], "`train` to be one or more nodes"),
        ("quick", ["pretraining.base=grace"], "key in"),
    ],
)
def test_what_does_not_fit_nodes_is_refused(suite, overrides, words):
    with pytest.raises(InputError, match=words) as raised:
        load_suite(suite, overrides)
    assert "\n" not in str(raised.value)


def test_victims_that_are_trained_as_a_whole_are_refused_on_nodes(tmp_path):
    path = tmp_path / "trained.toml"
    path.write_text(
        """
name = "trained"
[dataset]
source = "planetoid"
[encoder]
name = "gcn"
[[methods]]
name = "none"
[[attacks]]
name = "rand_sampling"
"""
    )
    with pytest.raises(InputError, match="Expected a table `linear`"):
        load_suite(str(path))


def test_the_title_of_the_larger_graphs_names_what_is_pretrained_there():
    family = families()["nodes-large"]
    bases = {load_suite(name).pretraining.base.upper() for name in family.members}
    assert bases == {"GCA", "GRACE"}
    assert all(base in family.title for base in bases)


@pytest.mark.parametrize("name", families()["tu"].members)
def test_the_larger_budget_of_tu_data_is_a_twentieth_of_the_mean_graph(name):
    """As the suite's comment says it; archives of the graphs are not at hand here."""
    text = " ".join((TREE / "suites" / f"{name}.toml").read_text().replace("\n#", "").split())
    (edges,) = re.findall(r"The mean graph has (\d+) edges, of which 5 % are, rounded,", text)
    assert load_suite(name).budgets[-1] == round(0.05 * int(edges))
