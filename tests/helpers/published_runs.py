"""Runs of three methods made by hand, and their files of results, for whatever reads those."""

from __future__ import annotations

import random
from dataclasses import replace

from hand_made import ENVIRONMENT, key_of, make_record, ref_of, threat_of_budget
from report_inputs import data_of

from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_of import About, baseline_of
from robust_augcl.results.findings import Audit, Finding
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.outcome import Outcome
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.traits import Traits

ATTACKS = {
    "grad_argmax": Traits("gradient", False, False, [], False, None, "GradArgmax"),
    "exhaustive": Traits("query", False, False, [], True, None, "Exhaustive"),
}
TABLE = {
    "threat": {"budget": [1, 2]},
    "comparisons": {"pairs": [["augcl", "graphcl"], ["graphcl", "none"]], "margin": 0.1},
    "methods": [{"name": "none"}, {"name": "graphcl"}, {"name": "augcl"}],
    "attacks": [{"name": name} for name in ATTACKS],
}
TARGETS = 40


def records_of_victim(draws: random.Random, method: str, seed: int) -> list[Record]:
    """An attack under one and two edits, and an exact one under one, on 40 targets."""
    labels = [number % 3 for number in range(TARGETS)]
    clean = [draws.random() < 0.9 for _ in labels]
    one = [right and draws.random() < 0.7 for right in clean]
    two = [right and draws.random() < 0.8 for right in one]
    weak = [
        right and (stays or draws.random() < 0.3) for right, stays in zip(clean, one, strict=True)
    ]
    found = []
    for attack, budget, after in (
        ("grad_argmax", 1, weak),
        ("grad_argmax", 2, [a or b for a, b in zip(one, two, strict=True)]),
        ("exhaustive", 1, one),
    ):
        exact = attack == "exhaustive"
        outcomes = [
            Outcome(
                3 * place,
                label,
                label if right else (label + 2) % 3,
                label if stays else (label + 2) % 3,
                0.7,
                -0.3,
                [[0, 5]] if right and not stays else [],
                [],
                exact=exact,
            )
            for place, (label, right, stays) in enumerate(zip(labels, clean, after, strict=True))
        ]
        record = make_record(
            outcomes,
            key=key_of("attack", attack, budget, method, seed),
            encoder="structure2vec",
            protocol="paper",
            method=method,
            attack=attack,
            budget=budget,
            seed=seed,
            traits=ATTACKS[attack],
            threat=threat_of_budget(budget),
            victim=ref_of("victim", method, seed),
            environment=ENVIRONMENT,
        )
        found.append(
            replace(
                record,
                dataset=ref_of("dataset", seed),
                cell=replace(record.cell, dataset="components 40-50"),
            )
        )
    return found


def beside(records: list[Record], draws: random.Random) -> list[Measurement]:
    """Data sets, victims of which one in four is not at rest, and certificates of two edits."""
    found = data_of(records)
    for record in records:
        if record.cell.attack == "exhaustive":
            cell = replace(record.cell, attack="", budget=0)
            epochs = 30 if draws.random() < 0.25 else 90
            values = {"selected": {"epoch": 20}, "losses": [0.5] * epochs}
            found.append(Measurement("victim", cell, values, 0.0))
            found.append(certificate(record, draws))
            accuracy = [draws.random() for _ in range(10)]
            about = replace(cell, protocol="unsupervised")
            found.append(Measurement("representation", about, {"accuracy": accuracy}, 3.0))
    return found


def certificate(record: Record, draws: random.Random) -> Measurement:
    """Of a target that one edit does not break: safe, or broken by two edits, or open."""
    certified, witnesses = [], []
    for outcome in record.outcomes:
        chance = draws.random() if outcome.robust else 1.0
        certified.append(chance < 0.5)
        witnesses.append([[[0, 1], [1, 2]], []] if 0.5 <= chance < 0.8 else None)
    values = {
        "graphs": [outcome.graph for outcome in record.outcomes],
        "certified": certified,
        "settled": [True] * TARGETS,
        "lower_margin": [None] * TARGETS,
        "witnesses": witnesses,
        "threat": threat_of_budget(2),
        "dataset": record.dataset.digest,
        "victim": record.victim.digest,
    }
    return Measurement("certificate", replace(record.cell, attack="", budget=2), values, 1.5)


def run_of(draws: random.Random, seeds: range) -> ReportInput:
    """A run of three methods."""
    records = [
        record
        for seed in seeds
        for method in ("none", "graphcl", "augcl")
        for record in records_of_victim(draws, method, seed)
    ]
    failed = (draws.choice(records).key,)
    audit = Audit("0" * 64, (Finding("a check", "FAIL", "seen", failed),))
    planned = {"pairs": TABLE["comparisons"]["pairs"], "margin": 0.1}
    return ReportInput(
        records,
        audit,
        measurements=beside(records, draws),
        settings=TABLE,
        planned_seeds=len(seeds),
        planned_names=list(seeds),
        planned_comparisons=planned,
        held_seeds=len(seeds),
    )


def file_of(run: ReportInput, seed: int) -> Baseline:
    """The file of one seed, read back."""
    own = replace(
        run,
        records=[record for record in run.records if record.cell.seed == seed],
        measurements=[each for each in run.measurements if each.cell.seed == seed],
    )
    text = baseline_of(own, About("suite", "a" * 64, {"attack exhaustive": 2})).dumps()
    return Baseline.loads(text, "file")
