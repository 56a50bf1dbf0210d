"""The same weights elsewhere: logits, gradients and the oracle's verdicts agree within the
tolerances that docs/cluster.md states.

Elsewhere is a GPU, where there is one; and everywhere the CPU with the nodes of each graph in
another order, since what sets devices apart is the order in which they add.
"""

from __future__ import annotations

import pytest
import torch
from generators import seeded

from robust_augcl import registry
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.review.judge import TIE
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel

TOLERANCE = 1e-4  # of the largest logit of a graph, at least of 1; and of its largest gradient


class OtherOrder:
    """The CPU, with the nodes of each graph in another order."""

    device, tolerance = "cpu", 1e-5

    def __init__(self, graphs: PackedGraphs) -> None:
        draws = seeded(7)
        blocks = zip(graphs.ptr[:-1].tolist(), graphs.sizes.tolist(), strict=True)
        order = torch.cat([first + torch.randperm(size, generator=draws) for first, size in blocks])
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        edges = place[graphs.edge_index]
        edges = edges[:, (edges[0] * graphs.num_nodes + edges[1]).argsort()]
        self._ptr, self._place = graphs.ptr, place
        self.graphs = PackedGraphs(graphs.x[order], edges, graphs.ptr, graphs.y)

    def candidates(self, candidates: Candidates) -> Candidates:
        """The same candidates, whichever end has the lower number now."""
        first = self._ptr[candidates.graph]
        pairs = (self._place[candidates.pairs + first] - first).sort(0).values
        return Candidates(
            candidates.graph, pairs, candidates.exists, candidates.num_graphs, candidates.deletes
        )


class Gpu:
    device, tolerance = "cuda", TOLERANCE

    def __init__(self, graphs: PackedGraphs) -> None:
        self.graphs = graphs

    def candidates(self, candidates: Candidates) -> Candidates:
        return candidates


ELSEWHERE = [OtherOrder, *([Gpu] if torch.cuda.is_available() else [])]


@pytest.fixture(params=["structure2vec, trained", *registry.names("encoder")])
def case(request, reference_model, reference_graphs, random_graphs):
    """A classifier in evaluation mode, and graphs."""
    if request.param == "structure2vec, trained":
        return reference_model.eval(), reference_graphs
    draws, graphs = seeded(3), random_graphs(5, [30, 18, 24, 11, 28], 0.15)
    encoder = registry.load("encoder", request.param)(
        in_features=3, width=32, layers=3, generator=draws
    )
    model = GraphClassifier(encoder, num_classes=3, hidden=32, generator=draws)
    for _ in range(5):  # running statistics of batch normalisation
        model(graphs)
    return model.eval(), graphs


def moved(model: GraphClassifier, device: str) -> Victim:
    return Victim(model.to(device))


def largest(values: torch.Tensor, graph: torch.Tensor, number: int) -> torch.Tensor:
    """Of each graph the largest absolute value (number,) of its rows."""
    return torch.zeros(number).scatter_reduce(0, graph, values.abs().flatten(1).amax(1), "amax")


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_logits_agree(case, elsewhere):
    model, graphs = case
    there = elsewhere(graphs)
    here = Victim(model).logits(graphs)
    other = moved(model, there.device).logits(there.graphs).cpu()
    scale = here.abs().amax(1).clamp(min=1)
    assert ((here - other).abs().amax(1) <= elsewhere.tolerance * scale).all()


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_gradients_agree(case, elsewhere):
    model, graphs = case
    there = elsewhere(graphs)
    candidates = ThreatModel(budget=1, operations=("add", "delete")).enumerate(graphs)
    towards = (graphs.y + 1) % 3
    here = Victim(model).edge_gradients(graphs, candidates, towards).sum(1, keepdim=True)
    other = (
        moved(model, there.device)
        .edge_gradients(there.graphs, there.candidates(candidates), towards)
        .cpu()
        .sum(1, keepdim=True)
    )
    scale = largest(here, candidates.graph, graphs.num_graphs)[candidates.graph]
    assert scale.max() > 0
    assert ((here - other).abs().squeeze(1) <= elsewhere.tolerance * scale).all()


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_the_oracles_verdicts_agree(case, elsewhere):
    model, graphs = case
    there = elsewhere(graphs)
    candidates = ThreatModel(budget=1, operations=("add", "delete")).enumerate(graphs)
    here = Victim(model).candidate_logits(graphs, candidates)
    other = (
        moved(model, there.device)
        .candidate_logits(there.graphs, there.candidates(candidates))
        .cpu()
    )
    scale = here.abs().amax(1).clamp(min=1)
    assert ((here - other).abs().amax(1) <= elsewhere.tolerance * scale).all()
    top = here.topk(2, dim=1).values
    clear = top[:, 0] - top[:, 1] > 2 * TOLERANCE * scale
    assert clear.float().mean() > 0.9
    assert torch.equal(here.argmax(1)[clear], other.argmax(1)[clear])


def test_replay_forgives_what_is_stated_and_no_more():
    assert TIE == TOLERANCE
