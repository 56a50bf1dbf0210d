"""What a run measured beside its attacks: how pretraining went, how good representations are without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.records import Cell
from robust_augcl.run_folder import MANIFEST, Manifest, RunFolder


@dataclass(frozen=True)
class Measurement:
    """One measurement.

    Args:
        kind: "pretraining": losses, calibration and the diagnosis of weights; "representation": an accuracy for each fold;
            "attacker": the curve of its learning; "certificate": for each test graph whether it is certified, and whether that is settled.
        cell: what it is about; it names an attack only where it is an attacker's.
        values: what was measured, as JSON.
        seconds: of the certificate, else of pretraining, a shared warm-up included.
    """

    kind: Literal["pretraining", "representation", "certificate", "attacker"]
    cell: Cell
    values: dict[str, Any]
    seconds: float


def load_measurements(folder: RunFolder, manifest: Manifest) -> list[Measurement]:
    """The measurements of a run that are there and whole, in the order of its plan.

    Raises:
        InputError: the folder's manifest holds no valid suite.
    """
    from robust_augcl.cells import plan  # what shows measurements does not need what makes them
    from robust_augcl.suite import make_suite

    suite = make_suite({**manifest.table, "seeds": manifest.seeds}, str(folder.path / MANIFEST))
    found = []
    for cell, step in plan(suite, manifest.fingerprint).measurements:
        try:
            artifact = folder.store.load(step.key)
        except ArtifactDamaged:
            continue  # missing, or found damaged, and computed again, by the next run
        about = artifact.about
        # Of a representation, those of its pretraining: the SVM's say nothing about a method.
        seconds = about["pretrain_seconds"] if step.kind == "representation" else about["seconds"] + about.get("warm_up_seconds", 0.0)
        found.append(Measurement(step.kind, cell, artifact.info, seconds))  # type: ignore[arg-type]
    return found
