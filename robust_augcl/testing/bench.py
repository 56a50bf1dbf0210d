"""What plug-ins are tried on: small graphs, and a victim of random weights."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl import registry
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.testing.settings import seeded

FEATURES = 3
CLASSES = 3


def graph(size: int, pairs: Sequence[tuple[int, int]], seed: int = 0) -> Data:
    """A graph of these undirected edges, with normal features (size, 3)."""
    both = [pair for i, j in pairs for pair in ((i, j), (j, i))]
    x = torch.randn(size, FEATURES, generator=seeded(seed))
    return Data(x=x, edge_index=torch.tensor(both).reshape(-1, 2).T.long(), y=torch.tensor([0]))


def random_graphs(sizes: Sequence[int], seed: int = 0, density: float = 0.35) -> PackedGraphs:
    """Erdos-Renyi graphs of these sizes."""
    chance, made = seeded(seed), []
    for number, size in enumerate(sizes):
        pairs = list(combinations(range(size), 2))
        kept = torch.rand(len(pairs), generator=chance) < density
        edges = [pair for pair, keep in zip(pairs, kept.tolist(), strict=True) if keep]
        data = graph(size, edges, seed=100 * seed + number)
        data.y = torch.tensor([number % CLASSES])
        made.append(data)
    return PackedGraphs.from_data_list(made)


@functools.cache
def graphs_without_symmetry(count: int) -> PackedGraphs:
    """Random graphs in which no two nodes look alike, whatever their features.

    Where two nodes look alike, rounding may decide which of them an attack picks.
    """
    found: list[Data] = []
    for seed in range(1_000):
        drawn = random_graphs([9 + seed % 3], seed)
        if _all_differ(drawn):
            found.append(drawn[0])
        if len(found) == count:
            break
    return PackedGraphs.from_data_list(found)


def _all_differ(graphs: PackedGraphs) -> bool:
    """Whether all nodes have colours of their own after rounds of colour refinement."""
    source, target = graphs.edge_index.tolist()
    colour = [0] * graphs.num_nodes
    for _ in range(graphs.num_nodes):
        seen: list[list[int]] = [[] for _ in colour]
        for i, j in zip(source, target, strict=True):
            seen[i].append(colour[j])
        looks = [(own, tuple(sorted(others))) for own, others in zip(colour, seen, strict=True)]
        numbers = {look: number for number, look in enumerate(sorted(set(looks)))}
        colour = [numbers[look] for look in looks]
    return len(set(colour)) == graphs.num_nodes


def complete_graph(size: int) -> Data:
    """A graph in which no edge can be added."""
    return graph(size, list(combinations(range(size), 2)))


@functools.cache
def victim_model(seed: int = 0, name: str = "gin") -> GraphClassifier:
    """A classifier of random weights whose predictions depend on single edges."""
    chance = seeded(seed)
    encoder = registry.load("encoder", name)(
        in_features=FEATURES, width=8, layers=2, generator=chance
    )
    model = GraphClassifier(encoder, num_classes=CLASSES, hidden=8, generator=chance)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith(("bias", "running_mean")):
                value.uniform_(-0.5, 0.5, generator=chance)
            if name.endswith("running_var"):
                value.uniform_(2, 9, generator=chance)
        model.eval()
        # Or one class would win everywhere, whatever the edges.
        model.head[-1].bias -= model(random_graphs([4, 5, 6, 7, 8] * 4, seed=11)).mean(0)
    return model.eval().requires_grad_(False)


def new_victim(seed: int = 0, name: str = "gin") -> Victim:
    """The victim of an encoder's name, which has not been asked anything yet."""
    return Victim(victim_model(seed, name))


def as_predicted(graphs: PackedGraphs, seed: int = 0, name: str = "gin") -> PackedGraphs:
    """The graphs with the classes that the victim predicts, so that there is something to break."""
    predicted: Tensor = new_victim(seed, name).logits(graphs).argmax(1)
    return graphs.with_labels(predicted)
