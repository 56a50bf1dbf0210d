"""Figures for notebooks: each function draws one panel, on axes that are given or made.

>>> from robust_augcl import load  # doctest: +SKIP
>>> run = load("runs/quick")  # doctest: +SKIP
>>> import matplotlib.pyplot as plt  # doctest: +SKIP
>>> figure, (left, right) = plt.subplots(1, 2)  # doctest: +SKIP
>>> budgets(run.report_input, "augcl", ax=left)  # doctest: +SKIP
>>> accuracy(run.report_input, ax=right)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import Literal, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robust_augcl.errors import unknown
from robust_augcl.reports._budget_figure import Model, draw_budgets, looks_of_attacks
from robust_augcl.reports._forest import draw_panel, make_lanes, row_height
from robust_augcl.reports._learning import draw_curves
from robust_augcl.reports._learning_figures import curve_panels
from robust_augcl.reports._mechanism import draw_histograms, draw_shares
from robust_augcl.reports._methods import mechanism_models
from robust_augcl.reports._rest import drawn_name, names_of_lanes
from robust_augcl.reports._sections import Section
from robust_augcl.reports._view import View, view_of
from robust_augcl.reports.figure import panel_of, rows_of
from robust_augcl.results.report_input import ReportInput

_LANE = 0.16  # inches
Known = TypeVar("Known", int, float, str)


def accuracy(
    report: ReportInput,
    ax: Axes | None = None,
    budget: int | float | None = None,
    layers: int | None = None,
) -> Axes:
    """Accuracy before and under each attack: a row an attack, a mark a method.

    Args:
        report: what is drawn; its first section with this budget.
        ax: axes to draw on; None: new ones of a fitting height.
        budget: None: the smallest.
        layers: None: the fewest.

    Raises:
        InputError: another budget or number of layers.
    """
    section = _section(view_of(report), budget)
    count = _one_of("layers", layers, section.layers)
    lanes = make_lanes(names_of_lanes([section]))
    rows = rows_of(section)
    axes = ax or _new(6.0, len(rows) * row_height(len(lanes), _LANE) + 0.8)
    draw_panel(axes, panel_of(section, count, section.title), rows, lanes, _LANE, named=True)
    axes.set_xlabel("Accuracy (%)", fontsize=8)
    return axes


def budgets(
    report: ReportInput, method: str, ax: Axes | None = None, layers: int | None = None
) -> Axes:
    """Accuracy of one method over budgets: a line an attack, the worst case as far as it is known.

    Args:
        report: what is drawn; its first data set, encoder and protocol.
        method: its label.
        ax: axes to draw on; None: new ones.
        layers: None: the fewest.

    Raises:
        InputError: another method or number of layers.
    """
    view = view_of(report)
    family = view.families[0]
    name = _one_of("method", method, family[0].methods)
    count = _one_of("layers", layers, family[0].layers)
    axes = ax or _new(4.6, 3.2)
    looks = looks_of_attacks(view.sections)
    entries = draw_budgets(axes, Model(family, count, name), looks, view)
    axes.set_title(drawn_name(family[0], count, name), fontsize=8, fontweight="bold", loc="left")
    axes.set_ylabel("Stay right (%)", fontsize=8)
    axes.legend(
        [artist for _, artist in entries], [text for text, _ in entries], fontsize=7, frameon=False
    )
    return axes


def curves(
    report: ReportInput,
    kind: Literal["victim", "attacker"] = "victim",
    panel: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Courses of learning, a line a seed: losses of victims, or what attackers left standing.

    Args:
        report: what is drawn.
        kind: whose.
        panel: which of the panels of the report's figure, from 0.
        ax: axes to draw on; None: new ones.

    Raises:
        InputError: there is no such panel.
    """
    panels = curve_panels(report, kind)
    drawn = panels[_one_of("panel", panel, list(range(len(panels))))]
    axes = ax or _new(4.0, 2.6)
    draw_curves(axes, drawn)
    axes.set_title(drawn.words, fontsize=8, loc="left")
    return axes


def negatives(
    report: ReportInput,
    method: str,
    what: Literal["similarity", "uncertainty", "shares"] = "similarity",
    ax: Axes | None = None,
) -> Axes:
    """True and false negatives of one method's pretraining, of every seed.

    Args:
        report: what is drawn; its first data set and encoder.
        method: what readers call it.
        what: how similar or how uncertain they are, or which shares lie on false ones.
        ax: axes to draw on; None: new ones.

    Raises:
        InputError: a method whose pretraining was not diagnosed.
    """
    models = dict(mechanism_models(view_of(report).families[0][0], report.measurements))
    measured = models[_one_of("method", method, list(models))]
    axes = ax or _new(4.0, 2.4)
    if what == "shares":
        draw_shares(axes, measured)
    else:
        draw_histograms(axes, measured, what)
    axes.set_title(method, fontsize=8, fontweight="bold", loc="left")
    return axes


def _section(view: View, budget: int | float | None) -> Section:
    family = view.families[0]
    wanted = _one_of("budget", budget, [section.budget for section in family])
    return next(section for section in family if section.budget == wanted)


def _one_of(name: str, value: Known | None, known: list[Known]) -> Known:
    """The value, or the first of those that there are.

    Raises:
        InputError: another one.
    """
    if value is None and known:
        return known[0]
    if value is None or value not in known:
        raise unknown(name, str(value), list(map(str, known)))
    return value


def _new(width: float, height: float) -> Axes:
    return Figure(figsize=(width, height), layout="constrained").add_subplot()
