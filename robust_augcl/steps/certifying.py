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
from robust_augcl.graphs.labels import refuse_other_classes
from robust_augcl.oracle.certificates import certify
from robust_augcl.plan.planner import CERTIFICATE_PART, plain
from robust_augcl.results.measurements import stored_certificate
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.steps.context import Context
from robust_augcl.store.store import Artifact
from robust_augcl.threat.perturbations import Perturbation, apply_all

_OF_GRAPHS = ("graphs", "certified", "settled", "lower_margin", "witnesses")


def compute_certificate(
    settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context
) -> Artifact:
    """Certify the test graphs of a victim, or merge the parts in which that was done.

    Raises:
        ArtifactDamaged: parts that are not those of this certificate.
    """
    parts = {
        role: artifact for role, artifact in inputs.items() if role.startswith(CERTIFICATE_PART)
    }
    return _merged(inputs, parts) if parts else _certified(settings, inputs, context, 0, 1)


def compute_certificate_part(
    settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context
) -> Artifact:
    """Certify one part of the test graphs of a victim; there may be none in it. What it says of
    them is in the form of a certificate.
    """
    return _certified(settings, inputs, context, settings["part"], settings["parts"])


def _certified(
    settings: Mapping[str, Any],
    inputs: Mapping[str, Artifact],
    context: Context,
    part: int,
    parts: int,
) -> Artifact:
    dataset = dataset_of(inputs["dataset"])
    victim, label_rule = (
        victim_of(inputs["victim"], context.device),
        inputs["dataset"].info["label_rule"],
    )
    portions = dataset.part(dataset.test).portions()[part::parts]
    total = sum(map(len, portions))
    info: dict[str, Any] = {name: [] for name in _OF_GRAPHS}
    for portion in portions:
        numbers = dataset.test[portion]
        graphs = dataset.part(numbers)
        found = certify(victim, graphs, settings["threat"], limit=settings["pairs"])
        refuse_other_classes(
            apply_all(graphs, [witness or Perturbation() for witness in found.witnesses]),
            label_rule,
            numbers,
        )
        info["graphs"] += numbers.tolist()
        info["certified"] += found.certified.tolist()
        info["settled"] += found.exhausted.tolist()
        info["lower_margin"] += [
            round(margin, 6) if math.isfinite(margin) else None
            for margin in found.lower_margin.tolist()
        ]
        # Of each graph the edges added and those removed that break it; null where none are known.
        info["witnesses"] += [
            [w.added.T.tolist(), w.removed.T.tolist()] if w is not None else None
            for w in found.witnesses
        ]
        done = len(info["graphs"])
        context.report(done / total, f"{done} of {total} graphs")
    about = {
        "threat": plain(settings["threat"]),
        "dataset": inputs["dataset"].digest,
        "victim": inputs["victim"].digest,
    }
    return Artifact({}, {**info, **about}, {})


def _merged(inputs: Mapping[str, Artifact], parts: Mapping[str, Artifact]) -> Artifact:
    """The certificate that parts make up, as if it had been computed at once; its seconds are
    theirs.
    """
    dataset, victim = inputs["dataset"].digest, inputs["victim"].digest
    for role, part in parts.items():
        stored = stored_certificate(part.info, role)
        if (stored.dataset, stored.victim) != (dataset, victim):
            raise ArtifactDamaged(
                f"{role} of the certificate is of another data set or victim: the next run "
                "computes it again"
            )
    columns = [[part.info[name] for name in _OF_GRAPHS] for part in parts.values()]
    rows = sorted(
        (row for of_part in columns for row in zip(*of_part, strict=True)), key=lambda row: row[0]
    )
    if [row[0] for row in rows] != dataset_of(inputs["dataset"]).test.tolist():
        raise ArtifactDamaged("The parts of the certificate are not of the test graphs, each once")
    info: dict[str, Any] = {
        name: [row[place] for row in rows] for place, name in enumerate(_OF_GRAPHS)
    }
    threat = next(iter(parts.values())).info["threat"]
    about = {"seconds": sum(part.about["seconds"] for part in parts.values())}
    return Artifact({}, {**info, "threat": threat, "dataset": dataset, "victim": victim}, about)
