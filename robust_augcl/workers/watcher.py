"""Who is told what a run does."""

from __future__ import annotations

from collections.abc import Sequence

from robust_augcl.plan.kinds import KINDS
from robust_augcl.plan.step import Step


class Watcher:
    """Is told what a run does. This one does nothing with it; derive from it to show or write it.

    >>> class Counter(Watcher):
    ...     done = 0
    ...
    ...     def finished(self, step, seconds):
    ...         self.done += 1
    >>> counter = Counter()
    >>> counter.finished(Step("victim", "a victim", {}, {}), 0.5)
    >>> counter.done
    1
    """

    def planned(self, total: int, missing: Sequence[Step], workers: int) -> None:
        """So many steps in all, these of them to compute, by so many workers."""

    def progress(self, step: Step, fraction: float, text: str) -> None:
        """A running step is so far."""

    def finished(self, step: Step, seconds: float) -> None:
        """A step is done."""

    def shared(self, step: Step) -> None:
        """Another run on the folder has done a step."""

    def failed(self, step: Step, message: str, trace: str) -> None:
        """A step failed; steps that need it will not run."""

    def note(self, message: str) -> None:
        """Something that the user should know."""


def name_of(step: Step) -> str:
    """What people call a step.

    >>> name_of(Step("warm_up", "2 layers, seed 0", {}, {}))
    'warm-up: 2 layers, seed 0'
    """
    return f"{KINDS[step.kind].title}: {step.title}"
