"""GraphCL (You et al. 2020, arXiv 2010.13902): plain contrastive pretraining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from robust_augcl.contrast.method_base import Method


@dataclass(frozen=True)
class GraphCL(Method):
    """GraphCL: goes on from the warm-up with plain epochs.

    There are as many of them as a weighted method has weighted ones, on the same batches and views.

    >>> GraphCL().pretrains
    True
    """

    display_name: ClassVar[str] = "GraphCL"
    plain: ClassVar[bool] = True
    bases: ClassVar[tuple[str, ...]] = ("graphcl", "simgrace")
