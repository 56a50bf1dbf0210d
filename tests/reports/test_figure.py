from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from report_inputs import report_of

from robust_augcl.reports._forest import make_lanes
from robust_augcl.reports.column import column_figure
from robust_augcl.reports.figure import accuracy_figure, by_class_figure, save
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput

Campaign = Callable[..., list[Record]]
Overlaps = Callable[[Figure], list[tuple[str, str]]]
MANY = ["none", "graphcl", "augcl", "dcl", "hcl", "progcl", "augcl_entropy", "moco"]


def points(axes: Axes) -> dict[str, list[float]]:
    """The accuracies drawn in a panel, by method, from top to bottom."""
    found: dict[str, list[tuple[float, float]]] = {}
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer):
            line = container[0]
            found.setdefault(str(container.get_label()), []).append(
                (float(line.get_ydata()[0]), float(line.get_xdata()[0]))
            )
    return {name: [x for _, x in sorted(pairs)] for name, pairs in found.items()}


def test_a_panel_for_each_number_of_layers_and_a_mark_for_each_method(campaign: Campaign) -> None:
    records = campaign(layers=[2, 3, 4])
    figure = accuracy_figure(report_of(records))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "2 layers",
        "3 layers",
        "4 layers",
    ]
    rows = ["Clean", "RandSampling", "GradArgmax", "RL-S2V", "Exact worst case"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == rows
    by_cell = {(r.cell.layers, r.cell.method, r.cell.attack): r for r in records}
    for layers, axes in zip((2, 3, 4), figure.axes, strict=True):
        assert axes.get_xlim() == (0, 100)
        assert axes.get_xlabel() == "Accuracy (%)"
        drawn = points(axes)
        assert list(drawn) == ["No pretraining", "GraphCL", "AUGCL"]
        for method, xs in zip(("none", "graphcl", "augcl"), drawn.values(), strict=True):
            expected = [
                by_cell[layers, method, attack].robust_accuracy
                for attack in ("rand_sampling", "grad_argmax", "rl_s2v", "exhaustive")
            ]
            assert xs == pytest.approx(
                [
                    100 * by_cell[layers, method, "exhaustive"].clean_accuracy,
                    *(100 * share for share in expected),
                ]
            )


def test_methods_differ_in_colour_or_marker_and_stay_the_same(campaign: Campaign) -> None:
    def looks(methods: list[str]) -> dict[str, tuple[object, object]]:
        axes = accuracy_figure(report_of(campaign(methods=methods, layers=[2]))).axes[0]
        return {
            str(c.get_label()): (c[0].get_color(), c[0].get_marker())
            for c in axes.containers
            if isinstance(c, ErrorbarContainer)
        }

    many = looks(MANY)
    assert len(set(many.values())) == len(MANY)
    few = looks(["augcl"])
    assert few["AUGCL"] == many["AUGCL"]


def test_twelve_methods_look_different_and_neighbours_never_share_a_colour() -> None:
    lanes = make_lanes(
        {
            label: label
            for label in [*MANY, "SimGRACE", "progcl_mix", "prototypes", "SimGRACE + AUGCL"]
        }
    )
    assert len({(lane.colour, lane.marker) for lane in lanes}) == 12
    assert all(one.colour != other.colour for one, other in itertools.pairwise(lanes))
    assert len({lane.colour for lane in lanes}) == 12


def test_the_exact_worst_case_is_set_apart_and_missing_where_it_was_not_run(
    campaign: Campaign,
) -> None:
    def legend(records: list[Record]) -> str:
        return " ".join(
            text.get_text()
            for each in accuracy_figure(report_of(records)).legends
            for text in each.get_texts()
        )

    figure = accuracy_figure(report_of(campaign(layers=[2])))
    assert figure.axes[0].get_yticklabels()[-1].get_fontweight() == "bold"
    assert "Exact worst case" in legend(campaign(layers=[2]))
    assert "Exact worst case" not in legend(campaign(layers=[2], attacks=["rl_s2v"]))


def test_the_caption_needs_no_explanation(campaign: Campaign) -> None:
    for seeds, interval in (
        ([0], "exact 95 % intervals"),
        ([0, 1, 2], "95 % intervals over the seeds"),
    ):
        text = " ".join(
            " ".join(
                text.get_text() for text in accuracy_figure(report_of(campaign(seeds=seeds))).texts
            ).split()
        )
        for needed in (
            "90 test graphs",
            "seed",
            interval,
            "1 edge added, inside one component",
            "budget 1",
            "strict",
        ):
            assert needed in text


def test_by_class_has_a_panel_for_each_class(campaign: Campaign) -> None:
    records = campaign(layers=[2, 3], methods=["augcl"])
    figure = by_class_figure(report_of(records))
    names = ["1 component", "2 components", "3 components"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        f"{layers} layers, {name}" for layers in (2, 3) for name in names
    ]
    exact = next(r for r in records if (r.cell.layers, r.cell.attack) == (3, "exhaustive"))
    drawn = [points(axes)["AUGCL"][-1] for axes in figure.axes[3:]]
    assert drawn == pytest.approx(
        [100 * share for share in exact.robust_accuracy_by_class if share is not None]
    )


def test_missing_attacks_leave_their_lane_empty(campaign: Campaign) -> None:
    records = [
        r for r in campaign(layers=[2]) if (r.cell.method, r.cell.attack) != ("augcl", "rl_s2v")
    ]
    axes = accuracy_figure(report_of(records)).axes[0]
    assert len(points(axes)["AUGCL"]) == 4
    assert [text.get_text() for text in axes.texts].count("-") == 1


@pytest.mark.thorough(but=["one-*", "two-*", "long attack-*", "long data set-accuracy_figure"])
@pytest.mark.parametrize("figure_of", [accuracy_figure, by_class_figure])
@pytest.mark.parametrize(
    "given",
    [
        {"layers": [3], "methods": ["augcl"]},
        {"layers": [2, 3]},
        {"layers": [2, 3, 4], "seeds": range(5)},
        {"layers": [2, 3, 4], "methods": MANY},
        {"layers": [2], "attacks": ["an_attack_with_a_rather_long_name_of_its_own"]},
        {
            "layers": [2],
            "dataset": "a data set whose name is so long that no line can hold it, and $dollars$ "
            * 2,
        },
    ],
    ids=["one", "two", "five seeds", "eight methods", "long attack", "long data set"],
)
def test_texts_never_overlap(
    overlaps: Overlaps,
    campaign: Campaign,
    figure_of: Callable[[ReportInput], Figure],
    given: dict[str, object],
) -> None:
    assert overlaps(figure_of(report_of(campaign(n=30, **given)))) == []


def test_texts_never_overlap_at_the_ends_of_the_scale(
    overlaps: Overlaps, campaign: Campaign
) -> None:
    perfect = [
        dataclasses.replace(
            r,
            outcomes=[dataclasses.replace(o, clean=o.label, attacked=o.label) for o in r.outcomes],
        )
        for r in campaign()
    ]
    figure = accuracy_figure(report_of(perfect + campaign(protocol="paper")))
    assert overlaps(figure) == []
    for axes in figure.axes:
        ends = axes.get_window_extent().x1
        assert all(text.get_window_extent().x0 > ends for text in axes.texts)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_reader_s_own_style_changes_nothing(
    campaign: Campaign, tmp_path: Path, ending: str
) -> None:
    records = campaign(layers=[2])
    save(accuracy_figure(report_of(records)), tmp_path / f"a.{ending}")
    before = dict(mpl.rcParams)
    with mpl.rc_context(
        {"font.size": 20, "axes.grid": True, "svg.hashsalt": "other", "savefig.transparent": True}
    ):
        save(accuracy_figure(report_of(records)), tmp_path / f"b.{ending}")
    assert dict(mpl.rcParams) == before
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_svg_carries_no_date(campaign: Campaign, tmp_path: Path) -> None:
    save(accuracy_figure(report_of(campaign(layers=[2]))), tmp_path / "a.svg")
    assert "<dc:date>" not in (tmp_path / "a.svg").read_text()


def test_no_records_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one record"):
        accuracy_figure(report_of([]))


def test_no_text_leaves_the_figure_of_a_column(campaign: Campaign, overlaps: Overlaps) -> None:
    """The names of data set, encoder and protocol are wider together than a column is."""
    records = [
        record
        for protocol in ("strict", "paper")
        for record in campaign(layers=[2, 3], protocol=protocol)
    ]
    figure = column_figure(report_of(records))
    assert overlaps(figure) == []
    assert {" ".join(axes.get_title(loc="left").split()) for axes in figure.axes} == {
        f"components 40-50, {protocol}, {layers} layers, budget 1"
        for protocol in ("strict", "paper")
        for layers in (2, 3)
    }


def test_no_bar_of_the_worst_case_lies_in_the_clean_row(campaign: Campaign) -> None:
    (axes,) = accuracy_figure(report_of(campaign(layers=[2]))).axes
    rows = len(axes.get_yticklabels())
    height = axes.get_ylim()[0] / rows
    bars = [
        container.patches[0] for container in axes.containers if isinstance(container, BarContainer)
    ]
    assert len(bars) == 3 * (rows - 1)  # one a method, in each row of an attack
    assert min(bar.get_y() for bar in bars) > height
