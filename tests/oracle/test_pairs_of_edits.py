"""Logits after two edits against brute force: graphs with both edits, evaluated in full."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models import classifier

from robust_augcl.adversary.victim import Victim
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges
from robust_augcl.oracle.pair_logits import PairLogits, pairs_on_copies
from robust_augcl.oracle.pair_states import PairOracle
from robust_augcl.seeds import generator
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel

ENCODERS = [Structure2Vec, GIN, GCN]
BOTH = ThreatModel(2, ("add", "delete"))
THREATS = [
    ThreatModel(2, within_component=True),
    ThreatModel(2, ("delete",)),
    BOTH,
    ThreatModel(2, allow_existing=True),
]


def new_model(encoder, *, width=6, **shape):
    """In double precision."""
    return classifier(encoder, "pairs", width=width, hidden=6, **shape).double()


def one_graph(size, edges, x=None):
    both = sorted([*edges, *((j, i) for i, j in edges)])
    x = torch.ones(size, 1) if x is None else x
    edge_index = torch.tensor(both, dtype=torch.long).reshape(-1, 2).T
    return PackedGraphs(
        x.double(), edge_index, torch.tensor([0, size]), torch.zeros(1, dtype=torch.long)
    )[0]


def drawn_graphs(seed, features):
    """Graphs of 2 to 13 nodes, sparse and dense; features constant, of few values, or normal."""
    rng = np.random.default_rng(seed)
    graphs = []
    for _ in range(8):
        size, density = int(rng.integers(2, 14)), rng.uniform(0.02, 0.5)
        i, j = np.triu_indices(size, 1)
        kept = rng.random(len(i)) < density
        values = {
            "constant": np.ones((size, 1)),
            "few": rng.integers(0, 2, (size, 2)),
            "normal": rng.normal(size=(size, 2)),
        }
        graphs.append(
            one_graph(
                size,
                list(zip(i[kept].tolist(), j[kept].tolist(), strict=True)),
                torch.from_numpy(values[features]),
            )
        )
    return PackedGraphs.from_data_list(graphs)


def all_pairs(candidates):
    one, other = torch.combinations(torch.arange(len(candidates))).T
    same = candidates.graph[one] == candidates.graph[other]
    return one[same], other[same]


def in_full(model, graphs, candidates, one, other):
    """Logits of a copy of the graph for each pair, with both of its edits."""
    pair, copy = torch.cat([one, other]), torch.arange(one.numel()).repeat(2)
    changes = candidates.changes[pair]
    return model(
        graphs.select(candidates.graph[one]).flip(copy[changes], candidates.pairs[:, pair[changes]])
    )


@pytest.mark.thorough(but=["constant-2-*", "few-3-*", "normal-1-*", "normal-2-GIN", "normal-4-GCN"])
@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("features", ["constant", "few", "normal"])
def test_every_pair_of_edits_is_as_in_a_full_evaluation(encoder, layers, features):
    for seed, threat in enumerate(THREATS):
        graphs = drawn_graphs(seed, features)
        model = new_model(encoder, layers=layers, features=graphs.x.size(1), seed=seed)
        candidates = threat.enumerate(graphs)
        one, other = all_pairs(candidates)
        mixed = torch.randperm(one.numel(), generator=generator("order"))[:3000]
        one, other = one[mixed], other[mixed]
        answer = PairLogits(model, graphs, candidates)(one, other)
        torch.testing.assert_close(
            answer, in_full(model, graphs, candidates, one, other), rtol=1e-9, atol=1e-9
        )


@st.composite
def questions(draw):
    """A graph, two pairs of its nodes, an encoder and its rounds."""
    size = draw(st.integers(3, 9))
    pairs = [(i, j) for i in range(size) for j in range(i + 1, size)]
    edges = draw(st.sets(st.sampled_from(pairs), max_size=12))
    two = draw(st.lists(st.sampled_from(pairs), min_size=2, max_size=2, unique=True))
    return size, sorted(edges), two, draw(st.sampled_from(ENCODERS)), draw(st.integers(1, 5))


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(questions())
def test_any_two_edits_of_any_graph(question):
    size, edges, two, encoder, layers = question
    graphs = PackedGraphs.from_data_list([one_graph(size, edges)])
    model = new_model(encoder, layers=layers)
    exists = torch.tensor([pair in edges for pair in two])
    candidates = Candidates(torch.zeros(2, dtype=torch.long), torch.tensor(two).T, exists, 1, True)
    one, other = torch.tensor([0]), torch.tensor([1])
    answer = PairLogits(model, graphs, candidates)(one, other)
    torch.testing.assert_close(
        answer, in_full(model, graphs, candidates, one, other), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(
    "two",
    [
        [(0, 5), (5, 9)],
        [(0, 5), (6, 11)],
        [(0, 5), (4, 5)],
        [(0, 5), (5, 6)],
        [(2, 3), (3, 4)],
        [(0, 2), (1, 3)],
    ],
)
def test_edits_that_lengthen_the_reach_of_one_another(encoder, two):
    edges = [(i, i + 1) for i in range(11)]  # a path
    graphs = PackedGraphs.from_data_list([one_graph(12, edges)])
    model = new_model(encoder, layers=3)
    candidates = Candidates(
        torch.zeros(2, dtype=torch.long),
        torch.tensor(two).T,
        torch.tensor([pair in edges for pair in two]),
        1,
        True,
    )
    for one, other in ((0, 1), (1, 0)):
        asked = torch.tensor([one]), torch.tensor([other])
        answer = PairLogits(model, graphs, candidates)(*asked)
        torch.testing.assert_close(
            answer, in_full(model, graphs, candidates, *asked), rtol=1e-10, atol=1e-10
        )


@pytest.mark.thorough(but=["Structure2Vec"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_blocks_orders_and_no_pairs_at_all(encoder):
    graphs = drawn_graphs(5, "few")
    model, candidates = new_model(encoder, layers=3, features=2), BOTH.enumerate(graphs)
    one, other = all_pairs(candidates)
    whole = PairLogits(model, graphs, candidates)(one, other)
    with using(Limits(pair_rows=40)):
        in_blocks = PairLogits(model, graphs, candidates)(one, other)
    torch.testing.assert_close(in_blocks, whole, rtol=1e-12, atol=1e-12)
    order = torch.randperm(len(candidates), generator=generator("order"))
    place = torch.argsort(order)
    torch.testing.assert_close(
        PairLogits(model, graphs, candidates.take(order))(place[one], place[other]),
        whole,
        rtol=1e-12,
        atol=1e-12,
    )
    assert PairLogits(model, graphs, candidates)(one[:0], other[:0]).shape == (0, 3)
    nothing = candidates.take(one[:0])
    assert PairLogits(model, graphs, nothing)(one[:0], other[:0]).shape == (0, 3)


@pytest.fixture
def full(monkeypatch):
    """The numbers of pairs that were evaluated in full."""
    seen = []
    evaluate = PairLogits._in_full

    def counting(self, one, other):
        seen.append(one.numel())
        return evaluate(self, one, other)

    monkeypatch.setattr(PairLogits, "_in_full", counting)
    return seen


@pytest.mark.parametrize("encoder", ENCODERS)
def test_predictions_in_single_precision_are_those_of_a_full_evaluation(encoder, full):
    total = 0
    for seed in range(6):
        graphs = drawn_graphs(20 + seed, "few")
        graphs = PackedGraphs(graphs.x.float(), graphs.edge_index, graphs.ptr, graphs.y)
        model = new_model(encoder, layers=2 + seed % 3, features=2, seed=seed).float()
        candidates = THREATS[seed % 4].enumerate(graphs)
        one, other = all_pairs(candidates)
        answer, expected = (
            PairLogits(model, graphs, candidates)(one, other),
            in_full(model, graphs, candidates, one, other),
        )
        assert torch.equal(answer.argmax(1), expected.argmax(1))
        torch.testing.assert_close(answer, expected, rtol=1e-4, atol=1e-4)
        total += one.numel()
    assert sum(full) < 0.01 * total


@pytest.mark.parametrize("gap", [0, 1e-6])
def test_close_calls_are_decided_by_a_full_evaluation(full, gap):
    graphs, model = drawn_graphs(1, "constant"), new_model(Structure2Vec, layers=2)
    with torch.no_grad():
        last = model.head[-1]
        last.weight[1], last.bias[1] = last.weight[0], last.bias[0] + gap
        last.bias[2] = -1e3
    candidates = BOTH.enumerate(graphs)
    one, other = all_pairs(candidates)
    answer = PairLogits(model, graphs, candidates)(one, other)
    assert sum(full) == one.numel()
    torch.testing.assert_close(
        answer, in_full(model, graphs, candidates, one, other), rtol=1e-14, atol=1e-14
    )


class Louder(Structure2Vec):
    def round(self, *inputs):
        return 2 * super().round(*inputs)


@pytest.mark.parametrize(("encoder", "at_most"), [(Louder, 10**9), (Structure2Vec, 10), (GCN, 10)])
def test_what_the_oracle_cannot_answer_or_hold_is_asked_of_copies(encoder, at_most, monkeypatch):
    monkeypatch.setattr(PairOracle, "sums", lambda *_: pytest.fail("the oracle was asked"))
    graphs, model = drawn_graphs(2, "constant"), new_model(encoder, layers=2)
    candidates = THREATS[3].enumerate(graphs)
    one, other = all_pairs(candidates)
    with using(Limits(pair_states=at_most)):
        answer = PairLogits(model, graphs, candidates)(one, other)
    torch.testing.assert_close(
        answer, in_full(model, graphs, candidates, one, other), rtol=1e-9, atol=1e-9
    )


def test_more_distinct_trees_than_fit_are_asked_of_copies(monkeypatch):
    graphs, model = drawn_graphs(3, "normal"), new_model(GIN, layers=3, features=2)
    candidates = BOTH.enumerate(graphs)
    one, other = all_pairs(candidates)
    monkeypatch.setattr(PairOracle, "sums", lambda *_: pytest.fail("the oracle was asked"))
    with using(Limits(tree_bytes=1000)):
        answer = PairLogits(model, graphs, candidates)(one, other)
    torch.testing.assert_close(
        answer, in_full(model, graphs, candidates, one, other), rtol=1e-9, atol=1e-9
    )


def test_candidates_that_change_nothing_make_pairs_that_change_nothing():
    complete = PackedGraphs.from_data_list(
        [one_graph(5, [(i, j) for i in range(5) for j in range(i)])]
    )
    model, candidates = new_model(Structure2Vec, layers=2), THREATS[3].enumerate(complete)
    one, other = all_pairs(candidates)
    assert one.numel()
    torch.testing.assert_close(
        PairLogits(model, complete, candidates)(one, other), model(complete).expand(one.numel(), -1)
    )


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_few_candidates_that_change_anything_among_many_that_do_not(missing):
    every = [(i, j) for i in range(6) for j in range(i)]
    graphs = PackedGraphs.from_data_list([one_graph(6, every[missing:])])
    model, candidates = new_model(GCN, layers=2), THREATS[3].enumerate(graphs)
    one, other = all_pairs(candidates)
    answer = PairLogits(model, graphs, candidates)(one, other)
    torch.testing.assert_close(
        answer, in_full(model, graphs, candidates, one, other), rtol=1e-9, atol=1e-9
    )


def test_each_pair_is_a_query_and_what_is_prepared_is_none():
    graphs = drawn_graphs(3, "constant")
    victim, candidates = Victim(new_model(GIN, layers=2)), BOTH.enumerate(graphs)
    ask = victim.pair_logits(graphs, candidates)
    assert victim.queries == 0
    one, other = all_pairs(candidates)
    assert not ask(one, other).requires_grad
    assert victim.queries == one.numel()


# --- speed ----------------------------------------------------------------------------------------


@pytest.mark.thorough(but=["*-2"])
@pytest.mark.parametrize("layers", [2, 3, 4])
@pytest.mark.parametrize("how", ["copies", "pairs"])
def test_benchmark_pairs(benchmark, layers, how):
    """The pairs of some edges that may be added to graphs of 40-50 nodes: compare the two rows of
    each number of layers.
    """
    benchmark.group = f"pairs, {layers} layers"
    graphs = component_graphs(np.repeat([1, 2, 3], 4), (40, 50), 0.05, np.random.default_rng(0))
    model = new_model(Structure2Vec, layers=layers, width=64).float()
    candidates = THREATS[0].enumerate(graphs)
    first = torch.arange(0, len(candidates), 60)
    counts = candidates.counts[candidates.graph[first]]
    one, other = (
        first.repeat_interleave(counts),
        ranges(candidates.ptr[candidates.graph[first]], counts),
    )
    one, other = one[one != other], other[one != other]
    victim = Victim(model)
    with torch.no_grad():
        pairs = victim.pair_logits(graphs, candidates)
        ask = {
            "pairs": lambda: pairs(one, other),
            "copies": lambda: pairs_on_copies(
                victim.candidate_logits, graphs, candidates, one, other
            ),
        }
        answer = benchmark.pedantic(ask[how], rounds=3, warmup_rounds=1)
        assert torch.equal(answer.argmax(1), ask["copies"]().argmax(1))
