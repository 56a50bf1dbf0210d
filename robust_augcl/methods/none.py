"""No pretraining: the encoder starts from its initial weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from robust_augcl.contrast.method_base import Method


@dataclass(frozen=True)
class NoPretraining(Method):
    """No pretraining: the encoder has the initial weights that the pretrained ones started from.

    >>> NoPretraining().pretrains
    False
    """

    display_name: ClassVar[str] = "No pretraining"

    pretrains: ClassVar[bool] = False
