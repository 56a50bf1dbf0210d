"""Accuracy over budgets: a curve an attack, and the bracket around the worst case."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import matplotlib.style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from robust_augcl.reports._letters import Letters
from robust_augcl.reports._marks import noted
from robust_augcl.reports._rest import IN_SHORT, drawn_name, heading, name_of_group, told_in
from robust_augcl.reports._sections import Section
from robust_augcl.reports._sheet import STYLE
from robust_augcl.reports.tables import markdown_table, percent
from robust_augcl.results.brackets import Bracket, bracket_group
from robust_augcl.results.names import CLEAN, EXACT_NAME, joined, layers_text
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.statistics import Estimate, Group

_PANEL_WIDTH, _PANEL_HEIGHT = 2.7, 2.2  # inches
_LEAST_WIDTH, _BELOW = 4.6, 0.46  # of the figure; of ticks and axis label
_COLUMNS = 4
_LOOKS = (
    ("#56B4E9", "o"),
    ("#E69F00", "s"),
    ("#CC79A7", "D"),
    ("#0072B2", "^"),
    ("#009E73", "v"),
    ("#882255", "P"),
    ("#999933", "X"),
    ("#D55E00", "d"),
)
"""Colours of Okabe and Ito, and of Tol, which colour-blind readers tell apart, and markers."""
_EXACT_LOOK = ("#111111", "*")

Look = tuple[str, str]
"""A colour and a marker."""


def families(found: Sequence[Section]) -> list[list[Section]]:
    """Sections that differ in their budget alone, smallest first."""
    groups: dict[tuple[str, str, str, str], list[Section]] = {}
    for section in found:
        groups.setdefault(
            (section.suite, section.dataset, section.encoder, section.protocol), []
        ).append(section)
    return [sorted(family, key=lambda section: section.budget) for family in groups.values()]


def budget_figure(found: Sequence[Section], known: Mapping[Group, Bracket]) -> Figure:
    """A panel a model, budgets from left to right: clean accuracy at 0, a line an attack, brackets.

    Raises:
        ValueError: no sections.
    """
    rows = _rows_of_models(found)
    if not rows:
        raise ValueError("Expected at least one record, got none")
    looks = _looks_of_attacks(found)
    columns = max(map(len, rows))
    width = max(0.7 + columns * _PANEL_WIDTH, _LEAST_WIDTH)
    with matplotlib.style.context([STYLE], after_reset=True):
        figure = Figure(figsize=(width, 1))
        letters = Letters(figure)
        titles = _titles(found, rows, letters, 0.92 * (width - 0.7) / columns)
        axes = figure.subplots(len(rows), columns, squeeze=False, sharey=True)
        entries: dict[str, Artist] = {}
        for models, line in zip(rows, axes, strict=True):
            for model, panel in zip(models, line, strict=False):
                for name, artist in _draw(panel, model, looks, known):
                    entries.setdefault(name, artist)
                title = titles[model.key]
                panel.set_title(title, fontsize=8, fontweight="bold", loc="left")
            for panel in line[len(models) :]:
                panel.set_axis_off()
            line[0].set_ylabel("Robust accuracy (%)", fontsize=8)
        if told_in(titles.values()):
            entries[IN_SHORT] = Line2D([], [], linestyle="")
        legend = letters.legend([(artist, name) for name, artist in entries.items()], width - 0.24)
        lines = max(title.count("\n") + 1 for title in titles.values())
        _lay_out(figure, legend, 0.36 + letters.height(legend), len(rows), lines)
    return figure


class _Model(NamedTuple):
    """What one panel shows: a method with so many layers, in the sections of one family."""

    family: Sequence[Section]
    layers: int
    method: str

    @property
    def key(self) -> tuple[int, int, str]:
        """What tells one panel from another."""
        return id(self.family), self.layers, self.method


def _rows_of_models(found: Sequence[Section]) -> list[list[_Model]]:
    """The panels, row by row: a new row for each family and number of layers."""
    groups = [
        [
            _Model(family, layers, method)
            for method in family[0].methods
            if (layers, method) in family[0].columns
        ]
        for family in families(found)
        for layers in family[0].layers
    ]
    return [
        models[start : start + _COLUMNS]
        for models in groups
        for start in range(0, len(models), _COLUMNS)
    ]


def _looks_of_attacks(found: Sequence[Section]) -> dict[str, Look]:
    """Colour and marker of each attack by its label, in the order in which lines are drawn.

    An attack that is the exact worst case with every budget comes last, and looks its own.
    """
    there = dict.fromkeys(attack for section in found for attack in section.attacks[1:])
    others = [attack for attack in there if not _is_exact(found, attack)]
    looks = {attack: _LOOKS[place % len(_LOOKS)] for place, attack in enumerate(others)}
    return looks | {attack: _EXACT_LOOK for attack in there if attack not in looks}


def _is_exact(found: Iterable[Section], attack: str) -> bool:
    """Whether an attack is the exact worst case in every section that has it."""
    return all(section.exact == attack for section in found if attack in section.attacks)


def _titles(
    found: Sequence[Section], rows: Sequence[Sequence[_Model]], letters: Letters, space: float
) -> dict[tuple[int, int, str], str]:
    """The titles of the panels, wrapped: what differs between them, method and layers."""
    contexts = [(section.dataset, section.encoder, section.protocol) for section in found]
    varying = [place for place in range(3) if len({context[place] for context in contexts}) > 1]
    titles = {}
    for model in itertools.chain(*rows):
        first = model.family[0]
        context = (first.dataset, first.encoder, first.protocol)
        name = drawn_name(first, model.layers, model.method)
        title = joined(*(context[place] for place in varying), name, layers_text(model.layers))
        titles[model.key] = letters.wrap(title, space, 8, "bold")
    return titles


def _lay_out(figure: Figure, legend: Legend, top: float, rows: int, title_lines: int) -> None:
    """Give the figure its height, and everything its place; `top` inches go to title and legend."""
    width = figure.get_size_inches()[0]
    above = 0.16 + 0.14 * title_lines
    height = top + rows * (above + _PANEL_HEIGHT + _BELOW)
    figure.set_size_inches(width, height)
    figure.subplots_adjust(
        left=0.6 / width,
        right=1 - 0.12 / width,
        top=1 - (top + above) / height,
        bottom=_BELOW / height,
        hspace=(above + _BELOW) / _PANEL_HEIGHT,
        wspace=0.1,
    )
    legend.set_bbox_to_anchor((0.12 / width, 1 - 0.36 / height))
    x, y = 0.12 / width, 1 - 0.1 / height
    figure.text(x, y, "Accuracy over budgets", fontsize=11, fontweight="bold", va="top")


def _draw(
    panel: Axes, model: _Model, looks: Mapping[str, Look], known: Mapping[Group, Bracket]
) -> list[tuple[str, Artist]]:
    """Draw a model's panel, and return what the legend shows.

    By itself a legend would leave out names that begin with an underscore.
    """
    drawn = _draw_band(panel, model, known)
    clean = model.family[0].robust(CLEAN, model.layers, model.method)
    budgets = [section.budget for section in model.family]
    for attack, (colour, marker) in looks.items():
        # A budget that the attack was not run with breaks its line: a line across would claim a
        # value there.
        under_attack = [s.robust(attack, model.layers, model.method) for s in model.family]
        if not any(under_attack):
            continue
        exact = (colour, marker) == _EXACT_LOOK
        points: list[Estimate | None] = [clean, *under_attack]
        (line,) = panel.plot(
            [0, *budgets],
            [100 * value.mean if value else math.nan for value in points],
            color=colour,
            marker=marker,
            markersize=7 if exact else 4,
            linewidth=1.1,
            clip_on=False,
            zorder=3,
        )
        name = EXACT_NAME if exact else model.family[0].names.attack(attack)
        drawn.append((name, line))
    _draw_axes(panel, budgets)
    return drawn


def _draw_band(
    panel: Axes, model: _Model, known: Mapping[Group, Bracket]
) -> list[tuple[str, Artist]]:
    """Draw the brackets as a band, where there are any with a lower end."""
    here = [known.get(_group(section, model.layers, model.method)) for section in model.family]
    band = [
        (section.budget, 100 * bracket.lower.mean, 100 * bracket.upper.mean)
        for section, bracket in zip(model.family, here, strict=True)
        if bracket and bracket.lower
    ]
    if not band:
        return []
    x, low, high = ([point[place] for point in band] for place in range(3))
    between = panel.fill_between(x, low, high, color="#333333", alpha=0.16, linewidth=0)
    (proved,) = panel.plot(x, low, color="#333333", linewidth=0.9, linestyle=(0, (3, 2)))
    return [("Between proved and broken", between), ("Proved", proved)]


def _draw_axes(panel: Axes, budgets: Sequence[int | float]) -> None:
    """Draw what tells a panel's scale."""
    panel.set_ylim(0, 100)
    panel.set_xlim(0, max(budgets) * 1.04)
    shares = any(isinstance(budget, float) for budget in budgets)
    ticks = [0, *budgets]
    panel.set_xticks(ticks, [f"{100 * b:g} %" if shares else str(b) for b in ticks])
    what = "Share of edges edited, at the most" if shares else "Edges edited, at the most"
    panel.set_xlabel(what, fontsize=8, labelpad=2)
    panel.tick_params(length=0, labelsize=8)
    panel.grid(color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)


def bracket_table(family: Sequence[Section], known: Mapping[Group, Bracket]) -> str:
    """For each budget and model what is proved and what no known edits break, as Markdown.

    Empty where nothing is proved.
    """
    first = family[0]
    table = [
        [known.get(_group(section, layers, method)) for layers, method in first.columns]
        for section in family
    ]
    there = [bracket for row in table for bracket in row if bracket]
    if not any(bracket.lower for bracket in there):
        return ""
    caption = (
        "The share of test graphs, in percent, that is right before and after *every* allowed "
        "set of edits: at least what is proved, at "
        "most what no edits break that an attack here or the certificates' own search found. "
        "Settled: proved, or broken. One number: all "
        "are settled, and it is the exact worst case."
    )
    header = ["Budget", *(heading(first, *column) for column in first.columns)]
    body = [
        [_budget_text(section.budget), *map(_bracket_text, row)]
        for section, row in zip(family, table, strict=True)
    ]
    text = noted(f"{caption}\n\n{markdown_table(header, body)}")
    contradictions = sum(bracket.contradictions for bracket in there)
    if contradictions:
        text += (
            f"\n**Warning:** {contradictions} graphs are proved and yet broken: a proof, "
            "a witness or a record is wrong.\n"
        )
    return text


def bracket_words(
    known: Mapping[Group, Bracket], report: ReportInput, exact: Collection[Group] = ()
) -> list[str]:
    """The worst case of each model and budget, one line each: exact, or between two ends.

    Args:
        known: the brackets.
        report: whose they are.
        exact: the groups of `known` for which an attack is proved to be exact for every target.
    """
    several = len({group.protocol for group in known}) > 1
    lines = []
    for group, bracket in known.items():
        model = joined(name_of_group(report, group), layers_text(group.layers))
        about = joined(
            f"budget {_budget_text(group.budget)}", group.protocol if several else "", model
        )
        high = percent(bracket.upper.mean)
        if (bracket.settled == 1 or group in exact) and not bracket.contradictions:
            lines.append(f"Exact worst case, {about}: {high} % stay right")
        elif bracket.lower is None:
            lines.append(f"Worst case, {about}: at most {high} % stay right; nothing is proved")
        else:
            settled = f"{percent(bracket.settled)} % of the graphs are settled"
            low = percent(bracket.lower.mean)
            lines.append(f"Worst case, {about}: {low} to {high} % stay right; {settled}")
    return [*lines, IN_SHORT] if told_in(lines) else lines


def _budget_text(budget: int | float) -> str:
    return f"{100 * budget:g} %" if isinstance(budget, float) else str(budget)


def _bracket_text(bracket: Bracket | None) -> str:
    """A bracket as one number where all is settled, else as both ends."""
    if bracket is None:
        return "-"
    high = percent(bracket.upper.mean)
    if bracket.settled == 1 and not bracket.contradictions:
        return high
    low = percent(bracket.lower.mean) if bracket.lower else "?"
    return f"{low} to {high}, {percent(bracket.settled)} settled"


def _group(section: Section, layers: int, method: str) -> Group:
    """The group of a model's brackets with a section's budget."""
    model = (section.suite, section.dataset, method, section.encoder, layers)
    group = Group(*model, "", section.protocol, section.budget)
    return bracket_group(group, section.budget)
