"""Curves of learning, a panel for each method: of victims by epoch, of attackers by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from robust_augcl.reports._letters import Letters
from robust_augcl.reports._sheet import STYLE

Word = Literal["at rest", "not at rest", "not tried"]
"""What the audit says of what was trained."""

LOOKS: dict[Word, tuple[str, Literal["-", "--", ":"]]] = {
    "at rest": ("#0072B2", "-"),
    "not at rest": ("#D55E00", "--"),
    "not tried": ("#6B6B6B", ":"),
}
"""Colour and style of a curve by the word on it."""

_WIDTH, _HEIGHT = 2.6, 1.5  # inches, of each pair of axes
_LEAST_WIDTH = 1.7  # where a figure's width is given
_MOST_COLUMNS = 3
_LEFT, _RIGHT, _BETWEEN = 0.75, 0.15, 0.3
_ABOVE, _BELOW = 0.32, 0.5  # a panel's title; its ticks and axis label
_MARGIN = 0.12


@dataclass(frozen=True)
class Curve:
    """One course of learning.

    Args:
        name: of the victim, for people.
        word: the audit's on it.
        points: epoch or step, and value; what is not finite is a gap.
        kept: the epoch or step that was kept.
    """

    name: str
    word: Word
    points: Sequence[tuple[int, float]]
    kept: int


@dataclass(frozen=True)
class CurvePanel:
    """What one pair of axes shows: the curves of one method, one a seed."""

    title: str
    curves: Sequence[Curve]

    @property
    def words(self) -> str:
        """Its title, and how many of its curves the audit says what of."""
        counts = {word: sum(curve.word == word for curve in self.curves) for word in LOOKS}
        told = [
            f"{count} of {len(self.curves)} {word}" if count < len(self.curves) else word
            for word, count in counts.items()
            if count
        ]
        return f"{self.title}: {', '.join(told)}"


def curves_figure(
    title: str,
    panels: Sequence[CurvePanel],
    across: str,
    upwards: str,
    caption: str,
    width: float | None = None,
) -> Figure:
    """Draw panels side by side, three in a row, on one scale.

    Args:
        title: of the figure; empty for a paper, which has its own.
        panels: at least one, each with a curve that has a point.
        across, upwards: the labels of the axes.
        caption: stands below, in words; empty for none.
        width: in inches, which decides how many stand side by side; None: as they need.

    Raises:
        ValueError: no panels.
    """
    if not panels:
        raise ValueError("Expected at least one panel of curves, got none")
    columns = min(_MOST_COLUMNS, len(panels))
    if width is not None:
        fit = int((width - _LEFT - _RIGHT + _BETWEEN) // (_LEAST_WIDTH + _BETWEEN))
        columns = max(1, min(columns, fit))
    rows = math.ceil(len(panels) / columns)
    width = width or _LEFT + columns * (_WIDTH + _BETWEEN) - _BETWEEN + _RIGHT
    own_width = (width - _LEFT - _RIGHT + _BETWEEN) / columns - _BETWEEN
    with matplotlib.style.context([STYLE], after_reset=True):
        figure = Figure(figsize=(width, 1))
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
        for own, panel in zip(axes, panels, strict=False):
            draw_curves(own, panel)
        for empty in axes[len(panels) :]:
            empty.set_visible(False)
        for place, own in enumerate(axes[: len(panels)]):
            own.tick_params(labelbottom=place + columns >= len(panels))
            if place + columns >= len(panels):
                own.set_xlabel(across, fontsize=8)
            if place % columns == 0:
                own.set_ylabel(upwards, fontsize=8)
        axes[0].set_xlim(left=0)
        axes[0].xaxis.set_major_locator(MaxNLocator(5, integer=True))
        _lay_out(figure, (title, caption), panels, rows, own_width)
    return figure


def draw_curves(axes: Axes, panel: CurvePanel) -> None:
    """Draw the curves of a panel on some axes, with a ring at what was kept."""
    for curve in panel.curves:
        colour, style = LOOKS[curve.word]
        places = [place for place, _ in curve.points]
        values = [value if math.isfinite(value) else math.nan for _, value in curve.points]
        axes.plot(places, values, color=colour, linestyle=style, linewidth=1.0, label=curve.name)
        kept = [value for place, value in zip(places, values, strict=True) if place == curve.kept]
        for value in kept[:1]:
            axes.plot([curve.kept], [value], "o", markersize=5, color=colour, fillstyle="none")
    axes.tick_params(which="both", length=0, labelsize=8)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _lay_out(
    figure: Figure,
    words: tuple[str, str],
    panels: Sequence[CurvePanel],
    rows: int,
    own_width: float,
) -> None:
    """Add titles, legend and caption, and give the figure its height."""
    title, caption = words
    letters = Letters(figure)
    width = figure.get_figwidth()
    space = width - 2 * _MARGIN
    there = [
        word for word in LOOKS if any(c.word == word for panel in panels for c in panel.curves)
    ]
    entries = [
        (Line2D([], [], color=LOOKS[word][0], linestyle=LOOKS[word][1]), f"one victim: {word}")
        for word in there
    ]
    ring = Line2D([], [], color="#333333", marker="o", fillstyle="none", linestyle="")
    legend = letters.legend([*entries, (ring, "kept from here")], space)
    titles = [letters.wrap(panel.words, 0.95 * own_width, 8) for panel in panels]
    above = _ABOVE + 0.14 * max(text.count("\n") for text in titles)
    # Viewers of other resolutions make letters a little wider.
    text = letters.wrap(caption, 0.95 * space, 8)
    foot = 0.15 * (text.count("\n") + 1) + _MARGIN if text else 0.0
    above_legend = _MARGIN + (0.25 if title else 0.0)
    head = above_legend + letters.height(legend) + 0.1
    height = head + rows * (above + _HEIGHT) + _BELOW + foot
    figure.set_size_inches(width, height)
    figure.subplots_adjust(
        left=_LEFT / width,
        right=1 - _RIGHT / width,
        top=1 - (head + above) / height,
        bottom=(_BELOW + foot) / height,
        wspace=_BETWEEN / own_width,
        hspace=above / _HEIGHT,
    )
    for own, name in zip(figure.axes, titles, strict=False):
        own.set_title(name, fontsize=8, loc="left")
    figure.text(_MARGIN / width, 1 - _MARGIN / height, title, fontsize=10, va="top", weight="bold")
    legend.set_bbox_to_anchor((_MARGIN / width, 1 - above_legend / height))
    figure.text(_MARGIN / width, _MARGIN / height, text, fontsize=8, va="bottom")
