"""DeepRobust beside our own code: the same logits, flips, removals and scores."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from node_graphs import at_node, candidates_at, flips_by_gradient, random_node_graph
from scipy import sparse
from torch import nn

from robust_augcl import registry
from robust_augcl.adversary import deeprobust
from robust_augcl.adversary import deeprobust_attacks as theirs
from robust_augcl.adversary.dense_victim import DenseVictim, normalised_adjacency
from robust_augcl.adversary.plain_graph import PlainGraph, adjacency_of, edits_between
from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import InputError, ThreatViolation
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.copied_gcn import classifier_of_gcn
from robust_augcl.models.margins import margins
from robust_augcl.registry.optional import DEEPROBUST

needs_deeprobust = pytest.mark.skipif(bool(DEEPROBUST.missing), reason=DEEPROBUST.problem)


def plain(graph: PackedGraphs, y: torch.Tensor, known: int = 20) -> PlainGraph:
    adjacency = adjacency_of(graph.edge_index, graph.num_nodes)
    return PlainGraph(adjacency, graph.x.numpy(), y.numpy(), np.arange(known))


def their_gcn(seed: int, *, relu: bool, bias: bool = True, classes: int = 3) -> nn.Module:
    draws = torch.Generator().manual_seed(seed)
    shapes = [(6, 8), (8,), (8, classes), (classes,)]
    weights = [torch.randn(shape, generator=draws) for shape in shapes]
    chosen = weights if bias else weights[::2]
    return deeprobust.gcn_with(chosen, (6, 8, classes), relu=relu, bias=bias)


def ours_of(gcn: nn.Module) -> GraphClassifier:
    return classifier_of_gcn(
        gcn.gc1.weight, gcn.gc2.weight, gcn.gc1.bias, gcn.gc2.bias, relu=gcn.with_relu
    )


# --- edits ----------------------------------------------------------------------------------------


def test_edits_of_two_matrices_are_those_that_lie_between_them():
    graph, _ = random_node_graph(12, seed=3)
    before = adjacency_of(graph.edge_index, 12)
    after = before.toarray()
    flips = [(0, 1), (2, 7), (11, 4)]
    for i, j in flips:
        after[i, j] = after[j, i] = 1 - after[i, j]
    edits = edits_between(before, torch.from_numpy(after))
    found = {tuple(pair) for part in (edits.added, edits.removed) for pair in part.T.tolist()}
    assert found == {tuple(sorted(pair)) for pair in flips}
    assert all(before[i, j] == 0 for i, j in edits.added.T.tolist())
    assert edits_between(before, before).num_edits == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [({(0, 2): 1.0}, "differs in"), ({(0, 2): 0.5, (2, 0): 0.5}, "neither 0 nor 1")],
)
def test_what_is_no_undirected_edit_is_refused(change, text):
    before = sparse.csr_matrix(np.zeros((3, 3), dtype=np.float32))
    after = before.toarray()
    for place, value in change.items():
        after[place] = value
    with pytest.raises(ThreatViolation, match=text):
        edits_between(before, after)


def test_a_loop_reaches_the_guard_as_what_it_is():
    before = sparse.csr_matrix(np.zeros((3, 3), dtype=np.float32))
    assert edits_between(before, np.diag([0.0, 1.0, 0.0])).added.tolist() == [[1], [1]]


# --- without it -----------------------------------------------------------------------------------


def test_without_deeprobust_one_line_says_what_installs_it(monkeypatch):
    monkeypatch.setattr("robust_augcl.registry.optional.find_spec", lambda name: None)
    deeprobust.library.cache_clear()
    with pytest.raises(InputError, match=r"pip install --no-deps deeprobust==0\.2\.11"):
        deeprobust.library()


# --- the same models ------------------------------------------------------------------------------


@needs_deeprobust
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_gcn_with_copied_weights_agrees(seed, relu, bias):
    graph, y = random_node_graph(seed=seed)
    gcn = their_gcn(seed, relu=relu, bias=bias)
    expected = deeprobust.outputs_of(gcn, plain(graph, y))
    model = ours_of(gcn)
    nodes, _ = model.encoder(graph.x, graph.edges, graph.batch, 1)
    logits = model.head(nodes).log_softmax(1)
    assert (logits - expected).abs().max() < 1e-4
    if not bias:
        without = classifier_of_gcn(gcn.gc1.weight, gcn.gc2.weight, relu=not relu)
        other, _ = without.encoder(graph.x, graph.edges, graph.batch, 1)
        assert (without.head(other).log_softmax(1) - expected).abs().max() > 1e-2


@pytest.mark.parametrize("name", registry.names("encoder"))
def test_a_dense_victim_has_the_victims_logits(name):
    graph, _ = random_node_graph(seed=5)
    draws = torch.Generator().manual_seed(1)
    encoder = registry.load("encoder", name)(in_features=6, width=8, layers=2, generator=draws)
    model = GraphClassifier(encoder, num_classes=3, hidden=5, generator=draws).eval()
    nodes, _ = model.encoder(graph.x, graph.edges, graph.batch, 1)
    dense = torch.from_numpy(adjacency_of(graph.edge_index, graph.num_nodes).toarray())
    parts = Victim(model).parts()
    assert parts.encoder is not model.encoder
    found = DenseVictim(parts, 3).logits(graph.x, normalised_adjacency(dense))
    torch.testing.assert_close(found, model.head(nodes), rtol=1e-4, atol=1e-4)


# --- the same edits -------------------------------------------------------------------------------


@needs_deeprobust
@pytest.mark.parametrize("seed", range(4))
def test_fga_follows_our_gradient(seed):
    """Its flips are those of a loop over our gradients towards the true class, taken anew."""
    graph, y = random_node_graph(seed=seed)
    model = ours_of(their_gcn(seed, relu=True))
    dense = DenseVictim(Victim(model).parts(), 3)
    node = 7 * seed + 3
    given = plain(graph, y)
    dense.remember(graph.x, torch.from_numpy(given.adjacency.toarray()))
    after = theirs.fga(given, dense, node, 3)

    expected = flips_by_gradient(Victim(model), graph, node, int(y[node]), 3)
    found = edits_between(given.adjacency, after)
    assert found.num_edits == 3
    assert torch.equal(found.added, expected.added)
    assert torch.equal(found.removed, expected.removed)


@needs_deeprobust
def test_random_removes_the_first_edges_of_a_permutation():
    graph, y = random_node_graph(seed=2)
    given = plain(graph, y)
    draws = torch.Generator().manual_seed(4)
    after = theirs.random_edits(given, 5, "remove", draws)
    seed = int(torch.randint(2**31, (), generator=torch.Generator().manual_seed(4)))
    listed = graph.edge_index[:, graph.edge_index[0] < graph.edge_index[1]]
    order = np.random.RandomState(seed).permutation(listed.size(1))[:5]
    expected = listed[:, torch.from_numpy(order).sort().values]
    assert torch.equal(edits_between(given.adjacency, after).removed, expected)


# --- the same scores ------------------------------------------------------------------------------


@needs_deeprobust
@pytest.mark.parametrize("seed", range(3))
def test_nettacks_scores_are_the_margins_of_our_oracle(seed):
    """Its incremental formula for a linear GCN, against our candidates' logits, flip by flip."""
    graph, y = random_node_graph(30, seed=seed)
    gcn = their_gcn(seed, relu=False, bias=False)
    node = 5 + seed
    target = at_node(graph, node, int(y[node]))
    candidates = candidates_at(graph, node)
    # It takes the other end of a flip to be joined to somebody already.
    scores = theirs.nettack_scores(plain(graph, y), gcn, node, candidates.pairs.T.numpy())
    logits = Victim(ours_of(gcn)).candidate_logits(target, candidates)
    expected = margins(logits, target.y.expand(len(candidates)))
    torch.testing.assert_close(
        torch.from_numpy(scores).float(), expected, rtol=1e-4, atol=1e-4, check_stride=False
    )
    assert expected.std() > 0.01


# --- chance and quiet -----------------------------------------------------------------------------


@needs_deeprobust
def test_chance_comes_from_the_generator_and_nothing_is_printed(capfd):
    graph, y = random_node_graph(seed=1)
    given = plain(graph, y)
    torch_state = torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002

    def edits(seed):
        draws = torch.Generator().manual_seed(seed)
        gcn = deeprobust.trained_surrogate(given, np.arange(20, 30), 3, draws)
        dense = DenseVictim(Victim(ours_of(gcn)).parts(), 3)
        found = [
            theirs.nettack(given, gcn, 33, 2),
            theirs.rnd(given, 33, 2, draws),
            theirs.dice(given, 4, draws),
            theirs.random_edits(given, 4, "add", draws),
            theirs.pgd(given, dense, np.array([33]), 4, draws, epochs=5),
            theirs.metattack(given, gcn, np.arange(30, 40), 2, draws, train_iters=5),
        ]
        each = [edits_between(given.adjacency, after) for after in found]
        return [(e.added.tolist(), e.removed.tolist()) for e in each]

    first = edits(0)
    assert first == edits(0)
    assert first != edits(1)
    assert all(added or removed for added, removed in first)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_of_warnings_only_its_own_are_hidden():
    code = "import warnings; warnings.warn('old', stacklevel=1)"
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with deeprobust.without_its_warnings():
            exec(code, {"__name__": "deeprobust.graph.utils"})
            assert not shown
            exec(code, {"__name__": "robust_augcl.adversary.deeprobust"})
        assert len(shown) == 1
        exec(code, {"__name__": "deeprobust.graph.utils"})
        assert len(shown) == 2


@needs_deeprobust
def test_its_modules_that_parse_arguments_are_never_imported():
    import sys

    deeprobust.library()
    assert not [name for name in sys.modules if "deeprobust" in name and "config" in name]
    assert "torch_scatter" not in sys.modules
