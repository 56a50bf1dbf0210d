"""Exhaustive search, GradArgmax and RandSampling beside one another."""

from itertools import combinations

import pytest
import torch
from attacked import attacked, robust

from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.attacks.grad_argmax import GradArgmax
from robust_augcl.attacks.rand_sampling import RandSampling
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import apply_all

STRICT = ThreatModel(within_component=True)
PAPER = ThreatModel(within_component=True, allow_existing=True)


@pytest.mark.parametrize(
    "threat",
    [STRICT, PAPER, ThreatModel(operations=("add", "delete")), ThreatModel(operations=("delete",))],
)
@pytest.mark.parametrize("directions", ["summed", "apart"])
def test_attacks_in_order_of_strength(victim, reference_graphs, threat, directions):
    graphs = reference_graphs.select(torch.arange(0, 24, 2))
    y = graphs.y
    worst = robust(attacked(Exhaustive(), victim, graphs, threat), y)
    result = attacked(GradArgmax(directions=directions), victim, graphs, threat)
    by_gradient, clean = robust(result, y), result.clean_prediction == y
    # Graph by graph: what survives every candidate survives the one that the gradient picks.
    assert (worst <= by_gradient).all()
    assert (by_gradient <= clean).all()
    assert int(worst.sum()) < int(clean.sum())
    # It judges its own candidates, so it never hands in an edit that does not break its graph.
    for number, edits in enumerate(result.perturbations):
        assert (edits.num_edits > 0) == bool(clean[number] & ~by_gradient[number])


def complete(to_data, size=4):
    graph = to_data(size, list(combinations(range(size), 2)))
    graph.x = torch.ones(size, 1)
    return graph


@pytest.mark.parametrize(
    "attack", [Exhaustive(), GradArgmax(), GradArgmax(directions="apart"), RandSampling()]
)
@pytest.mark.parametrize("company", [False, True])
def test_a_graph_without_any_candidate_is_left_alone(
    victim, to_data, reference_graphs, attack, company
):
    graphs = [complete(to_data), complete(to_data, 3)]
    if company:
        graphs.insert(1, reference_graphs[16])
    # The class that the victim gives them, so that there is something to break.
    packed = PackedGraphs.from_data_list(graphs)
    packed = packed.with_labels(victim.logits(packed).argmax(1))
    result = attacked(attack, victim, packed, STRICT)
    assert result.perturbations[0].num_edits == result.perturbations[-1].num_edits == 0
    unchanged = apply_all(packed, result.perturbations)
    assert torch.equal(unchanged[0].edge_index, packed[0].edge_index)
    assert result.attacked_prediction[0] == result.clean_prediction[0]
