"""The results that a step is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from robust_augcl.plan.kinds import KINDS
from robust_augcl.plan.step import Step
from robust_augcl.results.records import Record
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import load_record
from robust_augcl.store.store import Store


class Inputs(NamedTuple):
    """The results of the steps that a step needs, by their roles.

    Args:
        artifacts: data set, pretraining, victim, attacker, parts of a certificate.
        records: what an attack combines.
    """

    artifacts: Mapping[str, Artifact]
    records: Mapping[str, Record]


def read_inputs(step: Step, store: Store) -> Inputs:
    """Read the results that a step needs from the store.

    Raises:
        ArtifactDamaged: one is missing, or not what was written.
    """
    artifacts, records = {}, {}
    for role, needed in step.inputs.items():
        if KINDS[needed.kind].stores == "record":
            records[role] = load_record(store, needed.key)
        else:
            artifacts[role] = store.load(needed.key)
    return Inputs(artifacts, records)
