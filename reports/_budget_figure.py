"""Accuracy over budgets, drawn: a curve an attack, the worst case, or what is known of it."""

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
from robust_augcl.reports._rest import drawn_name, in_legend, mark_of_attack
from robust_augcl.reports._sections import Section
from robust_augcl.reports._sheet import STYLE
from robust_augcl.reports._view import View, Worst
from robust_augcl.reports._words import UNBROKEN, setting_text
from robust_augcl.results.names import CLEAN, EXACT_NAME, joined, layers_text, targets_text
from robust_augcl.results.statistics import Estimate

_PANEL_WIDTH, _PANEL_HEIGHT = 2.7, 2.2  # inches
_LEAST_PANEL = 1.6
_LOW_PANEL = 1.5  # where a width is given: a paper has little height
_LEAST_WIDTH, _BELOW = 4.6, 0.46  # of the figure; of ticks and axis label
_COLUMNS = 4
_SPREAD = 0.24  # of the way to the next budget: marks of one budget lie beside each other
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
_OF_MARKS = "Marks: the share of test graphs that is right before and after the edits"
_OF_LINES = (
    "; upright lines: 95 % intervals. Marks of one budget stand beside each other so that none "
    "hides another."
)
_OF_STARS = "Stars: the exact worst case, where every graph is proved or broken."
_OF_BANDS = (
    "Grey: where the worst case is not known exactly, it lies in here. The dashed line counts "
    f"graphs proved safe, the upper edge graphs {UNBROKEN}."
)
_AXIS, _POISONED_AXIS = "Stay right (%)", "Stay right, poisoned (%)"
_BAND, _PROVED = "Worst case: lies in here", "Proved safe"

Look = tuple[str, str]
"""A colour and a marker."""


class Model(NamedTuple):
    """What one panel shows: a method with so many layers, in the sections of one family."""

    family: Sequence[Section]
    layers: int
    method: str

    @property
    def key(self) -> tuple[int, int, str]:
        """What tells one panel from another."""
        return id(self.family), self.layers, self.method


def budget_figure(view: View, width: float | None = None, bare: bool = False) -> Figure:
    """A panel a model, budgets from left to right: clean accuracy at 0, a line an attack.

    Args:
        view: what is drawn.
        width: in inches, which decides how many panels stand side by side; None: as they need.
        bare: without title and caption, for a paper that has its own.

    Raises:
        ValueError: no records.
    """
    columns = _COLUMNS
    if width is not None:
        columns = max(1, min(columns, int((width - 0.7) // _LEAST_PANEL)))
    rows = rows_of_models(view, columns)
    looks = looks_of_attacks(view.sections)
    columns = max(map(len, rows))
    width = width or max(0.7 + columns * _PANEL_WIDTH, _LEAST_WIDTH)
    with matplotlib.style.context([STYLE], after_reset=True):
        figure = Figure(figsize=(width, 1))
        letters = Letters(figure)
        titles = _titles(view.sections, rows, letters, 0.92 * (width - 0.7) / columns)
        axes = figure.subplots(len(rows), columns, squeeze=False, sharey=True)
        entries: dict[str, Artist] = {}
        for models, line in zip(rows, axes, strict=True):
            for model, panel in zip(models, line, strict=False):
                for name, artist in draw_budgets(panel, model, looks, view):
                    entries.setdefault(name, artist)
                title = titles[model.key]
                panel.set_title(title, fontsize=8, fontweight="bold", loc="left")
            for panel in line[len(models) :]:
                panel.set_axis_off()
            poisoned = any(section.threat.poisoning for model in models for section in model.family)
            line[0].set_ylabel(_POISONED_AXIS if poisoned else _AXIS, fontsize=8)
        for text in in_legend([*titles.values(), *entries]):
            entries[text] = Line2D([], [], linestyle="")
        legend = letters.legend([(artist, name) for name, artist in entries.items()], width - 0.24)
        lines = max(title.count("\n") + 1 for title in titles.values())
        caption = "" if bare else letters.wrap(_caption(entries, view), width - 0.3, 7.5)
        title = "" if bare else joined("Accuracy over budgets", _poisoned(view))
        panel = _LOW_PANEL if bare else _PANEL_HEIGHT
        _lay_out(figure, letters, legend, (title, caption), (len(rows), lines), panel)
    return figure


def _poisoned(view: View) -> str:
    """The setting where models were trained again, else nothing."""
    return setting_text(
        record for each in view.sections for record in each.records if record.poisons
    )


def _caption(drawn: Collection[str], view: View) -> str:
    """What a reader must know of the things that are drawn, by their names in the legend."""
    stars = _OF_STARS if EXACT_NAME in drawn else ""
    single = all(section.one_model_each for section in view.sections)
    over = ", of one trained model each" if single else ", means over the seeds"
    marks = f"{_OF_MARKS}{over}{_OF_LINES}"
    text = joined(marks, stars, _OF_BANDS if _BAND in drawn else "", by=" ")
    targets = targets_text(view.report.records)
    text = text.replace("graphs", targets).replace("every graph", f"every {targets[:-1]}")
    poisoning = dict.fromkeys(section.threat.poisoning for section in view.sections)
    return joined(text, *poisoning, by=" ")


def rows_of_models(view: View, columns: int = _COLUMNS) -> list[list[Model]]:
    """The panels, row by row: a new row for each family and number of layers."""
    groups = [
        [
            Model(family, layers, method)
            for method in family[0].methods
            if (layers, method) in family[0].columns
        ]
        for family in view.families
        for layers in family[0].layers
    ]
    return [
        models[start : start + columns]
        for models in groups
        for start in range(0, len(models), columns)
    ]


def looks_of_attacks(found: Sequence[Section]) -> dict[str, Look]:
    """Colour and marker of each attack by its label, in the order in which lines are drawn.

    An attack that is the exact worst case with every budget is none of them: it is drawn as that.
    """
    there = dict.fromkeys(attack for section in found for attack in section.attacks[1:])
    others = [attack for attack in there if not _is_exact(found, attack)]
    return {attack: _LOOKS[place % len(_LOOKS)] for place, attack in enumerate(others)}


def _is_exact(found: Iterable[Section], attack: str) -> bool:
    """Whether an attack is the exact worst case in every section that has it."""
    return all(section.exact == attack for section in found if attack in section.attacks)


def _titles(
    found: Sequence[Section], rows: Sequence[Sequence[Model]], letters: Letters, space: float
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


def _lay_out(
    figure: Figure,
    letters: Letters,
    legend: Legend,
    words: tuple[str, str],
    counts: tuple[int, int],
    panel: float,
) -> None:
    """Give the figure its height, and everything its place: title, legend, panels, caption.

    `counts` are rows of panels, and lines of their titles; `panel` is the height of one.
    """
    (title, caption), (rows, title_lines) = words, counts
    width = figure.get_size_inches()[0]
    head = 0.36 if title else 0.08
    foot = 0.14 * (caption.count("\n") + 1) + 0.1 if caption else 0.0
    top = head + letters.height(legend)
    above = 0.16 + 0.14 * title_lines
    height = top + rows * (above + panel + _BELOW) + foot
    figure.set_size_inches(width, height)
    figure.subplots_adjust(
        left=0.6 / width,
        right=1 - 0.12 / width,
        top=1 - (top + above) / height,
        bottom=(_BELOW + foot) / height,
        hspace=(above + _BELOW) / panel,
        wspace=0.1,
    )
    legend.set_bbox_to_anchor((0.12 / width, 1 - head / height))
    left = 0.12 / width
    if title:
        y = 1 - 0.1 / height
        figure.text(left, y, title, fontsize=11, fontweight="bold", va="top")
    if caption:
        figure.text(left, 0.06 / height, caption, fontsize=7.5, va="bottom")


def draw_budgets(
    panel: Axes, model: Model, looks: Mapping[str, Look], view: View
) -> list[tuple[str, Artist]]:
    """Draw a model's panel on some axes, and return what a legend shows.

    By itself a legend would leave out names that begin with an underscore.
    """
    first = model.family[0]
    worst = [view.worst(section, model.layers, model.method) for section in model.family]
    budgets = [section.budget for section in model.family]
    step = min((b - a for a, b in itertools.pairwise([0, *budgets])), default=1)
    shown = [
        attack
        for attack in looks
        if any(s.robust(attack, model.layers, model.method) for s in model.family)
    ]
    drawn = _draw_band(panel, budgets, worst)
    clean = first.robust(CLEAN, model.layers, model.method)
    for place, attack in enumerate(shown):
        # A budget that the attack was not run with breaks its line: a line across would claim a
        # value there.
        values = [s.robust(attack, model.layers, model.method) for s in model.family]
        aside = _SPREAD * step * (place / max(len(shown) - 1, 1) - 0.5) if len(shown) > 1 else 0.0
        line = _draw_line(panel, [b + aside for b in budgets], clean, values, looks[attack])
        failed = max(mark_of_attack(section, attack) for section in view.sections)
        drawn.append((first.names.attack(attack) + failed, line))
    if any(each and each.exact for each in worst):
        values = [each.high if each and each.exact else None for each in worst]
        line = _draw_line(panel, budgets, clean, values, _EXACT_LOOK)
        drawn.append((EXACT_NAME, line))
    _draw_axes(panel, budgets, step)
    return drawn


def _draw_line(
    panel: Axes,
    places: Sequence[float],
    clean: Estimate | None,
    values: Sequence[Estimate | None],
    look: Look,
) -> Artist:
    """Draw one line from the clean accuracy over the budgets, with intervals where it has marks."""
    colour, marker = look
    exact = look == _EXACT_LOOK
    points = [clean, *values]
    (line,) = panel.plot(
        [0, *places],
        [100 * value.mean if value else math.nan for value in points],
        color=colour,
        marker=marker,
        markersize=8 if exact else 4,
        linewidth=1.1,
        clip_on=False,
        zorder=4 if exact else 3,
    )
    for place, value in zip(places, values, strict=True):
        if value is not None:
            low, high = 100 * value.low, 100 * value.high
            panel.vlines(place, low, high, color=colour, linewidth=0.8, alpha=0.8, zorder=2.5)
    return line


def _draw_band(
    panel: Axes, budgets: Sequence[int | float], worst: Sequence[Worst | None]
) -> list[tuple[str, Artist]]:
    """Draw the brackets as a band, from the last budget where the worst case is exact."""
    band = [
        (budget, 100 * each.low.mean, 100 * each.high.mean, each.exact)
        for budget, each in zip(budgets, worst, strict=True)
        if each and each.low
    ]
    if all(exact for *_, exact in band):
        return []
    opening = next(place for place, point in enumerate(band) if not point[3])
    band = band[max(opening - 1, 0) :]
    x, low, high = ([point[place] for point in band] for place in range(3))
    if len(band) == 1:  # a band of one budget has no width of its own
        x, low, high = [0.9 * x[0], 1.1 * x[0]], 2 * low, 2 * high
    between = panel.fill_between(x, low, high, color="#333333", alpha=0.16, linewidth=0)
    (proved,) = panel.plot(x, low, color="#333333", linewidth=0.9, linestyle=(0, (3, 2)))
    return [(_BAND, between), (_PROVED, proved)]


def _draw_axes(panel: Axes, budgets: Sequence[int | float], step: float) -> None:
    """Draw what tells a panel's scale."""
    panel.set_ylim(0, 100)
    panel.set_xlim(0, max(budgets) + (_SPREAD / 2 + 0.1) * step)
    shares = any(isinstance(budget, float) for budget in budgets)
    ticks = [0, *budgets]
    panel.set_xticks(ticks, [f"{100 * b:g} %" if shares else str(b) for b in ticks])
    what = "Share of edges edited, at the most" if shares else "Edges edited, at the most"
    panel.set_xlabel(what, fontsize=8, labelpad=2)
    panel.tick_params(length=0, labelsize=8)
    panel.grid(color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
