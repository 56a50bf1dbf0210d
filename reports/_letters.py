"""Texts in a figure: their widths, lines that fit, legends of as many columns as fit.

Lengths are in inches.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend


class Letters:
    """Measures texts of a figure."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.renderer = FigureCanvasAgg(figure).get_renderer()
        self._widths: dict[tuple[str, float, str], float] = {}

    def width(self, text: str, size: float, weight: str = "normal") -> float:
        """How wide a text is."""
        known = self._widths.get((text, size, weight))
        if known is not None:
            return known
        drawn = self.figure.text(0, 0, text, fontsize=size, fontweight=weight)
        width: float = drawn.get_window_extent(self.renderer).width / self.figure.dpi
        drawn.remove()
        self._widths[text, size, weight] = width
        return width

    def wrap(self, text: str, space: float, size: float, weight: str = "normal") -> str:
        """Break text into lines that fit this space."""
        whole = self.width(text, size, weight)
        if whole <= space:
            return text
        # No line of many letters is this much narrower than the text is on average: longer ones
        # need not be tried.
        most = min(len(text), math.ceil(1.5 * len(text) * space / whole))
        for letters in range(most, 10, -1):
            lines = textwrap.wrap(text, letters)
            if all(self.width(line, size, weight) <= space for line in lines):
                return "\n".join(lines)
        return text

    def legend(self, entries: Sequence[tuple[Artist, str]], space: float) -> Legend:
        """A legend with as many columns as fit this space, its names wrapped to it."""
        handles, labels = (
            [handle for handle, _ in entries],
            [self.wrap(label, 0.92 * space, 8) for _, label in entries],
        )
        look: dict[str, Any] = {
            "loc": "upper left",
            "frameon": False,
            "fontsize": 8,
            "borderpad": 0.2,
            "borderaxespad": 0,
        }
        for columns in range(len(entries), 0, -1):
            legend = self.figure.legend(handles, labels, ncols=columns, columnspacing=1.4, **look)
            if (
                columns == 1
                or legend.get_window_extent(self.renderer).width / self.figure.dpi <= space
            ):
                break
            legend.remove()
        return legend

    def height(self, legend: Legend) -> float:
        """How high a legend is."""
        height: float = legend.get_window_extent(self.renderer).height / self.figure.dpi
        return height
