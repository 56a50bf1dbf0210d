"""How certificates are computed: at once, or in parts of their graphs that are merged.

Graphs are certified portion by portion (`PackedGraphs.portions`), and a part is every so many-th
portion: numbers that depend on what lies in one batch are then the same however a certificate is
cut, and long stretches of hard graphs are shared out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.labels import refuse_other_classes
from robust_augcl.graphs.targets import Targets
from robust_augcl.oracle.certificates import certify
from robust_augcl.oracle.certified import Certificate
from robust_augcl.plan.kinds import KINDS
from robust_augcl.plan.step import Step, plain
from robust_augcl.results.measurements import stored_certificate, targets_of
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.steps.context import Context
from robust_augcl.steps.drift import steady
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact
from robust_augcl.threat.perturbations import Perturbation, apply_all

_COLUMNS = ("graphs", "certified", "settled", "lower_margin", "witnesses")
"""The columns of a certificate: lists of one entry for each target.

Where targets are nodes there is one more, `nodes`.
"""


def compute_certificate(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Certify the test graphs of a victim, or merge the parts in which that was done.

    Raises:
        ArtifactDamaged: parts that are not those of this certificate.
    """
    parts = {
        role: inputs.artifacts[role]
        for role, needed in step.inputs.items()
        if KINDS[needed.kind].is_part
    }
    if parts:
        return _merged(inputs, parts)
    return _certified(step, inputs, context, 0, 1)


def compute_certificate_part(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Certify one part of the test graphs of a victim; there may be none in it.

    What it says of them is in the form of a certificate.
    """
    return _certified(step, inputs, context, step.settings["part"], step.settings["parts"])


def _certified(step: Step, inputs: Inputs, context: Context, part: int, parts: int) -> Artifact:
    """Certify every `parts`-th portion of the test graphs, from the portion `part` on."""
    data, victim_artifact = inputs.artifacts["dataset"], inputs.artifacts["victim"]
    dataset, victim = dataset_of(data), victim_of(victim_artifact, context.device)
    threat = step.settings["threat"]
    portions = dataset.part(dataset.attacked).portions()[part::parts]
    total = sum(map(len, portions))
    info: dict[str, Any] = {name: [] for name in _columns_of(dataset)}
    for portion in portions:
        numbers = dataset.attacked[portion]
        graphs = dataset.part(numbers)
        with steady(victim, graphs):
            found = certify(
                victim,
                graphs,
                threat,
                limit=step.settings["pairs"],
                evaluations=step.settings["evaluations"],
                sets=step.settings["sets"],
            )
        witnesses = [witness or Perturbation() for witness in found.witnesses]
        refuse_other_classes(apply_all(graphs, witnesses), data.info["label_rule"], numbers)
        for name, values in _columns(dataset.targets_at(numbers), found).items():
            info[name] += values
        done = len(info["graphs"])
        context.report(done / total, f"{done} of {total} graphs")
    rests_on = {
        "threat": plain(threat),
        "dataset": data.digest,
        "victim": victim_artifact.digest,
    }
    return Artifact({}, {**info, **rests_on}, {})


def _columns_of(dataset: Dataset) -> tuple[str, ...]:
    """The columns of a certificate of this data set."""
    of_nodes = dataset.targets is not None and dataset.targets.node is not None
    return (*_COLUMNS, "nodes") if of_nodes else _COLUMNS


def _columns(targets: Targets, found: Certificate) -> dict[str, list[Any]]:
    """What the search found of some targets, in JSON."""
    nodes = {} if targets.node is None else {"nodes": targets.node.tolist()}
    return {
        "graphs": targets.graph.tolist(),
        "certified": found.certified.tolist(),
        "settled": found.exhausted.tolist(),
        "lower_margin": [
            round(margin, 6) if math.isfinite(margin) else None
            for margin in found.lower_margin.tolist()
        ],
        # The edges added and those removed that break the graph; null where none are known.
        "witnesses": [
            [witness.added.T.tolist(), witness.removed.T.tolist()] if witness is not None else None
            for witness in found.witnesses
        ],
        **nodes,
    }


def _merged(inputs: Inputs, parts: Mapping[str, Artifact]) -> Artifact:
    """The certificate that parts make up, as if it had been computed at once.

    Its seconds are the sum of theirs.
    """
    data, victim = inputs.artifacts["dataset"], inputs.artifacts["victim"]
    for role, part in parts.items():
        stored = stored_certificate(part.info, role)
        if (stored.dataset, stored.victim) != (data.digest, victim.digest):
            raise ArtifactDamaged(
                f"{role} of the certificate is of another data set or victim: the next run "
                "computes it again"
            )
    dataset = dataset_of(data)
    found = {
        target: (part.info, place)
        for part in parts.values()
        for place, target in enumerate(targets_of(stored_certificate(part.info, "a part")))
    }
    targets = dataset.targets_at(dataset.attacked).names()
    total = sum(len(part.info["graphs"]) for part in parts.values())
    if found.keys() != set(targets) or total != len(targets):
        raise ArtifactDamaged("The parts of the certificate are not of the test graphs, each once")
    info: dict[str, Any] = {}
    for name in _columns_of(dataset):
        rows = (found[target] for target in targets)
        info[name] = [of_part[name][place] for of_part, place in rows]
    rests_on = {
        "threat": next(iter(parts.values())).info["threat"],
        "dataset": data.digest,
        "victim": victim.digest,
    }
    about = {"seconds": sum(part.about["seconds"] for part in parts.values())}
    return Artifact({}, {**info, **rests_on}, about)
