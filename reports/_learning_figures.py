"""The curves of learning that a report shows: of every victim that was trained, every attacker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Literal, NamedTuple

from matplotlib.figure import Figure

from robust_augcl.reports._learning import Curve, CurvePanel, Word, curves_figure
from robust_augcl.reports._rest import name_of_group, told_in
from robust_augcl.results.names import joined, layers_text, targets_text
from robust_augcl.results.records import Cell
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.rest import FEWEST_EPOCHS, SHARE_OF_EPOCHS, rests
from robust_augcl.results.statistics import Group


class Drawing(NamedTuple):
    """How a figure is drawn, and what it is drawn from: equal content gives equal figures.

    Args:
        make: draws it for a report.
        content: tells it from any other.
        for_paper: draws it at a width in inches, without title and caption; None: not at all.
    """

    make: Callable[[], Figure]
    content: tuple[str, ...]
    for_paper: Callable[[float], Figure] | None = None


def curve_drawings(report: ReportInput) -> dict[str, Drawing]:
    """The figures of curves that there is something for, by name."""
    drawings: dict[str, Drawing] = {}
    victims = _panels(report, "victim", _victims(report))
    if _is_a_course(victims):
        graphs = _chosen_by(report, "victim")
        drawings["training"] = _drawing(
            "How victims were trained",
            victims,
            ("Epoch", f"Loss on the\n{graphs}"),
            "A victim is a model that is attacked. Each line is the training of one, one a seed. "
            "The ring marks the epoch that was kept. At rest: at least "
            f"{FEWEST_EPOCHS} epochs, and at least {100 * SHARE_OF_EPOCHS:.0f} % of all, came "
            "after it, and none was better.",
        )
    attackers = _panels(report, "attacker", _attackers(report))
    if _is_a_course(attackers):
        graphs = _chosen_by(report, "attacker")
        drawings["learning"] = _drawing(
            "How attacks learned",
            attackers,
            ("Step of learning", f"Robust accuracy on the\n{graphs} (%)"),
            "A victim is a model that is attacked. Each line is an attack that learned on one of "
            "them, one a seed. Its weights are kept from the lowest point, which the ring marks. "
            "Where several points are lowest, the ring marks the first, and margins decide, which "
            "are not drawn. Whether an attack is at rest is what the audit says. It let some of "
            "them learn longer.",
        )
    return drawings


def _is_a_course(panels: Sequence[CurvePanel]) -> bool:
    """Whether some curve has two points: one alone shows no course of learning."""
    return any(len(curve.points) > 1 for panel in panels for curve in panel.curves)


def curve_panels(report: ReportInput, kind: Literal["victim", "attacker"]) -> list[CurvePanel]:
    """The panels of the curves of all victims, or of all attackers."""
    return _panels(report, kind, _victims(report) if kind == "victim" else _attackers(report))


def _drawing(
    title: str, panels: Sequence[CurvePanel], axes: tuple[str, str], caption: str
) -> Drawing:
    caption = joined(caption, told_in(panel.title for panel in panels), by=" ")
    content = (title, *axes, caption, *map(repr, panels))
    return Drawing(
        lambda: curves_figure(title, panels, *axes, caption),
        content,
        lambda width: curves_figure("", panels, *axes, "", width),
    )


def _victims(report: ReportInput) -> dict[Cell, Curve]:
    """The losses of each victim by epoch, on the graphs that chose it."""
    known = rests(report.measurements)
    found = {}
    for m in report.measurements:
        if m.kind == "victim":
            rest = known[m.cell]
            word: Word = "at rest" if rest.at_rest else "not at rest"
            points = tuple(enumerate(m.values["losses"], 1))
            found[m.cell] = Curve(f"seed {m.cell.seed}", word, points, rest.epoch)
    return found


def _attackers(report: ReportInput) -> dict[Cell, Curve]:
    """What each attacker left of the graphs that it is chosen by."""
    keys = {record.cell: record.key for record in report.records}
    found = {}
    for m in report.measurements:
        if m.kind == "attacker" and (curve := m.values.get("curve")):
            points = tuple((int(step), 100 * share) for step, _, share in curve)
            lowest = min(points, key=lambda point: (point[1], point[0]))
            word = _word(report, keys.get(m.cell))
            found[m.cell] = Curve(f"seed {m.cell.seed}", word, points, lowest[0])
    return found


def _word(report: ReportInput, key: str | None) -> Word:
    """What the audit says of the attacker of a record."""
    finding = report.audit.attackers_at_rest if report.audit else None
    if finding is None or key is None:
        return "not tried"
    return "not at rest" if key in finding.cells else "at rest"


def _panels(report: ReportInput, kind: str, curves: Mapping[Cell, Curve]) -> list[CurvePanel]:
    """Curves of the same cell, seeds apart, together; named by what varies between panels."""
    order = {name: place for place, name in enumerate(report.suite_order("methods"))}
    groups: dict[tuple[str, ...], list[Curve]] = {}
    last = len(order)
    ordered = sorted(curves, key=lambda cell: (order.get(cell.method, last), cell))
    for cell in ordered:
        groups.setdefault(_parts(report, cell), []).append(curves[cell])
    varying = [k for k in range(6) if len({parts[k] for parts in groups}) > 1]
    shown = sorted({*varying, 3, *([0] if kind == "attacker" else [])})
    return [CurvePanel(joined(*(parts[k] for k in shown)), own) for parts, own in groups.items()]


def _parts(report: ReportInput, cell: Cell) -> tuple[str, ...]:
    """What tells one panel from another, in words."""
    attack = report.names.attack(cell.attack) if cell.attack else ""
    budget = f"budget {cell.budget}" if cell.attack else ""
    method, layers = name_of_group(report, Group.of(cell)), layers_text(cell.layers)
    return attack, cell.dataset, cell.protocol, method, layers, budget


def _chosen_by(report: ReportInput, kind: str) -> str:
    """The graphs, or nodes, that victims or attackers are chosen by.

    Under the published protocol these are those for testing.
    """
    targets = targets_text(report.records)
    protocols: Set[str] = {m.cell.protocol for m in report.measurements if m.kind == kind}
    if protocols == {"strict"}:
        return f"validation {targets}"
    return f"test {targets}" if protocols == {"paper"} else f"{targets} it was chosen by"
