"""The runner: computes what is missing of a plan on a pool of workers, and keeps what is there.

A result never depends on the pool: every step seeds its own chance.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass, replace

from robust_augcl.adversary.global_state import stays
from robust_augcl.errors import InputError, message_of, one_line
from robust_augcl.plan.kinds import KINDS
from robust_augcl.plan.step import Step, with_inputs
from robust_augcl.steps.this_process import end_of
from robust_augcl.store import files
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.workers.executors import Performed, Pool, Task
from robust_augcl.workers.faults import trace_of
from robust_augcl.workers.missing import missing_steps
from robust_augcl.workers.site import Site
from robust_augcl.workers.watcher import Watcher, name_of

_LOST_WORKERS = 3  # a step that loses so many workers is what kills them
_BUSY_SECONDS = 0.3


@dataclass(frozen=True)
class RunSummary:
    """How a run ended.

    Args:
        computed: steps computed.
        failed: titles of the steps that failed.
        missing: results that there are none of, since their own step failed or one that they need.
        step_seconds: wall time in which at least one step ran.
    """

    computed: int
    failed: list[str]
    missing: int
    step_seconds: float = 0.0


def run(
    steps: Sequence[Step],
    folder: RunFolder,
    make_pool: Callable[[int], Pool],
    watcher: Watcher,
    site: Site,
) -> RunSummary:
    """Compute what is missing. Every result is stored when it is made.

    So an interrupted run goes on where it stopped. A lost worker costs its running step, which is
    run again. A step that fails takes along only those that need it, and leaves its error in the
    folder. What another run on the folder computes is waited for.

    Args:
        steps: whose results are wanted.
        folder: the run's.
        make_pool: makes the workers, given the number of steps to compute.
        watcher: is told what happens.
        site: where steps are computed.

    Raises:
        InputError: at once, for what only the user can mend: a full disk, a missing archive.
    """
    missing = missing_steps(steps, folder, watcher)
    summary = _compute(missing, steps, folder, make_pool, watcher, site)
    if summary.computed and not summary.failed and _may_rest_on_others(steps, missing):
        # What was made again may be another artifact than those results rest on.
        missing = missing_steps(steps, folder, watcher)
        if missing:
            more = _compute(missing, steps, folder, make_pool, watcher, site)
            seconds = summary.step_seconds + more.step_seconds
            computed = summary.computed + more.computed
            summary = replace(more, computed=computed, step_seconds=seconds)
    return summary


def _may_rest_on_others(steps: Sequence[Step], missing: Sequence[Step]) -> bool:
    """Whether a result was there, and what it rests on was missing."""
    keys = {step.key for step in missing}
    there = [step for step in with_inputs(steps) if step.key not in keys]
    return any(needed.key in keys for step in there for needed in step.inputs.values())


def _compute(
    missing: Sequence[Step],
    steps: Sequence[Step],
    folder: RunFolder,
    make_pool: Callable[[int], Pool],
    watcher: Watcher,
    site: Site,
) -> RunSummary:
    """Compute what is missing of these steps; see `run`."""
    total = sum(1 for _ in with_inputs(steps))
    if not missing:
        watcher.planned(total, missing, 0)
        return RunSummary(0, [], 0)
    pool = make_pool(len(missing))
    watcher.planned(total, missing, pool.size)
    try:
        work = _Run(missing, folder, pool, watcher, site)
        work.go()
    except BaseException:
        pool.close(cancel=True)
        raise
    pool.close(cancel=False)
    without = sum(not folder.store.path(step).exists() for step in steps)
    return RunSummary(work.computed, work.failed, without, _covered(work.spans))


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """How long at least one of the spans, (start, end), was under way."""
    total, until = 0.0, -math.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


class _Run:
    """The state of one run: which steps wait, run, were lost, failed.

    Attributes:
        computed: how many steps were computed.
        failed: titles of the steps that failed.
        spans: when steps ran, as pairs of start and end.
    """

    def __init__(
        self,
        missing: Sequence[Step],
        folder: RunFolder,
        pool: Pool,
        watcher: Watcher,
        site: Site,
    ) -> None:
        self.folder, self.pool, self.watcher, self.site = folder, pool, watcher, site
        self.steps = {step.key: step for step in missing}
        self.waiting = dict(self.steps)
        self.running: dict[Future[Performed], Step] = {}
        self.not_before: dict[str, float] = {}
        self.lost: dict[str, int] = {}
        self.computed = 0
        self.spans: list[tuple[float, float]] = []
        self.failed: list[str] = []
        self.failed_keys: set[str] = set()

    def go(self) -> None:
        """Compute until nothing is left that can run."""
        while self.waiting or self.running:
            ready = self._ready()
            for step in ready[: max(0, self.pool.size - len(self.running))]:
                del self.waiting[step.key]
                self._submit(step)
            if not self.running and not ready:
                if not any(self.not_before.get(key, 0) for key in self.waiting):
                    break  # the rest waits for a step that failed
                time.sleep(_BUSY_SECONDS)
            self._poll()

    def _ready(self) -> list[Step]:
        """Steps whose inputs are all there, those first that others wait for."""
        open_keys = {*self.waiting, *(step.key for step in self.running.values())}
        blocked = open_keys | self.failed_keys
        now = time.monotonic()
        ready = [
            step
            for step in self.waiting.values()
            if not any(needed.key in blocked for needed in step.inputs.values())
            and self.not_before.get(step.key, 0) <= now
        ]
        return sorted(ready, key=lambda step: KINDS[step.kind].priority)

    def _submit(self, step: Step) -> None:
        try:
            self.running[self.pool.submit(Task(step, self.site))] = step
        except BrokenExecutor:  # the worker died while it had nothing to do
            self.waiting[step.key] = step
            self.pool.restart()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # other people's code says how its instances are pickled
            self._fail(step, f"it cannot be sent to a worker: {message_of(error)}", trace_of(error))

    def _poll(self) -> None:
        if not self.running:
            return
        done, _ = wait(self.running, timeout=0.2, return_when=FIRST_COMPLETED)
        for key, fraction, text in self.pool.messages():
            if key in self.steps:
                self.watcher.progress(self.steps[key], fraction, text)
        broken = False
        for future in done:
            step = self.running.pop(future)
            try:
                performed = future.result()
                self._note_left_behind(step, performed.left_behind, future)
                self._settle(step, performed)
            except (BrokenExecutor, CancelledError):
                broken = True
                self._lose(step, end_of(self.pool.exit_code(future)))
            except InputError:
                raise
            except Exception as error:
                if type(error).__name__ != "KilledWorker":  # Dask's, which need not be installed
                    raise
                self._fail(step, f"it lost its worker again and again: {one_line(error)}", "")
        if broken:
            self.pool.restart()

    def _note_left_behind(
        self, step: Step, changed: Sequence[str], future: Future[Performed]
    ) -> None:
        """Say which global state a step changed; no other step runs with what stays so."""
        left = f"warning: {name_of(step)} left global state changed"
        if back := [name for name in changed if not stays(name)]:
            self.watcher.note(f"{left}, which was put back: {', '.join(back)}")
        if kept := [name for name in changed if stays(name)]:
            replaced = self.pool.replace(future)
            then = "its worker process was replaced" if replaced else "later steps may run with it"
            self.watcher.note(f"{left}, {then}: {', '.join(kept)}")

    def _settle(self, step: Step, performed: Performed) -> None:
        now = time.monotonic()
        self.spans.append((now - performed.seconds, now))
        if performed.status == "refused":
            raise InputError(performed.message)
        if performed.status == "failed":
            self._fail(step, performed.message, performed.trace)
        elif performed.status == "busy":
            self.waiting[step.key] = step
            self.not_before[step.key] = time.monotonic() + _BUSY_SECONDS
        elif performed.status == "there":
            self.watcher.shared(step)
        else:
            self.computed += 1
            self.folder.store.failure_path(step.key).unlink(missing_ok=True)
            self.watcher.finished(step, performed.seconds)

    def _lose(self, step: Step, end: str) -> None:
        self.lost[step.key] = self.lost.get(step.key, 0) + 1
        if self.lost[step.key] < _LOST_WORKERS:
            self.waiting[step.key] = step
            self.watcher.note(f"a worker process died at {step.title} ({end}); running it again")
        else:
            self._fail(step, f"its worker process died {_LOST_WORKERS} times ({end})", "")

    def _fail(self, step: Step, message: str, trace: str) -> None:
        self.failed.append(step.title)
        self.failed_keys.add(step.key)
        self.watcher.failed(step, message, trace)
        content = {"step": step.title, "kind": step.kind, "error": message, "trace": trace}
        files.write_atomically(
            self.folder.store.failure_path(step.key),
            (json.dumps(content, indent=1) + "\n").encode(),
        )
