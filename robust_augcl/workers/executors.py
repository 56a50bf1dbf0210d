"""Where steps run: in this process, in local processes, or on a Dask cluster.

All are `concurrent.futures.Executor`s behind one face, `Pool`.

Each worker is a process with one thread: two busy threads on two small cores make a training step
many times slower.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from types import FrameType
from typing import Any, Literal, Protocol

from robust_augcl.errors import InputError
from robust_augcl.plan.step import Step
from robust_augcl.progress import Report, silent
from robust_augcl.steps.this_process import one_thread
from robust_augcl.store.store import Store
from robust_augcl.workers.devices import resolve_device
from robust_augcl.workers.parcels import Parcel
from robust_augcl.workers.processes import context, environment_of_workers
from robust_augcl.workers.site import Site

_MESSAGES_A_SECOND = 4
_PARENT_CHECK_SECONDS = 0.5


@dataclass(frozen=True)
class Task:
    """A step and where it is computed; it travels to workers."""

    step: Step
    site: Site


@dataclass(frozen=True)
class Performed:
    """How a task ended.

    Args:
        status: "done"; "there", another run had computed it meanwhile; "busy", another run computes
            it now; "failed", the step raised an error; "refused", an error that only the user can
            mend.
        seconds: it took.
        message, trace: of the error.
    """

    status: Literal["done", "there", "busy", "failed", "refused"]
    seconds: float = 0.0
    message: str = ""
    trace: str = ""


def now_and_then(report: Report) -> Report:
    """A report that passes on a few messages a second, and drops the others."""
    last = 0.0

    def pass_on(fraction: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 1 / _MESSAGES_A_SECOND:
            last = now
            report(fraction, text)

    return pass_on


class Pool(Protocol):
    """Workers that perform tasks."""

    @property
    def size(self) -> int:
        """How many tasks run at once."""

    def submit(self, task: Task) -> Future[Performed]:
        """Start a task.

        A future that raises `BrokenExecutor`, or Dask's own error, has lost its worker.
        """

    def messages(self) -> list[tuple[str, float, str]]:
        """What running steps have told since the last call: key, fraction done, words."""

    def restart(self) -> None:
        """Replace workers that were lost."""

    def close(self, *, cancel: bool) -> None:
        """End the workers.

        `cancel` stops running tasks in the middle, which loses those and nothing else.
        """


def perform(task: Task, report: Report = silent) -> Performed:
    """Compute a step, unless it is there or another run computes it.

    What the step raises is told in the answer, never raised.
    """
    from robust_augcl.steps.compute import compute
    from robust_augcl.steps.context import Context

    step, site = task.step, task.site
    store = Store(site.folder)
    start = time.perf_counter()
    try:
        with store.claim(step.key) as mine:
            if not mine:
                return Performed("busy")
            if store.path(step).exists():
                return Performed("there")
            with one_thread():
                device = resolve_device(site.device)
                compute(step, Context(store, device, site.archives, report, site.commit))
        return Performed("done", time.perf_counter() - start)
    except InputError as error:
        return Performed("refused", message=str(error))
    except Exception as error:
        # One line for the user; the trace goes to the log and the failure's file.
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return Performed("failed", time.perf_counter() - start, message, traceback.format_exc())


def perform_parcel(parcel: Parcel[Task], tell: Callable[[str, float, str], None]) -> Performed:
    """Perform a task that came from another process; `tell` is told its key and how far it is."""
    try:
        task = parcel.open()
    except InputError as error:
        return Performed("refused", message=str(error))
    key = task.step.key
    return perform(task, now_and_then(lambda fraction, text: tell(key, fraction, text)))


# --- in this process ------------------------------------------------------------------------------


class Immediate(Executor):
    """The standard interface on no worker at all: `submit` returns when the call has returned."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call `fn` here and now."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class InProcess:
    """Tasks run in this process, one by one; `report` is told of progress as it happens."""

    def __init__(self, report: Any) -> None:
        self.size = 1
        self._executor, self._report = Immediate(), report

    def submit(self, task: Task) -> Future[Performed]:
        return self._executor.submit(
            perform, task, lambda fraction, text: self._report(task.step.key, fraction, text)
        )

    def messages(self) -> list[tuple[str, float, str]]:
        return []

    def restart(self) -> None:
        """There is nothing to replace."""

    def close(self, *, cancel: bool) -> None:
        self._executor.shutdown()


# --- local processes ------------------------------------------------------------------------------


class _Slot:
    """One worker process, and its way to tell how far it is."""

    def __init__(self, context: BaseContext) -> None:
        self.messages = context.Queue()
        self.executor = ProcessPoolExecutor(
            1, mp_context=context, initializer=_start_worker, initargs=(self.messages, os.getpid())
        )
        self.future: Future[Performed] | None = None

    def close(self, *, cancel: bool) -> None:
        if cancel:
            for process in list((self.executor._processes or {}).values()):
                process.terminate()
        self.executor.shutdown(wait=True, cancel_futures=cancel)
        self.messages.close()
        self.messages.cancel_join_thread()


class LocalProcesses:
    """Tasks run in `size` processes of one thread each.

    Every process is a pool of its own: a worker that dies takes nobody along.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._context = context()
        with environment_of_workers():
            self._slots = [_Slot(self._context) for _ in range(size)]

    def submit(self, task: Task) -> Future[Performed]:
        slot = next(slot for slot in self._slots if slot.future is None or slot.future.done())
        with environment_of_workers():
            slot.future = slot.executor.submit(_perform_in_worker, Parcel.of(task))
        return slot.future

    def messages(self) -> list[tuple[str, float, str]]:
        found = []
        for slot in self._slots:
            with contextlib.suppress(queue.Empty):
                while True:
                    found.append(slot.messages.get_nowait())
        return found

    def restart(self) -> None:
        for index, slot in enumerate(self._slots):
            if (
                slot.future is not None
                and slot.future.done()
                and isinstance(slot.future.exception(), BrokenExecutor)
            ):
                slot.close(cancel=True)
                # A worker that was killed may have held the lock of its messages: they are new too.
                with environment_of_workers():
                    self._slots[index] = _Slot(self._context)

    def close(self, *, cancel: bool) -> None:
        for slot in self._slots:
            slot.close(cancel=cancel)


_queue: Any = None  # a worker process's way to the main process, set once when it starts


def _start_worker(messages: Any, parent: int) -> None:
    global _queue
    _queue = messages
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process stops the workers
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _leave(signum: int, frame: FrameType | None) -> None:
    """Stop by way of an exception, so that a write in progress removes its half-written file."""
    raise SystemExit(1)


def _end_with(parent: int) -> None:
    """End this worker when the main process is gone, e.g. killed.

    Nobody would ever ask for its result.
    """
    while True:
        time.sleep(_PARENT_CHECK_SECONDS)
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(1)
        except OSError:
            return


def _perform_in_worker(parcel: Parcel[Task]) -> Performed:
    return perform_parcel(parcel, lambda key, fraction, text: _queue.put((key, fraction, text)))
