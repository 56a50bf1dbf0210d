"""What the tests of the gate's decisions share: made-up results, and the reasons of an outcome."""

from __future__ import annotations

from robust_augcl.gate.questions import Gate
from robust_augcl.gate.self_test import Truth, made_up
from robust_augcl.results.baseline import Baseline

SEEDS = range(8)


def why(gate: Gate) -> str:
    return " | ".join(f"{a.about}: {a.why}" for a in gate.of(gate.outcome))


def made_base() -> Baseline:
    return made_up(SEEDS, Truth())
