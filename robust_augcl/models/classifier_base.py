"""What every classifier of graphs answers, whether it is made of our parts or brought by a user.

Letters: B graphs, N nodes, E directed edges, C classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.encoder_base import LocalEncoder

if TYPE_CHECKING:
    from robust_augcl.models.layered import Layered


@dataclass(frozen=True)
class Capabilities:
    """What a classifier can do, and why it cannot do the rest.

    Args:
        edge_weights: whether edge weights act as they should and gradients flow to them.
        local: whether only what an edit can reach may be computed again.
        batches: whether many graphs can be asked about at once.
        reasons: of each of these that is False, why, in words.

    >>> limited = Capabilities(edge_weights=False, reasons={"edge_weights": "it has no edges"})
    >>> limited.reasons["edge_weights"]
    'it has no edges'
    """

    edge_weights: bool = True
    local: bool = True
    batches: bool = True
    reasons: Mapping[str, str] = field(default_factory=dict)


class LocalParts(NamedTuple):
    """The parts of a classifier whose node states can be computed one by one."""

    encoder: LocalEncoder
    head: nn.Sequential


class Classifier(nn.Module, ABC):
    """Base of classifiers of graphs, or of nodes in graphs.

    Attributes:
        num_classes: C, at least 2.
    """

    num_classes: int

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this classifier can do."""

    @property
    def plain_sums(self) -> bool:
        """Whether edge weights enter through `WeightedSum` alone, as they are given."""
        return False

    @property
    def in_double(self) -> bool:
        """Whether `double` makes it compute the same in double precision."""
        return True

    @property
    def device(self) -> torch.device:
        """Where its parameters lie; the CPU if it has none."""
        first = next(self.parameters(), None)
        return torch.device("cpu") if first is None else first.device

    @abstractmethod
    def forward(self, graphs: PackedGraphs) -> Tensor:
        """Return the logits (B, C) of packed graphs, or of their target nodes."""

    @abstractmethod
    def with_edges(
        self, graphs: PackedGraphs, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        """Return the logits (B, C) of the same nodes joined by other edges, with autograd.

        An edge may stand more than once; then its weights are added.

        Shapes: edge_index (2, E) over all graphs, edge_weight (E,) or None, which is 1 for each.

        Raises:
            NotImplementedError: weights for a classifier that cannot use them.
        """

    @property
    def parts(self) -> LocalParts | None:
        """The encoder and the head that it is made of; None where these are not known."""
        return None

    def layered(self, graphs: PackedGraphs) -> Layered | None:
        """Return the steps that give the logits of these graphs layer by layer, or None."""
        return None

    def local_parts(self, graphs: PackedGraphs) -> LocalParts | None:
        """Return the parts that give the logits of these graphs node by node, None without any."""
        return None

    @property
    def reach(self) -> int | None:
        """How many hops from a target node the nearer end of an edit lies that matters, at most.

        None where that is not known.
        """
        parts = self.parts
        if parts is None:
            return None
        return parts.encoder.layers - 1 + parts.encoder.hops_before_first_round
