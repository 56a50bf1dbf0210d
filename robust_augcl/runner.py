"""The runner: computes what is missing of a plan, on one or more processes, and keeps what is there.

Each worker is a process with one thread: two busy threads on two small cores make a training step many times slower.
A result never depends on the number of workers, since every step seeds its own chance.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from robust_augcl.cells import Step
from robust_augcl.errors import ArtifactDamaged, InputError, RobustAugclError
from robust_augcl.run_folder import RunFolder

_PRIORITY = {"dataset": 0, "warm_up": 1, "pretraining": 2, "victim": 3, "attack": 4}  # what others wait for comes first
_MESSAGES_A_SECOND = 4


class Watcher(Protocol):
    """Is told what a run does."""

    def planned(self, total: int, done: int) -> None:
        """So many steps in all, so many of them there already."""

    def progress(self, step: Step, fraction: float, text: str) -> None:
        """A running step is so far."""

    def finished(self, step: Step, seconds: float) -> None:
        """A step is done."""

    def failed(self, step: Step, message: str) -> None:
        """A step failed; steps that need it will not run."""

    def note(self, message: str) -> None:
        """Something that the user should know."""


@dataclass(frozen=True)
class Execution:
    """How to run: processes, device, archives. None of it changes a result on one kind of device."""

    workers: int = 1
    device: str = "cpu"
    archives: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        computed: steps computed.
        failed: titles of the steps that failed.
        missing: results that there are none of, since their own step failed or one that they need.
    """

    computed: int
    failed: list[str]
    missing: int


def needed_steps(attacks: Sequence[Step], folder: RunFolder, watcher: Watcher) -> list[Step]:
    """The steps to compute, inputs before those that need them: nothing that is there and whole.

    A damaged file is set aside and counts as missing.
    """
    order: dict[str, Step] = {}

    def there(step: Step) -> bool:
        record = step.kind == "attack"
        path = folder.store.record_path(step.key) if record else folder.store.artifact_path(step.key)
        if not path.exists():
            return False
        try:
            folder.load_record(step.key) if record else folder.store.load(step.key)
        except ArtifactDamaged as error:
            aside = folder.store.set_aside(path)
            watcher.note(f"{error}; set aside as {aside.name}, computing it again")
            return False
        return True

    seen: dict[str, bool] = {}

    def visit(step: Step) -> None:
        if step.key not in seen:
            seen[step.key] = there(step)
        if seen[step.key] or step.key in order:
            return
        for needed in step.inputs.values():
            visit(needed)
        order[step.key] = step

    for step in attacks:
        visit(step)
    return list(order.values())


def run(attacks: Sequence[Step], folder: RunFolder, execution: Execution, watcher: Watcher) -> Outcome:
    """Compute what is missing. Every result is stored when it is made: an interrupted run goes on where it stopped.

    A step that fails takes along only those that need it. Raises `InputError` at once for what only the user can mend,
    a full disk or a missing archive.
    """
    missing = needed_steps(attacks, folder, watcher)
    total = len({key for step in attacks for key in _with_inputs(step)})
    watcher.planned(total, total - len(missing))
    if not missing:
        return Outcome(0, [], 0)
    waiting = {step.key: step for step in missing}
    failed: list[str] = []
    computed = 0
    with _executor(execution, folder, len(missing), watcher) as (submit, poll):
        running: dict[Future[float], Step] = {}
        while waiting or running:
            for step in _ready(waiting, running)[: execution.workers - len(running)]:
                running[submit(waiting.pop(step.key))] = step
            if not running:
                break  # what is left waits for a step that failed
            for future in poll(running):
                step = running.pop(future)
                try:
                    watcher.finished(step, future.result())
                    computed += 1
                except InputError:
                    raise
                except BrokenProcessPool:
                    raise InputError(f"A worker process died while computing {step.title}: out of memory?") from None
                except RobustAugclError as error:
                    failed.append(step.title)
                    watcher.failed(step, str(error))
                except Exception as error:
                    failed.append(step.title)
                    watcher.failed(step, f"{type(error).__name__}: {error}")
    missing_results = sum(not folder.store.record_path(step.key).exists() for step in attacks)
    return Outcome(computed, failed, missing_results)


def _with_inputs(step: Step) -> Iterator[str]:
    yield step.key
    for needed in step.inputs.values():
        yield from _with_inputs(needed)


def _ready(waiting: dict[str, Step], running: dict[Future[float], Step]) -> list[Step]:
    """Steps whose inputs are all there, those first that others wait for."""
    open_keys = {*waiting, *(step.key for step in running.values())}
    ready = [step for step in waiting.values() if not any(needed.key in open_keys for needed in step.inputs.values())]
    return sorted(ready, key=lambda step: _PRIORITY[step.kind])


# --- executors --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _executor(execution: Execution, folder: RunFolder, tasks: int, watcher: Watcher) -> Iterator[Any]:
    """Yield `submit(step) -> Future` and `poll(running) -> finished futures`."""
    if execution.workers == 1 or tasks == 1:
        with one_thread():
            yield lambda step: _run_here(step, folder, execution, watcher), list
        return
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    with _environment_of_workers():
        pool = ProcessPoolExecutor(min(execution.workers, tasks), mp_context=context, initializer=_start_worker, initargs=(messages,))
        steps: dict[str, Step] = {}

        def submit(step: Step) -> Future[float]:
            steps[step.key] = step
            return pool.submit(_run_in_worker, step, folder.path, execution)

        def poll(running: dict[Future[float], Step]) -> list[Future[float]]:
            done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            with contextlib.suppress(queue.Empty):
                while True:
                    key, fraction, text = messages.get_nowait()
                    if steps[key] in running.values():
                        watcher.progress(steps[key], fraction, text)
            return list(done)

        try:
            yield submit, poll
            pool.shutdown()
        except BaseException:
            # Steps write whole files or none: stopping a worker in the middle loses its running step and nothing else.
            for process in list((pool._processes or {}).values()):
                process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        finally:
            messages.close()
            messages.cancel_join_thread()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread for PyTorch, as in a worker process: sums come out the same, to the bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _environment_of_workers() -> Iterator[None]:
    """Tell the numeric libraries of new processes to start no thread pools; they read it when they are loaded."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _run_here(step: Step, folder: RunFolder, execution: Execution, watcher: Watcher) -> Future[float]:
    future: Future[float] = Future()
    try:
        future.set_result(_compute(step, folder, execution, lambda done, text: watcher.progress(step, done, text)))
    except Exception as error:
        future.set_exception(error)
    return future


def _compute(step: Step, folder: RunFolder, execution: Execution, report: Any) -> float:
    from robust_augcl.steps import Context, compute

    start = time.perf_counter()
    compute(step, Context(folder.store, execution.device, execution.archives, report))
    return time.perf_counter() - start


_messages: Any = None  # a worker process's way to the main process, set once when it starts


def _start_worker(messages: Any) -> None:
    global _messages
    _messages = messages
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process stops the workers
    import torch

    torch.set_num_threads(1)


def _run_in_worker(step: Step, path: Path, execution: Execution) -> float:
    last = 0.0

    def report(fraction: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 1 / _MESSAGES_A_SECOND:
            last = now
            _messages.put((step.key, fraction, text))

    return _compute(step, RunFolder(path), replace(execution, workers=1), report)
