"""Modules of known layers, as users may write them."""

from __future__ import annotations

from functools import partial

import torch
import torch_geometric.nn
from torch import nn
from torch.nn import functional
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
from torch_geometric.nn.aggr import MeanAggregation

from robust_augcl.oracle.single_logits import Questions
from robust_augcl.threat.model import ThreatModel

BOTH = ThreatModel(1, ("add", "delete"))


def questions_of(graphs, threat=BOTH):
    candidates = threat.enumerate(graphs)
    return Questions(graphs, candidates.graph, candidates.pairs, candidates.changes)


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
