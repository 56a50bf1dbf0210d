"""The figures of a report: which there are, and each drawn once for the same content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from robust_augcl.reports._budget_figure import budget_figure
from robust_augcl.reports._families import families
from robust_augcl.reports._learning_figures import Drawing, curve_drawings
from robust_augcl.reports._mechanism import mechanism_figure
from robust_augcl.reports._methods import mechanism_models
from robust_augcl.reports._sections import Section, sections
from robust_augcl.reports._sheet import as_bytes
from robust_augcl.reports._view import view_of
from robust_augcl.reports.column import column_figure
from robust_augcl.reports.figure import accuracy_figure, by_class_figure
from robust_augcl.reports.written import ENDINGS
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.report_input import ReportInput


class Elsewhere(NamedTuple):
    """Figures that another process drew.

    Args:
        files: as `Gallery.draw` gives them.
        digests: by the name of each figure, that of its content.
    """

    files: Mapping[str, bytes] = {}
    digests: Mapping[str, str] = {}


def drawn_elsewhere(report: ReportInput) -> Elsewhere:
    """All figures of a report, with what they were drawn from, for the process that takes them."""
    digests = {name: _digest(drawing.content) for name, drawing in figures(report).items()}
    return Elsewhere(Gallery().draw(report), digests)


def _digest(content: tuple[str, ...]) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()


class Gallery:
    """Figures as the bytes of files. What was drawn from the same content is not drawn again."""

    def __init__(self) -> None:
        self._drawn: dict[tuple[str, tuple[str, ...]], dict[str, bytes]] = {}

    def draw(self, report: ReportInput, but: Collection[str] = ()) -> dict[str, bytes]:
        """All figures that there is something for, `but` some, as PNG and SVG files, by name."""
        files: dict[str, bytes] = {}
        for name, drawing in figures(report).items():
            if name in but:
                continue
            known = name, drawing.content
            if known not in self._drawn:
                figure = drawing.make()
                self._drawn[known] = {
                    f"{name}.{ending}": as_bytes(figure, ending) for ending in ENDINGS
                }
            files |= self._drawn[known]
        return files

    def take(self, report: ReportInput, elsewhere: Elsewhere) -> None:
        """Hold figures of a report that were drawn elsewhere, by the same code.

        A figure that was drawn from other content, without the marks of an audit for instance, is
        not held, and so drawn again.
        """
        files, digests = elsewhere
        for name, drawing in figures(report).items():
            names = [f"{name}.{ending}" for ending in ENDINGS]
            is_same = digests.get(name) == _digest(drawing.content)
            if is_same and all(each in files for each in names):
                self._drawn[name, drawing.content] = {each: files[each] for each in names}


def figures(report: ReportInput) -> dict[str, Drawing]:
    """The figures that there is something for, by name."""
    found = sections(report)
    smallest = [record for family in families(found) for record in family[0].records]
    first = replace(report, records=smallest)
    order = (*report.suite_order("methods"), *report.suite_order("attacks"))
    marked = *sorted(map(repr, report.not_at_rest)), "failed", *sorted(report.failed)
    texts = (*order, *(record.dumps() for record in smallest), *marked)
    drawings = {
        "accuracy": Drawing(
            lambda: accuracy_figure(first), texts, lambda width: column_figure(first, width)
        ),
        "by_class": Drawing(lambda: by_class_figure(first), texts),
    }
    if any(len(family) > 1 for family in families(found)):
        drawings["budgets"] = _budgets(report, (*order, *marked))
    if models := _diagnosed(found, report.measurements):
        content = tuple(f"{name}: {_text(each)}" for name, own in models for each in own)
        drawings["mechanism"] = Drawing(
            lambda: mechanism_figure(models),
            content,
            lambda width: mechanism_figure(models, width, bare=True),
        )
    return drawings | curve_drawings(report)


def _budgets(report: ReportInput, order: Sequence[str]) -> Drawing:
    records, measurements = report.records, report.measurements
    content = (*order, *(record.dumps() for record in records), *map(_text, measurements))
    return Drawing(
        lambda: budget_figure(view_of(report)),
        content,
        lambda width: budget_figure(view_of(report), width, bare=True),
    )


def _text(measurement: Measurement) -> str:
    return json.dumps(vars(measurement), sort_keys=True, default=vars)


def _diagnosed(
    found: Sequence[Section], measurements: Sequence[Measurement]
) -> list[tuple[str, list[Measurement]]]:
    """The models whose pretraining was diagnosed.

    Each stands there once, though its section stands there for each protocol.
    """
    models = [
        model for family in families(found) for model in mechanism_models(family[0], measurements)
    ]
    several = len({own[0].cell.dataset for _, own in models}) > 1
    unique = {(own[0].cell, name): (name, own) for name, own in models}
    return [
        (f"{own[0].cell.dataset}: {name}" if several else name, own)
        for name, own in unique.values()
    ]
