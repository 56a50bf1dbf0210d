"""Given models whose answers change with what they are asked are caught after their questions.

Probes see the first questions alone. Whoever counts to a thousand is another model after them. What
comes back to its first answers in time is not caught, nor what knows again what it was asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from robust_augcl.adversary.global_state import clean
from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import InputError, cut
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.agreement import same_rows
from robust_augcl.models.module import ModuleClassifier

_WHAT_TO_DO = (
    "keep counters, caches and whatever else changes with questions out of evaluation mode"
)


class Drifted(InputError):
    """A given model answers otherwise than before."""


class Answers:
    """What a given model says of some graphs, to be held against what it says later.

    Other victims are not asked. No query is counted.

    Args:
        victim: before anything else is asked.
        graphs: some of those that it will be asked about (G).
        whose: the questions are that follow, in words.
    """

    def __init__(self, victim: Victim, graphs: PackedGraphs, whose: str) -> None:
        self._victim, self._graphs, self._whose = victim, graphs, whose
        victim.model.eval()
        self._modes = self._training()
        self._first = self._ask()

    def refuse_others(self) -> None:
        """Refuse a given model that answers otherwise now.

        Raises:
            Drifted: other logits, or parts in another mode. So what was found is of no one model.
        """
        if self._first is None or not isinstance(self._victim.model, ModuleClassifier):
            return
        changed = self._training() ^ self._modes
        if changed:
            raise Drifted(
                f"Expected a module that stays in evaluation mode, got {cut(min(changed))} in "
                f"another mode after {self._whose} questions: call neither `train()` nor `eval()` "
                "in `forward`"
            )
        now, first = self._ask(), self._first
        if now is None or now.shape != first.shape:
            raise Drifted(f"{self._expected()}, got others of another shape: {_WHAT_TO_DO}")
        if not bool(same_rows(now, first, self._victim.model.module).all()):
            others = int((now.argmax(1) != first.argmax(1)).sum())
            raise Drifted(
                f"{self._expected()}, got others, and another class for {others} of {len(first)} "
                f"graphs: {_WHAT_TO_DO}"
            )

    def _expected(self) -> str:
        return f"Expected the same logits after {self._whose} questions as before"

    def _ask(self) -> Tensor | None:
        if not isinstance(self._victim.model, ModuleClassifier):
            return None
        queries = self._victim.queries
        with clean(self._victim.model):
            logits = self._victim.logits(self._graphs)
        self._victim.queries = queries
        return logits

    def _training(self) -> set[str]:
        """The names of the parts that are in training mode."""
        parts = self._victim.model.named_modules()
        return {f"`{name}` ({type(part).__name__})" for name, part in parts if part.training}


@contextmanager
def steady(victim: Victim, graphs: PackedGraphs, whose: str = "the step's") -> Iterator[None]:
    """Refuse a given model that answers otherwise after the questions that are asked inside.

    Raises:
        Drifted: see `Answers.refuse_others`.

    Example: no module of a user's is asked here.

        >>> from robust_augcl.testing import bench
        >>> with steady(bench.new_victim(), bench.random_graphs([3])):
        ...     pass
    """
    before = Answers(victim, graphs, whose)
    yield
    before.refuse_others()
