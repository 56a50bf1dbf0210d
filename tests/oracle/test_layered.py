"""The oracle for modules made of known layers, against full evaluation."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
import pytest
import torch
import torch_geometric.nn
from given_modules import centred, given
from torch import nn
from torch.nn import functional
from torch_geometric.data import Batch, Data
from torch_geometric.nn import (
    EdgeConv,
    GATConv,
    GCNConv,
    GINConv,
    GraphConv,
    PNAConv,
    SAGEConv,
    global_add_pool,
    global_max_pool,
    global_mean_pool,
)
from torch_geometric.nn.aggr import MeanAggregation, SumAggregation

from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.oracle.edits import Edits
from robust_augcl.oracle.layered_states import LayeredOracle
from robust_augcl.oracle.single_logits import Questions, candidate_logits, full_logits
from robust_augcl.threat.model import ThreatModel

BOTH = ThreatModel(1, ("add", "delete"))
NAMES = ["GIN", "GCN", "GraphSAGE", "GAT", "PNA", "EdgeCNN"]


@pytest.fixture(scope="module")
def some_graphs(random_graphs):
    """500 graphs of 1 to 12 nodes, from sparse to dense."""
    rng = np.random.default_rng(1)
    parts = [
        random_graphs(seed, sizes=rng.integers(1, 13, 100).tolist(), density=density)
        for seed, density in enumerate((0.1, 0.2, 0.3, 0.5, 0.8))
    ]
    return PackedGraphs.from_data_list([data for part in parts for data in part.to_data_list()])


@pytest.fixture
def few_graphs(random_graphs) -> PackedGraphs:
    return random_graphs(3, sizes=(7, 1, 9, 2, 6), density=0.35)


def questions_of(graphs, threat=BOTH):
    candidates = threat.enumerate(graphs)
    return Questions(graphs, candidates.graph, candidates.pairs, candidates.changes)


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


# --- modules of users -----------------------------------------------------------------------------


class Own(nn.Module):
    """Layers, residuals, functions and two pools, as a user may write them."""

    def __init__(self, conv, pool=global_add_pool) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 6)
        self.first, self.second, self.third = conv(6, 6), conv(6, 6), conv(6, 6)
        self.norm, self.pool = nn.BatchNorm1d(6), pool
        self.scale = nn.Parameter(torch.full((6,), 0.7))
        self.head = nn.Linear(12, 3)

    def forward(self, x, edge_index, batch):
        x = start = functional.elu(self.embed(x))
        x = functional.relu(self.norm(self.first(x, edge_index)))
        x = x + self.second(x, edge_index).tanh() * self.scale
        x = functional.dropout(x, p=0.5, training=self.training)
        x = torch.cat([self.third(x, edge_index), start], dim=-1)
        x += 0.25
        pooled = self.pool(x, batch) / 2
        return functional.log_softmax(self.head(pooled.relu()), dim=-1)


class OwnData(Own):
    """The same with a `Batch`, and a sum of two pools."""

    def forward(self, data):
        x = super().forward(data.x, data.edge_index, data.batch)
        return x + global_mean_pool(data.x, data.batch) * 0.5


def gin(a, b):
    return GINConv(nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU(), nn.Linear(b, b)))


def pna(a, b, **options):
    """All aggregators and scalers."""
    options = {"aggregators": ["sum", "mean", "min", "max", "var", "std"], **options}
    scalers = ["identity", "amplification", "attenuation", "linear", "inverse_linear"]
    return PNAConv(a, b, scalers=scalers, deg=torch.tensor([1, 4, 3, 1]), **options)


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = GCNConv(3, 4), nn.Linear(4, 3)

    def forward(self, x, edge_index, batch):
        return self.head(global_add_pool(self.between(self.conv(x, edge_index), batch), batch))

    def between(self, x, batch):
        return x


class ByModule(Own):
    """It names pools by their package, and says how many graphs there are."""

    def forward(self, data):
        x = self.third(self.embed(data.x), data.edge_index)
        sums = torch_geometric.nn.global_add_pool(x, data.batch, size=data.num_graphs)
        mean = torch_geometric.nn.pool.global_mean_pool(x, data.batch, data.num_graphs)
        return self.head(torch.cat([sums, mean], dim=1))


class InPlace(Own):
    """Modules and functions that write to what they are given."""

    def __init__(self) -> None:
        super().__init__(gin)
        self.act = nn.ELU(inplace=True)

    def forward(self, x, edge_index, batch):
        x = self.act(self.embed(x))
        x = self.act(self.first(x, edge_index))
        x = functional.elu(self.second(x, edge_index), inplace=True)
        x *= 2
        return self.head(torch.cat([self.pool(x, batch), global_max_pool(x, batch)], dim=1))


class PooledAtOnce(Base):
    """Its last layer is linear in the states, and pooled at once in two ways."""

    def __init__(self, conv) -> None:
        super().__init__()
        self.conv, self.last, self.head = conv(3, 4), conv(4, 4), nn.Linear(8, 3)

    def forward(self, x, edge_index, batch):
        x = self.last(self.conv(x, edge_index).tanh(), edge_index)
        return self.head(torch.cat([global_add_pool(x, batch), global_mean_pool(x, batch)], dim=1))


LINEAR = {
    "gcn": GCNConv,
    "gcn without loops": lambda a, b: GCNConv(a, b, add_self_loops=False),
    "gcn without norm": lambda a, b: GCNConv(a, b, normalize=False, bias=False),
    "sage": SAGEConv,
    "sage, sum": lambda a, b: SAGEConv(a, b, aggr="sum", root_weight=False),
    "graph conv": GraphConv,
    "graph conv, mean": lambda a, b: GraphConv(a, b, aggr="mean"),
}
OWN = {
    "gin, maximum": lambda: Own(gin, global_max_pool),
    "gcn, sum": lambda: Own(GCNConv),
    "gcn without loops": lambda: Own(lambda a, b: GCNConv(a, b, add_self_loops=False)),
    "gcn, improved": lambda: Own(lambda a, b: GCNConv(a, b, improved=True), global_max_pool),
    "gcn, no norm": lambda: Own(lambda a, b: GCNConv(a, b, normalize=False)),
    "sage, several": lambda: Own(lambda a, b: SAGEConv(a, b, aggr=["max", "mean", "std"])),
    "sage, projected": lambda: Own(lambda a, b: SAGEConv(a, b, project=True, normalize=True)),
    "graph conv": lambda: Own(lambda a, b: GraphConv(a, b, aggr="mean"), global_mean_pool),
    "attention": lambda: Own(lambda a, b: GATConv(a, b // 2, heads=2), MeanAggregation()),
    "attention without loops": lambda: Own(lambda a, b: GATConv(a, b, add_self_loops=False)),
    "pna": lambda: Own(pna),
    "pna, towers": lambda: Own(partial(pna, towers=3)),
    "pna, divided": lambda: Own(partial(pna, towers=2, divide_input=True, post_layers=2)),
    "edge conv": lambda: Own(lambda a, b: EdgeConv(nn.Linear(2 * a, b))),
    "edge conv, mean": lambda: Own(lambda a, b: EdgeConv(nn.Linear(2 * a, b), aggr="mean")),
    "a batch": lambda: OwnData(gin),
    "in place": InPlace,
    "names of a package": lambda: ByModule(gin),
    **{f"{name}, pooled at once": partial(PooledAtOnce, conv) for name, conv in LINEAR.items()},
    "one layer, pooled at once": Base,
}


def seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().eval()


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


# --- what is not known ----------------------------------------------------------------------------


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


# --- speed ----------------------------------------------------------------------------------------


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
