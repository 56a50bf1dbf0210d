"""Curves of learning: what is drawn is what was learned, with the audit's word on it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from report_inputs import report_of

from robust_augcl.reports._figures import figures
from robust_augcl.reports._learning import LOOKS, Curve, CurvePanel, curves_figure
from robust_augcl.reports._sheet import save
from robust_augcl.results.findings import ATTACKERS_AT_REST, Audit, Finding
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.rest import victim_cell

PANELS = [
    CurvePanel(
        "No pretraining",
        [
            Curve("seed 0", "at rest", ((1, 0.9), (2, 0.5), (3, 0.6)), 2),
            Curve("seed 1", "not at rest", ((1, 0.8), (2, math.nan), (3, 0.4)), 3),
        ],
    ),
    CurvePanel("GraphCL", [Curve("seed 0", "not tried", ((1, 0.7),), 1)]),
]


def title_of(axes) -> str:
    return " ".join(axes.get_title(loc="left").split())


def drawn(panels=PANELS) -> Figure:
    return curves_figure("How it went", panels, "Epoch", "Loss", "A caption. " * 20)


def test_a_line_a_victim_with_its_points_its_word_and_a_ring_at_what_was_kept() -> None:
    figure = drawn()
    first, second = figure.axes
    assert title_of(first) == "No pretraining: 1 of 2 at rest, 1 of 2 not at rest"
    assert title_of(second) == "GraphCL: not tried"
    for axes, panel in zip((first, second), PANELS, strict=True):
        lines, rings = axes.lines[::2], axes.lines[1::2]
        for line, ring, curve in zip(lines, rings, panel.curves, strict=True):
            assert (line.get_color(), line.get_linestyle()) == LOOKS[curve.word]
            for value, (place, told) in zip(line.get_ydata(), curve.points, strict=True):
                assert value == told or math.isnan(told)
                assert place in line.get_xdata()
            assert ring.get_xdata()[0] == curve.kept
            assert ring.get_ydata()[0] == dict(curve.points)[curve.kept]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        *(f"one victim: {word}" for word in LOOKS),
        "kept from here",
    ]
    assert (first.get_ylabel(), second.get_xlabel()) == ("Loss", "Epoch")
    assert figure.texts[0].get_text() == "How it went"


@pytest.mark.parametrize("count", [1, 3, 7])
def test_nothing_overlaps_however_many_panels_there_are(
    count: int, overlaps: Callable[[Figure], list[tuple[str, str]]]
) -> None:
    long = dataclasses.replace(PANELS[0], title="a method with a long name, 3 layers, budget 2")
    assert overlaps(drawn([long, *PANELS[1:] * count][:count])) == []


def test_no_panel_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected at least one panel of curves, got none"):
        drawn([])


def test_equal_curves_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg", "a.png", "b.png"):
        save(drawn(), tmp_path / name)
    for kind in ("svg", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


# --- in a report ----------------------------------------------------------------------------------


def beside(records):
    """A curve of every victim and of every attacker; victims of seed 1 are not at rest."""
    found = {}
    for record in records:
        cell = victim_cell(record.cell)
        epoch = 99 if cell.seed else 50
        values = {"selected": {"epoch": epoch}, "losses": [0.5] * 100}
        found[cell] = Measurement("victim", cell, values, 1.0)
        if record.traits.learns:
            curve = [[50, 1.0, 0.8], [100, 0.9, 0.6], [150, 0.8, 0.6]]
            found[record.cell] = Measurement("attacker", record.cell, {"curve": curve}, 1.0)
    return list(found.values())


def panels_of(figure: Figure):
    return {title_of(axes): axes for axes in figure.axes if title_of(axes)}


@pytest.mark.parametrize(
    ("status", "word"), [("PASS", "at rest"), ("WARN", "not at rest"), ("n/a", "not tried")]
)
def test_every_victim_and_every_attacker_is_drawn_with_its_word(campaign, status, word) -> None:
    records = campaign(methods=["none", "augcl"], layers=[2], seeds=[0, 1], n=9)
    learned = tuple(record.key for record in records if record.traits.learns)
    cells = learned if status == "WARN" else ()
    audit = Audit("0" * 64, (Finding(ATTACKERS_AT_REST, status, "So it is.", cells),))
    made = figures(report_of(records, audit, None, beside(records)))
    training, learning = (panels_of(made[name].make()) for name in ("training", "learning"))
    half = "1 of 2 at rest, 1 of 2 not at rest"
    names = ("No pretraining‡", "AUGCL‡")  # one victim of each was not at rest
    assert set(training) == {f"{name}: {half}" for name in names}
    assert set(learning) == {f"RL-S2V, {name}: {word}" for name in names}
    for axes in (*training.values(), *learning.values()):
        assert len(axes.lines) == 2 * 2
    for axes in learning.values():
        assert list(axes.lines[0].get_ydata()) == pytest.approx([80, 60, 60])
        assert axes.lines[1].get_xdata()[0] == 100  # the first of the lowest


@pytest.mark.parametrize(
    ("protocols", "graphs"),
    [
        (("strict",), "validation graphs"),
        (("paper",), "test graphs"),
        (("strict", "paper"), "graphs it was chosen by"),
    ],
)
def test_curves_say_which_graphs_they_are_of(campaign, protocols, graphs) -> None:
    records = [
        record
        for protocol in protocols
        for record in campaign(methods=["dcl", "augcl"], layers=[2], n=9, protocol=protocol)
    ]
    made = figures(report_of(records, measurements=beside(records)))
    for name in ("training", "learning"):
        figure = made[name].make()
        assert graphs in figure.axes[0].get_ylabel()
        assert len(panels_of(figure)) == 2 * len(protocols)


def test_a_single_point_for_each_attacker_is_not_drawn(campaign) -> None:
    records = campaign(methods=["none"], layers=[2], seeds=[0, 1], n=9)
    short = [
        dataclasses.replace(m, values={"curve": m.values["curve"][:1]})
        if m.kind == "attacker"
        else m
        for m in beside(records)
    ]
    assert "learning" not in figures(report_of(records, None, None, short))
    assert "learning" in figures(report_of(records, None, None, beside(records)))
