"""Marks of methods whose victims were not at rest, and of attacks that failed their audit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from robust_augcl.reports._marks import MARK, MEANINGS, NOT_AT_REST, mark_of_rest
from robust_augcl.reports._sections import Section
from robust_augcl.reports.tables import escape
from robust_augcl.results.names import CLEAN, joined, layers_text
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.rest import victim_cell
from robust_augcl.results.statistics import Group

IN_SHORT = f"{NOT_AT_REST} Some of its victims were not at rest"
"""What the mark means, in a legend."""

FAILED_IN_SHORT = f"{MARK} Failed its audit on some models"
"""What the mark of an attack means, in a legend."""


def rest_mark(section: Section, layers: int | None, *methods: str) -> str:
    """The mark of what is said of methods, if some of their victims were not at rest.

    `layers` None stands for every number of layers.
    """
    moving = section.report.not_at_rest
    counts = section.layers if layers is None else [layers]
    victims = (
        r.cell for n in counts for method in methods for r in section.group(CLEAN, n, method)
    )
    return mark_of_rest(any(victim_cell(cell) in moving for cell in victims))


def drawn_name(section: Section, layers: int | None, method: str) -> str:
    """The name of a method as it is, marked where its victims were not at rest."""
    return section.method_name(method) + rest_mark(section, layers, method)


def marked_name(section: Section, layers: int | None, method: str) -> str:
    """The same as Markdown."""
    return escape(section.method_name(method)) + rest_mark(section, layers, method)


def heading(section: Section, layers: int, method: str) -> str:
    """The head of a column: layers and method, as `marked_name`."""
    return joined(layers_text(layers), marked_name(section, layers, method), by=": ")


def name_of_group(report: ReportInput, group: Group) -> str:
    """The name of a group's method as it is, marked where its victims were not at rest."""
    return report.names.method(group.method) + mark_of_rest(report.moves(group))


def names_of_lanes(found: Sequence[Section]) -> dict[str, str]:
    """The names of all methods in a figure, in the order of the sections that have them.

    A method that stands in several sections is marked for any of them.
    """
    there = {method: section for section in reversed(found) for method in section.methods}
    order = dict.fromkeys(method for section in found for method in section.methods)
    marks = {
        method: max(rest_mark(each, None, method) for each in found if method in each.methods)
        for method in order
    }
    return {method: there[method].method_name(method) + marks[method] for method in order}


def drawn_attack(section: Section, attack: str) -> str:
    """The name of an attack as it is, marked where it failed its audit on some model."""
    return section.attack_name(attack) + mark_of_attack(section, attack)


def mark_of_attack(section: Section, attack: str) -> str:
    """The mark of an attack that failed its audit on some model of a section; else empty."""
    return max((section.marked(attack, *column) for column in section.columns), default="")


def failed_text(section: Section, attack: str) -> str:
    """A sentence where numbers under an attack are told without marks: it failed its audit."""
    if not mark_of_attack(section, attack):
        return ""
    which = "On some models this" if len(section.columns) > 1 else "This"
    return (
        f" {which} attack, or what it rests on, failed its audit. Do not rely on these numbers "
        "before you have read why."
    )


def told_in(names: Iterable[str]) -> str:
    """What each mark means that one of the names in a figure has; else empty."""
    shown = "".join(names)
    return " ".join(f"{mark} {text}" for mark, text in MEANINGS.items() if mark in shown)


def in_legend(names: Iterable[str]) -> list[str]:
    """The same in short, one entry of a legend each."""
    shown = "".join(names)
    short = {MARK: FAILED_IN_SHORT, NOT_AT_REST: IN_SHORT}
    return [text for mark, text in short.items() if mark in shown]
