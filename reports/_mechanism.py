"""The mechanism that hard-negative methods claim, drawn: how true and false negatives differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robust_augcl.reports._letters import Letters
from robust_augcl.reports._sheet import STYLE
from robust_augcl.reports._words import seeds_text
from robust_augcl.reports.tables import percent
from robust_augcl.results.measurements import Measurement

_ROW, _WIDTH = 1.35, 8.0  # inches
_LEAST_SIDE_BY_SIDE = 6.0  # inches; narrower figures have their panels below each other
_KINDS = {
    "true": ("#0072B2", "True negatives: of another class"),
    "false": ("#D55E00", "False negatives: of the anchor's class"),
}
_SHARES = {
    "share_of_pairs": "of pairs",
    "share_of_weight": "of weight",
    "share_of_push": "of push",
}
_OF_LINES = "Each line is the pretraining of one seed. "
_OF_BARS = (
    "Bars: how much of three things falls to false "
    "negatives. These are all pairs of anchor and negative, the weight that the method gives, and "
    "the push, which is how strongly the loss drives a negative away from its anchor."
)
_OF_DOTS = " Bars are means, dots the seeds."
_OF_WEIGHTS = (
    " Where weights avoid false negatives, their share of the weight is "
    "smaller than their share of the pairs."
)


def mechanism_figure(
    models: Sequence[tuple[str, Sequence[Measurement]]],
    width: float | None = None,
    bare: bool = False,
) -> Figure:
    """A row a model: how similar and how uncertain true and false negatives are.

    Beside them stands the share of the weight on false ones. All seeds are drawn.

    Args:
        models: names, and measurements of their pretraining, one a seed.
        width: in inches; None: as wide as it needs.
        bare: without title and caption, for a paper that has its own.

    Raises:
        ValueError: no models.
    """
    if not models:
        raise ValueError("Expected at least one diagnosed model, got none")
    width = width or _WIDTH
    unsure = any(_has_uncertainty(own) for _, own in models)
    columns, ratios = (3, [3, 1.9, 3]) if unsure else (2, [3, 1.9])
    with matplotlib.style.context([STYLE], after_reset=True):
        figure = Figure(figsize=(width, 1))
        letters = Letters(figure)
        stacked = width < _LEAST_SIDE_BY_SIDE
        counts = [3 if _has_uncertainty(own) else 2 for _, own in models]
        rows = sum(counts) if stacked else len(models)
        shape: dict[str, Any] = {} if stacked else {"gridspec_kw": {"width_ratios": ratios}}
        axes = figure.subplots(rows, 1 if stacked else columns, squeeze=False, **shape)
        free = iter(axes.flatten())
        for (name, own), count in zip(models, counts, strict=True):
            taken = [next(free) for _ in range(count if stacked else columns)]
            draw_model(taken, name, own)
        colours = [(Line2D([], [], color=colour), name) for colour, name in _KINDS.values()]
        legend = letters.legend(list(colours), width - 0.3)
        caption = "" if bare else letters.wrap(_caption(models), width - 0.35, 7.5)
        foot = 0.14 * (caption.count("\n") + 1) + 0.1 if caption else 0.0
        head = (0.08 if bare else 0.36) + letters.height(legend)
        height = head + 0.3 + rows * (_ROW + 0.55) + foot
        figure.set_size_inches(width, height)
        figure.subplots_adjust(
            left=(0.75 if stacked else 0.55) / width,
            right=1
            - (0.16 if unsure and not stacked else 0.4) / width,  # numbers stand beside bars
            top=1 - (head + 0.3) / height,
            bottom=(0.45 + foot) / height,
            hspace=0.55 / _ROW + 0.2,
            wspace=0.42,
        )
        if not bare:
            title = "Where negatives lie, and where their weight lies"
            figure.text(0.02, 1 - 0.1 / height, title, fontsize=11, fontweight="bold", va="top")
            figure.text(0.02, 0.06 / height, caption, fontsize=7.5, va="bottom")
        legend.set_bbox_to_anchor((0.02, 1 - (0.08 if bare else 0.36) / height))
    return figure


def _caption(models: Sequence[tuple[str, Sequence[Measurement]]]) -> str:
    """What the figure shows; of one seed each there are no means."""
    several = any(len(own) > 1 for _, own in models)
    lines, dots = (_OF_LINES, _OF_DOTS) if several else ("", "")
    return f"{lines}{_OF_BARS}{dots}{_OF_WEIGHTS}"


def draw_model(panels: Sequence[Axes], name: str, measured: Sequence[Measurement]) -> None:
    """Draw the row of one model on its axes: similarities, shares, and uncertainties if it has any.

    Axes that it has nothing for are switched off.
    """
    similarity, shares, *uncertainty = panels
    draw_histograms(similarity, measured, "similarity")
    seeds = seeds_text(sorted(m.cell.seed for m in measured))
    word = "seed" if len(measured) == 1 else "seeds"
    similarity.set_title(f"{name}, {word} {seeds}", fontsize=8, fontweight="bold", loc="left")
    draw_shares(shares, measured)
    for panel in uncertainty:
        if _has_uncertainty(measured):
            draw_histograms(panel, measured, "uncertainty")
        else:
            panel.set_visible(False)


def _has_uncertainty(measured: Sequence[Measurement]) -> bool:
    return any(m.values["diagnosis"].get("uncertainty") for m in measured)


def draw_histograms(panel: Axes, measured: Sequence[Measurement], what: str) -> None:
    """Draw how a quantity of true and of false negatives is spread: a line a seed."""
    for m in measured:
        values: Mapping[str, Any] | None = m.values["diagnosis"].get(what)
        if not values:
            continue
        low, high = values["range"]
        for kind, (colour, name) in _KINDS.items():
            counts = values[kind]["histogram"]
            total = sum(counts)
            if total:
                edges = [low + (high - low) * k / len(counts) for k in range(len(counts) + 1)]
                shares = [100 * count / total for count in counts]
                panel.stairs(shares, edges, color=colour, linewidth=0.9, label=name)
    label = {
        "similarity": "Cosine similarity to the anchor",
        "uncertainty": "Uncertainty of the negative",
    }[what]
    panel.set_xlabel(label, fontsize=8, labelpad=2)
    panel.set_ylabel("Negatives (%)", fontsize=8, labelpad=2)
    panel.set_ylim(bottom=0)
    panel.tick_params(length=0, labelsize=7.5)


def draw_shares(panel: Axes, measured: Sequence[Measurement]) -> None:
    """Draw which shares lie on false negatives: bars of means, dots of seeds."""
    found = [m.values["diagnosis"]["false_negatives"] for m in measured]
    for row, key in enumerate(_SHARES):
        known = [each[key] for each in found if each.get(key) is not None]
        mean = sum(known) / len(known) if known else None
        if mean is not None:
            colour = "#9a9a9a" if key == "share_of_pairs" else "#f0a672"
            panel.barh(row, 100 * mean, height=0.6, color=colour)
            places = [100 * share for share in known]
            panel.plot(places, [row] * len(known), ".", color="#333333", markersize=3)
        where = panel.get_yaxis_transform()
        look: dict[str, Any] = {"fontsize": 7.5, "va": "center", "transform": where}
        panel.text(1.02, row, percent(mean), ha="left", clip_on=False, **look)
    panel.set_ylim(2.6, -0.6)
    panel.set_xlim(0, 100)
    panel.set_yticks(range(len(_SHARES)), list(_SHARES.values()))
    panel.tick_params(length=0, labelsize=7.5)
    panel.set_xlabel("False negatives (%)", fontsize=8, labelpad=2)
