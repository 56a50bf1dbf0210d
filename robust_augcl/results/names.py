"""The names that readers know methods and attacks by: what a label of a suite is called in
reports.
"""

from __future__ import annotations

from collections.abc import Iterable

CLEAN = "clean"
"""The row of no attack at all."""
EXACT = "exhaustive"

_NAMES = {
    CLEAN: "Clean",
    EXACT: "Exact worst case",
    "worst_case": "Worst of the attacks",
    "none": "No pretraining",
    "graphcl": "GraphCL",
    "augcl": "AUGCL",
    "rand_sampling": "RandSampling",
    "grad_argmax": "GradArgmax",
    "rl_s2v": "RL-S2V",
    "genetic": "Genetic algorithm",
    "prbcd": "PRBCD",
    "beam": "Beam search",
    "dcl": "DCL",
    "hcl": "HCL",
    "progcl": "ProGCL",
    "progcl_mix": "ProGCL, mixing",
    "moco": "MoCo",
    "prototypes": "Prototypes",
}


def name_of(label: str) -> str:
    """The name that readers know a method or an attack by; unknown ones as they are."""
    return _NAMES.get(label, label)


def exact_of(labels: Iterable[str]) -> str | None:
    """Which of the labels of exact searches is called the exact worst case, whatever its label: one
    in a table, None of none.
    """
    return min(labels, key=lambda label: (label != EXACT, label), default=None)


def look(name: str) -> str:
    """What is equal for names that a reader cannot tell apart: case and spaces do not count."""
    return " ".join(name.split()).casefold()
