"""Data sets: graphs, split for training, validation and test.

Letters: G graphs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from robust_augcl.errors import InputError
from robust_augcl.graphs.data_source import DataSource, Split
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.seeds import spawn


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
