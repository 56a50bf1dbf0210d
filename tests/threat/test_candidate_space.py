"""The space of candidates against the list of them."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel

THREATS = [
    ThreatModel(1, operations, within_component, allow_existing)
    for operations, within_component, allow_existing in product(
        [("add",), ("delete",), ("add", "delete")], [False, True], [False, True]
    )
]


def rows(candidates):
    """One tuple a candidate: graph, i, j, whether it is an edge."""
    return list(
        zip(
            candidates.graph.tolist(),
            *candidates.pairs.tolist(),
            candidates.exists.tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize("threat", THREATS, ids=str)
@given(data=st.data())
def test_every_answer_agrees_with_the_list(threat, data, data_lists):
    graphs = PackedGraphs.from_data_list(data.draw(data_lists(max_graphs=4, max_nodes=8)))
    space = threat.space(graphs)
    listed = space.list()
    assert torch.equal(space.counts, listed.counts)
    everything = space.draw(100, generator("all"))
    assert rows(everything) == rows(listed)
    assert everything.num_graphs == listed.num_graphs
    assert everything.deletes == listed.deletes
    for graph, size in enumerate(graphs.sizes.tolist()):
        for node in range(size):
            here = [row for row in rows(listed) if row[0] == graph and node in row[1:3]]
            assert rows(space.at(graph, node)) == here


@pytest.mark.parametrize("threat", THREATS, ids=str)
@given(data=st.data(), number=st.integers(0, 9), seed=st.integers(0, 99))
def test_a_draw_holds_different_candidates_as_many_as_asked_for(
    threat, data, number, seed, data_lists
):
    graphs = PackedGraphs.from_data_list(data.draw(data_lists(max_graphs=4, max_nodes=9)))
    space = threat.space(graphs)
    drawn = space.draw(number, generator("draw", seed))
    assert drawn.counts.tolist() == space.counts.clamp(max=number).tolist()
    got = rows(drawn)
    assert got == sorted(set(got))
    assert set(got) <= set(rows(space.list()))


@pytest.mark.parametrize("number", [1, 3, 6])
def test_draws_are_uniform(number, to_data):
    """Each of 12 candidates comes equally often, and each pair of them too."""
    graphs = PackedGraphs.from_data_list([to_data(6, [(0, 1), (2, 5), (3, 4)])])
    space, chance = ThreatModel().space(graphs), generator("uniform")
    listed, times = rows(space.list()), 3_000
    seen = torch.zeros(len(listed), len(listed))
    for _ in range(times):
        places = torch.tensor([listed.index(row) for row in rows(space.draw(number, chance))])
        seen[places.unsqueeze(1), places] += 1
    count = len(listed)
    single = number / count
    double = single * (number - 1) / (count - 1)
    for expected, got in ((single, seen.diag()), (double, seen[~torch.eye(count).bool()])):
        tolerance = 4.5 * (expected * (1 - expected) * times) ** 0.5
        assert float((got - expected * times).abs().max()) <= tolerance


def test_each_graph_may_have_a_number_of_its_own(random_graphs):
    space = ThreatModel().space(random_graphs(1, sizes=(8, 9, 5)))
    assert space.draw(torch.tensor([2, 0, 3]), generator("own")).counts.tolist() == [2, 0, 3]


def test_the_same_generator_draws_the_same(random_graphs):
    space = ThreatModel(operations=("add", "delete")).space(random_graphs(2))
    first, second = (rows(space.draw(4, generator("same"))) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("graph", "node"), [(-1, 0), (4, 0), (0, -1), (0, 9)])
def test_a_graph_or_node_that_is_not_there_is_refused(graph, node, random_graphs):
    with pytest.raises(IndexError, match=r"Expected a (graph|node) number below"):
        ThreatModel().space(random_graphs(3)).at(graph, node)


def test_a_negative_number_is_refused(random_graphs):
    with pytest.raises(ValueError, match="Expected `number` to be at least 0, got -1"):
        ThreatModel().space(random_graphs(3)).draw(-1, generator("none"))


class LargestTensor(TorchDispatchMode):
    """Remembers how many elements the largest tensor had that an operation returned."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        self.elements = max([self.elements, *sizes])
        return out


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_large_graphs_take_memory_for_nodes_and_edges_only(threat):
    """20,000 nodes have 200 million pairs."""
    nodes, edges = 20_000, 60_000
    ends = torch.randint(nodes, (2, edges), generator=generator("large"))
    ends = ends[:, ends[0] != ends[1]]
    keys = torch.cat([ends[0] * nodes + ends[1], ends[1] * nodes + ends[0]]).unique()
    graph = PackedGraphs(
        torch.ones(nodes, 1),
        torch.stack([keys // nodes, keys % nodes]),
        torch.tensor([0, nodes]),
        torch.zeros(1, dtype=torch.long),
    )
    with LargestTensor() as largest:
        space = threat.space(graph)
        count = int(space.counts)
        drawn = space.draw(1_000, generator("large draw"))
        at_node = space.at(0, 7)
    assert largest.elements <= 4 * edges
    assert len(drawn) == 1_000
    assert bool(((drawn.pairs[0] < drawn.pairs[1]) & (drawn.pairs[1] < nodes)).all())
    threat_of_all = ThreatModel(1_000, threat.operations, threat.within_component, True)
    threat_of_all.check_all(graph, [drawn.perturbation(torch.arange(1_000))])
    assert (count > 10**8) == ("add" in threat.operations)
    assert (len(at_node) > nodes // 2) == ("add" in threat.operations)
