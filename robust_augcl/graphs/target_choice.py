"""Which of the test targets are attacked: a stated choice, since it decides the result.

Letters: T targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from robust_augcl.errors import InputError
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.validation import require_one_of

Choice = Literal["all", "named", "sampled"]

_DEGREES = 3
"""Into how many groups the targets of a class are sorted by degree: low, middle, high."""


@dataclass(frozen=True)
class TargetChoice:
    """Which of the test targets are attacked; accuracy is still that of all test targets.

    Args:
        choice: "all"; the "named" ones; or "sampled": as many of each class, and in each class as
            many of low, middle and high degree (of graphs: numbers of edges).
        nodes: of "named": the numbers of test targets in the data set; of one graph's nodes, these
            are the nodes.
        count: of "sampled": how many in all. A class that has too few gives all.

    Raises:
        ValueError: an unknown choice, or settings of another one.

    >>> TargetChoice("sampled", count=100).count
    100
    """

    choice: Choice = "all"
    nodes: tuple[int, ...] = ()
    count: int = 0

    def __post_init__(self) -> None:
        require_one_of(self, "choice", get_args(Choice))
        if bool(self.nodes) != (self.choice == "named"):
            raise ValueError(
                "Expected `nodes` to be one or more numbers where `choice` is 'named', and only "
                f"there, got {len(self.nodes)} of them for {self.choice!r}"
            )
        if len(set(self.nodes)) < len(self.nodes) or any(node < 0 for node in self.nodes):
            raise ValueError("Expected `nodes` to be different numbers from 0")
        if (self.count > 0) != (self.choice == "sampled") or self.count < 0:
            raise ValueError(
                "Expected `count` to be above 0 where `choice` is 'sampled', and only there, got "
                f"{self.count} for {self.choice!r}"
            )

    def of(self, dataset: Dataset, generator: torch.Generator) -> Tensor:
        """The numbers of the chosen test targets of a data set, ascending (T,).

        Raises:
            InputError: a named target that is none of the test.
        """
        if self.choice == "all":
            return dataset.test
        if self.choice == "named":
            named = torch.tensor(sorted(self.nodes))
            outside = named[~torch.isin(named, dataset.test)]
            if outside.numel():
                raise InputError(
                    f"Expected `nodes` of [targets] to be test targets, got {int(outside[0])}, "
                    "which is none of this split"
                )
            return named
        return _sampled(dataset, self.count, generator)


def _sampled(dataset: Dataset, count: int, generator: torch.Generator) -> Tensor:
    """Test targets, as many of each class and degree as possible, ascending."""
    order = torch.randperm(dataset.test.numel(), generator=generator)
    numbers = dataset.test[order]
    degree, y = _degrees(dataset, numbers), dataset.y[numbers]
    groups: list[Tensor] = []
    for label in y.unique():
        own = (y == label).nonzero().squeeze(1)
        groups += own[degree[own].argsort(stable=True)].tensor_split(_DEGREES)
    # Round by round one of each group, until there are as many as wanted.
    rank = torch.cat([torch.randperm(len(group), generator=generator) for group in groups])
    rounds = rank.argsort(stable=True)
    return numbers[torch.cat(groups)[rounds][:count]].sort().values


def _degrees(dataset: Dataset, numbers: Tensor) -> Tensor:
    """Neighbours of target nodes, or edges of target graphs (T,)."""
    targets, graphs = dataset.targets_at(numbers), dataset.graphs
    if targets.node is None:
        return graphs.num_undirected_edges[targets.graph]
    return graphs.degree[graphs.ptr[targets.graph] + targets.node]
