"""Robustness of contrastively pretrained graph encoders, measured.

The public names are imported when they are first used, so that `import robust_augcl` is fast and
needs no torch.

>>> import robust_augcl
>>> robust_augcl.ThreatModel(budget=1).budget
1
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robust_augcl.adversary.attack_base import Attack
    from robust_augcl.adversary.guard import run_attack
    from robust_augcl.adversary.victim import Victim
    from robust_augcl.campaign import Campaign, Machines
    from robust_augcl.graphs.packed import PackedGraphs
    from robust_augcl.plan.suite import load_suite
    from robust_augcl.plan.suite_settings import Suite
    from robust_augcl.results.records import Record
    from robust_augcl.threat.model import ThreatModel
    from robust_augcl.threat.perturbations import Perturbation

__version__ = "0.1.0"

_HOMES = {
    "Attack": "adversary.attack_base",
    "Campaign": "campaign",
    "Machines": "campaign",
    "PackedGraphs": "graphs.packed",
    "Perturbation": "threat.perturbations",
    "Record": "results.records",
    "Suite": "plan.suite_settings",
    "ThreatModel": "threat.model",
    "Victim": "adversary.victim",
    "load_suite": "plan.suite",
    "run_attack": "adversary.guard",
}
"""Public name -> the module that defines it."""

__all__ = [
    "Attack",
    "Campaign",
    "Machines",
    "PackedGraphs",
    "Perturbation",
    "Record",
    "Suite",
    "ThreatModel",
    "Victim",
    "__version__",
    "load_suite",
    "run_attack",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
