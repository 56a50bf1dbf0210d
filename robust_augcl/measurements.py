"""What a run measured beside its attacks: how pretraining went, how good representations are without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from robust_augcl.records import Cell


@dataclass(frozen=True)
class Measurement:
    """One measurement.

    Args:
        kind: "pretraining": losses, calibration and the diagnosis of weights; "representation": an accuracy for each fold;
            "attacker": the curve of its learning; "certificate": for each test graph whether it is certified, whether that is settled,
            and the edits that break it (pairs added and removed), if the search found any.
        cell: what it is about; it names an attack only where it is an attacker's.
        values: what was measured, as JSON.
        seconds: of the certificate, else of pretraining, a shared warm-up included.
    """

    kind: Literal["pretraining", "representation", "certificate", "attacker"]
    cell: Cell
    values: dict[str, Any]
    seconds: float
