"""Given models whose answers change with what they are asked: at the end of a step they are caught.

Probes see the first questions alone. Whoever counts to a thousand is another model after them.
"""

from __future__ import annotations

from torch import Tensor

from robust_augcl.adversary.global_state import clean
from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.agreement import same
from robust_augcl.models.module import ModuleClassifier


def first_logits(victim: Victim, graphs: PackedGraphs) -> Tensor | None:
    """The logits (G, C) of a given model before a step asks it anything; None of other victims.

    No query is counted.
    """
    if not isinstance(victim.model, ModuleClassifier):
        return None
    queries = victim.queries
    with clean(victim.model):
        logits = victim.logits(graphs)
    victim.queries = queries
    return logits


def refuse_drift(victim: Victim, graphs: PackedGraphs, first: Tensor | None) -> None:
    """Refuse a given model that answers otherwise after a step than before it.

    Args:
        victim: that the step has asked.
        graphs: some of those that it was asked about (G).
        first: what `first_logits` said of them (G, C).

    Raises:
        InputError: other logits now. So what the step found is of no one model.
    """
    if first is None or not isinstance(victim.model, ModuleClassifier):
        return
    now = first_logits(victim, graphs)
    assert now is not None
    if not same(now, first, victim.model.module):
        changed = int((now.argmax(1) != first.argmax(1)).sum())
        raise InputError(
            "Expected the same logits after the step's questions as before, got others, and "
            f"another class for {changed} of {len(first)} graphs: keep counters, caches and "
            "whatever else changes with questions out of evaluation mode"
        )
