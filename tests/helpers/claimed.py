"""Records of runs that a claim is held against, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

from hand_made import make_record, method_called
from report_inputs import data_of

from robust_augcl.results.claim_rows import ClaimRow, claim_rows
from robust_augcl.results.claims import Claim
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import ArtifactRef, Cell, Outcome, Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.traits import Traits

N = 100
SEEDS = 5
WIGGLE = (-1, 0, 1, 0, 0)
"""Graphs by which seeds differ: mean 0, so that intervals are narrow and centred."""
DATA = "components 40-50"
ATTACKED = Claim(
    "robust", "a paper", "table 5", "second hand", "published", "maximum", "under attack",
    "augcl", 0.08, "graphcl", run_as="paper", budget=1, attacks=("rand_sampling", "grad_argmax"),
    datasets=(DATA,), encoder="gin", layers=(2,),
)  # fmt: skip


def record(method: str, seed: int, right: int, **more) -> Record:
    """A record in which the first `right` of 100 graphs withstand the attack.

    Keywords are fields of the cell, or `exact`, `clean` (graphs that are right before), `plug_in`.
    """
    exact, clean = more.pop("exact", False), more.pop("clean", N)
    plug_in, victim = more.pop("plug_in", method), more.pop("victim", f"{method} {seed}")
    attack, dataset = more.pop("attack", "rand_sampling"), more.pop("dataset", DATA)
    cell = Cell("suite", dataset, method, "gin", 2, seed, attack, "paper", 1)
    cell = replace(cell, **more)
    outcomes = [
        Outcome(g, 0, int(g >= clean), int(g >= right), 1.0, 1.0, [], [], exact=exact)
        for g in range(N)
    ]
    return make_record(
        outcomes,
        cell=cell,
        key=f"attack-{cell}",
        traits=Traits("query", False, False, [], exact, None, attack.upper()),
        method_traits=method_called(method, plug_in),
        dataset=ArtifactRef("dataset", f"{dataset} {seed}"),
        victim=ArtifactRef("victim", f"{victim} {cell.layers} {cell.protocol}"),
    )


def records(left: int, right: int, seeds: int = SEEDS, **more) -> list[Record]:
    """Records of augcl, which keeps `left` graphs on average, and of graphcl, which keeps `right`.

    Of both attacks, where none is named.
    """
    attacks = [more.pop("attack")] if "attack" in more else ATTACKED.attacks
    return [
        record(method, seed, kept + by * WIGGLE[seed % len(WIGGLE)], attack=attack, **more)
        for method, kept, by in (("augcl", left, 1), ("graphcl", right, 0))
        for attack in attacks
        for seed in range(seeds)
    ]


def row_of(
    made: list[Record], claim: Claim = ATTACKED, measured=None, planned=None, **more
) -> ClaimRow:
    """What is said of one claim."""
    measured = data_of(made) if measured is None else measured
    report = ReportInput(made, measurements=measured, planned_seeds=planned, **more)
    (row,) = claim_rows(report, [claim])
    return row


def exact_records(left: int, right: int, **more) -> list[Record]:
    """Records of the exact worst case."""
    return records(left, right, attack="exhaustive", exact=True, **more)


SVM = Claim(
    "svm", "a paper", "table 3", "second hand", "SVM", "accuracy", "embeddings", "graphcl", 0.868,
    datasets=("MUTAG",), encoder="gin", within=0.01,
)  # fmt: skip


def scores(method: str, mean: float, seeds: int = SEEDS) -> list[Measurement]:
    """Accuracies of ten folds a seed, around a mean."""
    return [
        Measurement(
            "representation",
            Cell("suite", "MUTAG", method, "gin", 3, seed, "", "unsupervised", 0),
            {"accuracy": [mean + 0.001 * WIGGLE[seed]] * 10},
            1.0,
        )
        for seed in range(seeds)
    ]


def embedded(mean: float, left: float | None = None, seeds: int = SEEDS):
    """Records of a run on MUTAG, and its measurements: graphcl around `mean`, augcl `left`."""
    made = records(60, 60, seeds=seeds, dataset="MUTAG", layers=3)
    measured = [*data_of(made, draws_graphs=False), *scores("graphcl", mean, seeds)]
    return made, measured + (scores("augcl", left, seeds) if left is not None else [])
