"""Certificates against every set of edits, tried one by one."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
import pytest
import torch

from robust_augcl.adversary.victim import Victim
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.margins import margins
from robust_augcl.models.training import Training, train_classifier
from robust_augcl.oracle import certifier
from robust_augcl.oracle.certificates import certify
from robust_augcl.oracle.vulnerability import vulnerability_map
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

OPERATIONS = [("add",), ("delete",), ("add", "delete")]


def new_model(encoder, *, layers=2, features=1, seed=0):
    draws = generator("certificate", seed)
    model = GraphClassifier(
        encoder(in_features=features, width=6, layers=layers, generator=draws),
        num_classes=3,
        hidden=5,
        generator=draws,
    )
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("bias"):
                value.uniform_(-0.5, 0.5, generator=draws)
    return model.eval().requires_grad_(False)


def small_graphs(seed, count=12, features=None):
    """Sparse graphs of 3 to 6 nodes."""
    rng = np.random.default_rng(seed)
    graphs = []
    for _ in range(count):
        graph = nx.gnp_random_graph(int(rng.integers(3, 7)), 0.35, seed=int(rng.integers(1 << 30)))
        size = graph.number_of_nodes()
        edges = sorted([*graph.edges, *((j, i) for i, j in graph.edges)])
        x = (
            torch.ones(size, 1)
            if features is None
            else torch.from_numpy(rng.normal(size=(size, features))).float()
        )
        graphs.append(
            PackedGraphs(
                x,
                torch.tensor(edges).long().reshape(-1, 2).T,
                torch.tensor([0, size]),
                torch.zeros(1).long(),
            )[0]
        )
    return PackedGraphs.from_data_list(graphs)


def logits_of_all_sets(model, data, pairs, most):
    """Every set of at most `most` of the pairs (2, M), and the logits after flipping it, from
    adjacency matrices.
    """
    sets = [
        chosen for size in range(most + 1) for chosen in combinations(range(pairs.size(1)), size)
    ]
    adjacency = torch.zeros(len(sets), data.num_nodes, data.num_nodes, dtype=torch.bool)
    adjacency[:, data.edge_index[0], data.edge_index[1]] = True
    for number, chosen in enumerate(sets):
        i, j = pairs[:, list(chosen)]
        adjacency[number, i, j] = adjacency[number, j, i] = ~adjacency[number, i, j]
    graph, source, target = adjacency.nonzero().T
    edges = torch.stack([source, target]) + graph * data.num_nodes
    batch = torch.arange(len(sets)).repeat_interleave(data.num_nodes)
    with torch.no_grad():
        return sets, model.head(
            model.encoder(data.x.repeat(len(sets), 1), edges, batch, len(sets))[1]
        )


def labelled(model, graphs):
    """With the classes that the model gives them."""
    return graphs.with_labels(model(graphs).argmax(1))


# --- certificates ---------------------------------------------------------------------------------


@pytest.mark.thorough(only=["3-*", "1-operations1-*", "2-operations1-*"])
@pytest.mark.parametrize(
    ("encoder", "layers", "features"),
    [(Structure2Vec, 2, None), (Structure2Vec, 3, 2), (GIN, 2, None), (GCN, 2, 2)],
)
@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize("budget", [1, 2, 3])
def test_certificates_equal_brute_force(encoder, layers, features, operations, budget):
    verdicts, sizes = {True: 0, False: 0}, [0, 0, 0, 0]
    for seed in range(6):
        model = new_model(encoder, layers=layers, features=features or 1, seed=seed)
        graphs = labelled(model, small_graphs(50 + seed, features=features))
        graphs = graphs.with_labels(
            graphs.y.clone().index_fill_(0, torch.tensor([0]), 1)
        )  # perhaps wrong when clean
        threat = ThreatModel(budget, operations)
        candidates = threat.enumerate(graphs)
        ptr = candidates.ptr.tolist()
        certificate = certify(Victim(model), graphs, threat)
        for number in range(graphs.num_graphs):
            count = ptr[number + 1] - ptr[number]
            sets, logits = logits_of_all_sets(
                model, graphs[number], candidates.pairs[:, ptr[number] : ptr[number + 1]], budget
            )
            y = graphs.y[number].repeat(len(logits))
            fewest = min(
                (
                    len(chosen)
                    for chosen, wrong in zip(sets, (logits.argmax(1) != y).tolist(), strict=True)
                    if wrong
                ),
                default=None,
            )
            witness = certificate.witnesses[number]
            survives, smallest = (
                bool((logits.argmax(1) == y).all()),
                float(margins(logits, y).min()),
            )
            certified, lower = (
                bool(certificate.certified[number]),
                float(certificate.lower_margin[number]),
            )
            assert lower <= smallest + 1e-4
            assert not certified or survives
            assert not certified or lower > 0
            if min(budget, count) <= 2:
                assert certified == survives
                assert bool(certificate.exhausted[number])
                assert (witness is None) == survives
            assert bool(certificate.exhausted[number]) == (certified or witness is not None)
            if witness is not None:
                assert witness.num_edits == fewest
                threat.check(graphs[number], witness)
                assert (
                    model(PackedGraphs.from_data_list([witness.apply(graphs[number])])).argmax(1)
                    != graphs.y[number]
                )
                sizes[fewest] += 1
            if budget == 1:
                assert lower == pytest.approx(smallest, abs=1e-4)
            verdicts[survives] += 1
    assert min(verdicts.values()) > 0
    assert min(sizes[:2]) > 0
    assert sizes[2] > 0 or budget != 2


def nowhere(model, graphs, candidates, budgets, limit):
    return torch.zeros_like(graphs.y, dtype=torch.bool)


@pytest.mark.parametrize(("encoder", "layers"), [(GIN, 2), (Structure2Vec, 3)])
def test_two_edits_are_certified_alike_with_the_bound(encoder, layers, monkeypatch):
    """By itself the search tries all pairs of so small graphs, since the bound takes longer."""
    victim, graphs = Victim(new_model(encoder, layers=layers)), small_graphs(5, count=40)
    victim.model.head[-1].bias -= victim.logits(graphs).mean(0)  # so that edits change classes
    graphs = graphs.with_labels(victim.logits(graphs).argmax(1))
    threat = ThreatModel(2, ("add", "delete"))
    found = certify(victim, graphs, threat)
    monkeypatch.setattr(certifier, "searched_without_bound", nowhere)
    bounded = certify(victim, graphs, threat)
    assert torch.equal(bounded.certified, found.certified)
    assert torch.equal(bounded.exhausted, found.exhausted)
    assert bool((bounded.lower_margin <= found.lower_margin + 1e-6)[found.certified].all())
    assert not torch.equal(bounded.lower_margin, found.lower_margin)
    assert 0 < int(found.certified.sum()) < 40


@pytest.mark.parametrize("encoder", [GIN, Structure2Vec])
def test_additions_that_change_nothing_leave_a_certificate_as_it_is(encoder):
    more = 0
    for seed in range(4):
        model, graphs = new_model(encoder, seed=seed), small_graphs(80 + seed)
        graphs = labelled(model, graphs)
        strict, published = (ThreatModel(3, allow_existing=allow) for allow in (False, True))
        one, other = (certify(Victim(model), graphs, threat) for threat in (strict, published))
        assert torch.equal(one.certified, other.certified)
        assert torch.equal(one.exhausted, other.exhausted)
        torch.testing.assert_close(one.lower_margin, other.lower_margin, rtol=0, atol=1e-5)
        more += int(
            (
                (strict.enumerate(graphs).counts <= 2) & (published.enumerate(graphs).counts > 2)
            ).sum()
        )
    assert more > 3


def test_a_limit_that_is_hit_is_said():
    model = new_model(GCN)  # no bound is known
    graphs = labelled(model, small_graphs(1))
    threat = ThreatModel(2, ("add", "delete"))
    free, limited = (
        certify(Victim(model), graphs, threat),
        certify(Victim(model), graphs, threat, limit=1),
    )
    assert free.exhausted.all()
    assert not limited.exhausted.all()
    assert not (limited.certified & ~limited.exhausted).any()
    assert (limited.lower_margin[~limited.exhausted] == -torch.inf).all()
    assert (limited.certified <= free.certified).all()


@pytest.fixture(scope="module")
def trained():
    """A victim trained for a few seconds as in the suite `quick`, and graphs that it has not
    seen.
    """
    rng = np.random.default_rng(0)
    graphs = component_graphs(np.repeat([1, 2, 3], 130), (40, 50), 0.05, rng)
    order = torch.randperm(390, generator=generator("split"))
    train, validation, test = (graphs.select(part) for part in order.split([300, 72, 18]))
    draws = generator("trained")
    model = GraphClassifier(
        Structure2Vec(in_features=1, width=64, layers=2, generator=draws),
        num_classes=3,
        hidden=32,
        generator=draws,
    )
    train_classifier(
        model,
        train,
        validation,
        Training(epochs=80, batch_size=50, learning_rate=0.001),
        generator("batches"),
    )
    return Victim(model), test


@pytest.mark.parametrize("budget", [1, 2, 3])
def test_on_a_trained_victim_the_lower_end_is_above_0(trained, budget):
    victim, test = trained
    certificate = certify(victim, test, ThreatModel(budget, within_component=True))
    clean = float((victim.logits(test).argmax(1) == test.y).float().mean())
    share = float(certificate.certified.float().mean())
    assert clean > 0.6
    if budget <= 2:  # settled for every graph: the lower end is the exact value
        assert certificate.exhausted.all()
        assert 0.1 < share < clean
    assert share > 0.02


def test_a_vulnerability_map_holds_the_margin_after_each_edit(reference_graphs, reference_model):
    victim, data = Victim(reference_model), reference_graphs[9]
    threat = ThreatModel(operations=("add", "delete"), within_component=True)
    drawn = vulnerability_map(victim, data, threat)
    assert drawn.shape == (data.num_nodes, data.num_nodes)
    torch.testing.assert_close(drawn, drawn.T, equal_nan=True)
    pairs = threat.candidates(data)
    assert int((~drawn.isnan()).sum()) == 2 * pairs.size(1)
    edges = {tuple(edge) for edge in data.edge_index.T.tolist()}
    for place in range(0, pairs.size(1), 29):
        pair = pairs[:, place : place + 1]
        removed = tuple(pair[:, 0].tolist()) in edges
        after = (Perturbation(removed=pair) if removed else Perturbation(added=pair)).apply(data)
        i, j = pair[:, 0].tolist()
        assert float(drawn[i, j]) == pytest.approx(
            float(margins(victim.logits([after]), data.y)), abs=1e-4
        )
