"""What `scaling` measures: how AUGCL's parts, pretraining and attacks grow with the data.

Letters: G graphs, B graphs in a batch, D embedding.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robust_augcl import registry
from robust_augcl.adversary.attack_base import Attack, CombiningAttack, FitGraphs, LearningAttack
from robust_augcl.adversary.guard import fit_attack, run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.campaign.measuring import measured
from robust_augcl.contrast.losses import cosine_similarities
from robust_augcl.contrast.objective import Embedded, InfoNCE, Objective
from robust_augcl.contrast.pretrain import (
    Batches,
    ContrastiveModel,
    Pretraining,
    contrastive_training,
    embedded,
)
from robust_augcl.data.components import component_graphs
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.optimizer import adam
from robust_augcl.progress import Report
from robust_augcl.results.growth import Point
from robust_augcl.threat.model import ThreatModel

GRAPHS, BATCH, NODES = "graphs", "graphs in a batch", "nodes a graph"
_COUNTS = (500, 1_000, 2_000, 5_000, 15_000)
_BATCHES = (32, 64, 128, 256, 512, 1_024)
_SIZES = ((15, 20), (40, 50), (90, 100), (190, 200), (490, 500), (990, 1_000), (1_990, 2_000))
_PUBLISHED = {(15, 20): 0.15, (40, 50): 0.05, (90, 100): 0.02}
_FEW = 6  # graphs that attacks are tried on, where the size of a graph is what grows
_SOME = 60  # graphs of a pretraining there
_MOST_SECONDS = 20.0
"""A part that took longer is not tried on the next size."""
_SETTINGS = Pretraining(batch_size=128)
_WIDTH = 32
_THREAT = ThreatModel(1, ("add",), within_component=True)

Work = Callable[[], object]


@dataclass(frozen=True)
class Sizes:
    """The sizes that are measured.

    Args:
        counts: graphs of a data set.
        batches: graphs of a batch.
        nodes: fewest and most nodes of a graph.
    """

    counts: tuple[int, ...] = _COUNTS
    batches: tuple[int, ...] = _BATCHES
    nodes: tuple[tuple[int, int], ...] = _SIZES

    def scaled(self, factor: float) -> Sizes:
        """Those of at most `factor` times the largest, three of each kind at least."""

        def some(sizes: Sequence[Any], of: Callable[[Any], float]) -> tuple[Any, ...]:
            kept = [size for size in sizes if of(size) <= factor * of(sizes[-1])]
            return tuple(sizes[: max(3, len(kept))])

        return Sizes(
            some(self.counts, float), some(self.batches, float), some(self.nodes, lambda n: n[1])
        )


def points(sizes: Sizes, report: Report) -> list[Point]:
    """Measure all parts at all sizes, each in a process of its own, one after the other."""
    series = [
        *((GRAPHS, count, over_graphs(count)) for count in sizes.counts),
        *((BATCH, batch, over_batches(batch)) for batch in sizes.batches),
        *((NODES, sum(nodes) / 2, over_nodes(nodes)) for nodes in sizes.nodes),
    ]
    found: list[Point] = []
    for number, (over, size, parts) in enumerate(series):
        report(number / len(series), f"{over}: {size:g}")
        slow = {p.what for p in found if p.over == over and p.seconds > _MOST_SECONDS}
        for what, work in parts:
            if what not in slow:
                found.append(Point(what, over, float(size), *measured(work)))
    return found


def partition(similarity: Tensor) -> Tensor:
    """AUGCL's two clusters of each anchor's pairs: (B, B) -> (B, B).

    It is asked for by name, as plug-ins are: so it stays code of AUGCL alone, whose changes the
    revisions of plug-ins follow.
    """
    found = importlib.import_module("robust_augcl.contrast.augcl.partition")
    labels: Tensor = found.partition(similarity)
    return labels


def drawn(count: int, nodes: tuple[int, int]) -> PackedGraphs:
    """Component graphs, the same for the same arguments; large ones have about two edges a node."""
    probability = _PUBLISHED.get(nodes, 2 / nodes[1])
    classes = np.arange(count) % 3 + 1
    return component_graphs(classes, nodes, probability, np.random.default_rng(count))


def seeded(seed: int = 0) -> torch.Generator:
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


def contrastive(graphs: PackedGraphs) -> ContrastiveModel:
    """A model of random weights for contrastive training on graphs."""
    encoder = registry.load("encoder", "gin")(
        in_features=graphs.x.size(1), width=_WIDTH, layers=2, generator=seeded()
    )
    return ContrastiveModel(encoder, _SETTINGS, seeded(1))


def over_graphs(count: int) -> Iterator[tuple[str, Work]]:
    """What is done for each graph of a data set: an epoch of each stage, and attacks."""
    graphs = drawn(count, (15, 20))
    batches = list(_embedded(graphs))
    size = batches[0].z1.size(1)
    objective = augcl(size)
    yield "pretraining, an epoch", lambda: epoch(graphs, InfoNCE(_SETTINGS.loss))
    yield "partition", lambda: [partition(cosine_similarities(z1, z2)) for z1, z2, _ in batches]
    yield "uncertainty, a pass", lambda: objective.fit(lambda: iter(batches), seeded(2))
    objective.fit(lambda: iter(batches[:2]), seeded(2))
    yield "weights", lambda: [objective.pair_weights(z1, z2) for z1, z2, _ in batches]
    yield "AUGCL, a weighted epoch", lambda: epoch(graphs, objective)
    yield from attacks(graphs, ["grad_argmax", "rand_sampling"])


def over_batches(batch: int) -> Iterator[tuple[str, Work]]:
    """What is done for the pairs of one batch."""
    z1, z2 = (torch.randn(batch, 2 * _WIDTH, generator=seeded(seed)) for seed in (3, 4))
    z2 = z1 + z2
    one = Embedded(z1, z2, torch.arange(batch))
    objective = augcl(z1.size(1))
    yield "partition", lambda: partition(cosine_similarities(z1, z2))
    yield "uncertainty, a pass", lambda: objective.fit(lambda: iter([one]), seeded(2))
    objective.fit(lambda: iter([one]), seeded(2))
    yield "weights", lambda: objective.pair_weights(z1, z2)


def over_nodes(nodes: tuple[int, int]) -> Iterator[tuple[str, Work]]:
    """What depends on the size of a graph: pretraining, and each attack."""
    graphs = drawn(_SOME, nodes)
    yield (
        f"pretraining, an epoch of {_SOME} graphs",
        lambda: epoch(graphs, InfoNCE(_SETTINGS.loss)),
    )
    names = [
        name
        for name in registry.names("attack")
        if not registry.load("attack", name).nodes_only
        and not issubclass(registry.load("attack", name), CombiningAttack)
    ]
    yield from attacks(graphs.select(torch.arange(_FEW)), names)


def epoch(graphs: PackedGraphs, objective: Objective) -> object:
    """One epoch of contrastive training from the same start."""
    model = contrastive(graphs)
    return contrastive_training(
        model, adam(model, 0.001), Batches(graphs, _SETTINGS, seeded(5)), _SETTINGS, 1, objective
    )


def augcl(size: int) -> Objective:
    """AUGCL's objective for embeddings of a size, one pass of learning."""
    method = registry.load("method", "augcl")(passes=1)
    made: Objective = method.objective(size, _SETTINGS.loss, seeded(6), "cpu")
    return made


def attacks(graphs: PackedGraphs, names: Sequence[str]) -> Iterator[tuple[str, Work]]:
    """Attacks with one edge on a victim of random weights; those that learn have learned a bit."""
    model = GraphClassifier(
        contrastive(graphs).encoder, num_classes=3, hidden=16, generator=seeded(7)
    )
    labels = Victim(model).logits(graphs).argmax(1)
    targets = graphs.with_labels(labels)
    fit = FitGraphs(targets.select(torch.arange(3)), targets.select(torch.arange(3)))
    for name in names:
        yield name, partial(attacked, registry.load("attack", name)(), model, targets, fit)


def attacked(
    attack: Attack, model: GraphClassifier, targets: PackedGraphs, fit: FitGraphs
) -> object:
    """Run an attack under guard."""
    victim, fitted = Victim(model), None
    if isinstance(attack, LearningAttack):
        attack = attack.brief()
        assert isinstance(attack, LearningAttack)
        fitted = fit_attack(attack, victim, _THREAT, fit=fit, generator=seeded(8))
    return run_attack(attack, victim, targets, _THREAT, fit=fit, generator=seeded(9), fitted=fitted)


def _embedded(graphs: PackedGraphs) -> Iterator[Embedded]:
    return embedded(contrastive(graphs), Batches(graphs, _SETTINGS, seeded(10)))
