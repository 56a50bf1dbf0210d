"""Computing one step, whatever its kind: read its inputs, compute it, store its result.

How each kind is computed stands in a module of its own, which the table of kinds names
(plan/kinds.py). Every generator is seeded by what it is for. The seeds of initial weights, batches
and views do not hold the method, and those of an attack do not hold the victim: methods are
compared on the same draws.
"""

from __future__ import annotations

import time
from dataclasses import replace

from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.plan.step import Step
from robust_augcl.results.records import Record
from robust_augcl.steps.context import Context, environment
from robust_augcl.steps.inputs import read_inputs
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.files import write_atomically


def compute(step: Step, context: Context) -> None:
    """Compute a step, whose inputs are in the store, and store its result.

    Raises:
        TypeError: the step's function returned something else than the table of kinds says.
    """
    kind = KINDS[step.kind]
    inputs = read_inputs(step, context.store)
    start = time.perf_counter()
    result = resolve(kind.compute)(step, inputs, context)
    if kind.stores == "record" and isinstance(result, Record):
        write_atomically(context.store.record_path(step.key), result.dumps().encode())
    elif kind.stores == "artifact" and isinstance(result, Artifact):
        about = {
            "seconds": time.perf_counter() - start,
            "environment": environment(context),
            "title": step.title,
            **result.about,
        }
        context.store.save(step.key, replace(result, about=about))
    else:
        raise TypeError(
            f"Expected {kind.compute} to return the {kind.stores} of a step, "
            f"got {type(result).__name__}"
        )
