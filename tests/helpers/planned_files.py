"""Files of results as a suite's plan gives them: addresses are those of steps, findings made up."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from hand_made import ENVIRONMENT, make_record, ref_of
from report_inputs import data_of, report_of

from robust_augcl.plan.planner import Plan, plan
from robust_augcl.plan.step import Step, plain
from robust_augcl.plan.suite import make_suite
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_of import About, baseline_of
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.outcome import Outcome
from robust_augcl.results.records import ArtifactRef, Record

TARGETS = 20


def file_of(table: Mapping[str, Any], seeds: Sequence[int] = (0,)) -> tuple[Baseline, Plan]:
    """The file that a run of a suite might write, and the suite's plan.

    Of each victim some targets are wrong, and some are broken; exact attacks and certificates of
    one edit tell which are.

    Args:
        table: of the suite.
        seeds: instead of its own.
    """
    suite = make_suite({**table, "seeds": list(seeds)}, "a suite")
    planned = plan(suite)
    records = [_record(step) for step in planned.attacks]
    certificates = [
        _certificate(cell, step)
        for cell, step in planned.measurements
        if step.kind == "certificate"
    ]
    report = report_of(records, None, None, [*data_of(records), *certificates], suite.table)
    return baseline_of(report, About(suite.name, "a" * 64, planned.revisions)), planned


def _ref(step: Step) -> ArtifactRef:
    return ArtifactRef(step.key, ref_of(step.kind, step.key).digest)


def _states(victim: Step) -> list[tuple[bool, bool]]:
    """Of each target whether it is right, and whether some edit breaks it."""
    draws = random.Random(victim.key)
    clean = [draws.random() < 0.8 for _ in range(TARGETS)]
    return [(right, right and draws.random() < 0.3) for right in clean]


def _record(step: Step) -> Record:
    victim, traits = step.inputs["victim"], step.settings["traits"]
    outcomes = []
    for graph, (right, breaks) in enumerate(_states(victim)):
        found = breaks and (traits.claims_exact or graph % 2 == 0)
        after = right and not found
        answers = (0 if right else 1), (0 if after else 1)
        added = [[0, 1]] if found else []
        exact = traits.claims_exact
        outcomes.append(Outcome(graph, 0, *answers, 1.0, -1.0, added, [], exact=exact))
    return make_record(
        outcomes,
        key=step.key,
        cell=step.cell,
        traits=traits,
        method_traits=step.settings["method_traits"],
        threat=plain(step.settings["threat"]),
        dataset=_ref(step.inputs["dataset"]),
        victim=_ref(victim),
        environment=ENVIRONMENT,
        train_seconds=1.0,
        pretrain_seconds=2.0 if step.settings["method_traits"].pretrains else 0.0,
        attack_seconds=0.1 if traits.access == "none" else 5.0,
    )


def _certificate(cell: Any, step: Step) -> Measurement:
    states = _states(step.inputs["victim"])
    values = {
        "graphs": list(range(TARGETS)),
        "certified": [right and not breaks for right, breaks in states],
        "settled": [True] * TARGETS,
        "lower_margin": [None] * TARGETS,
        "witnesses": [[[[0, 1]], []] if breaks else None for _, breaks in states],
        "threat": plain(step.settings["threat"]),
        "dataset": _ref(step.inputs["dataset"]).digest,
        "victim": _ref(step.inputs["victim"]).digest,
    }
    return Measurement("certificate", cell, values, 1.0)
