"""Components by union-find, against networkx."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import torch
from hypothesis import given
from hypothesis import strategies as st

from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.results.records import Outcome
from robust_augcl.review.audit.forests import components, forests


@given(data=st.data())
def test_components_after_edits_equal_networkx(data, data_lists, to_networkx):
    graphs = data.draw(data_lists())
    everything = torch.arange(len(graphs))
    found = forests(
        Dataset(PackedGraphs.from_data_list(graphs), everything[:0], everything[:0], everything, 3)
    )
    for number, graph in enumerate(graphs):
        picture = to_networkx(graph)
        edges = [list(edge) for edge in picture.edges]
        free = [
            list(pair)
            for pair in combinations(range(graph.num_nodes), 2)
            if not picture.has_edge(*pair)
        ]
        removed = data.draw(st.lists(st.sampled_from(edges), unique_by=tuple)) if edges else []
        added = data.draw(st.lists(st.sampled_from(free), unique_by=tuple)) if free else []
        picture.remove_edges_from(removed)
        picture.add_edges_from(added)
        outcome = Outcome(number, 0, 0, 0, 0.0, 0.0, [pair[::-1] for pair in added], removed)
        assert found[number].edited(outcome) == nx.number_connected_components(picture)


def test_an_edit_of_a_node_that_is_not_there_is_no_count():
    assert components(3, [[0, 1]]).edited(Outcome(0, 0, 0, 0, 0.0, 0.0, [[0, 3]], [])) == -1
