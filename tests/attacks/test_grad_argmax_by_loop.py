"""GradArgmax against a loop from its description, on a victim that may answer anything."""

import random

import pytest
import torch
from generators import seeded
from hypothesis import given
from hypothesis import strategies as st

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.attacks.grad_argmax import GradArgmax
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.model import ThreatModel


class Oracle:
    """A victim whose gradients and answers are drawn from the edges of the graph: everything may
    happen.
    """

    num_classes = 3
    device = torch.device("cpu")
    reach = None

    def __init__(self, seed):
        self.seed = seed

    def _draw(self, *about):
        return random.Random(repr((self.seed, *about)))

    def gradient(self, edges, label, receiver, sender):
        return self._draw("gradient", sorted(edges), label, receiver, sender).uniform(-0.4, 1.0)

    def prediction(self, edges, y):
        right = self._draw("right", sorted(edges)).random() < 0.8
        return y if right else (y + 1) % 3

    def height(self, edges):
        """The logit of the class predicted; the others are 0."""
        return self._draw("height", sorted(edges)).uniform(0.1, 1.0)

    def margin(self, edges, y):
        return self.height(edges) if self.prediction(edges, y) == y else -self.height(edges)

    def rows(self, edges, y):
        return torch.tensor(
            [
                self.height(e) * (c == self.prediction(e, y_))
                for e, y_ in zip(edges, y, strict=True)
                for c in range(3)
            ]
        )

    def logits(self, graphs):
        return self.rows(
            [edge_pairs(data) for data in graphs.to_data_list()], graphs.y.tolist()
        ).reshape(-1, 3)

    def candidate_logits(self, graphs, candidates):
        clean = [edge_pairs(data) for data in graphs.to_data_list()]
        edges = [
            clean[n] ^ {pair} if candidates.deletes else clean[n] | {pair}
            for n, pair in in_graphs(candidates)
        ]
        return self.rows(edges, graphs.y[candidates.graph].tolist()).reshape(-1, 3)

    def edge_gradients(self, graphs, candidates, towards):
        edges = [edge_pairs(data) for data in graphs.to_data_list()]
        rows = []
        for number, (i, j) in in_graphs(candidates):
            labels = towards[number].reshape(-1).tolist()
            rows.append(
                [
                    [self.gradient(edges[number], label, *ends) for label in labels]
                    for ends in ((j, i), (i, j))
                ]
            )
        return torch.tensor(rows, dtype=torch.float64).reshape(-1, 2, *towards.shape[1:])


def in_graphs(candidates):
    return [
        (graph, tuple(pair))
        for graph, pair in zip(candidates.graph.tolist(), candidates.pairs.T.tolist(), strict=True)
    ]


def edge_pairs(data):
    return {(i, j) for i, j in data.edge_index.T.tolist() if i < j}


def grad_argmax_by_loop(oracle, data, threat, attack):
    """Edits (pair, whether it is removed) of one graph, step by step from the description."""
    y, clean = int(data.y), edge_pairs(data)
    if oracle.prediction(clean, y) != y:
        return []
    allowed = [tuple(pair) for pair in threat.candidates(data).T.tolist()]
    (budget,) = threat.budgets(PackedGraphs.from_data_list([data])).tolist()
    hits = []
    for label in [c for c in range(3) if c != y]:
        edges, path = set(clean), []
        for step in range(budget):
            scores = []
            for i, j in allowed:
                removal = (i, j) in clean and "delete" in threat.operations
                at = edges if attack.mode == "iterated" else clean
                forth, back = (oracle.gradient(at, label, *ends) for ends in ((j, i), (i, j)))
                # Removing an edge lowers its weight: the loss moves by minus the gradient.
                moves = [-forth, -back] if removal else [forth, back]
                scores.append(
                    (sum(moves) if attack.directions == "summed" else min(moves), (i, j), removal)
                )
            scores = sorted(entry for entry in scores if entry[1] not in [pair for pair, _ in path])
            if not scores or (not attack.verify and scores[0][0] > 0):
                break
            after = {
                pair: edges - {pair} if removal else edges | {pair} for _, pair, removal in scores
            }
            _, pair, removal = scores[0]
            if attack.verify:
                _, pair, removal = min(
                    (oracle.margin(after[p], y), p, r) for _, p, r in scores[: attack.verify]
                )
            edges = after[pair]
            path.append((pair, removal))
            if oracle.prediction(edges, y) != y:
                hits.append((step, label, path))
                break
    return min(hits)[2] if hits else []


@pytest.mark.thorough(but=["iterated-2-summed", "one_shot-0-apart", "one_shot-1-summed"])
@pytest.mark.parametrize("directions", ["summed", "apart"])
@pytest.mark.parametrize(
    ("mode", "verify"), [("iterated", 0), ("one_shot", 0), ("iterated", 2), ("one_shot", 1)]
)
@given(
    data=st.data(),
    seed=st.integers(0, 2**32),
    budget=st.sampled_from([1, 2, 4, 0.5]),
    operations=st.sampled_from([("add",), ("delete",), ("add", "delete")]),
    within_component=st.booleans(),
    allow_existing=st.booleans(),
)
def test_grad_argmax_equals_a_loop(
    directions,
    mode,
    verify,
    data,
    seed,
    budget,
    operations,
    within_component,
    allow_existing,
    data_lists,
):
    graphs = data.draw(data_lists(max_graphs=4, max_nodes=5))
    packed, oracle = PackedGraphs.from_data_list(graphs), Oracle(seed)
    threat = ThreatModel(budget, operations, within_component, allow_existing)
    attack = GradArgmax(directions=directions, mode=mode, verify=verify)
    got = attack.prepare(oracle, FitGraphs(packed, packed), threat, seeded(0))(packed)
    for edits, graph in zip(got, graphs, strict=True):
        expected = grad_argmax_by_loop(oracle, graph, threat, attack)
        pairs = [(tuple(pair), False) for pair in edits.added.T.tolist()] + [
            (tuple(pair), True) for pair in edits.removed.T.tolist()
        ]
        assert sorted(pairs) == sorted(expected)
    threat.check_all(packed, got)
