"""Data sources: where graphs come from, and by which shares they are split.

Letters: G graphs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from robust_augcl.graphs.labels import LabelRule
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets


class DataSource(ABC):
    """Base of data sources: a frozen dataclass of settings that loads, or draws, graphs.

    Class attributes:
        label_rule: how an edited graph's true class can be proved, "components" by counting them,
            or "none".
        revision: raised when its code changes the graphs (revisions.py).
    """

    label_rule: ClassVar[LabelRule] = "none"
    revision: ClassVar[int] = 1

    @property
    @abstractmethod
    def label(self) -> str:
        """The data set's name in tables."""

    @abstractmethod
    def load(self, archives: Path | None, generator: torch.Generator) -> PackedGraphs:
        """Return the graphs.

        Args:
            archives: a folder to take files from instead of downloading them.
            generator: the source of all chance.
        """

    def targets(self, graphs: PackedGraphs) -> Targets | None:
        """Return what is classified where that is not each graph, but nodes in the graphs."""
        return None

    def fingerprint(self, archives: Path | None) -> str | None:
        """A digest of the files that the graphs come from, None where there are none, or none yet.

        Raises:
            InputError: a file that should be there is not.
        """
        return None

    @abstractmethod
    def scaled(self, factor: float) -> DataSource:
        """Return the source of a data set of `factor` times the size."""


@dataclass(frozen=True)
class Split:
    """Shares of each class for test and validation; the rest is for training.

    Raises:
        ValueError: a share out of range, or nothing left to train on.
    """

    test: float = 0.1
    validation: float = 0.1

    def __post_init__(self) -> None:
        for name in ("test", "validation"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(
                    f"Expected `{name}` to be between 0 and 1, got {getattr(self, name)}"
                )
        if self.test + self.validation >= 1:
            raise ValueError(
                "Expected `test` and `validation` to leave something to train on, got "
                f"{self.test} and {self.validation}"
            )
