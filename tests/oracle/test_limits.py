"""Limits bound how much is computed at once, and change no result."""

from __future__ import annotations

import threading
from dataclasses import fields

import pytest
import torch
from generators import seeded
from given_modules import given
from models import classifier
from node_graphs import random_edits, random_node_graph

from robust_augcl.adversary.victim import Victim
from robust_augcl.attacks._edit_process import EditSpace
from robust_augcl.attacks._greedy_picks import act_greedily
from robust_augcl.attacks._two_step_q import TwoStepQ
from robust_augcl.contrast.objective import InfoNCE, LossSettings
from robust_augcl.contrast.rows import loss_in_blocks
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.limits import Limits, limits, using
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.oracle.beam_search import beam_search
from robust_augcl.oracle.bounds import margin_bounds
from robust_augcl.oracle.certificates import certify
from robust_augcl.oracle.edit_sets import SearchProblem
from robust_augcl.oracle.node_sets import NodeOracle
from robust_augcl.oracle.pair_search import search_pairs
from robust_augcl.threat.model import ThreatModel

OF_STEPS = {"embedded_graphs"}  # read where a whole step is computed
REFUSING = {"copied_numbers"}  # beyond it there is an error: tests/graphs/test_node_targets.py
OF_CHANCE = {"climbed_graphs"}  # graphs that are attacked together draw from one generator
OTHERS = OF_STEPS | REFUSING | OF_CHANCE
NAMES = [field.name for field in fields(Limits) if field.name not in OTHERS]


def everything():
    """One number or more from each computation that is done in pieces."""
    model = classifier(Structure2Vec, "limits", layers=2).double()
    edges = [(0, 1), (1, 2), (2, 3), (0, 3), (3, 4)]
    both = torch.tensor(sorted([*edges, *((j, i) for i, j in edges)])).T
    graphs = PackedGraphs(
        torch.ones(12, 1).double(),
        torch.cat([both, torch.tensor([[5, 6, 6, 7], [6, 5, 7, 6]])], dim=1),
        torch.tensor([0, 5, 8, 12]),
        torch.zeros(3, dtype=torch.long),
    )
    victim, threat = Victim(model), ThreatModel(2, ("add", "delete"))
    graphs = graphs.with_labels(victim.logits(graphs).argmax(1))
    problem = SearchProblem.of(victim, graphs, threat)
    certificate = certify(victim, graphs, threat)
    pairs = search_pairs(problem, limit=10**6, stop_when_broken=False)
    module = ModuleClassifier(given("GIN", features=1).double(), graphs)
    network = TwoStepQ(width=4, rounds=2, max_edits=2, generator=seeded(0))
    played = act_greedily(network, EditSpace.of(graphs, ThreatModel(2)))
    deep = classifier(GIN, "limits", layers=3).double()
    bounds = margin_bounds(deep, graphs, threat.enumerate(graphs), threat.budgets(graphs))
    larger = certify(Victim(deep), graphs, ThreatModel(3, ("add", "delete")), sets=100)
    assert bool(larger.certified.any())
    assert not bool(larger.exhausted.all())
    return {
        **everything_of_nodes(),
        "bounds of three rounds": bounds.lower,
        "certified": certificate.certified,
        "lower margin": certificate.lower_margin,
        "certified by larger sets": larger.certified,
        "lower margin by larger sets": larger.lower_margin,
        "margins of pairs": pairs.margin,
        "pairs": pairs.evaluations,
        "margins of beams": beam_search(problem, 4).margin,
        "edits played": played.edits,
        "logits of prepared graphs": victim.prepared_logits(graphs)(
            torch.arange(3), problem.candidates
        ),
        "logits of a module": Victim(module).candidate_logits(graphs, problem.candidates),
    }


def everything_of_nodes():
    """The same of what is done for nodes of one graph alone."""
    model = classifier(GCN, "limits", layers=2, features=6)
    graph, y = random_node_graph(14, seed=1)
    targets = NodeTargets(graph, torch.arange(14), y)
    edited = targets.flip(*random_edits(targets, most=3))
    views = torch.randn(2, 14, 5, generator=seeded(2), dtype=torch.float64)
    return {
        "logits of edited nodes": Victim(model).logits(edited),
        "the oracle's logits of edited nodes": NodeOracle(model.parts, graph).logits(edited),
        "loss in blocks": loss_in_blocks(InfoNCE(LossSettings(0.3)).row_losses, *views),
    }


@pytest.fixture(scope="module")
def by_default():
    return everything()


@pytest.mark.parametrize("name", NAMES)
def test_no_limit_changes_a_result(name, by_default):
    with using(Limits(**{name: 1})):
        found = everything()
    for what, values in found.items():
        close = 1e-12 if values.dtype == torch.float64 else 1e-5
        torch.testing.assert_close(values, by_default[what], rtol=close, atol=close)


def test_every_limit_is_read_by_what_is_compared():
    read = set()

    class Recording(Limits):
        def __getattribute__(self, name):
            read.add(name)
            return super().__getattribute__(name)

    recording = Recording()
    read.clear()
    with using(recording):
        everything()
    assert set(NAMES) <= read


def test_limits_hold_in_their_block_and_thread_alone():
    seen = []
    with using(Limits(nodes=3)):
        with using(Limits(nodes=7)):
            assert limits() == Limits(nodes=7)
        assert limits() == Limits(nodes=3)
        thread = threading.Thread(target=lambda: seen.append(limits()))
        thread.start()
        thread.join()
    assert limits() == seen[0] == Limits()


def fail_with_few_nodes():
    with using(Limits(nodes=3)):
        raise RuntimeError


def test_limits_end_with_their_block_when_it_fails():
    with pytest.raises(RuntimeError):
        fail_with_few_nodes()
    assert limits() == Limits()


@pytest.mark.parametrize("name", [*NAMES, *sorted(OTHERS)])
def test_a_limit_that_is_not_positive_is_refused(name):
    with pytest.raises(ValueError, match=f"Expected `{name}` to be positive, got 0"):
        Limits(**{name: 0})
