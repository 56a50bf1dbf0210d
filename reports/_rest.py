"""Victims that were not at rest, in a report: the mark of methods, and of what compares them."""

from __future__ import annotations

from robust_augcl.reports._sections import Section
from robust_augcl.reports.tables import NOT_AT_REST, escape
from robust_augcl.results.names import CLEAN, joined, layers_text
from robust_augcl.results.rest import victim_cell


def rest_mark(section: Section, layers: int | None, *methods: str) -> str:
    """The mark of what is said of methods, if some of their victims were not at rest.

    `layers` None stands for every number of layers.
    """
    moving = section.report.not_at_rest
    counts = section.layers if layers is None else [layers]
    victims = (
        r.cell for n in counts for method in methods for r in section.group(CLEAN, n, method)
    )
    return NOT_AT_REST if any(victim_cell(cell) in moving for cell in victims) else ""


def marked_name(section: Section, layers: int | None, method: str) -> str:
    """The name of a method as Markdown, marked where its victims were not at rest."""
    return escape(section.method_name(method)) + rest_mark(section, layers, method)


def heading(section: Section, layers: int, method: str) -> str:
    """The head of a column: layers and method, as `marked_name`."""
    return joined(layers_text(layers), marked_name(section, layers, method), by=": ")
