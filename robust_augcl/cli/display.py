"""What a user sees of a run: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from robust_augcl.plan.kinds import KINDS

if TYPE_CHECKING:  # the display alone does not need what a step needs
    from robust_augcl.plan.step import Step
    from robust_augcl.workers.runner import Watcher


class Display:
    """Shows a run on `console`: bars for the whole and for each running step, or one line for each
    finished step.

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
            "[bold]all steps", total=total, completed=self._done, text=""
        )
        if 0 < self._done < total:
            self.note(f"{self._done} of {total} steps are there already")

    def progress(self, step: Step, fraction: float, text: str) -> None:
        if step.key not in self._steps:
            self._steps[step.key] = self._progress.add_task(_name(step), total=100, text="")
        self._progress.update(self._steps[step.key], completed=round(100 * fraction), text=text)

    def report_by_key(self, key: str, fraction: float, text: str) -> None:
        """The same for a step named by its key."""
        if key in self._open:
            self.progress(self._open[key], fraction, text)

    def finished(self, step: Step, seconds: float) -> None:
        self._seconds.setdefault(_sort(step), []).append(seconds)
        self._end(step)
        if not self._live:
            self._print(f"[{self._done}/{self._total}] {_name(step)}: {seconds:.1f} s")

    def shared(self, step: Step) -> None:
        self._end(step)

    def failed(self, step: Step, message: str, trace: str) -> None:
        self._end(step)
        self._console.print(
            f"failed: {_name(step)}: {message}",
            style="red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    def note(self, message: str) -> None:
        self._print(message)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _end(self, step: Step) -> None:
        self._done += 1
        self._open.pop(step.key, None)
        if self._whole is not None:
            self._progress.update(self._whole, completed=self._done, text=self._left())
        task = self._steps.pop(step.key, None)
        if task is not None:
            self._progress.remove_task(task)

    def _left(self) -> str:
        """About how long the rest will take, from the steps of each sort that are done."""
        means = {sort: sum(seconds) / len(seconds) for sort, seconds in self._seconds.items()}
        if not means:
            return ""
        typical = sum(means.values()) / len(means)  # for sorts of which none is done yet
        seconds = sum(means.get(_sort(step), typical) for step in self._open.values()) / max(
            self._workers, 1
        )
        return f"about {timedelta(seconds=round(seconds))} left" if self._open else ""


class LogFile:
    """Writes what a run does to a file, with the time. A log that cannot be written costs a note,
    not the run.

    Use it as a context manager.
    """

    def __init__(self, path: Path, inner: Watcher) -> None:
        self._path, self._inner = path, inner
        self._file: TextIO | None = None

    def __enter__(self) -> LogFile:
        try:
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            self._inner.note(f"No log is kept: {self._path}: {error.strerror}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.write(f"stopped by {kind.__name__}: {error}")
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def write(self, text: str) -> None:
        """Add one line."""
        if self._file is None:
            return
        try:
            self._file.write(
                f"{datetime.now().astimezone().isoformat(timespec='seconds')} {text}\n"
            )
            self._file.flush()
        except OSError as error:
            self._file = None
            self._inner.note(f"The log ends here: {self._path}: {error.strerror}")

    def planned(self, total: int, missing: Sequence[Step], workers: int) -> None:
        self.write(f"{len(missing)} of {total} steps to compute, {workers} workers")
        self._inner.planned(total, missing, workers)

    def progress(self, step: Step, fraction: float, text: str) -> None:
        self._inner.progress(step, fraction, text)

    def finished(self, step: Step, seconds: float) -> None:
        self.write(f"done {_name(step)} [{step.key}] {seconds:.2f} s")
        self._inner.finished(step, seconds)

    def shared(self, step: Step) -> None:
        self.write(f"another run has done {_name(step)} [{step.key}]")
        self._inner.shared(step)

    def failed(self, step: Step, message: str, trace: str) -> None:
        self.write(f"failed {_name(step)} [{step.key}] {message}\n{trace}")
        self._inner.failed(step, message, trace)

    def note(self, message: str) -> None:
        self.write(message)
        self._inner.note(message)


def _sort(step: Step) -> tuple[str, str]:
    """Steps of one sort take about as long."""
    return step.kind, step.cell.attack if step.cell else ""


def _name(step: Step) -> str:
    return f"{KINDS[step.kind].title}: {step.title}"
