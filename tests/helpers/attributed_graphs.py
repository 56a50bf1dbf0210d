"""Graphs with attributes of their edges, beside plain dictionaries of what each edge carries."""

from __future__ import annotations

from itertools import combinations

import torch
from hypothesis import strategies as st
from torch_geometric.data import Data

from robust_augcl.graphs.entrance import admit
from robust_augcl.graphs.packed import PackedGraphs

Carried = dict[tuple[int, int], tuple[float, ...]]
ADDED = (9.0, -1.0)


def data_of(nodes: int, carried: Carried, y: int = 0, order=None) -> Data:
    """A graph of undirected edges i < j with attributes, its directed edges in any order."""
    both = [(pair, of) for (i, j), of in carried.items() for pair in ((i, j), (j, i))]
    both = both if order is None else [both[k] for k in order]
    return Data(
        x=torch.ones(nodes, 1),
        edge_index=torch.tensor([pair for pair, _ in both], dtype=torch.long).reshape(-1, 2).T,
        edge_attr=torch.tensor([of for _, of in both], dtype=torch.float32).reshape(-1, 2),
        y=torch.tensor([y]),
    )


def carried_of(data: Data) -> Carried:
    """What each undirected edge carries; both directions must say the same."""
    found: Carried = {}
    for (i, j), of in zip(data.edge_index.T.tolist(), data.edge_attr.tolist(), strict=True):
        pair = (min(i, j), max(i, j))
        assert found.setdefault(pair, tuple(of)) == tuple(of)
    return found


def all_carried(graphs: PackedGraphs) -> list[Carried]:
    return [carried_of(data) for data in graphs.to_data_list()]


@st.composite
def attributed(draw):
    """Nodes, and what each undirected edge carries."""
    nodes = draw(st.integers(1, 6))
    pairs = list(combinations(range(nodes), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    value = st.integers(-2, 2).map(float)
    return nodes, {pair: (draw(value), draw(value)) for pair in chosen}


@st.composite
def several(draw):
    """Graphs of which one has an edge at least, as drawn, and as clean packed graphs."""
    drawn = [(2, {(0, 1): (1.0, 2.0)}), *draw(st.lists(attributed(), min_size=1, max_size=4))]
    graphs = []
    for nodes, carried in drawn:
        order = draw(st.permutations(range(2 * len(carried))))
        graphs.append(data_of(nodes, carried, order=order))
    found = admit(graphs, edge_attributes=True, added_edge=ADDED)
    return drawn, found.graphs
