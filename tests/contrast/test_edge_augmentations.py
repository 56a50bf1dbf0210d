"""Edge perturbation and attribute masking, against sets of edges of networkx."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
import torch
from generators import seeded
from hypothesis import given
from hypothesis import strategies as st

from robust_augcl.contrast.augment import (
    Augmentation,
    _distinct,
    _pair,
    attribute_masking,
    augment,
    edge_perturbation,
)
from robust_augcl.graphs.packed import PackedGraphs

SEEDS = st.integers(0, 2**32)
PERCENT = st.integers(0, 99)


def edges(data):
    return {frozenset(pair) for pair in data.edge_index.T.tolist()}


@pytest.fixture(scope="module")
def graphs(data_lists):
    return data_lists()


@given(data=st.data(), seed=SEEDS, percent=PERCENT)
def test_a_share_of_the_edges_goes_and_as_many_new_ones_come(data_lists, data, seed, percent):
    whole = data.draw(data_lists())
    packed = PackedGraphs.from_data_list(whole)
    views = edge_perturbation(packed, percent / 100, seeded(seed))
    assert torch.equal(views.x, packed.x)
    assert torch.equal(views.ptr, packed.ptr)
    # Packing again sorts, and refuses an edge in one direction only.
    assert torch.equal(
        PackedGraphs.from_data_list(views.to_data_list()).edge_index, views.edge_index
    )
    for before, after in zip(whole, views.to_data_list(), strict=True):
        old, new = edges(before), edges(after)
        count = int(Fraction(percent, 100) * len(old))
        missing = before.num_nodes * (before.num_nodes - 1) // 2 - len(old)
        assert len(old - new) == count
        assert len(new - old) == min(count, missing)


def test_every_edge_goes_and_every_missing_one_comes_equally_often(to_data):
    path = to_data(5, [(0, 1), (1, 2), (2, 3), (3, 4)])
    many = 4000
    views = edge_perturbation(PackedGraphs.from_data_list([path] * many), 0.25, seeded(0))
    gone, come = {}, {}
    for view in views.to_data_list():
        for pair in edges(path) - edges(view):
            gone[pair] = gone.get(pair, 0) + 1
        for pair in edges(view) - edges(path):
            come[pair] = come.get(pair, 0) + 1
    assert len(gone) == 4
    assert len(come) == 6
    # Within five standard deviations.
    assert all(abs(count - many / 4) < 5 * (many * 3 / 16) ** 0.5 for count in gone.values())
    assert all(abs(count - many / 6) < 5 * (many * 5 / 36) ** 0.5 for count in come.values())


@pytest.mark.parametrize("size", [2, 3, 4, 7, 50, 3001])
def test_pairs_are_numbered_row_by_row(size):
    pairs = list(combinations(range(size), 2)) if size < 100 else None
    count = size * (size - 1) // 2
    rank = (
        torch.arange(count)
        if pairs
        else torch.tensor([0, size - 2, size - 1, count // 2, count - 1])
    )
    i, j = _pair(rank, torch.full_like(rank, size))
    if pairs:
        assert list(zip(i.tolist(), j.tolist(), strict=True)) == pairs
    assert torch.equal(i * (2 * size - i - 1) // 2 + (j - i - 1), rank)
    assert ((i >= 0) & (i < j) & (j < size)).all()


@given(bounds=st.lists(st.integers(0, 12), min_size=1, max_size=6), seed=SEEDS)
def test_numbers_drawn_without_repetition(bounds, seed):
    generator = seeded(seed)
    counts = [int(torch.randint(bound + 1, (), generator=generator)) for bound in bounds]
    owner, number = _distinct(torch.tensor(bounds), torch.tensor(counts), generator)
    drawn = list(zip(owner.tolist(), number.tolist(), strict=True))
    assert len(set(drawn)) == len(drawn)
    assert [sum(g == k for g, _ in drawn) for k in range(len(bounds))] == counts
    assert all(0 <= value < bounds[k] for k, value in drawn)


@given(data=st.data(), seed=SEEDS, percent=PERCENT)
def test_a_share_of_the_nodes_is_masked(data_lists, data, seed, percent):
    whole = data.draw(data_lists())
    packed = PackedGraphs.from_data_list(whole)
    packed = PackedGraphs(packed.x + 1, packed.edge_index, packed.ptr, packed.y)  # no feature is 0
    before = packed.x.clone()
    views = attribute_masking(packed, percent / 100, seeded(seed))
    assert torch.equal(packed.x, before)
    assert torch.equal(views.edge_index, packed.edge_index)
    for number in range(packed.num_graphs):
        old, new = packed[number].x, views[number].x
        masked = (new == 0).all(1)
        assert int(masked.sum()) == int(Fraction(percent, 100) * len(old))
        assert torch.equal(new[~masked], old[~masked])


def test_each_graph_gets_one_of_the_four(random_graphs):
    names = ("node_drop", "edge_perturbation", "attribute_masking", "subgraph")
    graphs = random_graphs(0, [10] * 400, density=0.4)
    views = augment(graphs, [Augmentation(name, 0.3) for name in names], seeded(0))
    kinds = dict.fromkeys(names, 0)
    for number in range(400):
        whole, view = graphs[number], views[number]
        if len(view.x) == 7:
            kinds["node_drop"] += 1
        elif len(view.x) < 7:
            kinds["subgraph"] += 1
        elif not torch.equal(whole.x, view.x):
            kinds["attribute_masking"] += 1
            assert edges(whole) == edges(view)
        else:
            kinds["edge_perturbation"] += 1
            assert edges(whole) != edges(view)
    assert all(60 < count < 140 for count in kinds.values())
    assert torch.equal(views.y, graphs.y)
