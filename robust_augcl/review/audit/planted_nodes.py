"""A victim of nodes that any edit breaks, or none, for looks at attacks on nodes.

Letters: N nodes.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from robust_augcl.adversary.attack_base import Attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.models.message_passing import WeightedSum, sum_pool
from robust_augcl.threat.model import ThreatModel

_NODES = 6
_ROUNDS = 4  # so many that each node of the ring hears of every edge


class Walks(LocalEncoder):
    """Counts walks: a node's state is the number of walks of so many steps that begin there."""

    reads_features: ClassVar[bool] = False
    plain_sums = True

    def build(self, generator: torch.Generator) -> None:
        self.sum = WeightedSum()

    @property
    def embedding_size(self) -> int:
        return 1

    def first_states(self, x: Tensor) -> Tensor:
        return torch.ones_like(x[:, :1])

    def message(self, index: int, states: Tensor, degree: Tensor) -> Tensor:
        return states

    def update(self, index: int, pooled: Tensor, x: Tensor, degree: Tensor) -> Tensor:
        return pooled

    def round(
        self, index: int, states: Tensor, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        out: Tensor = self.sum(states, edge_index, edge_weight)
        return out

    def pool(self, states: list[Tensor], batch: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
        return states[-1], sum_pool(states[-1], batch, num_graphs)


def is_of_nodes(attack: Attack, threat: ThreatModel) -> bool:
    """Whether an attack, or a threat, is about nodes of one graph alone."""
    return attack.nodes_only or threat.of_nodes


def planted_nodes() -> NodeTargets:
    """All nodes of a ring, of class 0. Each begins as many walks as any other.

    >>> planted_nodes().num_graphs
    6
    """
    nodes = torch.arange(_NODES)
    pairs = torch.stack([nodes, nodes.roll(-1)])
    keys = torch.cat([pairs[0] * _NODES + pairs[1], pairs[1] * _NODES + pairs[0]]).sort().values
    edges = torch.stack([keys // _NODES, keys % _NODES])
    none = torch.zeros(1, dtype=torch.long)
    ring = PackedGraphs(torch.ones(_NODES, 1), edges, torch.tensor([0, _NODES]), none)
    return NodeTargets(ring, nodes, torch.zeros_like(nodes))


def planted_node_victim(*, fragile: bool) -> Victim:
    """A victim of `planted_nodes` that any edit of the ring breaks at each, or none at any.

    An added edge makes walks more, and a removed one fewer. The fragile victim answers 0 where they
    are as many as in the ring, 1 where they are more, 2 where they are fewer; its logits are 0,
    d - 1 and -d - 1 for d twice the walks too many.
    """
    draws = torch.Generator()
    encoder = Walks(in_features=1, width=1, layers=_ROUNDS, generator=draws)
    model = GraphClassifier(encoder, num_classes=3, hidden=1, generator=draws)
    head: nn.Linear = nn.utils.skip_init(nn.Linear, 1, 3)
    slope = torch.tensor([0.0, 2.0, -2.0]) if fragile else torch.zeros(3)
    with torch.no_grad():
        head.weight.copy_(slope.unsqueeze(1))
        head.bias.copy_(torch.tensor([0.0, -1.0, -1.0]) - 2**_ROUNDS * slope)
    model.head = nn.Sequential(head)
    return Victim(model)
