"""Contrastive pretraining on the nodes of one graph, without labels: GRACE and GCA as bases.

Its stages are those of graphs (`contrast.pretrain`): warm-up, the fit of weights, and the training
that goes on from there.

Letters: N nodes, B nodes in a batch, D embedding, P width of the projection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import elu

from robust_augcl.contrast.centrality import CentralityName
from robust_augcl.contrast.node_views import NodeBase, NodeViews
from robust_augcl.contrast.objective import (
    Embedded,
    LossSettings,
    Objective,
    PairObjective,
)
from robust_augcl.contrast.rows import loss_in_blocks
from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.encoder_base import Encoder
from robust_augcl.models.layers import linear, torch_default
from robust_augcl.progress import Report, silent
from robust_augcl.seeds import spawn
from robust_augcl.validation import require_not_negative, require_positive


@dataclass(frozen=True)
class NodePretraining:
    """Settings of contrastive pretraining on nodes; the defaults are GRACE's for Cora.

    Each epoch is one step: two views of the whole graph, all nodes of both as anchors, all other
    nodes of both as negatives.

    Args:
        base: "grace", or "gca", which drops less central edges and features more often.
        warm_up_epochs: epochs of plain contrastive training, which all methods of a suite share.
        continued_epochs: epochs that follow, weighted or plain.
        batch_size: nodes of a batch in the passes in which a method learns its weights, at least 2:
            a node is compared with the others of its batch there, and with all nodes in training.
        learning_rate: of Adam, which goes on from the warm-up with its state.
        weight_decay: of Adam.
        temperature: of the loss.
        positive_in_denominator: whether the positive stands in the loss's denominator too.
        drop_edges: the share of edges dropped in the first and in the second view.
        mask_features: the share of features masked in each.
        centrality: of "gca": "degree", "eigenvector" or "pagerank".
        projection: P, the hidden width of the projection head; 0 for the embedding's.

    Raises:
        ValueError: a value is out of range.

    >>> NodePretraining("grace").loss
    LossSettings(temperature=0.4, positive_in_denominator=True, directions='both')
    >>> NodePretraining("grace", drop_edges=(0.2, 1.0))
    Traceback (most recent call last):
    ValueError: Expected `drop_edges` to be at least 0 and below 1, got 1.0
    """

    base: NodeBase
    warm_up_epochs: int = 100
    continued_epochs: int = 100
    batch_size: int = 256
    learning_rate: float = 0.0005
    weight_decay: float = 1e-5
    temperature: float = 0.4
    positive_in_denominator: bool = True
    drop_edges: tuple[float, float] = (0.2, 0.4)
    mask_features: tuple[float, float] = (0.3, 0.4)
    centrality: CentralityName = "degree"
    projection: int = 0

    def __post_init__(self) -> None:
        require_not_negative(self, "warm_up_epochs", "continued_epochs", "weight_decay")
        require_not_negative(self, "projection")
        if self.batch_size < 2:
            raise ValueError(f"Expected `batch_size` to be at least 2, got {self.batch_size}")
        require_positive(self, "learning_rate", "temperature")
        for name in ("drop_edges", "mask_features"):
            for share in getattr(self, name):
                if not 0 <= share < 1:
                    raise ValueError(f"Expected `{name}` to be at least 0 and below 1, got {share}")

    @property
    def loss(self) -> LossSettings:
        """The part of the settings that every loss needs."""
        return LossSettings(self.temperature, self.positive_in_denominator, "both")


class NodeContrastiveModel(nn.Module):
    """An encoder and a projection head on node states, D - P - D, with ELU between them.

    The head's initial weights are PyTorch's own, as in GRACE's code.

    Args:
        encoder: its node states are of size D.
        settings: `projection` is read.
        generator: the source of the head's initial weights.
    """

    def __init__(
        self, encoder: Encoder, settings: NodePretraining, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.encoder = encoder
        size = encoder.embedding_size
        hidden = settings.projection or size
        self.into = linear(size, hidden, generator, torch_default)
        self.out = linear(hidden, size, generator, torch_default)

    def forward(self, graphs: PackedGraphs) -> Tensor:
        """Return the projections of all nodes (N, D)."""
        nodes, _ = self.encoder(graphs.x, graphs.edges, graphs.batch, graphs.num_graphs)
        out: Tensor = self.out(elu(self.into(nodes)))
        return out


class NodeBatches:
    """Passes over one graph: two views of it, drawn anew in each, and batches of its nodes.

    All chance comes from the generator, so methods with equal ones see the same.

    Args:
        graphs: the graph.
        settings: base, shares and batch size are read.
        generator: the source of views and batches.
    """

    def __init__(
        self, graphs: PackedGraphs, settings: NodePretraining, generator: torch.Generator
    ) -> None:
        self._order, self._batch_size = spawn(generator), settings.batch_size
        self.views = NodeViews(
            graphs,
            settings.base,
            settings.centrality,
            settings.drop_edges,
            settings.mask_features,
            spawn(generator),
        )

    def numbers(self) -> list[Tensor]:
        """The nodes in batches of a random order, but for a single node that is left over."""
        order = torch.randperm(self.views.graphs.num_nodes, generator=self._order)
        return [part for part in order.split(self._batch_size) if part.numel() > 1]


def node_training(
    model: NodeContrastiveModel,
    optimizer: torch.optim.Optimizer,
    batches: NodeBatches,
    epochs: int,
    objective: Objective,
    report: Report = silent,
) -> list[float]:
    """Minimise an objective on all nodes, one step an epoch, and return the loss of each.

    The similarities of nodes are taken a block of anchors at a time, so memory grows with the
    number of nodes, and not with its square.

    Raises:
        InputError: an objective that needs all nodes at once.
    """
    loss_of = pair_objective(objective)
    objective.begin(model)
    model.train()
    losses = []
    for epoch in range(epochs):
        first, second = batches.views.draw()
        loss = loss_in_blocks(loss_of.row_losses, model(first), model(second))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        objective.after_step(model)
        losses.append(float(loss.detach()))
        report((epoch + 1) / epochs, f"contrastive loss {losses[-1]:.3f}")
    return losses


def pair_objective(objective: Objective) -> PairObjective:
    """Return an objective whose loss can be taken for some nodes at a time.

    Raises:
        InputError: any other; or one that trains weights of its own, which would get no gradient.

    >>> from robust_augcl.contrast.objective import InfoNCE
    >>> type(pair_objective(InfoNCE(LossSettings()))).__name__
    'InfoNCE'
    """
    if not isinstance(objective, PairObjective):
        raise InputError(
            "Expected a method whose loss is one of pairs where the anchors are nodes, got "
            f"{type(objective).__name__}: it is for graphs alone"
        )
    if objective.parameters():
        raise InputError(
            "Expected a method without weights that train along where the anchors are nodes, got "
            f"{type(objective).__name__}: gradients are taken in embeddings alone there"
        )
    return objective


@torch.no_grad()
def embedded_nodes(
    model: NodeContrastiveModel, batches: NodeBatches, most: int | None = None
) -> list[Embedded]:
    """Return the embeddings of one pass, by the model in evaluation mode, in batches of nodes.

    Args:
        model: stays in that mode.
        batches: where views and batches come from.
        most: batches at the most; None: all nodes.
    """
    model.eval()
    z1, z2 = (model(view) for view in batches.views.draw())
    return [
        Embedded(z1[numbers.to(z1.device)], z2[numbers.to(z2.device)], numbers.to(z1.device))
        for numbers in batches.numbers()[:most]
    ]


def passes(model: NodeContrastiveModel, batches: NodeBatches) -> Iterator[Embedded]:
    """Yield one pass over all nodes, each with views drawn anew."""
    yield from embedded_nodes(model, batches)
