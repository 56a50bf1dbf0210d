"""Where steps run: in local processes, or on a Dask cluster, behind one face, `Pool`.

Each worker is a process with one thread: two busy threads on two small cores make a training step
many times slower. A single worker is a process of its own too: a step may hold other people's code,
and however that ends, it ends no more than its worker.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, Literal, Protocol

from robust_augcl.adversary import process_settings
from robust_augcl.adversary.global_state import put_back, stays
from robust_augcl.errors import InputError, message_of, one_line
from robust_augcl.plan.step import Step
from robust_augcl.progress import Report, silent
from robust_augcl.steps.this_process import one_thread
from robust_augcl.store.store import Store
from robust_augcl.workers.devices import resolve_device
from robust_augcl.workers.faults import trace_of
from robust_augcl.workers.parcels import Parcel
from robust_augcl.workers.processes import context, environment_of_workers, import_all
from robust_augcl.workers.site import Site

_MESSAGES_A_SECOND = 4
_LEAVING_SECONDS = 5.0  # a worker that was told to end has so long; its results are stored


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
        left_behind: the global state that the step changed. It was put back, but for what
            `stays` tells.
    """

    status: Literal["done", "there", "busy", "failed", "refused"]
    seconds: float = 0.0
    message: str = ""
    trace: str = ""
    left_behind: tuple[str, ...] = ()


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

    def exit_code(self, future: Future[Performed]) -> int | None:
        """How the worker process of a task that lost it ended; None where nobody knows."""

    def messages(self) -> list[tuple[str, float, str]]:
        """What running steps have told since the last call: key, fraction done, words."""

    def restart(self) -> None:
        """Replace workers that were lost."""

    def replace(self, future: Future[Performed]) -> bool:
        """Replace the worker process that a task ended in; whether that can be done here."""

    def close(self, *, cancel: bool) -> None:
        """End the workers.

        `cancel` stops running tasks in the middle, which loses those and nothing else.
        """


def perform(task: Task, report: Report = silent) -> Performed:
    """Compute a step, unless it is there or another run computes it.

    What the step raises is told in the answer, never raised, whatever it is: other people's code
    may raise `SystemExit`, or `KeyboardInterrupt`. A user's Ctrl-C reaches the main process alone.

    Raises:
        SystemExit: this process was told to end.
    """
    with put_back() as left_behind:
        performed = _attempt(task, report)
    if performed.status == "refused" and any(map(_hinders, left_behind)):
        # No user can mend what the step's own code forbids its process, such as to write.
        performed = replace(performed, status="failed")
    return replace(performed, left_behind=tuple(left_behind))


_OF_THE_PROCESS = frozenset(name for name, *_ in process_settings.SETTINGS)


def _hinders(changed: str) -> bool:
    """Whether changed global state may be why a file cannot be read or written."""
    return stays(changed) or changed in _OF_THE_PROCESS


def _attempt(task: Task, report: Report) -> Performed:
    """Compute a step, and tell how that ended."""
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
        return Performed("refused", message=one_line(error))
    except BaseException as error:
        if _told_to_end.is_set():
            raise SystemExit(1) from None
        # One line for the user; the trace goes to the log and the failure's file.
        seconds = time.perf_counter() - start
        return Performed("failed", seconds, message_of(error), trace_of(error))


def perform_parcel(parcel: Parcel[Task], tell: Callable[[str, float, str], None]) -> Performed:
    """Perform a task that came from another process; `tell` is told its key and how far it is."""
    try:
        task = parcel.open()
    except InputError as error:
        return Performed("refused", message=one_line(error))
    except BaseException as error:  # other people's code says how its instances are unpickled
        if _told_to_end.is_set():
            raise SystemExit(1) from None
        return Performed("failed", message=message_of(error), trace=trace_of(error))
    key = task.step.key

    def report(fraction: float, text: str) -> None:
        # A step's code says what it likes; what is sent is plain.
        tell(key, float(fraction), one_line(text))

    return perform(task, now_and_then(report))


# --- local processes ------------------------------------------------------------------------------


class _Slot:
    """One worker process, and its way to tell how far it is."""

    def __init__(self, context: BaseContext) -> None:
        self.messages = context.Queue()
        self.executor = ProcessPoolExecutor(
            1, mp_context=context, initializer=_start_worker, initargs=(self.messages,)
        )
        self.future: Future[Performed] | None = None
        self.process: BaseProcess | None = None
        self._died_idle = False

    def submit(self, task: Task) -> Future[Performed]:
        with environment_of_workers(), warnings.catch_warnings():
            # Python warns where a process with threads is forked. The worker uses none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            parcel = Parcel.of(task)
            try:
                self.future = self.executor.submit(_perform_in_worker, parcel)
            except BrokenExecutor:
                self._died_idle = True
                raise
        self.process = next(iter((self.executor._processes or {}).values()), None)
        return self.future

    @property
    def is_lost(self) -> bool:
        """Whether the process died, at a task or between two."""
        if self._died_idle or self.future is None or not self.future.done():
            return self._died_idle
        return isinstance(self.future.exception(), BrokenExecutor)

    @property
    def is_spoilt(self) -> bool:
        """Whether its last task changed what cannot be put back."""
        if self.future is None or self.is_lost or not self.future.done():
            return False
        return any(map(stays, self.future.result().left_behind))

    def close(self, *, cancel: bool) -> None:
        """End the process. One that does not end, since other people's code holds it, is killed."""
        if cancel and self.process is not None:
            self.process.terminate()
        end = self.process.kill if self.process is not None else lambda: None
        killer = threading.Timer(_LEAVING_SECONDS, end)
        killer.start()
        try:
            self.executor.shutdown(wait=True, cancel_futures=cancel)
        finally:
            killer.cancel()
        self.messages.close()
        self.messages.cancel_join_thread()


class LocalProcesses:
    """Tasks run in `size` processes of one thread each.

    Every process is a pool of its own: a worker that dies takes nobody along.

    Args:
        size: how many.
        device: that they use: "cpu" or "cuda".
        inherits: whether they need modules that this process was handed.
    """

    def __init__(self, size: int, device: str = "cpu", inherits: bool = False) -> None:
        self.size = size
        self._context = context(size, device, inherits)
        if self._context.get_start_method() == "fork":
            import_all()  # once, and not in each process
        with environment_of_workers():
            self._slots = [_Slot(self._context) for _ in range(size)]

    def submit(self, task: Task) -> Future[Performed]:
        index = next(i for i, s in enumerate(self._slots) if s.future is None or s.future.done())
        if self._slots[index].is_spoilt:  # its task ended, and nobody has looked at it yet
            self._renew(index)
        return self._slots[index].submit(task)

    def exit_code(self, future: Future[Performed]) -> int | None:
        slot = next((slot for slot in self._slots if slot.future is future), None)
        if slot is None:  # it was replaced before anybody asked
            return None
        slot.close(cancel=True)  # which takes note of how the process ended
        return None if slot.process is None else slot.process.exitcode

    def messages(self) -> list[tuple[str, float, str]]:
        found = []
        for slot in self._slots:
            with contextlib.suppress(queue.Empty):
                while True:
                    found.append(slot.messages.get_nowait())
        return found

    def restart(self) -> None:
        for index, slot in enumerate(self._slots):
            if slot.is_lost:
                self._renew(index)

    def replace(self, future: Future[Performed]) -> bool:
        for index, slot in enumerate(self._slots):
            if slot.future is future:
                self._renew(index)
        return True

    def _renew(self, index: int) -> None:
        self._slots[index].close(cancel=True)
        # A worker that was killed may have held the lock of its messages: they are new too.
        with environment_of_workers():
            self._slots[index] = _Slot(self._context)

    def close(self, *, cancel: bool) -> None:
        for slot in self._slots:
            slot.close(cancel=cancel)


_queue: Any = None  # a worker process's way to the main process, set once when it starts
_told_to_end = threading.Event()


def _start_worker(messages: Any) -> None:
    global _queue
    _queue = messages
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process stops the workers
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import_all()


def _leave(signum: int, frame: FrameType | None) -> None:
    """Stop by way of an exception, so that a write in progress removes its half-written file."""
    _told_to_end.set()
    raise SystemExit(1)


def _end_with_parent() -> None:
    """End this worker when the main process is gone, e.g. killed.

    Nobody would ever ask for its result. A process that has ended keeps its number until somebody
    asks how: who waits for this worker's output first would wait for ever. So what tells is a pipe,
    which the system closes.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _perform_in_worker(parcel: Parcel[Task]) -> Performed:
    """Perform a task. A worker that is told to end meanwhile is a lost one.

    As an answer, its `SystemExit` would end the main process.
    """
    try:
        return perform_parcel(parcel, lambda key, fraction, text: _queue.put((key, fraction, text)))
    except SystemExit:
        os._exit(1)
