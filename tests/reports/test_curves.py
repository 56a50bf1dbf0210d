"""Curves of learning: what is drawn is what was learned."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from robust_augcl.reports._curves import learning_curves
from robust_augcl.reports._forest import make_lanes
from robust_augcl.reports._sheet import save

CURVES = {
    "No pretraining, 2 layers": [(100, 3650.0, 0.78), (200, 1.5, 0.61), (300, 0.3, 0.61)],
    "GraphCL, 2 layers": [(100, 0.25, 0.7), (200, math.nan, 0.6), (300, 0.0, 0.65)],
    "AUGCL, 2 layers": [(100, 0.2, 0.66)],
}


def test_a_line_a_victim_with_its_own_points_and_colour() -> None:
    loss, accuracy = learning_curves(CURVES).axes
    assert loss.get_yscale() == "log"
    assert {"1", "10", "100", "1000"} <= {label.get_text() for label in loss.get_yticklabels()}
    assert [line.get_label() for line in loss.lines] == list(CURVES)
    assert len({(line.get_color(), line.get_marker()) for line in loss.lines}) == 3
    lines, rings = accuracy.lines[::2], accuracy.lines[1::2]
    for drawn, above, (name, curve) in zip(lines, loss.lines, CURVES.items(), strict=True):
        assert drawn.get_label() == above.get_label() == name
        assert list(drawn.get_xdata()) == list(above.get_xdata()) == [step for step, _, _ in curve]
        assert list(drawn.get_ydata()) == pytest.approx([100 * share for _, _, share in curve])
    assert list(loss.lines[0].get_ydata()) == [3650.0, 1.5, 0.3]
    # A ring at the first of the lowest accuracy.
    assert [(ring.get_xdata()[0], ring.get_ydata()[0]) for ring in rings] == [
        (200, 61.0),
        (200, 60.0),
        (100, 66.0),
    ]


def test_what_cannot_be_drawn_on_a_log_axis_is_a_gap() -> None:
    values = learning_curves(CURVES).axes[0].lines[1].get_ydata()
    assert values[0] == 0.25
    assert math.isnan(values[1])
    assert math.isnan(values[2])


def test_victims_without_a_curve_are_left_out_and_none_at_all_is_refused() -> None:
    assert len(learning_curves({**CURVES, "Constant": []}).axes[0].lines) == 3
    with pytest.raises(ValueError, match="Expected at least one curve of learning, got none"):
        learning_curves({"Constant": []})


@pytest.mark.parametrize(
    ("low", "high"), [(0.2, 0.4), (1.2, 8.5), (0.26, 0.27), (1.5, 40.0), (3.0, 3.0), (0.02, 900.0)]
)
def test_the_loss_has_a_scale_however_narrow(low: float, high: float) -> None:
    figure = learning_curves({"a": [(100, low, 0.5), (200, high, 0.6)]})
    figure.draw_without_rendering()
    loss = figure.axes[0]
    bottom, top = loss.get_ylim()
    told = {
        label.get_text()
        for label, at in zip(loss.get_yticklabels(), loss.get_yticks(), strict=True)
        if bottom <= at <= top
    }
    assert len(told - {""}) >= 2
    assert all(bottom <= float(text) <= top for text in told)


@pytest.mark.parametrize(
    "name",
    [
        "_{} hidden",
        "a long name {} of a method that somebody chose, with all of its settings spelled out" * 2,
    ],
)
def test_every_name_is_in_the_legend_and_inside_the_figure(
    name: str, overlaps: Callable[[Figure], list[tuple[str, str]]]
) -> None:
    names = [name.format(number, number) for number in range(7)]
    figure = learning_curves({each: [(100, 0.2, 0.5), (200, 0.3, 0.6)] for each in names})
    assert overlaps(figure) == []
    assert [
        " ".join(text.get_text().split())
        for legend in figure.legends
        for text in legend.get_texts()
    ] == names


def test_looks_and_graphs_are_the_caller_s() -> None:
    lanes = {lane.label: lane for lane in make_lanes({"dcl": "DCL", "augcl": "AUGCL"})}
    loss, accuracy = learning_curves(
        {"one": [(1, 0.2, 0.5)], "two": [(1, 0.2, 0.5)]},
        {"one": lanes["augcl"], "two": lanes["dcl"]},
        "x",
    ).axes
    assert [line.get_color() for line in loss.lines] == [lanes["augcl"].colour, lanes["dcl"].colour]
    assert accuracy.get_ylabel() == "Robust accuracy on\nx (%)"


def test_equal_curves_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg", "a.png", "b.png"):
        save(learning_curves(CURVES), tmp_path / name)
    for kind in ("svg", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
