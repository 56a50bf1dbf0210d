"""Computing one step, whatever its kind: read its inputs, compute it, store its result.

How each kind is computed stands in a module of its own, which the table of kinds names
(plan/kinds.py). Every generator is seeded by what it is for. The seeds of initial weights, batches
and views do not hold the method, and those of an attack do not hold the victim: methods are
compared on the same draws.
"""

from __future__ import annotations

import os
import time
import traceback
from dataclasses import replace

from robust_augcl import arithmetic, foreign, sources
from robust_augcl.errors import InputError, StepFailed
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
        InputError: this process computes in another arithmetic than the step asks for.
        StepFailed: other people's code could not compute the step from the results that it needs,
            and said so as if it were the user's to mend.
        TypeError: the step's function returned something else than the table of kinds says.
    """
    arithmetic.require(step.arithmetic, context.device)
    kind = KINDS[step.kind]
    inputs = read_inputs(step, context.store)
    start, process = time.perf_counter(), os.getpid()
    try:
        result = resolve(kind.compute)(step, inputs, context)
    except InputError as error:
        brought = any(KINDS[needed.kind].brought for needed in step.inputs.values())
        if step.inputs and (brought or _is_of_others(error)):
            raise StepFailed(str(error)) from error
        raise
    finally:
        if os.getpid() != process:  # other people's code has forked, and its child came back too
            os._exit(1)
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


def _is_of_others(error: BaseException) -> bool:
    """Whether an error came by way of other people's code."""
    packages = {plug_in.place.partition(".")[0] for plug_in in foreign.loaded_foreign()}
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    names = [str(frame.f_globals.get("__name__")) for frame in frames]
    return any(sources.is_file(name) or name.partition(".")[0] in packages for name in names)
