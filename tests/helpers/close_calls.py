"""Classifiers of which single and double precision predict different classes, and who is right."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import combinations

import numpy as np
import torch
from models import classifier
from torch import Tensor

from robust_augcl.data.components import component_graphs
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation, apply_all

WIDEST = 1.5e-5
"""About how much single precision rounds a margin of such a classifier."""
ONE = ThreatModel(1, ("add", "delete"))
TWO = ThreatModel(2)
STEPS = [WIDEST * step / 4 for step in range(-4, 5)]
"""Margins on both sides of 0, as far as rounding reaches."""
_HUGE = 100.0  # what each hidden unit is raised by, and what is taken off again


def one_graph(nodes: int = 6, seed: int = 0) -> PackedGraphs:
    """A graph of one component or more."""
    return component_graphs(np.array([2]), (nodes, nodes), 0.3, np.random.default_rng(seed))


def of_double_precision(model: GraphClassifier, graphs: PackedGraphs) -> Tensor:
    """What the weights of a model say in double precision, graph by graph (G, C)."""
    precise = copy.deepcopy(model).double().eval()
    alone = (graphs.select(number) for number in torch.arange(graphs.num_graphs).split(1))
    with torch.no_grad():
        return torch.cat([precise(replace(graph, x=graph.x.double())) for graph in alone])


def every_set_of_edits(graph: PackedGraphs, threat: ThreatModel) -> list[Perturbation]:
    """Every allowed set of edits of one graph, the empty one first."""
    candidates, budget = threat.enumerate(graph), int(threat.budgets(graph))
    sizes = range(budget + 1)
    sets = [each for size in sizes for each in combinations(range(len(candidates)), size)]
    return [candidates.perturbation(torch.tensor(each, dtype=torch.long)) for each in sets]


def after_each(graph: PackedGraphs, edits: list[Perturbation]) -> PackedGraphs:
    """Copies of one graph, each with its edits."""
    return apply_all(graph.select(torch.zeros(len(edits), dtype=torch.long)), edits)


def torn(encoder: type, copies: PackedGraphs, *, seed: int, by: float) -> GraphClassifier:
    """A classifier that is torn between two classes.

    Of all copies of a graph, the first of which is clean, the one of the smallest margin of the
    clean graph's class has the margin `by`, or nearly. Hidden units are large and cancel each
    other, so that single precision rounds as it does on large graphs.
    """
    model = classifier(encoder, "torn", layers=2, features=copies.x.size(1), seed=seed)
    first, second = model.head[0], model.head[2]
    with torch.no_grad():
        first.bias += _HUGE
        second.bias -= second.weight.sum(1) * _HUGE
        logits = of_double_precision(model, copies)
        y = int(logits[0].argmax())
        gap = logits[:, y : y + 1] - logits
        gap[:, y] = torch.inf
        smallest, other = gap.amin(0).min(0)
        second.bias[other] += float(smallest) - by
    return model
