"""The mechanism that hard-negative methods claim, drawn: how true and false negatives differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robust_augcl.reports._sheet import STYLE
from robust_augcl.reports.tables import percent
from robust_augcl.results.measurements import Measurement

_ROW, _WIDTH = 1.35, 8.0  # inches
_KINDS = {
    "true": ("#0072B2", "True negatives: of another class"),
    "false": ("#D55E00", "False negatives: of the anchor's class"),
}


def mechanism_figure(models: Sequence[tuple[str, Measurement]]) -> Figure:
    """A row a model: how similar and how uncertain true and false negatives are.

    Beside them stands the share of the weight on false ones.

    Args:
        models: names, and measurements of their pretraining.

    Raises:
        ValueError: no models.
    """
    if not models:
        raise ValueError("Expected at least one diagnosed model, got none")
    height = 0.95 + len(models) * (_ROW + 0.55)
    with matplotlib.style.context([STYLE], after_reset=True):
        figure = Figure(figsize=(_WIDTH, height))
        axes = figure.subplots(
            len(models), 3, squeeze=False, gridspec_kw={"width_ratios": [3, 3, 1.7]}
        )
        figure.subplots_adjust(
            left=0.04,
            right=0.935,
            top=1 - 0.95 / height,
            bottom=0.42 / height,
            hspace=0.62,
            wspace=0.3,
        )
        for (name, measurement), panels in zip(models, axes, strict=True):
            _draw_model(panels, name, measurement)
        title = "Where negatives lie, and where their weight lies"
        figure.text(0.02, 1 - 0.1 / height, title, fontsize=11, fontweight="bold", va="top")
        handles, labels = axes[0][0].get_legend_handles_labels()
        place: dict[str, Any] = {
            "loc": "upper left",
            "bbox_to_anchor": (0.02, 1 - 0.36 / height),
            "borderaxespad": 0,
        }
        figure.legend(handles, labels, ncols=2, frameon=False, fontsize=8, **place)
    return figure


def _draw_model(panels: Sequence[Axes], name: str, measurement: Measurement) -> None:
    """Draw the row of one model: similarities, uncertainties, shares."""
    similarity, uncertainty, shares = panels
    diagnosis = measurement.values["diagnosis"]
    _histogram(similarity, diagnosis["similarity"], "Cosine similarity to the anchor")
    title = f"{name}, seed {measurement.cell.seed}"
    similarity.set_title(title, fontsize=8, fontweight="bold", loc="left")
    if diagnosis.get("uncertainty"):
        _histogram(uncertainty, diagnosis["uncertainty"], "Uncertainty of the negative")
    else:
        uncertainty.set_axis_off()
        uncertainty.text(
            0.5,
            0.5,
            "no uncertainty",
            fontsize=8,
            color="#777777",
            ha="center",
            transform=uncertainty.transAxes,
        )
    _bars(shares, diagnosis["false_negatives"])


def _histogram(panel: Axes, values: Mapping[str, Any], label: str) -> None:
    low, high = values["range"]
    for kind, (colour, name) in _KINDS.items():
        counts = values[kind]["histogram"]
        total = sum(counts)
        if total:
            edges = [low + (high - low) * k / len(counts) for k in range(len(counts) + 1)]
            panel.stairs(
                [count / total for count in counts], edges, color=colour, linewidth=1.2, label=name
            )
    panel.set_xlabel(label, fontsize=8, labelpad=2)
    panel.set_yticks([])
    panel.set_ylim(bottom=0)
    panel.tick_params(length=0, labelsize=7.5)


def _bars(panel: Axes, shares: Mapping[str, float | None]) -> None:
    names = {
        "share_of_pairs": "of pairs",
        "share_of_weight": "of weight",
        "share_of_push": "of push",
    }
    for row, (key, name) in enumerate(names.items()):
        share = shares.get(key)
        panel.text(
            -0.02,
            row,
            name,
            fontsize=7.5,
            ha="right",
            va="center",
            transform=panel.get_yaxis_transform(),
        )
        if share is not None:
            panel.barh(
                row,
                100 * share,
                height=0.6,
                color="#6B6B6B" if key == "share_of_pairs" else "#D55E00",
            )
        panel.text(
            1.02,
            row,
            percent(share),
            fontsize=7.5,
            ha="left",
            va="center",
            transform=panel.get_yaxis_transform(),
            clip_on=False,
        )
    panel.set_ylim(2.6, -0.6)
    panel.set_xlim(0, 100)
    panel.set_yticks([])
    panel.tick_params(length=0, labelsize=7.5)
    panel.set_xlabel("False negatives' share (%)", fontsize=8, labelpad=2)
