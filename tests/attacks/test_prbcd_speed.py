"""PRBCD's speed, beside PyTorch Geometric's, which attacks one graph at a time."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from attacked import attacked
from generators import seeded

from robust_augcl.adversary.victim import Victim
from robust_augcl.attacks.prbcd import PRBCD
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import apply_all

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch_geometric.contrib.nn import PRBCDAttack

BUDGET = 3


class Theirs(torch.nn.Module):
    """A classifier in the form that PyTorch Geometric's attack asks for."""

    def __init__(self, model):
        super().__init__()
        self.inner = model

    def forward(self, x, edge_index, edge_weight):
        batch = torch.zeros(len(x), dtype=torch.long)
        return self.inner.head(self.inner.encoder(x, edge_index, batch, 1, edge_weight)[1])


def attacked_by_theirs(model, graphs):
    """Edges (2, K) that their attack flips, graph by graph."""
    found = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for data in graphs.to_data_list():
            attack = PRBCDAttack(
                Theirs(model), block_size=128, epochs=30, epochs_resampling=20, log=False
            )
            found.append(attack.attack(data.x, data.edge_index, data.y, budget=BUDGET)[1])
    return found


@pytest.mark.thorough(only=["PyTorch Geometric*"])
@pytest.mark.parametrize("how", ["PyTorch Geometric, graph by graph", "batched"])
def test_benchmark_prbcd(benchmark, how):
    """40 graphs of 40-50 nodes, structure2vec of width 64, 2 rounds, three edits, one thread."""
    benchmark.group = "PRBCD"
    count = 40 if benchmark.enabled else 4
    labels = np.repeat([1, 2], count // 2)
    graphs = component_graphs(labels, (40, 50), 0.05, np.random.default_rng(0))
    draws = seeded(0)
    encoder = Structure2Vec(in_features=1, width=64, layers=2, generator=draws)
    model = GraphClassifier(encoder, num_classes=3, hidden=32, generator=draws)
    victim = Victim(model)
    graphs = graphs.with_labels(victim.logits(graphs).argmax(1))
    threat = ThreatModel(BUDGET, ("add", "delete"))  # theirs flips any pair
    if how == "batched":
        found = benchmark.pedantic(
            lambda: attacked(PRBCD(targets="nearest"), victim, graphs, threat),
            rounds=3 if benchmark.enabled else 1,
        ).perturbations
        after = victim.logits(apply_all(graphs, found))
        # It broke some, or left all that random weights let nobody break.
        assert len(found) == count
        assert after.isfinite().all()
    else:
        found = benchmark.pedantic(attacked_by_theirs, (model, graphs), rounds=1)
        assert all(flipped.size(1) <= BUDGET for flipped in found)
