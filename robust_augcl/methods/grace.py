"""GRACE (Zhu et al. 2020, arXiv 2006.04131): plain contrastive pretraining of nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from robust_augcl.contrast.method_base import Method


@dataclass(frozen=True)
class GRACE(Method):
    """GRACE: goes on from the warm-up with plain epochs, on two views of one graph.

    There are as many of them as a weighted method has weighted ones, on the same views.

    >>> GRACE().bases
    ('grace',)
    """

    display_name: ClassVar[str] = "GRACE"
    plain: ClassVar[bool] = True
    bases: ClassVar[tuple[str, ...]] = ("grace",)
