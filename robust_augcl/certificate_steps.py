"""How certificates are computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from robust_augcl.artifacts import dataset_of, victim_of
from robust_augcl.cells import plain
from robust_augcl.certificate import certify
from robust_augcl.dataset import refuse_other_classes
from robust_augcl.step_context import Context
from robust_augcl.store import Artifact
from robust_augcl.threat import Perturbation, apply_all


def compute_certificate(settings: Mapping[str, Any], inputs: Mapping[str, Artifact], context: Context) -> Artifact:
    """Certify the test graphs of a victim."""
    dataset = dataset_of(inputs["dataset"])
    test = dataset.part(dataset.test)
    victim = victim_of(inputs["victim"], context.device)
    found = certify(victim, test, settings["threat"], limit=settings["pairs"], report=context.report)
    edits = [witness or Perturbation() for witness in found.witnesses]
    refuse_other_classes(apply_all(test, edits), inputs["dataset"].info["label_rule"], dataset.test)
    info = {
        "graphs": dataset.test.tolist(),
        "certified": found.certified.tolist(),
        "settled": found.exhausted.tolist(),
        "lower_margin": [round(margin, 6) if math.isfinite(margin) else None for margin in found.lower_margin.tolist()],
        # Of each graph the edges added and those removed that break it; null where none are known.
        "witnesses": [[w.added.T.tolist(), w.removed.T.tolist()] if w is not None else None for w in found.witnesses],
        "threat": plain(settings["threat"]),
        "dataset": inputs["dataset"].digest,
        "victim": inputs["victim"].digest,
    }
    return Artifact({}, info, {})
