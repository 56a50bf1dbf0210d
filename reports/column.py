"""The figure of accuracy under attack at the width of a paper's column; its caption is the paper's.

Lengths are in inches.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.style
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from robust_augcl.reports._forest import (
    FLOOR,
    REFERENCE,
    VALUES_WIDTH,
    Lane,
    draw_panel,
    make_lanes,
    row_height,
)
from robust_augcl.reports._letters import Letters
from robust_augcl.reports._rest import in_legend, names_of_lanes
from robust_augcl.reports._sections import Section, sections
from robust_augcl.reports._sheet import STYLE
from robust_augcl.reports._words import setting_text
from robust_augcl.reports.figure import panel_of, rows_of
from robust_augcl.results.names import joined, layers_text
from robust_augcl.results.report_input import ReportInput

WIDTH = 3.35
"""The width of a column in two columns of a page, 85 mm."""
_MARGIN, _ABOVE, _BELOW = 0.06, 0.2, 0.4
_LEAST_PANEL, _LANE = 1.0, 0.13
_LINE_HEIGHT = 0.14
"""Of a further line of a panel's title."""
_AXIS = "Accuracy (%)"
_BARS, _LINE = "Exact worst case, in each row", "Always the commonest class"


def column_figure(report: ReportInput, at_width: float = WIDTH) -> Figure:
    """Accuracy before and under each attack: a row an attack, a lane a model, a panel a budget.

    Panels stand below each other. Bars of the exact worst case reach back under every other row.

    Args:
        report: what is drawn.
        at_width: in inches; wider where names need it.

    Raises:
        ValueError: no records, or two of one cell.
    """
    found = sections(report)
    lanes = make_lanes(names_of_lanes(found))
    with matplotlib.style.context([STYLE], after_reset=True):
        figure = Figure(figsize=(at_width, 1))
        letters = Letters(figure)
        panels = [(section, layers) for section in found for layers in section.layers]
        names = [row.name for section in found for row in rows_of(section)]
        left = _MARGIN + 0.08 + max(letters.width(name, 8, "bold") for name in names)
        width = max(at_width - left - VALUES_WIDTH - _MARGIN, _LEAST_PANEL)
        whole = left + width + VALUES_WIDTH + _MARGIN
        looks = [*(_lanes(lanes) if len(lanes) > 1 else []), *_marks(found)]
        told = in_legend([*(lane.name for lane in lanes), *names])
        looks += [(Line2D([], [], linestyle=""), text) for text in told]
        figure.set_size_inches(whole, 1)
        legend = letters.legend(looks, whole - 2 * _MARGIN) if looks else None
        top = _MARGIN + (letters.height(legend) if legend is not None else 0.0)
        heights = [len(rows_of(section)) * row_height(len(lanes), _LANE) for section, _ in panels]
        space = width + VALUES_WIDTH
        titles = [letters.wrap(_title(*panel, found), space, 8, "bold") for panel in panels]
        above = _ABOVE + _LINE_HEIGHT * max(title.count("\n") for title in titles)
        total = top + sum(height + above + _BELOW for height in heights)
        figure.set_size_inches(whole, total)
        if legend is not None:
            legend.set_bbox_to_anchor((_MARGIN / whole, 1 - _MARGIN / total))
        for (section, layers), height, title in zip(panels, heights, titles, strict=True):
            bottom = total - top - above - height
            axes = figure.add_axes((left / whole, bottom / total, width / whole, height / total))
            axes.set_xlabel(_AXIS, fontsize=8, labelpad=2)
            panel = panel_of(section, layers, title)
            draw_panel(axes, panel, rows_of(section), lanes, _LANE, named=True)
            top += above + height + _BELOW
    return figure


def _lanes(lanes: Sequence[Lane]) -> list[tuple[Artist, str]]:
    """How each model is drawn."""
    return [
        (Line2D([], [], color=lane.colour, marker=lane.marker, markersize=5), lane.name)
        for lane in lanes
    ]


def _marks(found: Sequence[Section]) -> list[tuple[Artist, str]]:
    """What else is drawn: bars that reach back from the last row, and a dashed line."""
    bars: list[tuple[Artist, str]] = [(Patch(**FLOOR), _BARS)]
    line: tuple[Artist, str] = (Line2D([], [], **REFERENCE), _LINE)
    return [*(bars if any(section.exact for section in found) else []), line]


def _title(section: Section, layers: int, found: list[Section]) -> str:
    """What tells a panel from the others, and the data set where it stands alone."""

    def differ(name: str) -> bool:
        return len({getattr(each, name) for each in found}) > 1

    budget = section.budget
    text = f"{100 * budget:g} % of edges" if isinstance(budget, float) else f"budget {budget}"
    return joined(
        section.dataset,
        section.encoder if differ("encoder") and layers else "",
        section.protocol if differ("protocol") else "",
        setting_text(section.records) if section.threat.poisoning else "",
        layers_text(layers),
        text,
    )
