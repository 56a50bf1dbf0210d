"""Curves of an attack's learning: its loss, and what it leaves of the validation graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from robust_augcl.reports._forest import Lane, make_lanes
from robust_augcl.reports._letters import Letters
from robust_augcl.reports._sheet import STYLE

_WIDTH, _HEIGHT = 6.4, 2.1  # inches, of each pair of axes
_MARGIN = 0.12

Curve = Sequence[tuple[int, float, float]]
"""Points of one course of learning: update, mean loss since the last point, robust accuracy on the
validation graphs (0 to 1).
"""


def learning_curves(
    curves: Mapping[str, Curve],
    looks: Mapping[str, Lane] | None = None,
    graphs: str = "validation graphs",
) -> Figure:
    """Draw loss (logarithmic) above robust accuracy on the validation graphs (%), a line a victim.

    A ring marks the lowest accuracy, the first of equals: weights are kept from there (of equals,
    by margins that are not drawn).

    Args:
        curves: by the victims' names, which the legend shows; those without a point are left out.
            What is not finite, or no positive loss, is a gap.
        looks: colour and marker by the victims' names; as many as there are curves, or None for
            lanes of these alone.
        graphs: which graphs the accuracy is of, in words.

    Raises:
        ValueError: no curve has a point.
    """
    drawn = {name: curve for name, curve in curves.items() if curve}
    if not drawn:
        raise ValueError("Expected at least one curve of learning, got none")
    lanes = looks or {lane.label: lane for lane in make_lanes({name: name for name in drawn})}
    with matplotlib.style.context([STYLE], after_reset=True):
        figure = Figure(figsize=(_WIDTH, 1))
        loss, accuracy = figure.subplots(2, 1, sharex=True)
        entries = [
            (line, name)
            for name, curve in drawn.items()
            for line in _draw_curve(loss, accuracy, name, curve, lanes[name])
        ]
        _scale_loss(loss)
        accuracy.set_xlim(left=0)
        accuracy.set_ylim(0, 100)
        _label(loss, "Loss")
        _label(accuracy, f"Robust accuracy on\n{graphs} (%)")
        accuracy.set_xlabel("Updates", fontsize=8)
        _lay_out(figure, entries)
    return figure


def _draw_curve(
    loss: Axes, accuracy: Axes, name: str, curve: Curve, lane: Lane
) -> Sequence[Artist]:
    """Draw one curve on both axes, with a ring at its lowest accuracy; return its lines of loss."""
    look: dict[str, Any] = {
        "color": lane.colour,
        "marker": lane.marker,
        "markersize": 3.5,
        "linewidth": 1.2,
        "label": name,
    }
    updates = [step for step, _, _ in curve]
    lines = loss.plot(
        updates, [value if value > 0 else float("nan") for _, value, _ in curve], **look
    )
    shares = [100 * share for _, _, share in curve]
    accuracy.plot(updates, shares, **look)
    kept = min(range(len(curve)), key=lambda place: (shares[place], place))
    accuracy.plot(
        updates[kept],
        shares[kept],
        "o",
        markersize=8,
        markerfacecolor="none",
        color=lane.colour,
        markeredgewidth=1.2,
    )
    return lines


def _scale_loss(loss: Axes) -> None:
    """Make the scale of the loss logarithmic, with ticks that tell it."""
    loss.set_yscale("log")
    loss.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    low, high = loss.get_ylim()
    if high / low < 100:  # at most two powers of ten lie within, which may tell no scale
        locator = LogLocator(subs=(1, 2, 5)) if high / low >= 10 else MaxNLocator(4)
        loss.set_yticks([value for value in locator.tick_values(low, high) if low <= value <= high])
        loss.yaxis.set_minor_locator(NullLocator())
    loss.yaxis.set_minor_formatter(NullFormatter())


def _lay_out(figure: Figure, entries: Sequence[tuple[Artist, str]]) -> None:
    """Add the legend, and give the figure its height."""
    letters = Letters(figure)
    legend = letters.legend(entries, _WIDTH - 2 * _MARGIN)
    top = letters.height(legend) + _MARGIN + 0.15
    height = 2 * _HEIGHT + 0.5 + top
    figure.set_size_inches(_WIDTH, height)
    figure.subplots_adjust(
        left=0.13, right=0.97, bottom=0.5 / height, top=1 - top / height, hspace=0.14
    )
    legend.set_bbox_to_anchor((_MARGIN / _WIDTH, 1 - _MARGIN / height))


def _label(axes: Axes, text: str) -> None:
    axes.set_ylabel(text, fontsize=8)
    axes.tick_params(which="both", length=0, labelsize=8)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
