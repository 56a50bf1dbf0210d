"""Exhaustive search, GradArgmax and RandSampling against loops and against a trained reference
model.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
import torch
from attacked import attacked
from generators import seeded
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch_geometric.data import Batch, Data
from torch_geometric.utils import from_networkx

from robust_augcl import registry
from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.attacks.grad_argmax import GradArgmax
from robust_augcl.attacks.rand_sampling import RandSampling
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.margins import margins
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import apply_all

STRICT = ThreatModel(within_component=True)
PAPER = ThreatModel(within_component=True, allow_existing=True)


def edits_of(perturbation):
    """Undirected edges added and removed."""
    return [
        frozenset(pair)
        for pairs in (perturbation.added, perturbation.removed)
        for pair in pairs.T.tolist()
    ]


def robust(result, y):
    return (result.clean_prediction == y) & (result.attacked_prediction == y)


@pytest.fixture
def victim(reference_model):
    return Victim(reference_model)


def complete(to_data, size=4):
    graph = to_data(size, list(combinations(range(size), 2)))
    graph.x = torch.ones(size, 1)
    return graph


# --- exhaustive search ----------------------------------------------------------------------------


def test_exhaustive_search_equals_the_reference(vectors, victim, reference_graphs):
    values = vectors("components")
    candidates = STRICT.enumerate(reference_graphs)
    assert torch.equal(candidates.counts, values["num_candidates"])
    logits = victim.candidate_logits(reference_graphs, candidates)
    wrong = logits.argmax(1) != values["label"][candidates.graph]
    assert torch.equal(
        torch.bincount(candidates.graph[wrong], minlength=24), values["num_breaking"]
    )

    result = attacked(Exhaustive(), victim, reference_graphs, STRICT)
    # At most one edit: where every one would help the victim, none.
    lowest = torch.minimum(values["min_margin"], result.clean_margin.double())
    torch.testing.assert_close(result.attacked_margin.double(), lowest, rtol=1e-4, atol=1e-4)
    helped = values["min_margin"] > result.clean_margin + 1e-4
    assert bool(helped.any())
    assert all(
        edits.num_edits == int(not helps)
        for edits, helps in zip(result.perturbations, helped.tolist(), strict=True)
    )
    # A graph breaks if and only if some candidate breaks it.
    assert torch.equal(result.attacked_prediction != values["label"], values["num_breaking"] > 0)
    assert result.queries == int(values["num_candidates"].sum()) + len(reference_graphs)


def test_exhaustive_search_takes_the_lowest_margin_by_loop(victim, reference_graphs):
    graphs = reference_graphs.select(torch.tensor([9, 17]))
    threat = ThreatModel(operations=("delete",))
    result = attacked(Exhaustive(), victim, graphs, threat)
    for number in range(2):
        data = graphs[number]
        lowest = float("inf")
        for i, j in threat.candidates(data).T.tolist():
            kept = [edge for edge in data.edge_index.T.tolist() if set(edge) != {i, j}]
            edited = data.clone()
            edited.edge_index = torch.tensor(kept).T
            lowest = min(lowest, float(margins(victim.logits([edited]), data.y)))
        clean = float(result.clean_margin[number])
        assert float(result.attacked_margin[number]) == pytest.approx(min(lowest, clean), abs=1e-4)
        assert result.perturbations[number].removed.size(1) == int(lowest < clean)


# --- GradArgmax -----------------------------------------------------------------------------------


@pytest.fixture
def gradients(victim, reference_graphs):
    """Graph, class -> {(receiver, sender): gradient} over the allowed entries of the adjacency
    matrix.
    """
    candidates = PAPER.enumerate(reference_graphs)
    table = {}
    for label in range(3):
        values = victim.edge_gradients(reference_graphs, candidates, torch.full((24,), label))
        for number, (i, j), (forth, back) in zip(
            candidates.graph.tolist(), candidates.pairs.T.tolist(), values.tolist(), strict=True
        ):
            table.setdefault((number, label), {}).update({(j, i): forth, (i, j): back})
    return table


def test_published_picks_have_the_lowest_gradient(vectors, reference_graphs, gradients):
    picks = vectors("components")["grad_argmax_pick"]
    checked = 0
    for number, own in enumerate(reference_graphs.y.tolist()):
        for label in range(3):
            pick = tuple(picks[number, label].tolist())
            if label == own:
                assert pick == (-1, -1)
                continue
            entries = gradients[number, label]
            assert min(entries.values()) <= 0
            assert entries[pick] == pytest.approx(min(entries.values()), rel=1e-4)
            checked += 1
    assert checked == 48


def test_grad_argmax_as_published_answers_with_a_published_pick(
    vectors, victim, reference_graphs, gradients
):
    values = vectors("components")
    y = reference_graphs.y
    result = attacked(GradArgmax(directions="apart"), victim, reference_graphs, PAPER)
    broken_by_label = {}
    for label in range(3):
        edges = [
            (n, tuple(pick))
            for n, pick in enumerate(values["grad_argmax_pick"][:, label].tolist())
            if pick[0] >= 0
        ]
        for number, (i, j) in edges:
            data = reference_graphs[number]
            there = {tuple(edge) for edge in data.edge_index.T.tolist()} | {(i, j), (j, i)}
            data.edge_index = torch.tensor(sorted(there)).T
            broken_by_label[number, label] = int(victim.logits([data]).argmax()) != int(y[number])

    hits = 0
    for number in range(24):
        edits = edits_of(result.perturbations[number])
        expected = [label for label in range(3) if broken_by_label.get((number, label))]
        if result.clean_prediction[number] != y[number] or not expected:
            # Wrong already, or no pick breaks it: the clean graph.
            assert edits == []
            assert result.attacked_prediction[number] == result.clean_prediction[number]
            continue
        (pair,) = edits
        i, j = pair
        entries = gradients[number, expected[0]]
        pick = tuple(values["grad_argmax_pick"][number, expected[0]].tolist())
        assert min(entries[i, j], entries[j, i]) == pytest.approx(entries[pick], rel=1e-4)
        assert result.attacked_prediction[number] != y[number]
        hits += 1
    assert hits > 3


def test_grad_argmax_sums_the_directions_of_an_undirected_edge(victim, reference_graphs, gradients):
    y = reference_graphs.y.tolist()
    result = attacked(GradArgmax(), victim, reference_graphs, STRICT)
    hits = 0
    for number in range(24):
        edits = edits_of(result.perturbations[number])
        if not edits:
            continue
        clean = {frozenset(edge) for edge in reference_graphs[number].edge_index.T.tolist()}
        lowest = []
        for label in set(range(3)) - {y[number]}:
            sums = {
                frozenset(entry): value + gradients[number, label][entry[::-1]]
                for entry, value in gradients[number, label].items()
            }
            new = {pair: value for pair, value in sums.items() if pair not in clean}
            lowest.append((new[edits[0]], min(new.values())))
        assert edits[0] not in clean
        assert any(value == pytest.approx(best, rel=1e-4) for value, best in lowest)
        hits += 1
    assert hits > 5


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


@pytest.mark.parametrize("operations", [("add",), ("add", "delete")])
@pytest.mark.parametrize("directions", ["summed", "apart"])
@pytest.mark.parametrize("allow_existing", [False, True])
def test_more_edits_break_no_fewer_graphs(
    victim, reference_graphs, operations, directions, allow_existing
):
    y = reference_graphs.y
    results = {}
    for budget in (1, 2, 3):
        threat = ThreatModel(
            budget, operations, within_component=True, allow_existing=allow_existing
        )
        results[budget] = attacked(
            GradArgmax(directions=directions), victim, reference_graphs, threat
        )
        for edits in results[budget].perturbations:
            assert len(set(edits_of(edits))) == edits.num_edits <= budget
    counts = []
    for budget in (1, 2, 3):
        survivors = robust(results[budget], y)
        counts.append(int(survivors.sum()))
        if budget > 1:
            assert (survivors <= robust(results[budget - 1], y)).all()
    assert counts[-1] < counts[0]


def test_grad_argmax_of_two_edits_walks_by_the_gradient_of_the_edited_graph(
    victim, reference_graphs
):
    # One path by hand, for graphs that take exactly two edits.
    threat = ThreatModel(2, within_component=True)
    result = attacked(GradArgmax(), victim, reference_graphs, threat)
    twice = [number for number, edits in enumerate(result.perturbations) if edits.num_edits == 2]
    assert twice
    for number in twice:
        graph = reference_graphs.select(torch.tensor([number]))
        candidates = threat.enumerate(graph)
        own, got = int(graph.y), set(edits_of(result.perturbations[number]))
        paths = []
        for label in set(range(3)) - {own}:
            current, path = graph, []
            for _ in range(2):
                total = victim.edge_gradients(current, candidates, torch.tensor([label])).sum(1)
                ranked = [
                    frozenset(candidates.pairs[:, place].tolist())
                    for place in total.argsort().tolist()
                ]
                path.append(next(pair for pair in ranked if pair not in path))
                current = current.flip(torch.tensor([0]), torch.tensor([sorted(path[-1])]).T)
            paths.append(set(path))
        assert got in paths


class Oracle:
    """A victim whose gradients and answers are drawn from the edges of the graph: everything may
    happen.
    """

    num_classes = 3
    device = torch.device("cpu")

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


def test_grad_argmax_counts_its_questions(victim, reference_graphs):
    result = attacked(GradArgmax(), victim, reference_graphs, STRICT)
    # One gradient for each wrong class; one look at each clean graph and at each candidate.
    assert result.gradient_calls == 48
    assert result.queries == 24 + 48


def test_one_shot_asks_for_the_clean_gradient_only_and_is_the_published_attack_for_one_edit(
    victim, reference_graphs
):
    threat = ThreatModel(3, within_component=True)
    result = attacked(GradArgmax(mode="one_shot"), victim, reference_graphs, threat)
    assert result.gradient_calls == 48
    assert max(edits.num_edits for edits in result.perturbations) > 1
    one, other = (
        attacked(GradArgmax(mode=mode), victim, reference_graphs, STRICT)
        for mode in ("one_shot", "iterated")
    )
    assert [edits_of(p) for p in one.perturbations] == [edits_of(p) for p in other.perturbations]


def test_verifying_every_candidate_is_exhaustive_search_and_more_of_them_do_no_less(
    victim, reference_graphs
):
    graphs = reference_graphs.select(torch.arange(1, 24, 2))
    survivors = {
        v: robust(attacked(GradArgmax(verify=v), victim, graphs, STRICT), graphs.y)
        for v in (0, 5, 10_000)
    }
    assert torch.equal(
        survivors[10_000], robust(attacked(Exhaustive(), victim, graphs, STRICT), graphs.y)
    )
    counts = [int(found.sum()) for found in survivors.values()]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_verification_is_counted(victim, reference_graphs):
    result = attacked(GradArgmax(verify=4), victim, reference_graphs, STRICT)
    right = int((result.clean_prediction == reference_graphs.y).sum())
    assert result.queries == 24 + 2 * 4 * right + 48


@pytest.mark.parametrize(
    "threat", [ThreatModel(2, ("add", "delete")), ThreatModel(0.1, ("delete",))]
)
@pytest.mark.parametrize("settings", [{}, {"mode": "one_shot"}, {"verify": 3}])
def test_grad_argmax_on_every_encoder_in_a_batch_equals_graph_by_graph(
    random_graphs, threat, settings
):
    graphs = random_graphs(1, sizes=(9, 12, 7, 11, 8, 10))
    for name in registry.names("encoder"):
        draws = seeded(4)
        encoder = registry.load("encoder", name)(in_features=3, width=8, layers=2, generator=draws)
        victim = Victim(GraphClassifier(encoder, num_classes=3, hidden=8, generator=draws).double())
        exact = replace(graphs, x=graphs.x.double())
        exact = exact.with_labels(victim.logits(exact).argmax(1))
        together = attacked(GradArgmax(**settings), victim, exact, threat)
        singly = [
            attacked(GradArgmax(**settings), victim, exact.select(torch.tensor([n])), threat)
            for n in range(6)
        ]
        assert [edits_of(p) for p in together.perturbations] == [
            edits_of(result.perturbations[0]) for result in singly
        ]
        assert len(together.perturbations) == 6, name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "twice"}, "`mode` to be 'iterated' or 'one_shot', got 'twice'"),
        ({"directions": "up"}, "`directions` to be 'summed' or 'apart', got 'up'"),
        ({"verify": -1}, "`verify` to be at least 0, got -1"),
    ],
)
def test_bad_settings_of_grad_argmax_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        GradArgmax(**settings)


def by_messages(model, graph, pairs, label):
    """The gradients of pairs as one would write it first: the model, with the pairs as further
    edges of weight 0.
    """
    edges = torch.tensor(pairs + [pair[::-1] for pair in pairs]).T
    data = Data(
        x=torch.ones(graph.number_of_nodes(), 1),
        edge_index=torch.cat([from_networkx(graph).edge_index, edges], dim=1),
    )
    batch = Batch.from_data_list([data])
    weight = torch.cat(
        [torch.ones(2 * graph.number_of_edges()), torch.zeros(edges.size(1))]
    ).requires_grad_()
    _, states = model.encoder(batch.x, batch.edge_index, batch.batch, 1, weight)
    (gradient,) = torch.autograd.grad(
        torch.nn.functional.cross_entropy(model.head(states), torch.tensor([label])), weight
    )
    return gradient[2 * graph.number_of_edges() :].reshape(2, -1).sum(0).tolist()


def by_dense_matrices(model, graph, pairs, label):
    """The same, written for structure2vec alone: as fast as dense matrices make it for a graph of
    50 nodes.
    """
    adjacency = (
        torch.tensor(nx.to_numpy_array(graph, nodelist=range(len(graph)))).float().requires_grad_()
    )
    own = model.encoder.node_to_latent(torch.ones(len(graph), 1))
    states = own.relu()
    for _ in range(model.encoder.layers):
        states = (model.encoder.conv(adjacency @ states) + own).relu()
    loss = torch.nn.functional.cross_entropy(
        model.head(states.sum(0, keepdim=True).relu()), torch.tensor([label])
    )
    (gradient,) = torch.autograd.grad(loss, adjacency)
    gradient = (gradient + gradient.T).tolist()
    return [gradient[i][j] for i, j in pairs]


def grad_argmax_by_networkx(victim, model, data, gradients_of):
    """GradArgmax with one edge added inside a component, on one graph."""
    graph = nx.Graph()
    graph.add_nodes_from(range(data.num_nodes))
    graph.add_edges_from(data.edge_index.T.tolist())
    parts = nx.connected_components(graph)
    pairs = sorted(
        pair
        for part in parts
        for pair in combinations(sorted(part), 2)
        if not graph.has_edge(*pair)
    )
    for label in sorted(set(range(3)) - {int(data.y)}):
        gradients = gradients_of(model, graph, pairs, label)
        best = min(range(len(pairs)), key=gradients.__getitem__)
        edited = graph.copy()
        edited.add_edge(*pairs[best])
        after = Data(x=data.x, edge_index=from_networkx(edited).edge_index, y=data.y)
        if gradients[best] <= 0 and int(victim.logits([after]).argmax()) != int(data.y):
            return [frozenset(pairs[best])]
    return []


REFERENCES = {
    "networkx and messages, graph by graph": by_messages,
    "networkx and dense matrices, graph by graph": by_dense_matrices,
}


@pytest.mark.parametrize("how", [*REFERENCES, "batched"])
def test_benchmark_grad_argmax(benchmark, how):
    """60 graphs of 40-50 nodes, structure2vec of width 64 and 3 rounds, one thread."""
    benchmark.group = "GradArgmax"
    graphs = component_graphs(np.repeat([1, 2, 3], 20), (40, 50), 0.05, np.random.default_rng(0))
    draws = seeded(0)
    encoder = Structure2Vec(in_features=1, width=64, layers=3, generator=draws)
    model = GraphClassifier(encoder, num_classes=3, hidden=32, generator=draws)
    victim = Victim(model)
    graphs = graphs.with_labels(
        victim.logits(graphs).argmax(1)
    )  # none is wrong already, so that all do all the work
    if how == "batched":
        propose = GradArgmax().prepare(
            victim.restricted(Access.GRADIENT), FitGraphs(graphs, graphs), STRICT, draws
        )
        found = benchmark(propose, graphs)
    else:
        graph_list = graphs.to_data_list()

        def run():
            return [
                grad_argmax_by_networkx(victim, model, data, REFERENCES[how]) for data in graph_list
            ]

        found = benchmark.pedantic(run, rounds=3)
    assert len(found) == graphs.num_graphs


@pytest.mark.parametrize("how", REFERENCES)
def test_the_references_of_the_benchmark_do_the_same(
    victim, reference_model, reference_graphs, how
):
    graphs = reference_graphs.select(
        (victim.logits(reference_graphs).argmax(1) == reference_graphs.y).nonzero().squeeze(1)
    )
    result = attacked(GradArgmax(), victim, graphs, STRICT)
    slow = [
        grad_argmax_by_networkx(victim, reference_model, data, REFERENCES[how])
        for data in graphs.to_data_list()
    ]
    # Gradients tie up to rounding, so which of several equal edges is taken may differ.
    same = [edits_of(p) == found for p, found in zip(result.perturbations, slow, strict=True)]
    assert sum(same) >= 0.8 * len(same)
    assert any(slow)


# --- RandSampling ---------------------------------------------------------------------------------


def draws_of(graph, threat, count, seed):
    """Many draws on one graph, between graphs of other sizes."""
    many = PackedGraphs.from_data_list(graph).select(torch.arange(len(graph)).repeat(count))
    fit = FitGraphs(many, many)
    proposals = RandSampling().prepare(None, fit, threat, seeded(seed))(many)
    return proposals[:: len(graph)], many


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


# --- graphs that leave nothing to do --------------------------------------------------------------


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
