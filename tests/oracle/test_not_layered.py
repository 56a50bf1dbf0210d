"""Modules whose layers are not known, or not exact enough, are evaluated in full."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from given_modules import centred, given
from own_layers import Base, questions_of, seeded
from torch import nn
from torch.nn import functional
from torch_geometric.nn import (
    GCNConv,
    GINConv,
    GraphConv,
    global_add_pool,
    global_mean_pool,
)
from torch_geometric.nn.aggr import SumAggregation

from robust_augcl.models.module import ModuleClassifier
from robust_augcl.oracle.single_logits import candidate_logits, full_logits


class Centred(Base):
    def between(self, x, batch):
        return x - global_mean_pool(x, batch)[batch]


class Branches(Base):
    def between(self, x, batch):
        return x if x.sum() > 0 else -x


class Positions(Base):
    def between(self, x, batch):
        return x.cumsum(0)


class OwnLayer(Base):
    class Louder(GCNConv):
        def message(self, x_j, edge_weight):
            return 2 * super().message(x_j, edge_weight)

    def __init__(self) -> None:
        super().__init__()
        self.conv = self.Louder(3, 4)


class Degrees(Base):
    def forward(self, x, edge_index, batch):
        degree = torch.bincount(edge_index[0], minlength=len(batch)).unsqueeze(1)
        return super().forward(x * degree, edge_index, batch)


class OtherEdges(Base):
    def forward(self, x, edge_index, batch):
        return super().forward(x, edge_index.flip(0), batch)


class ChangedLater(Base):
    """A value that is changed in place after another step has taken it, and before it is pooled."""

    def between(self, x, batch):
        y = x * 2
        functional.relu(x, inplace=True)
        return x + y


class Hooked(Base):
    def __init__(self) -> None:
        super().__init__()
        self.head.register_forward_hook(lambda module, given, out: 2 * out)


class OtherGraphs(Base):
    """The first graph of a batch counts; of one graph alone nothing shows it."""

    def forward(self, x, edge_index, batch):
        pooled = global_add_pool(self.conv(x, edge_index), batch)
        return self.head(pooled - pooled[:1])


class HookedPool(Base):
    """It answers otherwise for very few graphs, which no comparison of some edits finds."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = SumAggregation()
        self.pool.register_forward_hook(lambda module, given, out: out.clamp(max=5.0))

    def forward(self, x, edge_index, batch):
        return self.head(self.pool(self.conv(x, edge_index).relu(), batch))


class HookedAggregation(Base):
    def __init__(self) -> None:
        super().__init__()
        self.conv = GINConv(nn.Linear(3, 4))
        self.conv.aggr_module.register_forward_hook(
            lambda module, given, out: out / (1 + out.abs().max())
        )


class OtherMessages(Base):
    def __init__(self) -> None:
        super().__init__()
        self.conv = GraphConv(3, 4)
        self.conv.message = lambda x_j, edge_weight: x_j.clamp(max=2.0)


class OtherForward(Base):
    def __init__(self) -> None:
        super().__init__()
        forward = self.head.forward
        self.head.forward = lambda x: forward(x) - x.mean()


class MeanOfNormed(Base):
    def __init__(self) -> None:
        super().__init__()
        self.conv = GCNConv(3, 4, aggr="mean")


OUTSIDE = torch.tensor([1.0, 2.0, 3.0, 4.0])


class OutsideTensor(Base):
    def between(self, x, batch):
        return x * OUTSIDE


class NoColumns(Base):
    """Along its last dimension lie the nodes of all graphs of the batch."""

    def forward(self, x, edge_index, batch):
        x = self.conv(x, edge_index)
        most = x.max(dim=-1)[0].softmax(dim=-1)
        columns = torch.stack([most, most, most], dim=-1)
        return self.head(global_add_pool(x, batch)) + global_add_pool(columns, batch)


REFUSED = {
    Centred: "`getitem` is not known to work row by row",
    OtherGraphs: "`getitem` is not known to work row by row",
    HookedPool: "`pool` (SumAggregation) has hooks, or methods that were replaced",
    HookedAggregation: "it is in training mode, or has hooks or methods that were replaced",
    OtherMessages: "it is in training mode, or has hooks or methods that were replaced",
    OtherForward: "`head` (Linear) is not known to work row by row",
    MeanOfNormed: "it aggregates by MeanAggregation",
    OutsideTensor: "it uses a tensor that is no parameter, buffer or attribute of it",
    NoColumns: "a value of its nodes is no matrix",
    Branches: "its `forward` cannot be followed",
    Positions: "`cumsum` is not known to work row by row",
    OwnLayer: "of `conv` (Louder) it is not known how far an edge reaches",
    Degrees: "its `forward` cannot be followed",
    OtherEdges: "`flip` is not known to work row by row",
    ChangedLater: "`relu` changes a value in place that is used later",
    Hooked: "`head` (Linear) is not known to work row by row",
}


@pytest.mark.parametrize("module", REFUSED)
@torch.no_grad()
def test_what_is_not_known_is_evaluated_in_full_with_the_reason(module, few_graphs, full):
    model = ModuleClassifier(seeded(module), few_graphs)
    assert not model.capabilities.local
    assert REFUSED[module] in model.capabilities.reasons["local"]
    (found,) = [each for each in model.found["probes"] if each["name"] == "reach of an edit"]
    assert found["words"].endswith("so each edited graph is evaluated in full, which is slower")
    questions = questions_of(few_graphs)
    assert torch.equal(candidate_logits(model, questions), full_logits(model, questions))
    assert sum(full) == len(questions)


@torch.no_grad()
def test_nodes_as_targets_are_evaluated_in_full(few_graphs):
    nodes = replace(few_graphs, target_node=few_graphs.sizes - 1)

    class Nodes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = GCNConv(3, 3)

        def forward(self, x, edge_index):
            return self.conv(x, edge_index)

    model = ModuleClassifier(seeded(Nodes), nodes)
    assert model.layered(nodes) is None
    assert model.capabilities.reasons["local"] == "the targets are nodes"


@torch.no_grad()
def test_steps_of_too_short_a_reach_are_refuted(few_graphs, full):
    """Nothing makes such steps; if anything did, it would be found."""
    model = ModuleClassifier(given("GIN"), few_graphs)
    steps = model.layered(few_graphs)
    short = tuple(replace(step, reach=min(step.reach, 0)) for step in steps.steps)
    model._followed = replace(steps, steps=short)
    questions = questions_of(few_graphs)
    assert torch.equal(candidate_logits(model, questions), full_logits(model, questions))
    assert sum(full) >= len(questions)


@torch.no_grad()
def test_close_calls_are_decided_by_a_full_evaluation(few_graphs, full):
    module = given("GIN")
    module.head[-1].weight[1] = module.head[-1].weight[0]
    module.head[-1].bias[1], module.head[-1].bias[2] = module.head[-1].bias[0], -1e3
    model = ModuleClassifier(module, few_graphs)
    questions = questions_of(few_graphs)
    assert torch.equal(candidate_logits(model, questions), full_logits(model, questions))
    assert sum(full) >= len(questions)


@torch.no_grad()
def test_rounding_that_is_larger_than_expected_is_measured(some_graphs, full):
    """Sums of large numbers of which the head leaves little: differences of them round more."""
    module = centred(given("GIN"), some_graphs)
    module.body.convs[-1].nn.lins[-1].bias += 200
    module.head[0].weight -= module.head[0].weight.mean(1, keepdim=True)
    few = some_graphs.select(torch.arange(0, 500, 5))
    model = ModuleClassifier(module, few)
    questions = questions_of(few)
    logits, expected = candidate_logits(model, questions), full_logits(model, questions)
    assert torch.equal(logits.argmax(1), expected.argmax(1))
    assert (logits - expected).abs().max() > 1e-4
    assert 8 < sum(full) < 0.05 * len(questions)


@torch.no_grad()
def test_weights_that_change_are_followed(few_graphs):
    model = ModuleClassifier(given("GIN"), few_graphs)
    questions = questions_of(few_graphs)
    before = candidate_logits(model, questions)
    model.module.head[-1].weight.mul_(2)
    model.module.head[-1].bias.mul_(2)
    torch.testing.assert_close(candidate_logits(model, questions), 2 * before)
