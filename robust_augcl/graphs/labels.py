"""Label rules: the proof that edits leave a graph in its true class.

Letters: G graphs.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from robust_augcl.errors import GuardViolation, InputError
from robust_augcl.graphs.packed import PackedGraphs

LabelRule = Literal["components", "none"]


def unproved_labels(graphs: PackedGraphs, rule: str) -> Tensor:
    """Which graphs' true class, by an independent count, is not the one they carry: (G,) bool.

    Without a rule it is none.

    Raises:
        InputError: graphs with target nodes under a rule that proves the classes of graphs.

    >>> from torch_geometric.data import Data
    >>> edge = torch.tensor([[0, 1], [1, 0]])
    >>> graph = Data(x=torch.ones(3, 1), edge_index=edge, y=torch.tensor([1]))  # 2 components
    >>> unproved_labels(PackedGraphs.from_data_list([graph]), "components").tolist()
    [False]
    """
    if rule == "components":
        if graphs.target_node is not None:
            raise InputError("Expected no target nodes where the class is a number of components")
        return graphs.num_components - 1 != graphs.y
    return torch.zeros(graphs.num_graphs, dtype=torch.bool)


def refuse_other_classes(edited: PackedGraphs, rule: str, numbers: Tensor) -> None:
    """Raise `GuardViolation` where edits changed the true class of a target.

    `numbers` (G,) are those in the data set.
    """
    wrong = unproved_labels(edited, rule)
    if bool(wrong.any()):
        raise GuardViolation(
            f"The edits of graph {int(numbers[wrong][0])} change its true class: the threat "
            "model must not allow them"
        )
