"""A budget is a count or a fraction of a graph's edges; bad budgets and operations are refused."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.model import ThreatModel


@pytest.fixture
def rings(to_data):
    """Rings of 3, 10, 30 and 100 edges, and a graph without any."""
    sizes = [3, 10, 30, 100]
    graphs = [to_data(size, [(node, (node + 1) % size) for node in range(size)]) for size in sizes]
    return PackedGraphs.from_data_list([*graphs, to_data(4, [])])


@pytest.mark.parametrize("budget", [1, 3, 50])
def test_a_count_is_the_budget_of_every_graph(rings, budget):
    assert ThreatModel(budget).budgets(rings).tolist() == [budget] * 5


@pytest.mark.parametrize(
    "budget", ["0.01", "0.05", "0.1", "0.29", "0.34", "0.53", "0.59", "0.7", "0.99", "1.0"]
)
def test_a_fraction_is_of_the_graphs_edges_rounded_down_and_at_least_1(rings, budget):
    expected = [max(1, int(Fraction(budget) * edges)) for edges in (3, 10, 30, 100, 0)]
    assert ThreatModel(float(budget)).budgets(rings).tolist() == expected


def test_fractions_are_exact_for_every_number_of_edges():
    class Graphs:
        num_undirected_edges = torch.arange(1, 1500)

    wrong = []
    for percent in range(1, 101):
        expected = [max(1, percent * edges // 100) for edges in range(1, 1500)]
        got = ThreatModel(percent / 100).budgets(Graphs()).tolist()
        wrong += [
            (percent, edges)
            for edges, (a, b) in enumerate(zip(got, expected, strict=True), start=1)
            if a != b
        ]
    assert wrong == []


@pytest.mark.parametrize("budget", [0, -1, 0.0, -0.5, 1.5, 7.0, float("nan"), float("inf")])
def test_a_bad_budget_is_refused(budget):
    with pytest.raises(ValueError, match="budget"):
        ThreatModel(budget)


@pytest.mark.parametrize(
    "operations", [(), ("add", "add"), ("add", "delete", "add"), ("flip",), ("add", "rewire")]
)
def test_bad_operations_are_refused(operations):
    with pytest.raises(ValueError, match="operations"):
        ThreatModel(operations=operations)
