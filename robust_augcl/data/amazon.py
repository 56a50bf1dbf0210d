"""Graphs of goods that are bought together: Amazon Photo and Computers (Shchur et al. 2018).

The source is arXiv 1811.05868.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch_geometric.datasets import Amazon

from robust_augcl.data._named_arrays import NamedArrays


@dataclass(frozen=True)
class AmazonGraph(NamedArrays):
    """A graph of goods, from the folder `Amazon` of the archives, or downloaded once.

    No split was published with it. The other settings are those of `NodeGraph`.

    Args:
        name: "Photo" or "Computers".

    Raises:
        ValueError: a value out of range.

    >>> AmazonGraph().label
    'Photo (Amazon, 7,650 nodes)'
    """

    folder: ClassVar[str] = "Amazon"
    url: ClassVar[str] = Amazon.url.rstrip("/")
    known: ClassVar[Mapping[str, tuple[str, int]]] = {
        "Photo": ("amazon_electronics_photo.npz", 7_650),
        "Computers": ("amazon_electronics_computers.npz", 13_752),
    }

    name: Literal["Photo", "Computers"] = "Photo"
