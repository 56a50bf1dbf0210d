"""Every allowed set of edits of small random graphs, tried one by one, in double precision.

The truth that bounds, searches and certificates are held against. It uses the models' own `forward`
on edited copies of the graphs, and nothing of the oracle.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from itertools import combinations

import networkx as nx
import torch
from models import classifier
from torch import Tensor

from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.seeds import generator
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel

ENCODERS = (Structure2Vec, GIN)
OPERATIONS = (("add",), ("delete",), ("add", "delete"))
CLASSES = 3
MOST_SETS = 20_000  # copies of a graph that are evaluated at once


@dataclass(frozen=True, eq=False)
class EverySet:
    """All sets of at most so many edits of one graph, and what the model says after each.

    `edits` (sets, budget) are numbers of candidates of all graphs, -1 where a set has fewer. `gaps`
    (sets, C) are the true logit less each other one, infinite for the true class.
    """

    edits: Tensor
    gaps: Tensor

    @property
    def sizes(self) -> Tensor:
        """How many edits each set has."""
        return (self.edits >= 0).sum(1)

    @property
    def margin(self) -> float:
        return float(self.gaps.min())


@dataclass(frozen=True, eq=False)
class BruteForce:
    """The worst case of each graph (G,): whether it is broken, the smallest margin, and the fewest
    edits that break it, which are 0 where it is wrong already, and -1 where none do.
    """

    broken: Tensor
    margin: Tensor
    fewest: Tensor
    sets: list[EverySet]


@dataclass(frozen=True, eq=False)
class RandomCase:
    """A model of random weights, small graphs with the classes that it gives them, and a threat."""

    model: GraphClassifier
    graphs: PackedGraphs
    threat: ThreatModel

    @property
    def candidates(self) -> Candidates:
        return self.threat.enumerate(self.graphs)

    @property
    def budgets(self) -> Tensor:
        return self.threat.budgets(self.graphs)

    def brute_force(self) -> BruteForce:
        return brute_force(self.model, self.graphs, self.candidates, self.threat.budget)


def brute_force(
    model: GraphClassifier, graphs: PackedGraphs, candidates: Candidates, budget: int
) -> BruteForce:
    """Try all sets of at most `budget` candidates of each graph."""
    double = copy.deepcopy(model).double()
    precise = replace(graphs, x=graphs.x.double())
    every = [
        every_set(double, precise, candidates, number, budget) for number in range(len(graphs))
    ]
    fewest = [
        int(torch.where(sets.gaps.amin(1) < 0, sets.sizes, budget + 1).min()) for sets in every
    ]
    margin = torch.tensor([sets.margin for sets in every], dtype=torch.double)
    return BruteForce(margin < 0, margin, _or_none(fewest, budget), every)


def _or_none(fewest: list[int], budget: int) -> Tensor:
    found = torch.tensor(fewest)
    return found.masked_fill(found > budget, -1)


def every_set(
    model: GraphClassifier, graphs: PackedGraphs, candidates: Candidates, number: int, most: int
) -> EverySet:
    """All sets of at most `most` candidates of the graph `number`."""
    mine = ((candidates.graph == number) & candidates.changes).nonzero().squeeze(1).tolist()
    sets = torch.tensor(
        [
            (*chosen, *[-1] * (most - size))
            for size in range(most + 1)
            for chosen in combinations(mine, size)
        ]
    )
    one = graphs.select(torch.tensor([number]))
    logits = torch.cat([model(_edited(one, candidates, some)) for some in sets.split(MOST_SETS)])
    y = int(graphs.y[number])
    gaps = logits[:, y : y + 1] - logits
    gaps[:, y] = torch.inf
    return EverySet(sets, gaps)


def _edited(one: PackedGraphs, candidates: Candidates, sets: Tensor) -> PackedGraphs:
    """Copies of one graph, each with the pairs of one set flipped."""
    size, count = one.num_nodes, len(sets)
    adjacency = torch.zeros(count, size, size, dtype=torch.bool)
    adjacency[:, one.edge_index[0], one.edge_index[1]] = True
    row, place = (sets >= 0).nonzero().T
    chosen = sets[row, place]
    i, j = candidates.pairs[:, chosen]
    adjacency[row, i, j] ^= True
    adjacency[row, j, i] ^= True
    copy_of, source, target = adjacency.nonzero().T
    edges = torch.stack([source, target]) + copy_of * size
    ptr = torch.arange(count + 1) * size
    return PackedGraphs(one.x.repeat(count, 1), edges, ptr, one.y.repeat(count))


def random_case(
    number: int,
    *,
    encoder: type | None = None,
    layers: int | None = None,
    operations: tuple[str, ...] | None = None,
    budget: int | None = None,
    features: int | None = None,
    graphs: int = 4,
) -> RandomCase:
    """A case that `number` alone decides, but for what is given.

    Drawn are the encoder, two or three rounds, what may be done, two to four edits, and a constant
    feature (1) or two that differ.
    """
    draws = generator("random case", number)

    def one_of(choices):
        return choices[int(torch.randint(len(choices), (), generator=draws))]

    drawn = one_of(ENCODERS), one_of((2, 3)), one_of(OPERATIONS), one_of((2, 3, 4)), one_of((1, 2))
    given = encoder, layers, operations, budget, features
    kind, rounds, allowed, most, width = (
        its if own is None else own for own, its in zip(given, drawn, strict=True)
    )
    model = _random_model(kind, rounds, width, number, draws)
    packed = PackedGraphs.from_data_list([_random_graph(width, draws) for _ in range(graphs)])
    packed = packed.with_labels(model(packed).argmax(1))
    return RandomCase(model, packed, ThreatModel(most, tuple(allowed)))


def _random_model(encoder, layers, features, number, draws) -> GraphClassifier:
    """Random weights of random sizes; normalisations are anything, and may change signs."""
    model = classifier(
        encoder, "random case", layers=layers, features=features, width=4, hidden=4, seed=number
    )
    scale = 0.3 + 1.2 * float(torch.rand((), generator=draws))
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if "norms" in name and name.endswith("weight"):
                value.normal_(0.5, 0.7, generator=draws)
            elif name.startswith("encoder") and name.endswith("weight"):
                value.mul_(scale)
        model.head[2].bias.normal_(0, 1, generator=draws)
    return model


def _random_graph(features, draws):
    """A sparse graph of 3 to 6 nodes: 3 to 15 pairs of them."""
    size = int(torch.randint(3, 7, (), generator=draws))
    seed = int(torch.randint(1 << 30, (), generator=draws))
    drawn = nx.gnp_random_graph(size, 0.35, seed=seed)
    edges = torch.tensor(sorted([*drawn.edges, *((j, i) for i, j in drawn.edges)])).long()
    x = torch.ones(size, 1)
    if features > 1:
        # Two kinds of nodes, as atoms are, or features that are all different.
        x = torch.randn(size, features, generator=draws)
        if bool(torch.rand((), generator=draws) < 0.5):
            x = torch.eye(features)[torch.randint(features, (size,), generator=draws)]
    ptr = torch.tensor([0, size])
    return PackedGraphs(x, edges.reshape(-1, 2).T, ptr, torch.zeros(1).long())[0]
