"""Figures of many forest plots, laid out from the top down so that nothing overlaps.

Lengths are in inches.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from robust_augcl.reports._forest import (
    FLOOR,
    REFERENCE,
    VALUES_WIDTH,
    Lane,
    Panel,
    Row,
    draw_panel,
    row_height,
)
from robust_augcl.reports._letters import Letters

STYLE: dict[str, Any] = {
    # comes with matplotlib: the same letters, and so the same bytes, everywhere
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.8,
    "text.hinting": "no_hinting",  # a text is as wide in the file as it was measured
    "text.parse_math": False,  # a data set may have a $ in its name
    "svg.hashsalt": "robust_augcl",
    "pdf.fonttype": 42,  # letters that journals accept
}
_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""What files would say of when and by what they were made, by their ending: nothing."""
_MARGIN, _GAP = 0.15, 0.22  # around the figure, between panels
_LEAST_WIDTH, _WIDTH = 6.0, 8.0  # of the figure: at least, and where the panels allow it
_PANEL = (1.5, 3.9)  # least and greatest width of a panel, before the figure's least width
_ABOVE, _BELOW = 0.24, 0.42  # a panel's title; its ticks and axis label
_MOST_PIXELS = 60_000  # the renderer's limit is 65,536 a side
_LEADING = 1.3  # from one line of text to the next, in font sizes


@dataclass(frozen=True)
class Block:
    """Panels in rows under one heading, with a caption; all have the same rows of attacks."""

    heading: str
    caption: str
    rows: Sequence[Row]
    panels: Sequence[Sequence[Panel]]


@dataclass(frozen=True)
class Words:
    """The words of a figure.

    Args:
        title: over everything.
        axis: under every panel.
        floor, reference: what the legend says of the bars and of the vertical line; None where
            there are none.
    """

    title: str
    axis: str
    floor: str | None
    reference: str | None


def draw(
    words: Words, lanes: Sequence[Lane], blocks: Sequence[Block], lane_height: float
) -> Figure:
    """Draw blocks of panels, one below the other, under a common legend."""
    with matplotlib.style.context([STYLE], after_reset=True):
        return _Sheet(words, lanes, blocks, lane_height).figure


def as_bytes(figure: Figure, ending: str) -> bytes:
    """A figure as the content of a PNG, SVG or PDF file; equal figures give equal bytes."""
    metadata = _METADATA[ending]
    content = io.BytesIO()
    with matplotlib.style.context([STYLE], after_reset=True):
        dpi = min(200, _MOST_PIXELS / max(figure.get_size_inches()))
        figure.savefig(content, format=ending, dpi=dpi, metadata=metadata)
    return content.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, SVG or PDF, by the path's ending."""
    path.write_bytes(as_bytes(figure, path.suffix.removeprefix(".")))


class _Sheet:
    """A figure while it is laid out: widths first, then wrapped texts, then heights."""

    def __init__(
        self, words: Words, lanes: Sequence[Lane], blocks: Sequence[Block], lane_height: float
    ) -> None:
        self.figure = Figure()
        self.letters = Letters(self.figure)
        self.words, self.lanes, self.lane_height = words, lanes, lane_height

        self.left = (
            _MARGIN
            + 0.1
            + max(self.letters.width(row.name, 8, "bold") for block in blocks for row in block.rows)
        )
        columns = max(len(row) for block in blocks for row in block.panels)
        fixed = self.left + columns * VALUES_WIDTH + (columns - 1) * _GAP + _MARGIN
        titles = max(
            self.letters.width(panel.title, 8, "bold")
            for block in blocks
            for row in block.panels
            for panel in row
        )
        least = max(_PANEL[0], titles - VALUES_WIDTH)
        self.panel = max(
            min((_WIDTH - fixed) / columns, _PANEL[1]), least, (_LEAST_WIDTH - fixed) / columns
        )
        self.width = fixed + columns * self.panel
        self.figure.set_size_inches(self.width, 1)

        title = self._wrap(words.title, 11, "bold")
        legends = self._legends()
        texts = [
            (self._wrap(block.heading, 9, "bold"), self._wrap(block.caption, 7.5, "normal"))
            for block in blocks
        ]
        self.height = (
            _MARGIN + self._text_height(title, 11) + sum(map(self.letters.height, legends)) + 0.1
        )
        for block, (heading, caption) in zip(blocks, texts, strict=True):
            self.height += (
                self._text_height(heading, 9)
                + len(block.panels) * self._band(block)
                + self._text_height(caption, 7.5)
                + _MARGIN
            )
        self.figure.set_size_inches(self.width, self.height)

        top = _MARGIN + self._write(title, _MARGIN, 11, "bold")
        for legend in legends:
            legend.set_bbox_to_anchor((_MARGIN / self.width, 1 - top / self.height))
            top += self.letters.height(legend)
        top += 0.1
        for block, (heading, caption) in zip(blocks, texts, strict=True):
            top += self._write(heading, top, 9, "bold")
            for panels in block.panels:
                for column, panel in enumerate(panels):
                    self._add_panel(panel, block.rows, column, top)
                top += self._band(block)
            top += self._write(caption, top, 7.5, "normal") + _MARGIN

    def _add_panel(self, panel: Panel, rows: Sequence[Row], column: int, top: float) -> None:
        height = len(rows) * row_height(len(self.lanes), self.lane_height)
        left = self.left + column * (self.panel + VALUES_WIDTH + _GAP)
        bottom = self.height - top - _ABOVE - height
        axes = self.figure.add_axes(
            (left / self.width, bottom / self.height, self.panel / self.width, height / self.height)
        )
        axes.set_xlabel(self.words.axis, fontsize=8, labelpad=2)
        draw_panel(axes, panel, rows, self.lanes, self.lane_height, named=column == 0)

    def _band(self, block: Block) -> float:
        """The height of one row of panels."""
        return _ABOVE + len(block.rows) * row_height(len(self.lanes), self.lane_height) + _BELOW

    def _legends(self) -> list[Legend]:
        """The methods, and below them what else is drawn."""
        methods: list[tuple[Artist, str]] = [
            (
                Line2D(
                    [], [], color=lane.colour, marker=lane.marker, markersize=5.5, linewidth=1.3
                ),
                lane.name,
            )
            for lane in self.lanes
        ]
        others: list[tuple[Artist, str]] = []
        if self.words.floor is not None:
            others.append((Patch(**FLOOR), self.words.floor))
        if self.words.reference is not None:
            others.append(
                (
                    Line2D([], [], **REFERENCE),
                    self.words.reference,
                )
            )
        return [
            self.letters.legend(entries, self._text_space)
            for entries in (methods, others)
            if entries
        ]

    def _write(self, text: str, top: float, size: float, weight: str) -> float:
        """Write wrapped text and return its height."""
        x, y = _MARGIN / self.width, 1 - top / self.height
        self.figure.text(
            x,
            y,
            text,
            fontsize=size,
            fontweight=weight,
            va="top",
            ha="left",
            linespacing=_LEADING * 0.86,
        )
        return self._text_height(text, size)

    def _text_height(self, text: str, size: float) -> float:
        return (text.count("\n") + 1) * size * _LEADING / 72 + 0.06 if text else 0.0

    @property
    def _text_space(self) -> float:
        return self.width - 2 * _MARGIN

    def _wrap(self, text: str, size: float, weight: str) -> str:
        """Break text into lines that fit the figure's width."""
        return self.letters.wrap(text, self._text_space, size, weight)
