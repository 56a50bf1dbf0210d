"""What published results cost, beside what was foreseen of as much as there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from robust_augcl.plan.kinds import KINDS
from robust_augcl.reports._published_plan import (
    Cell,
    Cells,
    done_of,
    methods_that_pretrain,
    planned_of,
    seeds_of,
)
from robust_augcl.reports.tables import escape, markdown_table
from robust_augcl.results.baseline import Baseline

Foreseen = Mapping[str, Mapping[int, float]]
"""Kind of step -> number of layers -> hours of one core for all methods of one seed."""

_HOUR = 3600.0
_NOTHING = "-"


def cost(held: Sequence[Baseline], foreseen: Foreseen) -> Iterator[str]:
    """Hours by kind of step, beside those that were foreseen of as much, where anything was.

    Args:
        held: the files of a suite.
        foreseen: of one seed; empty where nothing was.
    """
    spent: Counter[str] = Counter()
    for each in held:
        spent.update(each.seconds)
    expected = _expected(held, foreseen)
    kinds = [kind for kind in KINDS if kind in spent or kind in expected]
    rows = [
        [escape(KINDS[kind].title), f"{spent[kind] / _HOUR:.2f}", _hours(expected.get(kind))]
        for kind in kinds
    ]
    of_these = sum(spent[kind] for kind in expected) / _HOUR
    if expected:
        total = sum(expected.values())
        rows.append(["all that was foreseen", f"{of_these:.2f}", _hours(total)])
    rows.append(["all", f"{sum(spent.values()) / _HOUR:.2f}", _NOTHING])
    yield f"Hours by the clock, one process a step, with other programs beside.{_of(expected)}"
    head = ["Step", "Hours", *(["Foreseen of as much"] if expected else [])]
    yield markdown_table(head, [row[: len(head)] for row in rows])


def _of(expected: Mapping[str, float]) -> str:
    if not expected:
        return ""
    return (
        " Foreseen are core hours, from a tenth of the graphs (docs/measurements.md), of as many "
        "models and certificates as are here, each with its number of layers. Hours can hold what "
        "is not counted as foreseen: certificates of all budgets but the largest, and pretrainings "
        "and warm-ups whose models are not here yet."
    )


def _hours(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.2f}"


def _expected(held: Sequence[Baseline], foreseen: Foreseen) -> dict[str, float]:
    """The hours that were foreseen of what files hold, by kind; none where no plan is known."""
    table = held[0].table
    if table is None or not foreseen:
        return {}
    found: dict[str, float] = dict.fromkeys(foreseen, 0.0)
    pretraining = methods_that_pretrain(held[0])
    for seed in seeds_of(held):
        planned, done = planned_of(held[0], seed), done_of(held, seed)
        for kind, by_layers in foreseen.items():
            for layers, hours in by_layers.items():
                found[kind] += hours * _share(kind, planned, done, layers, pretraining)
    return found


def _share(kind: str, planned: Cells, done: Cells, layers: int, pretraining: set[str]) -> float:
    """How much of what is planned of one kind of step and depth is there."""
    wanted, got = (_units(kind, cells, layers, pretraining) for cells in (planned, done))
    if kind == "certificate":  # those of the largest budget are what takes hours
        most = max((cell.budget for cell in wanted), default=0)
        wanted = {cell for cell in wanted if cell.budget == most}
    return len(wanted & got) / len(wanted) if wanted else 0.0


def _units(kind: str, cells: Cells, layers: int, pretraining: set[str]) -> set[Cell]:
    """What is counted: certificates, or models; of steps before models those that pretrain."""
    if kind == "certificate":
        return {cell for cell in cells.certificates if cell.layers == layers}
    models = {cell.of_model for cell in cells.records if cell.layers == layers}
    if kind == "warm_up":  # one for all methods that take it
        return {cell.of_depth for cell in models if cell.method in pretraining}
    if kind == "pretraining":
        return {cell for cell in models if cell.method in pretraining}
    return models
