"""Which attacks of a suite a given model is not attacked by, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from robust_augcl.adversary.attack_base import CombiningAttack, LearningAttack
from robust_augcl.adversary.victim import Access
from robust_augcl.plan.suite_settings import Suite


def left_out(suite: Suite, found: Sequence[dict[str, Any]], can_learn: bool) -> dict[str, str]:
    """Which attacks of a suite a given model is not attacked by, and why.

    Args:
        suite: with the labels of combining attacks in full.
        found: what was found of each copy of the model.
        can_learn: whether there are graphs that attacks may learn on.
    """
    reasons: dict[str, str] = {}
    no_gradients = _no_gradients(found)
    for attack in suite.attacks:
        if attack.what.access == Access.GRADIENT and no_gradients:
            reasons[attack.label] = f"it follows gradients of edge weights, but {no_gradients}"
        elif isinstance(attack.what, LearningAttack) and not can_learn:
            reasons[attack.label] = (
                "it learns on graphs beside those that are attacked, and there are none (in "
                "Python: `fit=`)"
            )
    for attack in suite.attacks:
        if isinstance(attack.what, CombiningAttack) and set(attack.what.of) <= reasons.keys():
            reasons[attack.label] = "all attacks that it combines are left out"
    return reasons


def _no_gradients(found: Sequence[dict[str, Any]]) -> str:
    """Why a model cannot be asked for gradients; empty where it can."""
    for each in found:
        able = each["capabilities"]
        if not able["edge_weights"]:
            return str(able["reasons"]["edge_weights"])
    return ""
