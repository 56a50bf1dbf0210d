"""The oracle against brute force: edited graphs built from dense matrices and evaluated in full."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from models import classifier

from robust_augcl.adversary.victim import Victim
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.concatenated import concatenate
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.oracle.edits import Edits
from robust_augcl.oracle.single_logits import Questions, candidate_logits, full_logits
from robust_augcl.oracle.single_states import SingleOracle
from robust_augcl.oracle.trees import distinct_rows
from robust_augcl.threat.model import ThreatModel

ENCODERS = [Structure2Vec, GIN, GCN]
THREATS = [
    ThreatModel(within_component=True),
    ThreatModel(operations=("delete",)),
    ThreatModel(operations=("add", "delete")),
    ThreatModel(within_component=True, allow_existing=True),
]


def new_model(encoder, **shape):
    return classifier(encoder, "oracle", **shape)


def by_brute_force(model, graphs, candidates):
    """Logits of each edited graph: the adjacency matrix is written out, edited, and read again."""
    out = []
    ptr = candidates.ptr.tolist()
    for number, (low, high) in enumerate(itertools.pairwise(ptr)):
        data, many = graphs[number], high - low
        size = data.num_nodes
        adjacency = torch.zeros(many, size, size, dtype=torch.bool)
        adjacency[:, data.edge_index[0], data.edge_index[1]] = True
        rows = torch.arange(many)
        i, j = candidates.pairs[:, low:high]
        after = ~adjacency[rows, i, j] if candidates.deletes else torch.ones(many, dtype=torch.bool)
        adjacency[rows, i, j] = adjacency[rows, j, i] = after
        graph, source, target = adjacency.nonzero().T
        edges = torch.stack([source, target]) + graph * size
        batch = torch.arange(many).repeat_interleave(size)
        out.append(
            model.head(model.encoder(data.x.repeat(many, 1), edges, batch, many)[1])
            if many
            else torch.zeros(0, 3)
        )
    return torch.cat(out)


def mixed_graphs(seed, count, features):
    """Component graphs and Erdos-Renyi graphs, sparse and dense, single nodes among them; features
    constant, of few values, or normal.
    """
    rng = np.random.default_rng(seed)
    components = component_graphs(np.arange(count // 2) % 3 + 1, (6, 11), 0.3, rng)
    drawn = []
    for _ in range(count - count // 2):
        size, density = int(rng.integers(1, 10)), rng.uniform(0.05, 0.8)
        i, j = np.triu_indices(size, 1)
        kept = rng.random(len(i)) < density
        edges = torch.from_numpy(
            np.stack([np.concatenate([i[kept], j[kept]]), np.concatenate([j[kept], i[kept]])])
        ).long()
        drawn.append(
            PackedGraphs(
                torch.ones(size, 1),
                edges[:, (edges[0] * size + edges[1]).argsort()],
                torch.tensor([0, size]),
                torch.zeros(1).long(),
            )
        )
    graphs = concatenate([components, *drawn])
    if features == "constant":
        return graphs
    values = (
        rng.integers(0, 2, (graphs.num_nodes, 3))
        if features == "few"
        else rng.normal(size=(graphs.num_nodes, 3))
    )
    return PackedGraphs(torch.from_numpy(values).float(), graphs.edge_index, graphs.ptr, graphs.y)


@pytest.mark.thorough(but=["Structure2Vec"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_verdicts_of_2000_random_graphs_are_those_of_brute_force(encoder):
    seen = edits = 0
    classes = torch.zeros(3)
    for seed in range(40):
        layers, features = 1 + seed % 4, ("constant", "few", "normal")[seed % 3]
        graphs = mixed_graphs(seed, 50, features)
        model = new_model(encoder, layers=layers, features=graphs.x.size(1), seed=seed)
        candidates = THREATS[seed // 3 % 4].enumerate(graphs)
        expected = by_brute_force(model, graphs, candidates)
        logits = Victim(model).candidate_logits(graphs, candidates)
        assert torch.equal(logits.argmax(1), expected.argmax(1))
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
        seen, edits = seen + graphs.num_graphs, edits + len(candidates)
        classes += torch.bincount(expected.argmax(1), minlength=3)
    assert seen == 2000
    assert edits > 20_000
    assert (classes > 0.02 * edits).all()  # each verdict occurs


@pytest.mark.thorough(only=["100-GIN", "100-GCN"])
@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("at_once", [400_000, 100])
def test_in_double_precision_sums_are_exact(encoder, at_once):
    graphs = mixed_graphs(7, 20, "few")
    graphs = PackedGraphs(graphs.x.double(), graphs.edge_index, graphs.ptr, graphs.y)
    model = new_model(encoder, layers=3, features=3).double()
    candidates = THREATS[2].enumerate(graphs)
    edits = Edits.of(graphs, candidates.graph, candidates.pairs)
    with using(Limits(entries=at_once)):
        logits = model.head(model.encoder.readout(SingleOracle(model.encoder, graphs).sums(edits)))
    torch.testing.assert_close(
        logits, by_brute_force(model, graphs, candidates), rtol=1e-10, atol=1e-10, check_dtype=False
    )


def asked(model, graphs, threat=THREATS[2]):
    candidates = threat.enumerate(graphs)
    questions = Questions(graphs, candidates.graph, candidates.pairs, candidates.changes)
    return candidate_logits(model, questions), full_logits(model, questions)


def test_the_reference_graphs_are_decided_by_the_oracle(
    reference_model, reference_graphs, vectors, full
):
    threat, y = THREATS[0], reference_graphs.y
    candidates = threat.enumerate(reference_graphs)
    logits, again = asked(reference_model.eval().requires_grad_(False), reference_graphs, threat)
    assert sum(full) < 0.01 * len(candidates)
    wrong = logits.argmax(1) != y[candidates.graph]
    assert torch.equal(
        torch.bincount(candidates.graph[wrong], minlength=24), vectors("components")["num_breaking"]
    )
    assert torch.equal(logits.argmax(1), again.argmax(1))


@pytest.mark.parametrize("gap", [0, 1e-6])
def test_close_calls_are_decided_by_a_full_evaluation(full, gap):
    model = new_model(Structure2Vec, layers=2)
    with torch.no_grad():
        last = model.head[-1]
        last.weight[1], last.bias[1] = last.weight[0], last.bias[0] + gap
        last.bias[2] = -1e3
    answer, expected = asked(model, mixed_graphs(1, 20, "constant"))
    assert sum(full) == len(answer)
    assert torch.equal(answer, expected)


def test_an_encoder_that_does_not_agree_with_its_parts_is_evaluated_in_full(full):
    class Louder(Structure2Vec):
        def round(self, *inputs):
            return 2 * super().round(*inputs)

    answer, expected = asked(new_model(Louder, layers=2), mixed_graphs(1, 20, "constant"))
    assert sum(full) == len(answer)
    assert torch.equal(answer, expected)


def test_a_model_in_training_mode_is_evaluated_in_full(full):
    model = new_model(GIN, layers=2).train()
    asked(model, mixed_graphs(1, 20, "constant"))
    assert sum(full) > 0


def test_trees_that_share_a_slot_are_kept_apart():
    keys = torch.tensor(
        [5, 5, 5 + (1 << 20), 7, 5 + (1 << 20), -3, 5]
    )  # all but -3 fall into one slot
    chosen, stands = distinct_rows(keys)
    assert torch.equal(keys[chosen][stands], keys)
    assert len(chosen) < len(keys)  # equal keys share a row


# --- speed ----------------------------------------------------------------------------------------


def dense_reference(model, graphs, candidates):
    """Every candidate graph of a graph in one dense batch, padded to the graph's own size."""
    out = []
    encoder, ptr = model.encoder, candidates.ptr.tolist()
    for number, (low, high) in enumerate(itertools.pairwise(ptr)):
        data, rows = graphs[number], torch.arange(high - low)
        adjacency = torch.zeros(high - low, data.num_nodes, data.num_nodes)
        adjacency[:, data.edge_index[0], data.edge_index[1]] = 1
        i, j = candidates.pairs[:, low:high]
        adjacency[rows, i, j] = adjacency[rows, j, i] = 1
        first = encoder.node_to_latent(data.x)
        states = first.relu().expand(high - low, -1, -1)
        for _ in range(encoder.layers):
            states = (encoder.conv(adjacency @ states) + first).relu()
        out.append(model.head(states.sum(1).relu()))
    return torch.cat(out)


@pytest.mark.thorough(but=["*-2"])
@pytest.mark.parametrize("layers", [2, 3, 4])
@pytest.mark.parametrize("how", ["dense", "oracle"])
def test_benchmark_candidates(benchmark, layers, how):
    """All edges that may be added to graphs of 40-50 nodes: compare the two rows of each number of
    layers.
    """
    benchmark.group = f"candidates, {layers} layers"
    graphs = component_graphs(np.repeat([1, 2, 3], 10), (40, 50), 0.05, np.random.default_rng(0))
    model = new_model(Structure2Vec, layers=layers, width=64)
    candidates = THREATS[0].enumerate(graphs)
    victim = Victim(model)
    with torch.no_grad():
        ask = {
            "dense": lambda: dense_reference(model, graphs, candidates),
            "oracle": lambda: victim.candidate_logits(graphs, candidates),
        }
        answer = benchmark.pedantic(ask[how], rounds=3, warmup_rounds=1)
        assert torch.equal(answer.argmax(1), ask["oracle"]().argmax(1))
