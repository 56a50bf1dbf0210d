"""WikiCS: articles of Wikipedia on computer science (Mernyei and Cangea 2020).

The source is arXiv 2007.02901.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch_geometric.datasets import WikiCS
from torch_geometric.utils import to_undirected

from robust_augcl.data._node_files import found_files
from robust_augcl.errors import InputError, cut
from robust_augcl.graphs.node_graph import NodeGraph, ReadGraph
from robust_augcl.validation import read_bytes

_MOST_BYTES = 2**29


@dataclass(frozen=True)
class WikiCSGraph(NodeGraph):
    """The graph of WikiCS, from `WikiCS/data.json` of the archives, or downloaded once.

    Twenty splits were published with it; all have the same nodes for test. The other settings are
    those of `NodeGraph`.

    Args:
        public_split: which of the published splits is meant by `parts_from = "public"`, from 0.

    Raises:
        ValueError: a value out of range.

    >>> WikiCSGraph().label
    'WikiCS (11,701 nodes)'
    """

    revision: ClassVar[int] = 2

    public_split: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.public_split < 20:
            raise ValueError(f"Expected `public_split` to be from 0 to 19, got {self.public_split}")

    @property
    def label(self) -> str:
        return "WikiCS (11,701 nodes)"

    def files(self, archives: Path | None) -> list[Path]:
        return found_files(archives, "WikiCS", ["data.json"], WikiCS.url, self.label)

    def read(self, files: list[Path]) -> ReadGraph:
        try:
            table = json.loads(read_bytes(files[0], _MOST_BYTES))
            x = torch.tensor(table["features"], dtype=torch.float32)
            y = torch.tensor(table["labels"], dtype=torch.long)
            pairs = [(i, j) for i, joined in enumerate(table["links"]) for j in joined]
            edges = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
            public = self._public(table, y)
        except (KeyError, IndexError, TypeError, ValueError, RecursionError, OSError) as error:
            raise InputError(
                f"Expected {files[0]} to be the file of WikiCS ({type(error).__name__}: "
                f"{cut(str(error))})"
            ) from error
        if edges.numel() and (int(edges.min()) < 0 or int(edges.max()) >= y.numel()):
            raise InputError(f"Expected {files[0]} to link nodes that it has")
        return ReadGraph(x, to_undirected(edges, num_nodes=y.numel()), y, public)

    def _public(self, table: dict[str, Any], y: Tensor) -> Tensor:
        """The part of each node in the chosen split (N,)."""
        masks = (
            table["train_masks"][self.public_split],
            table["val_masks"][self.public_split],
            table["test_mask"],
        )
        public = torch.full_like(y, -1)
        for place, mask in enumerate(masks):
            public[torch.tensor(mask, dtype=torch.bool)] = place
        return public
