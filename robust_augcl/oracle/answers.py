"""What the oracle asks of a victim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.threat.candidates import Candidates


class Answers(Protocol):
    """A frozen classifier that answers questions about graphs, edited or not.

    `adversary.victim.Victim` is one. The oracle stands below the adversary, so it names what it
    needs here.
    """

    device: torch.device

    @property
    def model(self) -> GraphClassifier:
        """The classifier itself."""

    def logits(self, graphs: PackedGraphs | Sequence[Data]) -> Tensor:
        """Logits (G, C) of G graphs."""

    def candidate_logits(
        self, graphs: PackedGraphs | Sequence[Data], candidates: Candidates
    ) -> Tensor:
        """Logits (M, C) of the graphs after one candidate each."""

    def pair_logits(
        self, graphs: PackedGraphs | Sequence[Data], candidates: Candidates
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """A function from the numbers of two candidates, (P,) and (P,), to logits (P, C)."""
