"""What a user sees of a run: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from robust_augcl.errors import one_line
from robust_augcl.plan.step import Step
from robust_augcl.workers.watcher import Watcher, name_of


class Display(Watcher):
    """Shows a run: bars for the whole and for each running step on a terminal, else lines.

    Use it as a context manager.

    Args:
        console: where it is shown.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._progress = Progress(
            # What is long is cut, so that the bar keeps its place, and so that neither the name of
            # a step nor what it says leaves the other no room.
            TextColumn("{task.description}", markup=False, table_column=_cut(ratio=3)),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn(
                "{task.fields[text]}", style="dim", markup=False, table_column=_cut(ratio=2)
            ),
            console=console,
            transient=True,
            expand=True,
            disable=not self._live,
        )
        self._whole: TaskID | None = None
        self._steps: dict[str, TaskID] = {}
        self._done = self._total = self._workers = 0
        self._open: dict[str, Step] = {}
        self._seconds: dict[tuple[str, str], list[float]] = {}

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def planned(self, total: int, missing: Sequence[Step], workers: int) -> None:
        self._done, self._total, self._workers = total - len(missing), total, workers
        self._open = {step.key: step for step in missing}
        self._whole = self._progress.add_task(
            "all steps", total=total, completed=self._done, text=""
        )
        if self._done < total:
            there = f"{self._done} of {total} steps are there already"
            what = there if self._done else f"{total} steps to compute"
            self.note(f"{what}; {_counted(workers)}")

    def progress(self, step: Step, fraction: float, text: str) -> None:
        if step.key not in self._steps:
            self._steps[step.key] = self._progress.add_task(name_of(step), total=100, text="")
        self._progress.update(self._steps[step.key], completed=round(100 * fraction), text=text)

    def finished(self, step: Step, seconds: float) -> None:
        self._seconds.setdefault(_sort(step), []).append(seconds)
        self._end(step)
        if not self._live:
            self._print(f"[{self._done}/{self._total}] {name_of(step)}: {seconds:.1f} s")

    def shared(self, step: Step) -> None:
        self._end(step)

    def failed(self, step: Step, message: str, trace: str) -> None:
        self._end(step)
        self._console.print(
            one_line(f"failed: {name_of(step)}: {message}"),
            style="red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    def note(self, message: str) -> None:
        self._print(message)

    def _print(self, text: str) -> None:
        self._console.print(one_line(text), markup=False, highlight=False, soft_wrap=True)

    def _end(self, step: Step) -> None:
        self._done += 1
        self._open.pop(step.key, None)
        if self._whole is not None:
            self._progress.update(self._whole, completed=self._done, text=self._left())
        task = self._steps.pop(step.key, None)
        if task is not None:
            self._progress.remove_task(task)

    def _left(self) -> str:
        """How long the rest will take, from the steps of each sort that are done.

        Nobody knows how long a sort takes of which no step is done yet: it is not counted.
        """
        means = {sort: sum(seconds) / len(seconds) for sort, seconds in self._seconds.items()}
        known = [means[sort] for step in self._open.values() if (sort := _sort(step)) in means]
        if not known:
            return ""
        left = timedelta(seconds=round(sum(known) / max(self._workers, 1)))
        return f"{'about' if len(known) == len(self._open) else 'over'} {left} left"


def _cut(ratio: int) -> Column:
    """A column of one line, with so large a share of the room; what is longer is cut."""
    return Column(ratio=ratio, no_wrap=True, overflow="ellipsis")


def _counted(workers: int) -> str:
    return "1 worker computes" if workers == 1 else f"{workers} workers compute"


def _sort(step: Step) -> tuple[str, str]:
    """Steps of one sort take about as long."""
    return step.kind, step.cell.attack if step.cell else ""
