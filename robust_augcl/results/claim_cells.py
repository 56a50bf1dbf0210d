"""The cells of a claim that a run holds: what was measured, with simultaneous intervals.

A cell is a data set, a number of layers and, under attack, an attack. Differences are judged by the
rule of `results.method_tests`, all cells of a claim as one family; those that are missing count.
An accuracy has the same interval: mean +- t(1 - alpha / 2m; S - 1) error, by the same error.

What is right is what the published numbers count: an attacked graph whose prediction is right,
whatever it was before. An SVM on embeddings has one accuracy a seed, the mean of its folds; where
seeds share graphs, r is the share of a fold's test graphs over its training graphs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from robust_augcl.results.claim_settings import other_settings
from robust_augcl.results.claims import Claim
from robust_augcl.results.intervals import ALPHA, error_of_mean, t_quantile
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.method_tests import judge
from robust_augcl.results.names import CLEAN, joined, layers_text
from robust_augcl.results.power import detectable_difference
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.rest import victim_cell
from robust_augcl.results.seed_differences import SeedDifferences
from robust_augcl.results.shared_graphs import overlap
from robust_augcl.results.statistics import (
    Group,
    Measure,
    estimate_of,
    one_per_seed,
    seed_differences,
)

ONE_EACH = "one trained model each"
NOT_AT_REST = "victims not at rest"
FAILED = "failed its audit"
UNKNOWN = "not known whether seeds share graphs"


@dataclass(frozen=True)
class ClaimCell:
    """What was measured in one cell of a claim: an accuracy, or a difference left less right.

    Args:
        name: for readers.
        dataset: the data set.
        mean: over the seeds, a share.
        low, high: the interval, simultaneous with those of the claim's other cells; None with one
            trained model each.
        n_seeds: S.
        detectable: the smallest true difference that so many seeds show with 80 % power.
        notes: why no verdict can rest on it.
    """

    name: str
    dataset: str
    mean: float
    low: float | None
    high: float | None
    n_seeds: int
    detectable: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """One cell that a claim is about: whose numbers, and its name."""

    name: str
    left: Group
    right: Group | None


@dataclass(frozen=True)
class Measured:
    """What a run measured in one cell of a claim.

    Args:
        question: the cell.
        values: one a seed; None where it was not measured.
        notes: why no verdict can rest on it.
    """

    question: Question
    values: SeedDifferences | None
    notes: tuple[str, ...]


def cell_name(group: Group, attack: str = "") -> str:
    """A cell in words.

    Example:
        >>> about = Group("suite", "MUTAG", "augcl", "gin", 3, "prbcd", "strict", 1)
        >>> cell_name(about, "PRBCD")
        'MUTAG, 3 layers, PRBCD'
    """
    return joined(group.dataset, layers_text(group.layers), attack)


def attacked_cells(
    report: ReportInput,
    claim: Claim,
    questions: Sequence[Question],
    groups: Mapping[Group, Sequence[Record]],
) -> list[Measured]:
    """What was measured of classifiers, under attack or before any."""
    measure: Measure = "attacked" if claim.evaluation == "under attack" else "clean"
    found = []
    for question in questions:
        share = overlap(report.measurements, question.left.dataset)
        sides = [_records(groups, side) for side in (question.left, question.right) if side]
        if question.right is None:
            values = _accuracies(sides[0], measure, share or 0.0)
        else:
            values = seed_differences(sides[0], sides[1], measure, share or 0.0)
        records = [each for side in sides for each in side]
        notes = record_notes(report, claim, records, share)
        found.append(_measured(report, question, values, notes))
    return found


def embedding_cells(
    report: ReportInput, claim: Claim, questions: Sequence[Question]
) -> list[Measured]:
    """What was measured of embeddings that an SVM classifies."""
    scores = embedding_scores(report.measurements)
    found = []
    for question in questions:
        left = scores.get(question.left, {})
        right = scores.get(question.right, {}) if question.right else None
        seeds = sorted(left if right is None else left.keys() & right.keys())
        values = [_mean(left[s]) - (_mean(right[s]) if right else 0.0) for s in seeds]
        share = overlap(report.measurements, question.left.dataset)
        folds = min((len(left[seed]) for seed in seeds), default=0)
        between = 1 / (folds - 1) if share and folds > 1 else 0.0
        graphs = _graphs(report.measurements, question.left.dataset, bool(share))
        made = SeedDifferences(tuple(values), graphs, None, between) if values else None
        unknown = () if share is not None else (UNKNOWN,)
        notes = (*unknown, *other_settings(report, claim, report.records))
        found.append(_measured(report, question, made, notes))
    return found


def _measured(
    report: ReportInput, question: Question, values: SeedDifferences | None, notes: tuple[str, ...]
) -> Measured:
    """What was measured, with what is said of its seeds."""
    if values is None:
        return Measured(question, None, ())
    one_each = () if values.are_methods else (ONE_EACH,)
    return Measured(question, values, (*one_each, *notes, *seeds_note(report, values.n_seeds)))


def judged_cells(claim: Claim, measured: Sequence[Measured]) -> list[ClaimCell | None]:
    """Cells from what was measured of each seed, as one family; None where nothing was."""
    size = len(measured)
    judged = judge([each.values for each in measured], claim.name) if claim.right else [None] * size
    cells: list[ClaimCell | None] = []
    for each, difference in zip(measured, judged, strict=True):
        values = each.values
        if values is None:
            cells.append(None)
            continue
        low, high, detectable = (
            (difference.low, difference.high, difference.detectable)
            if difference
            else _of_accuracy(values, size)
        )
        about = each.question.name, each.question.left.dataset
        cells.append(
            ClaimCell(*about, values.mean, low, high, values.n_seeds, detectable, each.notes)
        )
    return cells


def seeds_note(report: ReportInput, count: int) -> tuple[str, ...]:
    """What is said of another number of seeds than was planned; nothing where it is that."""
    planned, rules = report.planned_seeds, report.rules
    if planned is None:
        return ()
    if count != planned:
        return (f"{count} seeds, {planned} were planned",)
    return (f"{count} of {rules.held} seeds, {planned} were planned",) * rules.has_other_seeds


def record_notes(
    report: ReportInput, claim: Claim, records: Iterable[Record], share: float | None
) -> tuple[str, ...]:
    """Why no verdict on a claim can rest on these records."""
    records = list(records)
    moving = any(victim_cell(record.cell) in report.not_at_rest for record in records)
    failed = any(record.key in report.failed for record in records)
    notes = ((UNKNOWN, share is None), (NOT_AT_REST, moving), (FAILED, failed))
    told = tuple(note for note, holds in notes if holds)
    return (*told, *other_settings(report, claim, records))


def embedding_scores(
    measurements: Iterable[Measurement],
) -> dict[Group, dict[int, list[float]]]:
    """Of each encoder that saw no label its accuracy in each fold, by seed."""
    found: dict[Group, dict[int, list[float]]] = {}
    for each in measurements:
        if each.kind == "representation":
            found.setdefault(Group.of(each.cell), {})[each.cell.seed] = each.values["accuracy"]
    return found


def _records(groups: Mapping[Group, Sequence[Record]], wanted: Group) -> list[Record]:
    """The records of a group; those of `CLEAN` are one a seed of whichever attack and budget."""
    if wanted.attack != CLEAN:
        return list(groups.get(wanted, ()))
    return one_per_seed(
        record
        for group, members in groups.items()
        if replace(group, attack=CLEAN, budget=wanted.budget) == wanted
        for record in members
    )


def _accuracies(
    records: Sequence[Record], measure: Measure, share: float
) -> SeedDifferences | None:
    """The accuracy of one method, one a seed: its difference from none."""
    right = [
        {o.target: o.attacked_right if measure == "attacked" else o.clean_right for o in r.outcomes}
        for r in records
    ]
    made = estimate_of(right, share)
    if made is None:
        return None
    known = [each for each in right if each]
    targets = len({t for each in known for t in each}) if share else made.n_graphs
    victims = len({record.victim.digest for record in records})
    shares = tuple(sum(each.values()) / len(each) for each in known)
    return SeedDifferences(shares, targets, victims, share)


def _of_accuracy(
    found: SeedDifferences, size: int
) -> tuple[float | None, float | None, float | None]:
    """The interval of one of `size` accuracies, and the difference that its seeds show."""
    if not found.are_methods:
        return None, None, None
    half = t_quantile(ALPHA / (2 * size), found.n_seeds - 1) * error_of_mean(
        found.values, found.targets, found.test_to_train
    )
    detectable = detectable_difference(found.deviation, found.n_seeds, size, found.test_to_train)
    return max(found.mean - half, 0.0), min(found.mean + half, 1.0), detectable


def _graphs(measurements: Iterable[Measurement], dataset: str, shared: bool) -> int:
    """How many graphs an SVM is tested on, at least: those of tests and of training."""
    counts = [
        each.values["targets"] + each.values["training"]
        for each in measurements
        if (each.kind, each.cell.dataset) == ("dataset", dataset)
    ]
    return max(counts if shared else [sum(counts)], default=0) or 1


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
