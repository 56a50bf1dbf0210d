"""The oracle for modules made of known layers, against full evaluation."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
import torch
from given_modules import centred, given
from own_layers import BOTH, OWN, Base, PooledAtOnce, questions_of, seeded
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import (
    GCNConv,
    GraphConv,
    SAGEConv,
)

from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.oracle.edits import Edits
from robust_augcl.oracle.layered_states import LayeredOracle
from robust_augcl.oracle.single_logits import candidate_logits, full_logits

NAMES = ["GIN", "GCN", "GraphSAGE", "GAT", "PNA", "EdgeCNN"]


@torch.no_grad()
def by_pytorch_geometric(module, graphs) -> torch.Tensor:
    """Logits after each flip of a pair, in the order of candidates: all are written out."""
    out = []
    for data in graphs.to_data_list():
        clean = {(i, j) for i, j in data.edge_index.T.tolist()}
        edited = []
        for flip in combinations(range(len(data.x)), 2):
            edges = clean ^ {flip, flip[::-1]}
            index = torch.tensor(list(edges), dtype=torch.long).reshape(-1, 2).T
            edited.append(Data(x=data.x, edge_index=index))
        if edited:
            batch = Batch.from_data_list(edited)
            out.append(module(batch.x, batch.edge_index, batch.batch))
    return torch.cat(out)


@pytest.mark.thorough(but=["GIN", "GCN"])
@pytest.mark.parametrize("name", NAMES)
def test_verdicts_on_500_graphs_are_those_of_full_evaluation(name, some_graphs, full):
    module = centred(given(name, layers=3), some_graphs)
    model = ModuleClassifier(module, some_graphs)
    assert model.capabilities.local
    candidates = BOTH.enumerate(some_graphs)
    logits = Victim(model).candidate_logits(some_graphs, candidates)
    expected = by_pytorch_geometric(module, some_graphs)
    assert torch.equal(logits.argmax(1), expected.argmax(1))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    classes = torch.bincount(expected.argmax(1), minlength=3)
    assert (classes > 0.005 * len(candidates)).all()  # each verdict occurs
    assert 0 < int(candidates.exists.sum()) < len(candidates)  # removals and additions
    assert sum(full) < 0.02 * len(candidates)


@pytest.mark.thorough(only=["pna, towers", "pna, divided", "*, pooled at once", "edge conv, mean"])
@pytest.mark.parametrize("make", OWN.values(), ids=OWN)
def test_in_double_precision_the_logits_of_own_modules_are_exact(make, few_graphs):
    graphs = replace(few_graphs, x=few_graphs.x.double())
    module = seeded(make).double()
    model = ModuleClassifier(module, graphs)
    layered = model.layered(graphs)
    assert layered is not None, model.capabilities.reasons
    questions = questions_of(graphs)
    edits = Edits.of(graphs, questions.graph, questions.pairs)
    with torch.no_grad():
        expected = full_logits(model, questions)
        for entries in (100_000, 100):
            with using(Limits(layered_entries=entries)):
                logits = LayeredOracle(layered, graphs).logits(edits)
            torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.thorough(only=["PNA-*", "EdgeCNN-options3", "EdgeCNN-options4"])
@pytest.mark.parametrize(
    "options",
    [{"jk": "cat"}, {"jk": "max"}, {"norm": "batch_norm"}, {"norm": "layer_norm"}, {"act": "elu"}],
)
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_models_with_options_are_exact_or_say_why_not(name, options, few_graphs):
    graphs = replace(few_graphs, x=few_graphs.x.double())
    model = ModuleClassifier(given(name, layers=3, **options).double(), graphs)
    layered = model.layered(graphs)
    if options.get("norm") == "layer_norm":  # PyTorch Geometric's goes over all nodes
        assert (
            "(LayerNorm)" in model.capabilities.reasons["local"] or not model.capabilities.batches
        )
        return
    questions = questions_of(graphs)
    edits = Edits.of(graphs, questions.graph, questions.pairs)
    logits = LayeredOracle(layered, graphs).logits(edits)
    torch.testing.assert_close(logits, full_logits(model, questions), rtol=1e-9, atol=1e-9)


class Lifted(Base):
    """Its base class names a pool in another file."""

    def forward(self, x, edge_index, batch):
        return super().forward(x, edge_index, batch) + 1.0


@torch.no_grad()
def test_a_base_class_of_another_file_is_followed(few_graphs):
    model = ModuleClassifier(seeded(Lifted), few_graphs)
    assert model.capabilities.local, model.capabilities.reasons
    questions = questions_of(few_graphs)
    edits = Edits.of(few_graphs, questions.graph, questions.pairs)
    logits = LayeredOracle(model.layered(few_graphs), few_graphs).logits(edits)
    torch.testing.assert_close(logits, full_logits(model, questions))


@pytest.mark.parametrize("conv", [GCNConv, SAGEConv, GraphConv])
@torch.no_grad()
def test_layers_whose_matrices_were_replaced_are_not_taken_as_linear(conv, few_graphs):
    graphs = replace(few_graphs, x=few_graphs.x.double())
    module = seeded(lambda: PooledAtOnce(conv))
    for name in ("lin", "lin_l", "lin_rel"):
        if hasattr(module.last, name):
            setattr(module.last, name, seeded(lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU())))
    model = ModuleClassifier(module.double(), graphs)
    questions = questions_of(graphs)
    edits = Edits.of(graphs, questions.graph, questions.pairs)
    logits = LayeredOracle(model.layered(graphs), graphs).logits(edits)
    torch.testing.assert_close(logits, full_logits(model, questions), rtol=1e-9, atol=1e-9)


# --- speed ----------------------------------------------------------------------------------------


@pytest.mark.thorough(but=["*-GIN"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ["in full", "layered"])
def test_benchmark_layers(benchmark, name, how, random_graphs):
    """A quarter of all flips of two graphs of 100 nodes, 3 layers of width 64.

    Compare the two rows of each model.
    """
    benchmark.group = f"flips, {name}"
    graphs = random_graphs(0, sizes=(100, 100), density=0.025)
    model = ModuleClassifier(given(name, layers=3, width=64), graphs).requires_grad_(False)
    questions = questions_of(graphs).take(slice(0, None, 4))
    ask = {"in full": full_logits, "layered": candidate_logits}[how]
    with torch.no_grad():
        answer = benchmark.pedantic(ask, args=(model, questions), rounds=3, warmup_rounds=1)
    few = questions.take(slice(0, None, 97))
    with torch.no_grad():
        assert torch.equal(answer[::97].argmax(1), full_logits(model, few).argmax(1))
