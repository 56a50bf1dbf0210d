"""Accuracy over budgets: a curve an attack, and the bracket around the worst case."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import matplotlib.style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robust_augcl.reports._letters import Letters
from robust_augcl.reports._sections import Section, layers_text
from robust_augcl.reports._sheet import STYLE
from robust_augcl.reports.tables import escape, markdown_table, percent
from robust_augcl.results.brackets import Bracket, bracket_group
from robust_augcl.results.names import CLEAN, name_of
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
"""Colours of Okabe and Ito, and of Tol, which colour-blind readers tell apart; the marker says the
same once more.
"""
_EXACT_LOOK = ("#111111", "*")


def families(found: Sequence[Section]) -> list[list[Section]]:
    """Sections that differ in their budget alone, smallest first."""
    groups: dict[tuple[str, str, str, str], list[Section]] = {}
    for section in found:
        groups.setdefault(
            (section.suite, section.dataset, section.encoder, section.protocol), []
        ).append(section)
    return [sorted(family, key=lambda section: section.budget) for family in groups.values()]


def budget_figure(found: Sequence[Section], known: Mapping[Group, Bracket]) -> Figure:
    """A panel a model, budgets from left to right: the clean accuracy at 0, a line an attack, the
    bracket as a band.

    Raises:
        ValueError: no sections.
    """
    contexts = [(section.dataset, section.encoder, section.protocol) for section in found]
    varying = [place for place in range(3) if len({context[place] for context in contexts}) > 1]
    panels = [
        [
            (family, layers, method)
            for method in family[0].methods
            if (layers, method) in family[0].columns
        ]
        for family in families(found)
        for layers in family[0].layers
    ]
    rows = [
        models[start : start + _COLUMNS]
        for models in panels
        for start in range(0, len(models), _COLUMNS)
    ]
    if not rows:
        raise ValueError("Expected at least one record, got none")
    attacks = list(
        dict.fromkeys(
            attack
            for section in found
            for attack in section.attacks()[1:]
            if attack != section.exact
        )
    )
    looks = {attack: _LOOKS[place % len(_LOOKS)] for place, attack in enumerate(attacks)}
    columns = max(map(len, rows))
    width = max(0.7 + columns * _PANEL_WIDTH, _LEAST_WIDTH)
    with matplotlib.style.context([STYLE], after_reset=True):
        figure = Figure(figsize=(width, 1))
        letters = Letters(figure)
        titles = {}
        for family, layers, method in itertools.chain(*rows):
            context = (family[0].dataset, family[0].encoder, family[0].protocol)
            text = ", ".join(
                [*(context[place] for place in varying), name_of(method), layers_text(layers)]
            )
            titles[id(family), layers, method] = letters.wrap(
                text, 0.92 * (width - 0.7) / columns, 8, "bold"
            )
        axes = figure.subplots(len(rows), columns, squeeze=False, sharey=True)
        entries: dict[str, Artist] = {}
        for models, line in zip(rows, axes, strict=True):
            for (family, layers, method), panel in zip(models, line, strict=False):
                entries |= {
                    name: artist
                    for name, artist in _draw(panel, family, layers, method, looks, known)
                    if name not in entries
                }
                panel.set_title(
                    titles[id(family), layers, method], fontsize=8, fontweight="bold", loc="left"
                )
            for panel in line[len(models) :]:
                panel.set_axis_off()
            line[0].set_ylabel("Robust accuracy (%)", fontsize=8)
        legend = letters.legend([(artist, name) for name, artist in entries.items()], width - 0.24)
        top = 0.36 + letters.height(legend)
        above = 0.16 + 0.14 * max(title.count("\n") + 1 for title in titles.values())
        height = top + len(rows) * (above + _PANEL_HEIGHT + _BELOW)
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
        figure.text(
            0.12 / width,
            1 - 0.1 / height,
            "Accuracy over budgets",
            fontsize=11,
            fontweight="bold",
            va="top",
        )
    return figure


def _draw(
    panel: Axes,
    family: Sequence[Section],
    layers: int,
    method: str,
    looks: Mapping[str, tuple[str, str]],
    known: Mapping[Group, Bracket],
) -> list[tuple[str, Artist]]:
    """Draw a model's panel and return what the legend shows; by itself it would leave out names
    that begin with an underscore.
    """
    drawn: list[tuple[str, Artist]] = []
    budgets = [section.budget for section in family]
    clean = family[0].robust(CLEAN, layers, method)
    here = [known.get(_group(section, layers, method)) for section in family]
    band = [
        (b, bracket.lower.mean, bracket.upper.mean)
        for b, bracket in zip(budgets, here, strict=True)
        if bracket and bracket.lower
    ]
    if band:
        x = [budget for budget, _, _ in band]
        low, high = [below for _, below, _ in band], [above for _, _, above in band]
        between = panel.fill_between(
            x,
            [100 * y for y in low],
            [100 * y for y in high],
            color="#333333",
            alpha=0.16,
            linewidth=0,
        )
        (proved,) = panel.plot(
            x, [100 * y for y in low], color="#333333", linewidth=0.9, linestyle=(0, (3, 2))
        )
        drawn += [("Between proved and broken", between), ("Proved", proved)]
    for attack in [*looks, *[e for e in {section.exact for section in family} if e]]:
        # A budget that the attack was not run with breaks its line: a line across would claim a
        # value there.
        points: list[Estimate | None] = [
            clean,
            *(section.robust(attack, layers, method) for section in family),
        ]
        exact = any(attack == section.exact for section in family)
        colour, marker = _EXACT_LOOK if exact else looks[attack]
        if any(points[1:]):
            y = [100 * value.mean if value else math.nan for value in points]
            (line,) = panel.plot(
                [0, *budgets],
                y,
                color=colour,
                marker=marker,
                markersize=7 if exact else 4,
                linewidth=1.1,
                clip_on=False,
                zorder=3,
            )
            drawn.append((name_of("exhaustive") if exact else name_of(attack), line))
    panel.set_ylim(0, 100)
    panel.set_xlim(0, max(budgets) * 1.04)
    fractions = any(isinstance(budget, float) for budget in budgets)
    panel.set_xticks(
        [0, *budgets], [f"{100 * b:g} %" if fractions else str(b) for b in (0, *budgets)]
    )
    panel.set_xlabel(
        "Share of edges edited, at the most" if fractions else "Edges edited, at the most",
        fontsize=8,
        labelpad=2,
    )
    panel.tick_params(length=0, labelsize=8)
    panel.grid(color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    return drawn


def bracket_table(family: Sequence[Section], known: Mapping[Group, Bracket]) -> str:
    """For each budget and model what is proved and what no known edits break, as Markdown; empty
    where nothing is proved.
    """
    first = family[0]
    body, contradictions = [], 0
    for section in family:
        row = []
        for layers, method in first.columns:
            bracket = known.get(_group(section, layers, method))
            if bracket is None:
                row.append("-")
                continue
            contradictions += bracket.contradictions
            low, high = (
                percent(bracket.lower.mean) if bracket.lower else "?",
                percent(bracket.upper.mean),
            )
            exact = bracket.settled == 1 and not bracket.contradictions
            row.append(high if exact else f"{low} to {high}, {percent(bracket.settled)} settled")
        body.append(
            [
                f"{100 * section.budget:g} %"
                if isinstance(section.budget, float)
                else str(section.budget),
                *row,
            ]
        )
    if not any(
        known.get(_group(section, *column)) and known[_group(section, *column)].lower
        for section in family
        for column in first.columns
    ):
        return ""
    caption = (
        "The share of test graphs, in percent, that is right before and after *every* allowed "
        "set of edits: at least what is proved, at "
        "most what no edits break that an attack here or the certificates' own search found. "
        "Settled: proved, or broken. One number: all "
        "are settled, and it is the exact worst case."
    )
    header = [
        "Budget",
        *(f"{layers_text(layers)}: {escape(name_of(method))}" for layers, method in first.columns),
    ]
    table = f"{caption}\n\n{markdown_table(header, body)}"
    if contradictions:
        table += (
            f"\n**Warning:** {contradictions} graphs are proved and yet broken: a proof, "
            "a witness or a record is wrong.\n"
        )
    return table


def _group(section: Section, layers: int, method: str) -> Group:
    group = Group(
        section.suite,
        section.dataset,
        method,
        section.encoder,
        layers,
        "",
        section.protocol,
        section.budget,
    )
    return bracket_group(group, section.budget)
