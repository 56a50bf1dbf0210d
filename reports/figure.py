"""Figures of accuracy under attack: over all graphs, and class by class."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from robust_augcl.reports._classes import graphs_by_class
from robust_augcl.reports._forest import Panel, Row, make_lanes
from robust_augcl.reports._page_charts import bars_text
from robust_augcl.reports._rest import drawn_attack, drawn_name, names_of_lanes, told_in
from robust_augcl.reports._sections import Section, sections
from robust_augcl.reports._sheet import Block, Words, as_bytes, draw, save
from robust_augcl.results.names import CLEAN, CLEAN_NAME, joined, layers_text
from robust_augcl.results.report_input import ReportInput

__all__ = ["accuracy_figure", "as_bytes", "by_class_figure", "panel_of", "rows_of", "save"]

_MOST_CLASSES = 10  # panels beside each other that can still be read
_AXIS = "Accuracy (%)"
_REFERENCE = "Always the commonest class"


def accuracy_figure(report: ReportInput) -> Figure:
    """Accuracy before and under each attack.

    A panel is a number of layers, a row an attack, a lane a method. Sections (data sets, encoders,
    protocols, budgets) stand below each other. The exact worst case is the last row, shaded. Its
    bars reach back under every row of an attack, so that what it missed is the space between the
    bar's end and its mark.

    Raises:
        ValueError: no records, or two of one cell.
    """
    found = sections(report)
    blocks = [
        Block(
            section.title,
            _caption(section),
            rows_of(section),
            [[panel_of(section, count, layers_text(count)) for count in section.layers]],
        )
        for section in found
    ]
    words = Words(
        title="Accuracy under attack",
        axis=_AXIS,
        floor=_floor(found),
        reference=_REFERENCE,
    )
    return draw(words, make_lanes(names_of_lanes(found)), blocks, lane_height=0.16)


def by_class_figure(report: ReportInput) -> Figure:
    """The same class by class: a row of panels a number of layers, a column a true class.

    Raises:
        ValueError: no records, or two of one cell.
    """
    found = sections(report)
    blocks = []
    for section in found:
        labels = range(min(section.num_classes, _MOST_CLASSES))
        cut = (
            f" The first {_MOST_CLASSES} of {section.num_classes} classes."
            if section.num_classes > _MOST_CLASSES
            else ""
        )
        panels = [
            [
                panel_of(
                    section,
                    layers,
                    joined(layers_text(layers), section.class_name(label)),
                    label,
                )
                for label in labels
            ]
            for layers in section.layers
        ]
        blocks.append(
            Block(section.title, _caption(section, by_class=True) + cut, rows_of(section), panels)
        )
    words = Words(
        title="Accuracy under attack, class by class",
        axis=_AXIS,
        floor=_floor(found),
        reference=None,
    )
    return draw(words, make_lanes(names_of_lanes(found)), blocks, lane_height=0.13)


def _floor(found: Sequence[Section]) -> str | None:
    """What the bars are, for the legend; None where there are none."""
    exact = [section for section in found if section.exact]
    if not exact:
        return None
    return f"Exact worst case of the same {exact[0].noun}: no attack within the threat leaves less"


def rows_of(section: Section) -> list[Row]:
    """The rows of a section's panels: its attacks."""
    return [
        Row(attack, drawn_attack(section, attack), attack == section.exact, attack != CLEAN)
        for attack in section.attacks
    ]


def panel_of(section: Section, layers: int, title: str, label: int | None = None) -> Panel:
    """What one panel of a section shows: all targets, or those of one true class."""
    estimates = {}
    for attack in section.attacks:
        for method in section.methods:
            if found := section.robust(attack, layers, method, label):
                estimates[attack, method] = found
    floors = {
        method: found.mean
        for (attack, method), found in estimates.items()
        if attack == section.exact
    }
    return Panel(title, estimates, floors, section.commonest if label is None else None)


def _caption(section: Section, by_class: bool = False) -> str:
    which = "of each true class " if by_class else ""
    graphs = f"{section.graphs}{f' ({graphs_by_class(section)})' if by_class else ''}"
    names = [
        *(drawn_name(section, None, method) for method in section.methods),
        *(drawn_attack(section, attack) for attack in section.attacks),
    ]
    text = (
        f"{CLEAN_NAME}: share of the test {section.targets} {which}classified correctly before any "
        "edit. Other rows: classified correctly both "
        f"before and after the attack's edits. {graphs}. Marks and lines: "
        f"{section.intervals}; a line shorter than its mark is "
        f"hidden by it. {bars_text(section)}Threat: {section.threat.sentences} "
        f"Protocol: {section.protocol_text}."
    )
    return joined(text, told_in(names), by=" ")
