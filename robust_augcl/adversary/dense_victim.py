"""A victim of nodes as a module of dense matrices: what libraries of attacks on nodes expect.

They hand a model the features and the normalised adjacency matrix D^-1/2 (A + I) D^-1/2 of the
whole graph, with a gradient for each of its entries, where D holds the degrees of A + I.

Letters: N nodes, F features, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from robust_augcl.models.classifier_base import LocalParts


class DenseVictim(nn.Module):
    """A victim's encoder and head, evaluated on dense matrices.

    A round of GCN multiplies by the normalised matrix as it is. For other encoders the plain matrix
    is read back from it: its diagonal holds 1 / (degree + 1), so A + I is each entry times the
    roots of the two degrees.

    Args:
        parts: copies of the victim's encoder and head.
        num_classes: C.

    Attributes:
        output: of the last graph that `remember` was given, as `predict` returns it.
        normalises: whether the encoder multiplies by GCN's normalised matrix.
        nfeat, nclass, hidden_sizes, with_relu: what DeepRobust asks a surrogate for.

    >>> from robust_augcl.encoders.gcn import GCN
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GCN(in_features=2, width=4, layers=2, generator=draws)
    >>> victim = DenseVictim(LocalParts(encoder, nn.Sequential(nn.Linear(4, 3))), 3)
    >>> victim(torch.ones(5, 2), torch.eye(5)).shape
    torch.Size([5, 3])
    """

    def __init__(self, parts: LocalParts, num_classes: int) -> None:
        super().__init__()
        self.encoder, self.head = parts
        self.nfeat, self.nclass = self.encoder.in_features, num_classes
        self.hidden_sizes, self.with_relu = [self.encoder.width], True
        self.normalises = self.encoder.self_loops and self.encoder.hops_before_first_round > 0
        self.output: Tensor | None = None
        self.eval().requires_grad_(False)

    def logits(self, x: Tensor, normalised: Tensor) -> Tensor:
        """The logits (N, C) of all nodes; x (N, F), normalised (N, N)."""
        encoder = self.encoder
        if self.normalises:  # what message and update scale by degrees is in the matrix
            matrix, degree = normalised, x.new_zeros(x.size(0))
        else:
            matrix = _plain(normalised)
            degree = matrix.sum(1)
            if encoder.self_loops:
                matrix = matrix + torch.eye(x.size(0))
        states = [encoder.first_states(x)]
        for index in range(encoder.layers):
            sums = matrix @ encoder.message(index, states[-1], degree)
            states.append(encoder.update(index, sums, x, degree))
        nodes, _ = encoder.pool(states[1:], torch.zeros(x.size(0), dtype=torch.long), 1)
        logits: Tensor = self.head(nodes)
        return logits

    def forward(self, x: Tensor, normalised: Tensor) -> Tensor:
        """The log-probabilities (N, C) of all nodes."""
        return log_softmax(self.logits(x, normalised), dim=1)

    def remember(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """Predict a graph, which `predict` then answers for; x (N, F), adjacency (N, N)."""
        with torch.no_grad():
            self.output = self(x, normalised_adjacency(adjacency))
        return self.output

    def predict(self) -> Tensor:
        """The log-probabilities (N, C) of the graph that it remembers."""
        assert self.output is not None
        return self.output.clone()


def normalised_adjacency(adjacency: Tensor) -> Tensor:
    """D^-1/2 (A + I) D^-1/2 of a dense matrix (N, N)."""
    with_loops = adjacency + torch.eye(adjacency.size(0))
    scale = with_loops.sum(1).rsqrt()
    return scale.unsqueeze(1) * with_loops * scale


def _plain(normalised: Tensor) -> Tensor:
    """A, from D^-1/2 (A + I) D^-1/2 (N, N)."""
    scale = normalised.diagonal().rsqrt()
    return scale.unsqueeze(1) * normalised * scale - torch.eye(normalised.size(0))
