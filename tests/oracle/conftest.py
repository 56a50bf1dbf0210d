"""Graphs for the oracle, and how much it leaves to full evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.oracle import pair_effects, pair_search, single_logits
from robust_augcl.oracle.single_logits import full_logits


@pytest.fixture
def full(monkeypatch):
    """The numbers of edits that were evaluated in full."""
    seen = []

    def counting(model, questions):
        seen.append(len(questions))
        return full_logits(model, questions)

    monkeypatch.setattr(single_logits, "full_logits", counting)
    return seen


@pytest.fixture
def bounds_of_pairs_always(monkeypatch):
    """Bounds of pairs are computed and used for small graphs too."""
    monkeypatch.setattr(pair_effects, "is_worth_it", lambda of: True)
    monkeypatch.setattr(pair_search, "_WORTH", 1)
    monkeypatch.setattr(pair_search, "_BOUNDED_FROM", 4)


@pytest.fixture(scope="module")
def some_graphs(random_graphs):
    """500 graphs of 1 to 12 nodes, from sparse to dense."""
    rng = np.random.default_rng(1)
    parts = [
        random_graphs(seed, sizes=rng.integers(1, 13, 100).tolist(), density=density)
        for seed, density in enumerate((0.1, 0.2, 0.3, 0.5, 0.8))
    ]
    return PackedGraphs.from_data_list([data for part in parts for data in part.to_data_list()])


@pytest.fixture
def few_graphs(random_graphs) -> PackedGraphs:
    return random_graphs(3, sizes=(7, 1, 9, 2, 6), density=0.35)
