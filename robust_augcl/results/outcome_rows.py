"""Records as tidy rows: one for each target that an attack met."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from robust_augcl.results.brackets import bracket_group
from robust_augcl.results.measurements import Measurement, targets_of
from robust_augcl.results.records import Outcome, Record, Target
from robust_augcl.results.rest import rests, victim_cell
from robust_augcl.results.statistics import Group

_TYPES = {
    "string": ("suite", "dataset", "model", "attack", "protocol", "setting", "class_stays"),
    "Int64": ("layers", "node"),
    "int64": ("seed", "graph", "label", "clean", "attacked", "num_added", "num_removed"),
    "float64": ("budget", "clean_margin", "attacked_margin"),
    "bool": ("budget_is_share", "clean_right", "attacked_right", "robust", "broken", "exact"),
    "boolean": ("certified", "at_rest"),
    "object": ("added", "removed"),
}
_ORDER = (
    *("suite", "dataset", "model", "layers", "attack", "protocol", "setting", "seed", "budget"),
    *("budget_is_share", "class_stays", "graph", "node", "label", "clean", "attacked"),
    *("clean_margin", "attacked_margin", "clean_right", "attacked_right", "robust", "broken"),
    "exact",
    *("certified", "at_rest", "num_added", "num_removed", "added", "removed"),
)


def typed() -> dict[str, str]:
    """Column -> its type in pandas, in the order of the columns.

    >>> list(typed())[:3], typed()["node"]
    (['suite', 'dataset', 'model'], 'Int64')
    """
    kinds = {name: kind for kind, names in _TYPES.items() for name in names}
    return {name: kinds[name] for name in _ORDER}


def outcome_rows(
    records: Iterable[Record], measurements: Iterable[Measurement] = ()
) -> list[dict[str, Any]]:
    """One row for each target of each record, sorted by cell, targets in the data set's order.

    `measurements` are of the same run: certificates among them fill the column `certified`, what
    they tell of victims the column `at_rest`.
    """
    measurements = list(measurements)
    proved, rested = _certified(measurements), rests(measurements)
    rows = []
    for record in sorted(records, key=lambda record: record.cell):
        rest = rested.get(victim_cell(record.cell))
        about = {**_about(record), "at_rest": rest.at_rest if rest else None}
        known = proved.get((bracket_group(record.cell, record.cell.budget), record.cell.seed), {})
        rows += [
            {**about, **_row(record, o), "certified": known.get(o.target)} for o in record.outcomes
        ]
    return [{name: row[name] for name in _ORDER} for row in rows]


def _about(record: Record) -> dict[str, Any]:
    cell = record.cell
    return {
        "suite": cell.suite,
        "dataset": cell.dataset,
        "model": cell.method,
        "layers": cell.layers or None,
        "attack": cell.attack,
        "protocol": cell.protocol,
        "setting": record.setting,
        "class_stays": record.class_stays,
        "seed": cell.seed,
        "budget": float(cell.budget),
        "budget_is_share": isinstance(cell.budget, float),
    }


def _row(record: Record, outcome: Outcome) -> dict[str, Any]:
    added, removed = record.edits_of(outcome)
    return {
        "graph": outcome.graph,
        "node": outcome.node,
        "label": outcome.label,
        "clean": outcome.clean,
        "attacked": outcome.attacked,
        "clean_margin": outcome.clean_margin,
        "attacked_margin": outcome.attacked_margin,
        "clean_right": outcome.clean_right,
        "attacked_right": outcome.attacked_right,
        "robust": outcome.robust,
        "broken": outcome.broken,
        "exact": outcome.exact,
        "num_added": len(added),
        "num_removed": len(removed),
        "added": added,
        "removed": removed,
    }


def _certified(
    measurements: Iterable[Measurement],
) -> dict[tuple[Group, int], dict[Target, bool]]:
    """Of each victim and budget, which targets are certified."""
    found = {}
    for each in measurements:
        if each.kind == "certificate":
            group = bracket_group(each.cell, each.cell.budget), each.cell.seed
            found[group] = dict(zip(targets_of(each), each.values["certified"], strict=True))
    return found
