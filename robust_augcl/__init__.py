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
    from robust_augcl.arithmetic import arithmetic_in_force, use_arithmetic
    from robust_augcl.campaign.campaign import Campaign, Machines
    from robust_augcl.campaign.evaluation import evaluate
    from robust_augcl.campaign.resolving import use_model
    from robust_augcl.campaign.result import Result, load, open_run
    from robust_augcl.data._attacked_files import AttackedGraphs, load_attacked
    from robust_augcl.data._graph_files import read_graphs
    from robust_augcl.data._written_graphs import write_graphs
    from robust_augcl.graphs.entrance import admit
    from robust_augcl.graphs.packed import PackedGraphs
    from robust_augcl.models.adapter import Adapter
    from robust_augcl.plan.suite import load_suite
    from robust_augcl.plan.suite_settings import Suite
    from robust_augcl.results.records import Record
    from robust_augcl.threat.model import ThreatModel
    from robust_augcl.threat.perturbations import Perturbation

__version__ = "0.1.0"

_HOMES = {
    "Adapter": "models.adapter",
    "Attack": "adversary.attack_base",
    "AttackedGraphs": "data._attacked_files",
    "Campaign": "campaign.campaign",
    "Result": "campaign.result",
    "arithmetic_in_force": "arithmetic",
    "evaluate": "campaign.evaluation",
    "load": "campaign.result",
    "load_attacked": "data._attacked_files",
    "open_run": "campaign.result",
    "use_arithmetic": "arithmetic",
    "use_model": "campaign.resolving",
    "Machines": "campaign.campaign",
    "PackedGraphs": "graphs.packed",
    "Perturbation": "threat.perturbations",
    "Record": "results.records",
    "Suite": "plan.suite_settings",
    "ThreatModel": "threat.model",
    "Victim": "adversary.victim",
    "admit": "graphs.entrance",
    "load_suite": "plan.suite",
    "read_graphs": "data._graph_files",
    "run_attack": "adversary.guard",
    "write_graphs": "data._written_graphs",
}
"""Public name -> the module that defines it."""

__all__ = [
    "Adapter",
    "Attack",
    "AttackedGraphs",
    "Campaign",
    "Machines",
    "PackedGraphs",
    "Perturbation",
    "Record",
    "Result",
    "Suite",
    "ThreatModel",
    "Victim",
    "__version__",
    "admit",
    "arithmetic_in_force",
    "evaluate",
    "load",
    "load_attacked",
    "load_suite",
    "open_run",
    "read_graphs",
    "run_attack",
    "use_arithmetic",
    "use_model",
    "write_graphs",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
