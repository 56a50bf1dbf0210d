"""What a run measured beside its attacks: how pretraining went, how good representations are without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from robust_augcl.cells import plan
from robust_augcl.errors import ArtifactDamaged
from robust_augcl.records import Cell
from robust_augcl.run_folder import MANIFEST, Manifest, RunFolder
from robust_augcl.suite import make_suite


@dataclass(frozen=True)
class Measurement:
    """One measurement.

    Args:
        kind: "pretraining": losses, calibration and the diagnosis of weights; "representation": an accuracy for each fold.
        cell: what it is about; it names no attack.
        values: what was measured, as JSON.
        seconds: of pretraining, a shared warm-up included.
    """

    kind: Literal["pretraining", "representation"]
    cell: Cell
    values: dict[str, Any]
    seconds: float


def load_measurements(folder: RunFolder, manifest: Manifest) -> list[Measurement]:
    """The measurements of a run that are there and whole, in the order of its plan.

    Raises:
        InputError: the folder's manifest holds no valid suite.
    """
    suite = make_suite({**manifest.table, "seeds": manifest.seeds}, str(folder.path / MANIFEST))
    found = []
    for cell, step in plan(suite, manifest.fingerprint).measurements:
        assert step.kind in ("pretraining", "representation")
        try:
            artifact = folder.store.load(step.key)
        except ArtifactDamaged:
            continue  # missing, or found damaged, and computed again, by the next run
        about = artifact.about
        seconds = about["warm_up_seconds"] + about["seconds"] if step.kind == "pretraining" else about["pretrain_seconds"]
        found.append(Measurement(step.kind, cell, artifact.info, seconds))
    return found
