"""Poisoning: an attack edits the graph, and the victim is trained again on it, by equal seeds."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from grace_by_hand import loss_of_whole_matrices
from sklearn.linear_model import LogisticRegression
from small_planetoid import write_planetoid

from robust_augcl import registry
from robust_augcl.adversary.attack_base import Attack
from robust_augcl.adversary.victim import Access
from robust_augcl.contrast.node_pretrain import NodeBatches, NodeContrastiveModel
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets
from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.plan.planner import plan
from robust_augcl.plan.suite import make_suite
from robust_augcl.seeds import generator
from robust_augcl.steps.artifacts import dataset_artifact, dataset_of, victim_of
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.steps.poisoning import judged
from robust_augcl.store.store import Store
from robust_augcl.threat.perturbations import Perturbation

SUITE = """
name = "small"
seeds = [0]
[dataset]
source = "planetoid"
[split]
test = 0.8
validation = 0.1
[encoder]
name = "gcn_relu"
width = 8
[pretraining]
base = "gca"
centrality = "degree"
learning_rate = 0.01
warm_up_epochs = 3
continued_epochs = 2
[linear]
c = [0.1, 1.0]
[targets]
choice = "sampled"
count = 40
[threat]
budget = 0.3
operations = ["add", "delete"]
shared = true
setting = "poisoning"
[[methods]]
name = "gca"
[[methods]]
name = "none"
[[attacks]]
name = "rand_sampling"
"""
SEED = 0


@dataclass(frozen=True)
class Fixed(Attack):
    """Makes the edits that it was given, whatever the victim is."""

    access: ClassVar[Access] = Access.NONE
    shares_edits: ClassVar[bool] = True
    edits: Perturbation = field(default_factory=Perturbation)

    def prepare(self, victim, fit, threat, generator, report=None):
        return lambda graphs: [self.edits] * graphs.num_graphs


class Chain:
    """The results of a suite's steps, computed in this process, each once."""

    def __init__(self, archives, text=SUITE, attack=None):
        suite = make_suite(tomllib.loads(text), "small")
        self.plan = plan(suite, suite.source.fingerprint(archives))
        self.context = Context(Store(archives / "nowhere"), archives=archives)
        self.attack, self.results = attack, {}

    def step(self, method):
        return next(step for step in self.plan.attacks if step.cell.method == method)

    def of(self, step):
        if step.key not in self.results:
            inputs = {role: self.of(needed) for role, needed in step.inputs.items()}
            made = step
            if self.attack is not None and step.kind == "edited_data":
                made = replace(step, settings={**step.settings, "attack": self.attack})
            found = resolve(KINDS[step.kind].compute)(made, Inputs(inputs, {}), self.context)
            if KINDS[step.kind].stores == "artifact":
                beside = {"seconds": 0.0, "warm_up_seconds": 0.0}
                found = replace(found, about={**beside, **found.about})
            self.results[step.key] = found
        return self.results[step.key]

    def role(self, method, role):
        return self.of(self.step(method).inputs[role])


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    write_planetoid(folder)
    return folder


@pytest.fixture(scope="module")
def chain(archives):
    return Chain(archives)


@pytest.mark.parametrize("method", ["gca", "none"])
def test_without_edits_the_victim_trained_again_is_the_clean_one_to_the_bit(archives, method):
    idle = Chain(archives, attack=Fixed())
    victim, retrained = (idle.role(method, role) for role in ("victim", "retrained"))
    assert victim.tensors.keys() == retrained.tensors.keys()
    assert all(
        torch.equal(victim.tensors[name], retrained.tensors[name]) for name in victim.tensors
    )
    assert victim.info == retrained.info
    record = idle.of(idle.step(method))
    assert len(record.outcomes) == 40
    for outcome in record.outcomes:
        assert (outcome.attacked, outcome.attacked_margin) == (outcome.clean, outcome.clean_margin)


def test_with_edits_it_is_another_model_of_the_same_targets_and_parts(chain):
    clean, edited = (dataset_of(chain.role("gca", role)) for role in ("dataset", "edited"))
    added, removed = chain.role("gca", "edited").info["edits"].values()
    assert len(added) + len(removed) == int(0.3 * int(clean.graphs.num_undirected_edges))
    for name in ("train", "validation", "test", "chosen", "y"):
        assert torch.equal(getattr(clean, name), getattr(edited, name))
    assert torch.equal(clean.graphs.x, edited.graphs.x)
    victim, retrained = (chain.role("gca", role) for role in ("victim", "retrained"))
    first = next(name for name in victim.tensors if "encoder" in name)
    assert not torch.equal(victim.tensors[first], retrained.tensors[first])


def test_the_attack_makes_the_edits_that_it_makes_under_evasion(chain, archives):
    text = SUITE.replace('setting = "poisoning"', 'setting = "evasion"')
    evasion = Chain(archives, text)
    record = evasion.of(evasion.step("gca"))
    assert vars(record.shared_edits) == chain.role("gca", "edited").info["edits"]
    assert (record.setting, chain.of(chain.step("gca")).setting) == ("evasion", "poisoning")
    assert record.edited is None


def test_a_plain_loop_on_the_edited_graph_gives_the_same_verdicts(chain):
    """GCA's two views, the loss over whole matrices, and scikit-learn's probe."""
    step = chain.step("gca").inputs["retrained"].inputs["pretraining"]
    settings = step.settings["pretraining"]
    data = dataset_of(chain.role("gca", "dataset"))
    added, removed = (
        {tuple(sorted(pair)) for pair in pairs}
        for pairs in chain.role("gca", "edited").info["edits"].values()
    )
    clean = {(i, j) for i, j in data.graphs.edge_index.T.tolist() if i < j}
    pairs = (clean | added) - removed
    both_ways = sorted([*pairs, *((j, i) for i, j in pairs)])
    edges = torch.tensor(both_ways).T.contiguous()
    graph = PackedGraphs(data.graphs.x, edges, data.graphs.ptr, data.graphs.y)

    draws = generator("encoder", "gcn_relu", 8, 2, SEED)
    encoder = registry.load("encoder", "gcn_relu")(
        in_features=graph.x.size(1), width=8, layers=2, generator=draws
    )
    model = NodeContrastiveModel(encoder, settings, generator("projection", SEED))
    adam = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=settings.weight_decay)
    for stage, epochs in (("warm-up", 3), ("continued", 2)):
        views = NodeBatches(graph, settings, generator("batches", stage, SEED)).views
        for _ in range(epochs):
            first, second = views.draw()
            adam.zero_grad()
            loss_of_whole_matrices(model(first), model(second), settings.temperature).backward()
            adam.step()

    encoder.eval()
    with torch.no_grad():
        states = encoder(graph.x, graph.edges, graph.batch, 1)[0].double().numpy()
    nodes = data.targets.node.numpy()
    x, y = states[nodes] / np.sqrt((states[nodes] ** 2).mean()), data.y.numpy()
    train, validation, chosen = data.train.numpy(), data.validation.numpy(), data.chosen.numpy()
    probes = [
        LogisticRegression(C=c, max_iter=1000, tol=1e-5).fit(x[train], y[train]) for c in (0.1, 1.0)
    ]
    best = max(probes, key=lambda probe: probe.score(x[validation], y[validation]))
    record = chain.of(chain.step("gca"))
    assert [o.attacked for o in record.outcomes] == best.predict(x[chosen]).tolist()
    assert len({o.attacked for o in record.outcomes}) == 2
    assert any(o.attacked != o.clean for o in record.outcomes)


def test_classes_of_test_nodes_reach_neither_encoder_nor_head(chain):
    step = chain.step("gca").inputs["retrained"]
    edited = chain.role("gca", "edited")
    data = dataset_of(edited)
    y = data.y.clone()
    y[data.test] = 1 - y[data.test]
    blinded = replace(data, targets=replace(data.targets, y=y))
    others = dataset_artifact(blinded, {k: edited.info[k] for k in ("label", "label_rule")})
    lying = Chain(chain.context.archives)
    lying.results[chain.step("gca").inputs["edited"].key] = others
    found, expected = lying.of(step), chain.of(step)
    assert all(torch.equal(found.tensors[k], expected.tensors[k]) for k in expected.tensors)


def test_what_training_nodes_are_joined_with_turns_the_probe_over(archives):
    """Two blocks; each training node loses its edges, and is joined with nodes of the other one.

    A fixed model still tells the test nodes apart, whose own edges stay. One that is trained on the
    edited graph learns that the look of one block is the class of the other.
    """
    data, edits = _two_blocks()
    text = SUITE.replace("budget = 0.3", "budget = 1.0")
    poisoned = Chain(archives, text, attack=Fixed(edits))
    step = poisoned.step("none")
    header = {"label": "two blocks", "label_rule": "none"}
    poisoned.results[step.inputs["dataset"].key] = dataset_artifact(data, header)
    record = poisoned.of(step)
    assert record.clean_accuracy == 1.0
    assert record.attacked_accuracy <= 0.1
    assert record.robust_accuracy <= 0.1
    edited = dataset_of(poisoned.role("none", "edited"))
    before, _ = judged(victim_of(poisoned.role("none", "victim")), edited)
    assert float((before == data.y[data.test]).double().mean()) >= 0.95


def _two_blocks():
    """A data set of 120 nodes in two blocks, and the edits that poison it."""
    draws = np.random.default_rng(0)
    nodes = 120
    y = np.arange(nodes) % 2
    pairs = {
        (i, j)
        for i in range(nodes)
        for j in range(i + 1, nodes)
        if y[i] == y[j] and draws.random() < 0.3
    }
    edges = torch.tensor(sorted([*pairs, *((j, i) for i, j in pairs)])).T.contiguous()
    x = torch.from_numpy(np.eye(2)[y] + 0.1 * draws.normal(size=(nodes, 2))).float()
    graph = PackedGraphs(x, edges, torch.tensor([0, nodes]), torch.tensor([0]))
    order = torch.arange(nodes)
    train, validation, test = order[:12], order[12:40], order[40:]
    removed = [pair for pair in pairs if min(pair) < 12]
    added = [(i, int(j)) for i in range(12) for j in validation if y[i] != y[j]]
    targets = Targets(torch.zeros(nodes, dtype=torch.long), order, torch.from_numpy(y))
    data = Dataset(graph, train, validation, test, num_classes=2, targets=targets)
    edits = Perturbation(*(torch.tensor(sorted(some)).T.contiguous() for some in (added, removed)))
    return data, edits
