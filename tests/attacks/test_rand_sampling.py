"""RandSampling: uniform over what is allowed, and no more than there is."""

from itertools import combinations

import pytest
import torch
from attacked import attacked, edits_of
from generators import seeded
from scipy.stats import chisquare

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.attacks.rand_sampling import RandSampling
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.model import ThreatModel


def draws_of(graph, threat, count, seed):
    """Many draws on one graph, between graphs of other sizes."""
    many = PackedGraphs.from_data_list(graph).select(torch.arange(len(graph)).repeat(count))
    fit = FitGraphs(many, many)
    proposals = RandSampling().prepare(None, fit, threat, seeded(seed))(many)
    return proposals[:: len(graph)], many


@pytest.mark.thorough(but=["operations0-6-1", "operations1-11-1"])
@pytest.mark.parametrize("budget", [1, 2])
@pytest.mark.parametrize(("operations", "count"), [(("add",), 6), (("add", "delete"), 11)])
def test_rand_sampling_is_uniform_over_the_allowed_edits(to_data, budget, operations, count):
    graph = to_data(7, [(0, 1), (1, 2), (2, 3), (3, 4), (5, 6)])
    threat = ThreatModel(budget, operations, within_component=True)
    allowed = [frozenset(pair) for pair in threat.candidates(graph).T.tolist()]
    assert len(allowed) == count
    proposals, _ = draws_of([graph, to_data(3, [(0, 1), (1, 2)])], threat, 6000, seed=0)
    counts = dict.fromkeys(map(frozenset, combinations(allowed, budget)), 0)
    for edits in proposals:
        counts[frozenset(edits_of(edits))] += 1
    assert chisquare(list(counts.values())).pvalue > 0.001


def test_rand_sampling_draws_without_replacement_up_to_what_there_is(to_data):
    graphs = [
        to_data(4, [(0, 1), (1, 2), (2, 3)]),
        to_data(6, [(0, 1)]),
        to_data(3, [(0, 1), (1, 2), (0, 2)]),
    ]
    threat = ThreatModel(4)
    proposals, many = draws_of(graphs, threat, 200, seed=1)
    every = RandSampling().prepare(None, FitGraphs(many, many), threat, seeded(1))(many)
    for number, edits in enumerate(every):
        assert edits.num_edits == len(set(edits_of(edits))) == [3, 4, 0][number % 3]
    threat.check_all(many, every)
    assert len(proposals) == 200


@pytest.mark.parametrize("operations", [("add",), ("delete",), ("add", "delete")])
def test_rand_sampling_keeps_to_a_fraction_of_the_edges(reference_graphs, victim, operations):
    threat = ThreatModel(0.1, operations)
    result = attacked(RandSampling(), victim, reference_graphs, threat)
    edges = [graph.edge_index.size(1) // 2 for graph in reference_graphs.to_data_list()]
    assert [edits.num_edits for edits in result.perturbations] == [
        max(1, count // 10) for count in edges
    ]
    assert result.queries == result.gradient_calls == 0


def test_the_same_generator_gives_the_same_edits(victim, reference_graphs):
    def drawn(seed):
        result = attacked(
            RandSampling(), victim, reference_graphs, ThreatModel(3, within_component=True), seed
        )
        return [edits_of(edits) for edits in result.perturbations]

    state = torch.get_rng_state()
    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)
    assert torch.equal(torch.get_rng_state(), state)
