"""How certificates are computed: at once, or in parts of their graphs that are merged.

Graphs are certified portion by portion (`PackedGraphs.portions`), and a part is every so many-th
portion: numbers that depend on what lies in one batch are then the same however a certificate is
cut, and long stretches of hard graphs are shared out. A part is of all budgets that a victim is
certified against, since what a smaller one found is not searched again for a larger one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.labels import refuse_other_classes
from robust_augcl.graphs.targets import Targets
from robust_augcl.oracle.certificates import certify_each
from robust_augcl.oracle.certified import Certificate
from robust_augcl.oracle.certifier import MostTried
from robust_augcl.plan.kinds import KINDS
from robust_augcl.plan.step import Step, plain
from robust_augcl.results.measurements import stored_certificate, targets_of
from robust_augcl.results.stored_certificates import stored_certificates
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.steps.context import Context
from robust_augcl.steps.drift import steady
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact
from robust_augcl.threat.model import ThreatModel
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
        return _merged(step, inputs, parts)
    (info,), _ = _certified(step, inputs, context, [step.settings["threat"]])
    return Artifact({}, info, {})


def compute_certificate_part(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Certify one part of the test graphs of a victim, within all budgets; there may be none in it.

    It holds one certificate a budget, and the seconds of each.
    """
    found, seconds = _certified(step, inputs, context, step.settings["threats"])
    return Artifact({}, {"certificates": found}, {"answer_seconds": seconds})


def _certified(
    step: Step, inputs: Inputs, context: Context, threats: Sequence[ThreatModel]
) -> tuple[list[dict[str, Any]], list[float]]:
    """Certify every so many-th portion of the test graphs, from that of the step's part on.

    Returns:
        What is stored of each threat, and its seconds.
    """
    data, victim_artifact = inputs.artifacts["dataset"], inputs.artifacts["victim"]
    dataset, victim = dataset_of(data), victim_of(victim_artifact, context.device)
    part, parts = step.settings.get("part", 0), step.settings.get("parts", 1)
    portions = dataset.part(dataset.attacked).portions()[part::parts]
    most = MostTried(*(step.settings[name] for name in MostTried._fields))
    infos: list[dict[str, Any]] = [{name: [] for name in _columns_of(dataset)} for _ in threats]
    seconds, total = [0.0] * len(threats), sum(map(len, portions))
    for portion in portions:
        numbers = dataset.attacked[portion]
        graphs, targets = dataset.part(numbers), dataset.targets_at(numbers)
        with steady(victim, graphs):
            found = certify_each(victim, graphs, threats, most, seconds)
        for info, certificate in zip(infos, found, strict=True):
            witnesses = [witness or Perturbation() for witness in certificate.witnesses]
            refuse_other_classes(apply_all(graphs, witnesses), data.info["label_rule"], numbers)
            for name, values in _columns(targets, certificate).items():
                info[name] += values
        done = len(infos[0]["graphs"])
        context.report(done / total, f"{done} of {total} graphs")
    rests_on = {"dataset": data.digest, "victim": victim_artifact.digest}
    return [
        {**info, "threat": plain(threat), **rests_on}
        for info, threat in zip(infos, threats, strict=True)
    ], seconds


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


def _merged(step: Step, inputs: Inputs, parts: Mapping[str, Artifact]) -> Artifact:
    """The certificate that parts make up, as if it had been computed at once.

    Its seconds are the sum of theirs.
    """
    pieces, seconds = [], 0.0
    for role, part in parts.items():
        piece, took = _of_budget(step, inputs, role, part)
        pieces.append(piece)
        seconds += took
    dataset = dataset_of(inputs.artifacts["dataset"])
    found = {
        target: (piece, place)
        for piece in pieces
        for place, target in enumerate(targets_of(stored_certificate(piece, "a part")))
    }
    targets = dataset.targets_at(dataset.attacked).names()
    total = sum(len(piece["graphs"]) for piece in pieces)
    if found.keys() != set(targets) or total != len(targets):
        raise ArtifactDamaged("The parts of the certificate are not of the test graphs, each once")
    info: dict[str, Any] = {}
    for name in _columns_of(dataset):
        rows = (found[target] for target in targets)
        info[name] = [of_part[name][place] for of_part, place in rows]
    rests_on = {name: pieces[0][name] for name in ("threat", "dataset", "victim")}
    return Artifact({}, {**info, **rests_on}, {"seconds": seconds})


def _of_budget(
    step: Step, inputs: Inputs, role: str, part: Artifact
) -> tuple[dict[str, Any], float]:
    """What a part says within the budget of the certificate's step, and its seconds.

    Raises:
        ArtifactDamaged: it is of another data set or victim, or says nothing of this budget.
    """
    data, victim = inputs.artifacts["dataset"], inputs.artifacts["victim"]
    stored, seconds = stored_certificates(part.info, role), part.about["answer_seconds"]
    if (stored.dataset, stored.victim) != (data.digest, victim.digest):
        raise ArtifactDamaged(
            f"{role} of the certificate is of another data set or victim: the next run computes it "
            "again"
        )
    threats = [each.threat for each in stored.certificates]
    wanted = plain(step.settings["threat"])
    if wanted not in threats or len(seconds) != len(threats):
        raise ArtifactDamaged(
            f"{role} of the certificate says nothing of its budget: the next run computes it again"
        )
    place = threats.index(wanted)
    return part.info["certificates"][place], seconds[place]
