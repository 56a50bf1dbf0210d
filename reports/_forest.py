"""A forest plot on one pair of axes: a row an attack, a lane a method, accuracy left to right.

Only drawing: what the numbers mean is said by the caller. The y axis is in inches, downwards, so
that rows, lanes and markers keep their size however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from robust_augcl.results.statistics import Estimate

# Okabe and Ito's colours, then Tol's, which colour-blind readers tell apart; the marker says the
# same once more. The three methods of the paper look the same in every figure: a matter of looks
# alone, nothing is guessed from these labels.
_KNOWN = {"none": ("#6B6B6B", "o"), "graphcl": ("#0072B2", "s"), "augcl": ("#D55E00", "D")}
_COLOURS = (
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#882255",
    "#999933",
    "#332288",
    "#44AA99",
    "#AA4499",
)
_MARKERS = ("^", "v", "P", "X", "d", "*", "<", ">")

ROW_PADDING = 0.1
VALUES_WIDTH = 0.44
"""Inches to the right of the axes that a panel's column of numbers takes."""
LEAST_ROW = 0.3
FLOOR: dict[str, Any] = {"color": "#333333", "alpha": 0.25, "linewidth": 0}
"""How the bars that reach back from the last row look in a legend."""
REFERENCE: dict[str, Any] = {"color": "#444444", "linewidth": 0.9, "linestyle": (0, (4, 3))}
"""How the line of the commonest class looks."""


@dataclass(frozen=True)
class Lane:
    """A method: its label, its name for readers, its colour and marker."""

    label: str
    name: str
    colour: str
    marker: str


@dataclass(frozen=True)
class Row:
    """An attack: its label, its name for readers; a heavy one is set apart from the others.

    In a row without a floor the bar that reaches back from the last row is not drawn.
    """

    label: str
    name: str
    heavy: bool = False
    has_floor: bool = True


@dataclass(frozen=True)
class Panel:
    """What one pair of axes shows, shares from 0 to 1.

    Args:
        title: above the axes.
        estimates: by the labels of row and lane; what is missing is left empty.
        floors: for each lane, a bar from 0 that is drawn in every row that has one.
        reference: a vertical line.
    """

    title: str
    estimates: Mapping[tuple[str, str], Estimate]
    floors: Mapping[str, float]
    reference: float | None = None


def make_lanes(names: Mapping[str, str]) -> list[Lane]:
    """Lanes for these labels and names; the well-known methods look the same in every figure."""
    spare = [label for label in names if label not in _KNOWN]
    looks = {
        label: (_COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)])
        for i, label in enumerate(spare)
    } | _KNOWN
    return [Lane(label, name, *looks[label]) for label, name in names.items()]


def row_height(lanes: int, lane_height: float) -> float:
    """Inches that a row takes."""
    return max(lanes * lane_height + ROW_PADDING, LEAST_ROW)


def draw_panel(
    axes: Axes,
    panel: Panel,
    rows: Sequence[Row],
    lanes: Sequence[Lane],
    lane_height: float,
    named: bool,
) -> None:
    """Draw a panel on axes that are as high as its rows.

    Args:
        axes: empty.
        panel: what to draw.
        rows, lanes: from top to bottom; every row holds every lane.
        lane_height: in inches.
        named: whether the rows' names stand to the left.
    """
    height = row_height(len(lanes), lane_height)
    axes.set_xlim(0, 100)
    axes.set_ylim(height * len(rows), 0)
    axes.set_title(panel.title, fontsize=8, fontweight="bold", loc="left", pad=4)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_yticks(
        [height * (number + 0.5) for number in range(len(rows))],
        [row.name if named else "" for row in rows],
    )
    axes.tick_params(length=0, labelsize=8)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for number, (row, label) in enumerate(zip(rows, axes.get_yticklabels(), strict=True)):
        axes.axhline(
            height * number,
            color="#333333" if row.heavy else "#bbbbbb",
            linewidth=1.2 if row.heavy else 0.6,
            zorder=1.2,
        )
        if row.heavy:
            axes.axhspan(
                height * number, height * (number + 1), color="#ececec", linewidth=0, zorder=0
            )
            label.set_fontweight("bold")
    if panel.reference is not None:
        axes.axvline(100 * panel.reference, **REFERENCE, zorder=1.5)
    inset = (height - len(lanes) * lane_height) / 2
    for number, lane in enumerate(lanes):
        offset = inset + (number + 0.5) * lane_height
        _draw_lane(
            axes,
            panel,
            lane,
            [(row, height * place + offset) for place, row in enumerate(rows)],
            lane_height,
        )


def _draw_lane(
    axes: Axes, panel: Panel, lane: Lane, places: Sequence[tuple[Row, float]], lane_height: float
) -> None:
    if (floor := panel.floors.get(lane.label)) is not None:
        for row, y in (place for place in places if place[0].has_floor):
            strength = 0.5 if row.heavy else 0.18
            axes.barh(
                y,
                100 * floor,
                0.84 * lane_height,
                color=lane.colour,
                alpha=strength,
                linewidth=0,
                zorder=1,
            )
    # In points, to fit a lane of 72 * lane_height points.
    size, letters = 31 * lane_height, min(7.0, 54 * lane_height)
    # Small letters in light colours cannot be read.
    dark = [0.72 * part for part in to_rgb(lane.colour)]
    right = 1 + VALUES_WIDTH / (axes.bbox.width / axes.figure.dpi)
    for row, y in places:
        found = panel.estimates.get((row.label, lane.label))
        if found is not None:
            # An end that rounding puts beyond the mean would be drawn as an error.
            reach = [
                [max(100 * (found.mean - found.low), 0.0)],
                [max(100 * (found.high - found.mean), 0.0)],
            ]
            axes.errorbar(
                [100 * found.mean],
                [y],
                xerr=reach,
                fmt=lane.marker,
                color=lane.colour,
                ecolor="black" if row.heavy else lane.colour,
                markersize=size * (1.25 if row.heavy else 1.0),
                markeredgecolor="black" if row.heavy else lane.colour,
                markeredgewidth=0.7 if row.heavy else 0.0,
                elinewidth=1.2,
                label=lane.name,
                clip_on=False,
                zorder=3,
            )
        value = "-" if found is None else f"{100 * found.mean:.1f}"
        weight = "bold" if row.heavy else "normal"
        where = axes.get_yaxis_transform()
        axes.text(
            right,
            y,
            value,
            transform=where,
            ha="right",
            va="center_baseline",
            fontsize=letters,
            fontweight=weight,
            color=dark,
        )
