"""Accuracy over budgets: a curve an attack, and the bracket around the worst case."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robust_augcl.brackets import Bracket, bracket_group
from robust_augcl.reports._sections import CLEAN, Section, layers_text, name_of
from robust_augcl.reports._sheet import STYLE
from robust_augcl.reports.tables import escape, markdown_table, percent
from robust_augcl.statistics import Estimate, Group

_PANEL_WIDTH, _PANEL_HEIGHT = 2.7, 2.2  # inches
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
"""Colours of Okabe and Ito, and of Tol, which colour-blind readers tell apart; the marker says the same once more."""
_EXACT_LOOK = ("#111111", "*")


def families(found: Sequence[Section]) -> list[list[Section]]:
    """Sections that differ in their budget alone, smallest first."""
    groups: dict[tuple[str, str, str, str], list[Section]] = {}
    for section in found:
        groups.setdefault((section.suite, section.dataset, section.encoder, section.protocol), []).append(section)
    return [sorted(family, key=lambda section: section.budget) for family in groups.values()]


def budget_figure(found: Sequence[Section], known: Mapping[Group, Bracket]) -> Figure:
    """A panel a model, budgets from left to right: the clean accuracy at 0, a line an attack, the bracket as a band.

    Raises:
        ValueError: no sections.
    """
    rows = [(family, layers) for family in families(found) for layers in family[0].layers]
    if not rows:
        raise ValueError("Expected at least one record, got none")
    attacks = list(dict.fromkeys(attack for section in found for attack in section.attacks()[1:] if attack != section.exact))
    looks = {attack: _LOOKS[place % len(_LOOKS)] for place, attack in enumerate(attacks)}
    columns = max(len(family[0].methods) for family, _ in rows)
    legend_columns = max(2, columns)
    legend = 0.2 * math.ceil((len(attacks) + 2) / legend_columns) + 0.45
    width, height = 0.7 + columns * _PANEL_WIDTH, legend + len(rows) * (_PANEL_HEIGHT + 0.62)
    with matplotlib.style.context([STYLE], after_reset=True):
        figure = Figure(figsize=(width, height))
        axes = figure.subplots(len(rows), columns, squeeze=False, sharey=True)
        figure.subplots_adjust(
            left=0.6 / width, right=1 - 0.12 / width, top=1 - (legend + 0.3) / height, bottom=0.42 / height, hspace=0.34, wspace=0.1
        )
        for (family, layers), line in zip(rows, axes, strict=True):
            for method, panel in zip(family[0].methods, line, strict=False):
                _draw(panel, family, layers, method, looks, known)
                several = f"{family[0].dataset}, {family[0].protocol}: " if len(families(found)) > 1 else ""
                panel.set_title(f"{several}{name_of(method)}, {layers_text(layers)}", fontsize=8, fontweight="bold", loc="left")
            for panel in line[len(family[0].methods) :]:
                panel.set_axis_off()
            line[0].set_ylabel("Robust accuracy (%)", fontsize=8)
        entries: dict[str, Artist] = {}
        for panel in axes.flat:
            for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
                entries.setdefault(label, handle)
        figure.text(0.12 / width, 1 - 0.1 / height, "Accuracy over budgets", fontsize=11, fontweight="bold", va="top")
        look: dict[str, Any] = {"frameon": False, "fontsize": 8, "loc": "upper left", "borderaxespad": 0, "ncols": legend_columns}
        figure.legend(entries.values(), entries.keys(), bbox_to_anchor=(0.12 / width, 1 - 0.36 / height), **look)
    return figure


def _draw(
    panel: Axes,
    family: Sequence[Section],
    layers: int,
    method: str,
    looks: Mapping[str, tuple[str, str]],
    known: Mapping[Group, Bracket],
) -> None:
    budgets = [section.budget for section in family]
    clean = family[0].robust(CLEAN, layers, method)
    here = [known.get(_group(section, layers, method)) for section in family]
    band = [(b, bracket.lower.mean, bracket.upper.mean) for b, bracket in zip(budgets, here, strict=True) if bracket and bracket.lower]
    if band:
        x = [budget for budget, _, _ in band]
        low, high = [below for _, below, _ in band], [above for _, _, above in band]
        panel.fill_between(
            x,
            [100 * y for y in low],
            [100 * y for y in high],
            color="#333333",
            alpha=0.16,
            linewidth=0,
            label="Between proved and attacked",
        )
        panel.plot(x, [100 * y for y in low], color="#333333", linewidth=0.9, linestyle=(0, (3, 2)), label="Proved")
    for attack in [*looks, *[e for e in {section.exact for section in family} if e]]:
        points: list[tuple[int | float, Estimate]] = []
        for section in family:
            if value := section.robust(attack, layers, method):
                points.append((section.budget, value))
        exact = any(attack == section.exact for section in family)
        colour, marker = _EXACT_LOOK if exact else looks[attack]
        if points:
            x = [0, *(budget for budget, _ in points)] if clean else [budget for budget, _ in points]
            y = [100 * value.mean for value in ([clean] if clean else []) + [value for _, value in points]]
            panel.plot(x, y, color=colour, marker=marker, markersize=7 if exact else 4, linewidth=1.1, label=family[0].attack_name(attack))
    panel.set_ylim(0, 100)
    panel.set_xlim(0, max(budgets) * 1.04)
    fractions = any(isinstance(budget, float) for budget in budgets)
    panel.set_xticks([0, *budgets], [f"{100 * b:g} %" if fractions else str(b) for b in (0, *budgets)])
    panel.set_xlabel("Share of edges edited, at the most" if fractions else "Edges edited, at the most", fontsize=8, labelpad=2)
    panel.tick_params(length=0, labelsize=8)
    panel.grid(color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)


def bracket_table(family: Sequence[Section], known: Mapping[Group, Bracket]) -> str:
    """For each budget and model what is proved and what the attacks left, as Markdown; empty where nothing is proved."""
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
            low, high = percent(bracket.lower.mean) if bracket.lower else "?", percent(bracket.upper.mean)
            row.append(low if low == high else f"{low} to {high}, {percent(bracket.settled)} settled")
        body.append([f"{100 * section.budget:g} %" if isinstance(section.budget, float) else str(section.budget), *row])
    if not any(
        known.get(_group(section, *column)) and known[_group(section, *column)].lower for section in family for column in first.columns
    ):
        return ""
    caption = (
        "The share of test graphs, in percent, that is right before and after *every* allowed set of edits: at least what is proved, at "
        "most what withstood every attack here. One number: both agree, and this is the exact worst case. Settled: proved, or broken."
    )
    header = ["Budget", *(f"{layers_text(layers)}: {escape(name_of(method))}" for layers, method in first.columns)]
    table = f"{caption}\n\n{markdown_table(header, body)}"
    if contradictions:
        table += f"\n**Warning:** {contradictions} graphs are proved and yet broken: a proof or a record is wrong.\n"
    return table


def _group(section: Section, layers: int, method: str) -> Group:
    group = Group(section.suite, section.dataset, method, section.encoder, layers, "", section.protocol, section.budget)
    return bracket_group(group, section.budget)
