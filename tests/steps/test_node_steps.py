"""Steps about the nodes of one graph: pretraining without labels, and victims with linear heads."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_planetoid import write_planetoid

from robust_augcl.graphs.targets import Targets
from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import with_inputs
from robust_augcl.plan.suite import load_suite
from robust_augcl.steps.artifacts import dataset_artifact, dataset_of, unprefixed, victim_of
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.store import Store

SMALL = [
    "encoder.width=8",
    "pretraining.warm_up_epochs=4",
    "pretraining.continued_epochs=3",
    "pretraining.batch_size=64",
    "linear.c=[0.1, 1.0]",
]


class Computed:
    """The results of a suite's steps, computed one by one in this process."""

    def __init__(self, archives, overrides=()):
        self.suite = load_suite("nodes-cora", [*SMALL, *overrides], seeds=[0])
        self.plan = plan(self.suite, self.suite.source.fingerprint(archives))
        self.context = Context(Store(archives / "nowhere"), archives=archives)
        self.results = {}
        self.steps = {}
        for step in with_inputs([step for _, step in self.plan.measurements]):
            self.steps[step.kind, step.title] = step

    def of(self, step):
        if step.key not in self.results:
            inputs = {role: self.of(needed) for role, needed in step.inputs.items()}
            self.results[step.key] = self.compute(step, inputs)
        return self.results[step.key]

    def compute(self, step, inputs):
        made = resolve(KINDS[step.kind].compute)(step, Inputs(inputs, {}), self.context)
        beside = {"seconds": 0.0, "warm_up_seconds": 0.0}
        return replace(made, about={**beside, **made.about})

    def named(self, kind, method):
        return next(
            step
            for (k, title), step in self.steps.items()
            if k == kind and title.startswith(method)
        )


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    write_planetoid(folder)
    return Computed(folder)


METHODS = ["none", "grace", "gca", "augcl", "progcl"]


@pytest.mark.parametrize("method", METHODS)
def test_a_victim_is_as_accurate_as_it_says(computed, method):
    """Its accuracy is counted again by the classifier itself, one target node at a time."""
    step = computed.named("linear_victim", method)
    artifact, dataset = computed.of(step), dataset_of(computed.of(step.inputs["dataset"]))
    model = victim_of(artifact).model
    assert [type(layer).__name__ for layer in model.head] == ["Linear"]
    nodes = dataset.targets.node
    everything = Targets(torch.zeros_like(nodes), nodes, dataset.y)
    states, _ = model.encoder(
        dataset.graphs.x, dataset.graphs.edges, dataset.graphs.batch, num_graphs=1
    )
    right = model.head(states)[everything.node].argmax(1) == everything.y
    for name, told in artifact.info["accuracy"].items():
        assert float(right[getattr(dataset, name)].double().mean()) == pytest.approx(told)
    tried = artifact.info["tried"][artifact.info["chosen"]]
    assert tried["accuracy"] == max(one["accuracy"] for one in artifact.info["tried"])
    assert artifact.info["accuracy"]["validation"] == pytest.approx(tried["accuracy"], abs=0.02)


def test_methods_go_on_from_one_warm_up(computed):
    of = {method: computed.named("pretraining", method) for method in METHODS[1:]}
    warm_ups = {method: step.inputs["warm_up"].key for method, step in of.items()}
    assert warm_ups["augcl"] == warm_ups["progcl"] == warm_ups["grace"] != warm_ups["gca"]
    # One first epoch after it, on the same views: weights alone make the losses differ.
    losses = {method: computed.of(step).info["losses"] for method, step in of.items()}
    assert all(len(each) == 3 for each in losses.values())
    assert losses["augcl"][0] != losses["grace"][0] != losses["progcl"][0]


def test_pretraining_lowers_its_loss(computed):
    step = computed.named("pretraining", "grace")
    losses = [
        *computed.of(step.inputs["warm_up"]).info["losses"],
        *computed.of(step).info["losses"],
    ]
    assert losses[-1] < losses[0]


def test_pretraining_sees_no_label(computed):
    """With other classes the encoder is the same, bit by bit; the diagnosis alone differs."""
    step = computed.named("pretraining", "augcl")
    dataset = dataset_of(computed.of(step.inputs["dataset"]))
    other = replace(dataset.targets, y=dataset.y.sort().values)
    relabelled = dataset_artifact(
        replace(dataset, targets=other), {"label": "other classes", "label_rule": "none"}
    )
    warm_up = computed.compute(step.inputs["warm_up"], {"dataset": relabelled})
    again = computed.compute(step, {"dataset": relabelled, "warm_up": warm_up})
    first = unprefixed("encoder", computed.of(step).tensors)
    for name, tensor in unprefixed("encoder", again.tensors).items():
        assert torch.equal(tensor, first[name]), name
    assert again.info["diagnosis"] != computed.of(step).info["diagnosis"]


def test_a_victim_sees_no_label_for_test(computed):
    """With other classes of all test nodes it is the same, bit by bit; its accuracy is not."""
    step = computed.named("linear_victim", "grace")
    inputs = {role: computed.of(needed) for role, needed in step.inputs.items()}
    dataset = dataset_of(inputs["dataset"])
    y = dataset.y.clone()
    y[dataset.test] = 1 - y[dataset.test]
    relabelled = dataset_artifact(
        replace(dataset, targets=replace(dataset.targets, y=y)),
        {"label": "other classes", "label_rule": "none"},
    )
    first, again = computed.of(step), computed.compute(step, {**inputs, "dataset": relabelled})
    assert all(torch.equal(again.tensors[name], first.tensors[name]) for name in first.tensors)
    assert again.info["tried"] == first.info["tried"]
    told, found = first.info["accuracy"], again.info["accuracy"]
    assert found["test"] == pytest.approx(1 - told["test"])
    assert found["validation"] == told["validation"]


def test_a_step_computed_again_is_the_same(computed):
    step = computed.named("linear_victim", "progcl")
    inputs = {role: computed.of(needed) for role, needed in step.inputs.items()}
    again, first = computed.compute(step, inputs), computed.of(step)
    assert again.info == first.info
    assert all(torch.equal(again.tensors[name], first.tensors[name]) for name in first.tensors)


def test_an_attacker_gets_gradients_of_edges(computed):
    step = computed.named("linear_victim", "grace")
    dataset = dataset_of(computed.of(step.inputs["dataset"]))
    graphs = dataset.part(dataset.test[:2])
    weight = torch.ones(graphs.edge_index.size(1), requires_grad=True)
    logits = victim_of(computed.of(step)).model.with_edges(graphs, graphs.edge_index, weight)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), weight)
    assert float(gradient.abs().max()) > 0


def test_public_nodes_in_no_part_have_no_class_in_the_diagnosis(tmp_path):
    write_planetoid(tmp_path)
    computed = Computed(tmp_path, ["dataset.parts_from=public", "pretraining.batch_size=540"])
    step = computed.named("pretraining", "grace")
    dataset = dataset_of(computed.of(step.inputs["dataset"]))
    assert dataset.y.numel() == 528  # 8 + 500 + 20 of 540 nodes
    shares = computed.of(step).info["diagnosis"]["false_negatives"]
    counts = dataset.y.bincount().double()
    of_pairs = float((counts * (counts - 1)).sum() / (528 * 527))
    assert shares["share_of_pairs"] == pytest.approx(of_pairs, abs=1e-6)
