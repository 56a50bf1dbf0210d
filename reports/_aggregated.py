"""Means, intervals and differences as plain rows, for CSV, JSON and frames; shares from 0 to 1."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from robust_augcl.reports._marks import MARK
from robust_augcl.reports._sections import Section
from robust_augcl.reports._verdicts import verdicts_of
from robust_augcl.reports._view import Fact, View
from robust_augcl.results.method_tests import Judged
from robust_augcl.results.statistics import ModelComparison

Row = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Two methods under an attack, left less right.

    Args:
        section: what it is about, but for the rest.
        left, right, attack, layers: what is compared.
        judged: what is said of the methods.
        is_primary: whether the suite named it before it ran.
        models: of two trained models; None where there are several seeds.
        mark: of what failed its audit.
    """

    section: Section
    left: str
    right: str
    attack: str
    layers: int
    judged: Judged
    is_primary: bool
    models: ModelComparison | None
    mark: str


def comparisons(view: View) -> list[Comparison]:
    """Every comparison of two methods, section by section, pair by pair."""
    return [each for section in view.sections for each in _of_section(section)]


def _of_section(section: Section) -> Iterator[Comparison]:
    verdicts = verdicts_of(section)
    for left, right in verdicts.pairs:
        for attack in section.attacks:
            for layers in section.layers:
                judged = verdicts.of(attack, layers, left, right)
                if judged is None:
                    continue
                alone = judged.verdict == "one model each"
                yield Comparison(
                    section,
                    left,
                    right,
                    attack,
                    layers,
                    judged,
                    verdicts.is_primary(judged),
                    verdicts.models(attack, layers, left, right) if alone else None,
                    section.marked(attack, layers, left, right),
                )


def mean_rows(view: View) -> list[Row]:
    """A row a mean: of a method under an attack, over all targets, with classes beside it.

    `classes` is the largest number of classes; each has a column of its own, None where it has no
    targets.
    """
    most = max(section.num_classes for section in view.sections)
    by_class = {
        (*_key(fact), fact.label): fact.share.mean for fact in view.facts if fact.label is not None
    }
    rows = []
    for fact in view.facts:
        if fact.label is None:
            classes = {
                f"stays_right_class_{label}": by_class.get((*_key(fact), label))
                for label in range(most)
            }
            rows.append({**_mean_row(fact), **classes})
    return rows


def _key(fact: Fact) -> tuple[Any, ...]:
    return (id(fact.section), fact.layers, fact.method, fact.attack)


def _mean_row(fact: Fact) -> Row:
    section, share, worst, missed = fact.section, fact.share, fact.worst, fact.missed
    return {
        **_about(section),
        "layers": fact.layers or None,
        "method": fact.method,
        "method_name": section.method_name(fact.method),
        "attack": fact.attack,
        "attack_name": section.attack_name(fact.attack),
        "stays_right": share.mean,
        "low": share.low,
        "high": share.high,
        "n_seeds": share.n_seeds,
        "n_graphs": share.n_graphs,
        "missed_least": missed.least if missed else None,
        "missed_most": missed.most if missed else None,
        "worst_low": worst.low.mean if worst and worst.low else None,
        "worst_high": worst.high.mean if worst else None,
        "worst_is_exact": worst.exact if worst else None,
        "failed_audit": MARK in fact.mark if section.report.audit else None,
        "at_rest": not fact.rest,
    }


def difference_rows(view: View) -> list[Row]:
    """A row a comparison of two methods under an attack, left less right."""
    rows = []
    for each in comparisons(view):
        judged = {name: getattr(each.judged, name) for name in _JUDGED}
        models = each.models
        rows.append(
            {
                **_about(each.section),
                "layers": each.layers or None,
                "left": each.left,
                "right": each.right,
                "attack": each.attack,
                "family": "primary" if each.is_primary else "secondary",
                "comparisons_in_family": each.judged.size,
                **judged,
                "models_low": models.low if models else None,
                "models_high": models.high if models else None,
                "models_p_value": models.p_value if models else None,
                "failed_audit": MARK in each.mark if each.section.report.audit else None,
            }
        )
    return rows


_JUDGED = tuple(each.name for each in fields(Judged) if each.name not in ("family", "size"))
DIFFERENCE_COLUMNS = (
    *("suite", "dataset", "encoder", "protocol", "setting", "class_stays", "budget", "layers"),
    *("left", "right", "attack"),
    *("family", "comparisons_in_family", *_JUDGED),
    *("models_low", "models_high", "models_p_value", "failed_audit"),
)
"""The columns of differences, also where there are none."""


def _about(section: Section) -> Row:
    return {
        "suite": section.suite,
        "dataset": section.dataset,
        "encoder": section.encoder,
        "protocol": section.protocol,
        "setting": section.records[0].setting,
        "class_stays": "proved" if section.keeps_classes else "assumed",
        "budget": section.budget,
    }


def as_csv(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    """Rows as CSV, at full precision; what is not known is an empty field.

    `columns` are those of rows of which there may be none.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, list(columns or rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _field(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def as_json(view: View) -> str:
    """Means and differences as one JSON object; what is not known is null."""
    content = {"means": mean_rows(view), "differences": difference_rows(view)}
    return json.dumps(_finite(content), indent=1, allow_nan=False) + "\n"


def _field(value: Any) -> Any:
    known = _finite(value)
    return "" if known is None else known


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
