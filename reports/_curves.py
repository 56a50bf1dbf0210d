"""Curves of an attack's learning: its loss and what it leaves of the validation graphs, update by update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from robust_augcl.reports._forest import make_lanes
from robust_augcl.reports._sheet import _STYLE

_WIDTH, _HEIGHT = 6.4, 2.1  # inches, of each pair of axes
_LEGEND_ROW = 0.22
_LEGEND_COLUMNS = 3

Curve = Sequence[tuple[int, float, float]]
"""Points of one course of learning: update, mean loss since the last point, robust accuracy on the validation graphs (0 to 1)."""


def learning_curves(curves: Mapping[str, Curve]) -> Figure:
    """Draw loss (logarithmic) above robust accuracy on the validation graphs (%), a line a victim.

    A ring marks the lowest accuracy, the first of equals: weights are kept from there (of equals, by margins that are not drawn).

    Args:
        curves: by the victims' names, which the legend shows; those without a point are left out. What is not finite, or no positive
            loss, is a gap.

    Raises:
        ValueError: no curve has a point.
    """
    drawn = {name: curve for name, curve in curves.items() if curve}
    if not drawn:
        raise ValueError("Expected at least one curve of learning, got none")
    rows = -(-len(drawn) // _LEGEND_COLUMNS)
    height = 2 * _HEIGHT + 0.5 + rows * _LEGEND_ROW
    with matplotlib.style.context([_STYLE], after_reset=True):
        figure = Figure(figsize=(_WIDTH, height))
        loss, accuracy = figure.subplots(2, 1, sharex=True)
        figure.subplots_adjust(left=0.11, right=0.97, bottom=0.5 / height, top=1 - (rows * _LEGEND_ROW + 0.15) / height, hspace=0.14)
        for lane, curve in zip(make_lanes({name: name for name in drawn}), drawn.values(), strict=True):
            look = {"color": lane.colour, "marker": lane.marker, "markersize": 3.5, "linewidth": 1.2, "label": lane.name}
            updates = [step for step, _, _ in curve]
            loss.plot(updates, [value if value > 0 else float("nan") for _, value, _ in curve], **look)
            shares = [100 * share for _, _, share in curve]
            accuracy.plot(updates, shares, **look)
            kept = min(range(len(curve)), key=lambda place: (shares[place], place))
            accuracy.plot(updates[kept], shares[kept], "o", markersize=8, markerfacecolor="none", color=lane.colour, markeredgewidth=1.2)
        loss.set_yscale("log")
        loss.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        loss.yaxis.set_minor_formatter(NullFormatter())
        accuracy.set_xlim(left=0)
        accuracy.set_ylim(0, 100)
        _label(loss, "Loss")
        _label(accuracy, "Robust accuracy on\nvalidation graphs (%)")
        accuracy.set_xlabel("Updates", fontsize=8)
        handles, labels = loss.get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper left", ncols=_LEGEND_COLUMNS, frameon=False, fontsize=8, borderaxespad=0.3)
    return figure


def _label(axes: Axes, text: str) -> None:
    axes.set_ylabel(text, fontsize=8)
    axes.tick_params(which="both", length=0, labelsize=8)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
