"""What the seeds of a suite share: graphs, as the data source says and measurements carry it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Record, Target


class Source(NamedTuple):
    """What the outcomes of one seed are about: the digests of its data set and of its victim."""

    data: str
    victim: str

    @classmethod
    def of(cls, record: Record) -> Source:
        """What a record is about."""
        return cls(record.dataset.digest, record.victim.digest)


def overlap(measurements: Iterable[Measurement], dataset: str) -> float | None:
    """How much of each other's graphs the seeds of a data set have, for the corrected resampled t.

    Returns:
        0 where each seed draws graphs of its own; else the number of test targets over that of
        training targets, the largest of the seeds; None where no measurement says it.

    Example:
        >>> from robust_augcl.results.records import Cell
        >>> cell = Cell("mine", "MUTAG", "", "gin", 0, 0, "", "", 0)
        >>> values = {"draws_graphs": False, "targets": 20, "training": 150}
        >>> round(overlap([Measurement("dataset", cell, values, 0.0)], "MUTAG"), 3)
        0.133
    """
    about = [m.values for m in measurements if (m.kind, m.cell.dataset) == ("dataset", dataset)]
    if not about or not all("draws_graphs" in values for values in about):
        return None
    shared = [values for values in about if not values["draws_graphs"]]
    # Without training, of given models, no training graph can be shared.
    return max((v["targets"] / v["training"] for v in shared if v["training"]), default=0.0)


def distinct_targets(
    seeds: Sequence[tuple[Source, Mapping[Target, Any]]], test_to_train: float = 0.0
) -> int:
    """The number of targets over the seeds, of which those that seeds share count once.

    Seeds share targets where they have the same data set, split and all, or where `test_to_train`
    says that their splits are of one data set.

    Example:
        >>> targets = {(0, None): True, (1, None): True}
        >>> seeds = [(Source("data", "victim 0"), targets), (Source("others", "victim 1"), targets)]
        >>> distinct_targets(seeds), distinct_targets(seeds, 0.25)
        (4, 2)
    """
    return len(
        {("" if test_to_train else source.data, target) for source, of in seeds for target in of}
    )
