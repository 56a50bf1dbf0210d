"""The files of a global attack: its edits stand once, however many targets there are."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import torch
from hand_made import make_record
from node_graphs import random_node_graph

from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.targets import Targets
from robust_augcl.results.outcome import Outcome
from robust_augcl.results.records import SharedEdits
from robust_augcl.review.attacked_graphs import attacked_graphs
from robust_augcl.steps.artifacts import dataset_artifact


def test_edits_that_all_targets_share_stand_once():
    graph, y = random_node_graph(12, seed=2)
    nodes = Targets(torch.zeros(12, dtype=torch.long), torch.arange(12), y)
    parts = torch.arange(12).split(4)
    made = dataset_artifact(
        Dataset(graph, *parts, 3, nodes), {"label": "nodes", "label_rule": "none"}
    )
    folder = SimpleNamespace(load_artifact=lambda ref: made)
    outcomes = [Outcome(0, int(y[k]), 0, 0, 1.0, 1.0, [], [], node=k) for k in parts[2].tolist()]
    record = make_record(outcomes=outcomes)
    shared = SharedEdits(added=[[0, 5], [3, 1]], removed=[[2, 4]])
    found = attacked_graphs(folder, replace(record, shared_edits=shared))
    assert found.added.tolist() == [[-1, 0, 5], [-1, 1, 3]]
    assert found.removed.tolist() == [[-1, 2, 4]]
    clean = set(map(tuple, found.pairs(0, attacked=False).tolist()))
    for target in range(4):
        pairs = set(map(tuple, found.pairs(target).tolist()))
        assert pairs == (clean - {(2, 4)}) | {(0, 5), (1, 3)}
