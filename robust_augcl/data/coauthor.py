"""Graphs of authors who wrote together: Coauthor CS and Physics (Shchur et al. 2018).

The source is arXiv 1811.05868.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch_geometric.datasets import Coauthor

from robust_augcl.data._named_arrays import NamedArrays


@dataclass(frozen=True)
class CoauthorGraph(NamedArrays):
    """A graph of authors, from the folder `Coauthor` of the archives, or downloaded once.

    No split was published with it. The other settings are those of `NodeGraph`.

    Args:
        name: "CS" or "Physics".

    Raises:
        ValueError: a value out of range.

    >>> CoauthorGraph().label
    'CS (Coauthor, 18,333 nodes)'
    """

    folder: ClassVar[str] = "Coauthor"
    url: ClassVar[str] = Coauthor.url.rstrip("/")
    known: ClassVar[Mapping[str, tuple[str, int]]] = {
        "CS": ("ms_academic_cs.npz", 18_333),
        "Physics": ("ms_academic_phy.npz", 34_493),
    }

    name: Literal["CS", "Physics"] = "CS"
