"""Whether victims were at rest when their training ended: one rule, and who does not keep it.

A victim is at rest where its best epoch does not lie near the end of its training: after the epoch
of the lowest loss on the graphs that choose it, it was trained for at least 20 epochs more, and for
at least a tenth of all its epochs, and none of these was better. Methods whose victims are not at
rest may differ in how far they have come, not in how good they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Cell
from robust_augcl.results.statistics import Group

FEWEST_EPOCHS = 20
"""Epochs after the best one that a victim at rest was trained for, at the least."""
SHARE_OF_EPOCHS = 0.1
"""The share of all epochs that must follow the best one."""


@dataclass(frozen=True)
class Rest:
    """How far the training of one victim came.

    Args:
        cell: the victim's: it names no attack and no budget.
        epoch: the best one, counted from 1.
        epochs: how many there were.

    Example:
        >>> about = Cell("quick", "data", "none", "gin", 2, 0, "", "strict", 0)
        >>> Rest(about, 95, 100).at_rest, Rest(about, 160, 200).at_rest
        (False, True)
    """

    cell: Cell
    epoch: int
    epochs: int

    @property
    def at_rest(self) -> bool:
        """Whether enough epochs follow the best one."""
        return is_at_rest(self.epoch, self.epochs)

    @property
    def text(self) -> str:
        """It in words."""
        return f"best epoch {self.epoch} of {self.epochs}"


def is_at_rest(epoch: int, epochs: int) -> bool:
    """Whether enough of all epochs follow the best one, counted from 1.

    Example:
        >>> is_at_rest(95, 100), is_at_rest(160, 200)
        (False, True)
    """
    return epochs - epoch >= max(FEWEST_EPOCHS, SHARE_OF_EPOCHS * epochs)


def victim_cell(cell: Cell) -> Cell:
    """The cell of the victim that a cell of an attack is about."""
    return replace(cell, attack="", budget=0)


def victim_group(group: Group) -> Group:
    """The victims that a group of records is about, whatever their seed."""
    return replace(group, attack="", budget=0)


def rests(measurements: Iterable[Measurement]) -> dict[Cell, Rest]:
    """How far the training of each victim came, by its cell.

    Given models are not among them: nobody has said how they were trained.
    """
    return {
        measured.cell: Rest(
            measured.cell, measured.values["selected"]["epoch"], _epochs(measured.values)
        )
        for measured in measurements
        if measured.kind == "victim"
    }


def _epochs(values: Mapping[str, Any]) -> int:
    """How many epochs a victim was trained for: runs tell their losses, files their number."""
    return int(values["epochs"]) if "epochs" in values else len(values["losses"])


def not_at_rest(measurements: Iterable[Measurement]) -> frozenset[Cell]:
    """The cells of the victims that are not at rest (`victim_cell` of a record's cell).

    Example:
        >>> about = Cell("quick", "data", "none", "gin", 2, 0, "", "strict", 0)
        >>> values = {"selected": {"epoch": 3}, "losses": [0.3, 0.2, 0.1]}
        >>> not_at_rest([Measurement("victim", about, values, 0.0)]) == {about}
        True
    """
    return frozenset(cell for cell, rest in rests(measurements).items() if not rest.at_rest)


def best_epoch(losses: Sequence[float]) -> int:
    """The first epoch of the lowest loss, counted from 1; 0 where no loss is finite.

    Example:
        >>> best_epoch([0.5, float("nan"), 0.25, 0.25])
        3
    """
    known = [(loss, epoch) for epoch, loss in enumerate(losses, 1) if loss < math.inf]
    return min(known)[1] if known else 0


def patience_is_over(epoch: int, best: int, patience: int, share: float = 0.0) -> bool:
    """Whether a training ends after this epoch, for want of a better one.

    Args:
        epoch: the last one, counted from 1.
        best: the best one; 0 of none.
        patience: epochs in a row without a better one that end it; 0: none do.
        share: and at least this share of all epochs so far.

    Example:
        >>> patience_is_over(440, 400, patience=40), patience_is_over(440, 400, 40, share=0.1)
        (True, False)
    """
    return patience > 0 and epoch - best >= max(patience, share * epoch)


def last_epoch(
    losses: Sequence[float], epochs: int, patience: int, share: float = 0.0
) -> int | None:
    """At which epoch a training with these losses ends; None where it would have gone on.

    Args:
        losses: of each epoch that there was, on the graphs that choose the epoch.
        epochs: at the most.
        patience: epochs in a row without a new lowest loss that end it; 0: none do.
        share: and at least this share of all epochs so far.

    Example:
        >>> last_epoch([0.5, 0.4, 0.6, 0.7], 100, 2), last_epoch([0.5, 0.4, 0.6], 100, 2)
        (4, None)
    """
    best, lowest = 0, math.inf
    for epoch, loss in enumerate(losses, 1):
        if loss < lowest:
            best, lowest = epoch, loss
        if epoch == epochs or patience_is_over(epoch, best, patience, share):
            return epoch
    return None
