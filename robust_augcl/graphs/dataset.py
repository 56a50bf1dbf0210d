"""Data sets: where graphs come from, and how they are split.

Letters: G graphs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor

from robust_augcl.errors import GuardViolation, InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.seeds import spawn

LabelRule = Literal["components", "none"]


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
        """Return the graphs; `archives` is a folder to take files from instead of downloading
        them.
        """

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


@dataclass(frozen=True, eq=False)
class Dataset:
    """Graphs and the numbers of those for training, validation and test, each in ascending
    order.
    """

    graphs: PackedGraphs
    train: Tensor
    validation: Tensor
    test: Tensor
    num_classes: int

    def part(self, index: Tensor) -> PackedGraphs:
        """The graphs at `index` (K,)."""
        return self.graphs.select(index)


def split_by_class(graphs: PackedGraphs, split: Split, generator: torch.Generator) -> Dataset:
    """Split a data set, each class by the same shares (scikit-learn's stratified split).

    Raises:
        InputError: too few graphs of a class for three parts.
    """
    from sklearn.model_selection import (
        train_test_split,
    )  # a second to import, and whoever only plans or shows a run needs none

    y = graphs.y.numpy()
    everything = torch.arange(len(y)).numpy()

    def seed() -> int:
        return int(torch.randint(2**31, (), generator=generator))

    try:
        rest, test = train_test_split(
            everything, test_size=split.test, stratify=y, random_state=seed()
        )
        count = max(1, round(split.validation * len(y)))
        train, validation = train_test_split(
            rest, test_size=count, stratify=y[rest], random_state=seed()
        )
    except ValueError as error:
        raise InputError(
            f"Expected enough graphs of each class to split {len(y)} of them in three parts "
            f"({error})"
        ) from error
    train, validation, test = (
        torch.from_numpy(part).sort().values for part in (train, validation, test)
    )
    return Dataset(graphs, train, validation, test, num_classes=int(graphs.y.max()) + 1)


def load_dataset(
    source: DataSource, split: Split, archives: Path | None, generator: torch.Generator
) -> Dataset:
    """Load the graphs of a source and split them; all chance comes from `generator`."""
    return split_by_class(source.load(archives, spawn(generator)), split, spawn(generator))


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
