"""Label rules: the proof that edits leave a graph in its true class.

Letters: G graphs.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from robust_augcl.errors import GuardViolation
from robust_augcl.graphs.packed import PackedGraphs

LabelRule = Literal["components", "none"]


def unproved_labels(graphs: PackedGraphs, rule: str) -> Tensor:
    """Which graphs' true class, by an independent count, is not the one they carry: (G,) bool.
    Without a rule, none.
    """
    if rule == "components":
        return graphs.num_components - 1 != graphs.y
    return torch.zeros(graphs.num_graphs, dtype=torch.bool)


def refuse_other_classes(edited: PackedGraphs, rule: str, numbers: Tensor) -> None:
    """Raise `GuardViolation` where edits changed the true class of a graph; numbers (G,) are those
    in the data set.
    """
    wrong = unproved_labels(edited, rule)
    if bool(wrong.any()):
        raise GuardViolation(
            f"The edits of graph {int(numbers[wrong][0])} change its true class: the threat "
            "model must not allow them"
        )
