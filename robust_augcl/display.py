"""What a user sees of a run: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:  # the display alone does not need what a step needs
    from robust_augcl.cells import Step

_NAMES = {"dataset": "data set", "warm_up": "warm-up", "pretraining": "pretraining", "victim": "victim", "attack": "attack"}


class Display:
    """Shows a run on `console`: bars for the whole and for each running step, or one line for each finished step.

    Use it as a context manager.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[text]}"),
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._whole: TaskID | None = None
        self._steps: dict[str, TaskID] = {}
        self._done = self._total = 0

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def planned(self, total: int, done: int) -> None:
        self._done, self._total = done, total
        self._whole = self._progress.add_task("[bold]all steps", total=total, completed=done, text="")
        if 0 < done < total:
            self.note(f"{done} of {total} steps are there already")

    def progress(self, step: Step, fraction: float, text: str) -> None:
        if step.key not in self._steps:
            self._steps[step.key] = self._progress.add_task(_name(step), total=100, text="")
        self._progress.update(self._steps[step.key], completed=round(100 * fraction), text=text)

    def finished(self, step: Step, seconds: float) -> None:
        self._end(step)
        if not self._live:
            self._console.print(f"[{self._done}/{self._total}] {_name(step)}: {seconds:.1f} s", markup=False, highlight=False, soft_wrap=True)

    def failed(self, step: Step, message: str) -> None:
        self._end(step)
        self._console.print(f"failed: {_name(step)}: {message}", style="red", markup=False, highlight=False, soft_wrap=True)

    def note(self, message: str) -> None:
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    def _end(self, step: Step) -> None:
        self._done += 1
        if self._whole is not None:
            self._progress.update(self._whole, completed=self._done)
        task = self._steps.pop(step.key, None)
        if task is not None:
            self._progress.remove_task(task)


def _name(step: Step) -> str:
    return f"{_NAMES[step.kind]}: {step.title}"
