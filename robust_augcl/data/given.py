"""Graphs that were handed over in Python, as `robust_augcl.evaluate` takes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from robust_augcl.errors import InputError
from robust_augcl.graphs.data_source import PARTS, DataSource
from robust_augcl.graphs.entrance import Admitted
from robust_augcl.graphs.in_memory import known
from robust_augcl.graphs.packed import PackedGraphs

_EVERY = 5  # graph to learn on is one to choose by


@dataclass(frozen=True)
class GivenGraphs(DataSource):
    """Graphs that are known by the digest of their content; the data set's artifact keeps them.

    All are attacked, but for the last `fit`: these are for attacks that learn. Every fifth of them
    is for validation.

    Args:
        digest: of the graphs (`graphs.in_memory.graphs_digest`).
        name: what tables call them.
        classes: how many classes there are at least, whatever the labels tell.
        fit: how many graphs, at the end, are to learn on.

    Raises:
        ValueError: a number below 0, or an empty name.

    >>> GivenGraphs("0" * 64, name="mine").label
    'mine'
    """

    digest: str
    name: str = "given graphs"
    classes: int = 0
    fit: int = 0

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError(f"Expected `name` to be a name, got {self.name!r}")
        for name in ("classes", "fit"):
            if getattr(self, name) < 0:
                raise ValueError(f"Expected `{name}` to be at least 0, got {getattr(self, name)}")

    @property
    def label(self) -> str:
        return self.name

    @property
    def content(self) -> str:
        return self.digest

    def load(self, archives: Path | None, generator: torch.Generator) -> PackedGraphs:
        return known(self.digest, self.label).graphs

    def admitted(self, archives: Path | None, generator: torch.Generator) -> Admitted:
        return known(self.digest, self.label)

    def parts(self, graphs: PackedGraphs) -> Tensor:
        attacked = graphs.num_graphs - self.fit
        if attacked < 1:
            raise InputError(
                f"Expected graphs of {self.label} to attack, got {graphs.num_graphs}, and "
                f"{self.fit} of them to learn on"
            )
        place = {name: number for number, name in enumerate(PARTS)}
        parts = torch.full((graphs.num_graphs,), place["test"])
        parts[attacked:] = place["train"]
        chosen_by = torch.arange(self.fit) % _EVERY == _EVERY - 1
        if self.fit and not bool(chosen_by.any()):
            chosen_by[-1] = True  # few graphs: one must be there to choose by
        parts[attacked:][chosen_by] = place["validation"]
        return parts

    def scaled(self, factor: float) -> GivenGraphs:
        raise InputError(f"Expected `scale` to be 1 for graphs that are given, got {factor}")
