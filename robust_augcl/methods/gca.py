"""GCA (Zhu et al. 2021, arXiv 2010.14945): GRACE with views that spare what is central."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from robust_augcl.contrast.method_base import Method


@dataclass(frozen=True)
class GCA(Method):
    """GCA: plain epochs on views that drop less central edges and features more often.

    Beside GRACE in one suite it has a table `pretraining` of its own, with `base = "gca"`.

    >>> GCA().bases
    ('gca',)
    """

    display_name: ClassVar[str] = "GCA"
    plain: ClassVar[bool] = True
    bases: ClassVar[tuple[str, ...]] = ("gca",)
