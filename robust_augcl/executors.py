"""Where steps run: in this process, in local processes, or on a Dask cluster. All are `concurrent.futures.Executor`s behind one face.

Each worker is a process with one thread: two busy threads on two small cores make a training step many times slower.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Protocol

from robust_augcl.cells import Step
from robust_augcl.errors import InputError
from robust_augcl.progress import Report, silent
from robust_augcl.store import Store

_MESSAGES_A_SECOND = 4
_MEMORY_A_WORKER = 2 * 2**30
_PARENT_CHECK_SECONDS = 0.5


@dataclass(frozen=True)
class Task:
    """A step and where it runs; it travels to workers."""

    step: Step
    folder: Path
    device: str
    archives: Path | None
    commit: str | None


@dataclass(frozen=True)
class Performed:
    """How a task ended.

    Args:
        status: "done"; "there", another run had computed it meanwhile; "busy", another run computes it now; "failed", the step
            raised an error; "refused", an error that only the user can mend.
        seconds: it took.
        message, trace: of the error.
    """

    status: Literal["done", "there", "busy", "failed", "refused"]
    seconds: float = 0.0
    message: str = ""
    trace: str = ""


class Pool(Protocol):
    """Workers that perform tasks."""

    @property
    def size(self) -> int:
        """How many tasks run at once."""

    def submit(self, task: Task) -> Future[Performed]:
        """Start a task. A future that raises `BrokenExecutor`, or Dask's own error, has lost its worker."""

    def messages(self) -> list[tuple[str, float, str]]:
        """What running steps have told since the last call: key, fraction done, words."""

    def restart(self) -> None:
        """Replace workers that were lost."""

    def close(self, *, cancel: bool) -> None:
        """End the workers; `cancel` stops running tasks in the middle, which loses those and nothing else."""


def perform(task: Task, report: Report = silent) -> Performed:
    """Compute a step unless it is there, or another run computes it; never raises for what the step does."""
    from robust_augcl.steps import Context, compute

    step, store = task.step, Store(task.folder)
    start = time.perf_counter()
    try:
        with store.claim(step.key) as mine:
            if not mine:
                return Performed("busy")
            if store.path(step).exists():
                return Performed("there")
            with one_thread():
                compute(step, Context(store, task.device, task.archives, report, task.commit))
        return Performed("done", time.perf_counter() - start)
    except InputError as error:
        return Performed("refused", message=str(error))
    except Exception as error:
        # One line for the user; the trace goes to the log and the failure's file.
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return Performed("failed", time.perf_counter() - start, message, traceback.format_exc())


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread for PyTorch, in every kind of worker: sums come out the same, to the bit."""
    import torch

    before = torch.get_num_threads()
    if before == 1:  # setting it anew costs a thread pool
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def default_workers() -> int:
    """One a core that this process may use, as far as the free memory goes."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(int(cores), _available_memory() // _MEMORY_A_WORKER))


def _available_memory() -> int:
    """Bytes that new processes can have, the system's caches included; where it is not known, as much as anybody could want."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return sys.maxsize


def peak_memory_mib() -> float:
    """The most memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


# --- in this process --------------------------------------------------------------------------------------------------


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
        return self._executor.submit(perform, task, lambda fraction, text: self._report(task.step.key, fraction, text))

    def messages(self) -> list[tuple[str, float, str]]:
        return []

    def restart(self) -> None:
        """There is nothing to replace."""

    def close(self, *, cancel: bool) -> None:
        self._executor.shutdown()


# --- local processes --------------------------------------------------------------------------------------------------


def _context() -> multiprocessing.context.BaseContext:
    """New processes: forked from a server that has everything imported, where there is such a thing."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["robust_augcl.steps"])
    return context


def warm_up() -> None:
    """Start to import, in another process, what workers will need, while this one reads its input."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        from multiprocessing import forkserver

        _context()
        with environment_of_workers():
            forkserver.ensure_running()


@contextlib.contextmanager
def environment_of_workers() -> Iterator[None]:
    """Tell the numeric libraries of new processes to start no thread pools; they read it when they are loaded."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


class _Slot:
    """One worker process, and its way to tell how far it is."""

    def __init__(self, context: multiprocessing.context.BaseContext) -> None:
        self.messages = context.Queue()
        self.executor = ProcessPoolExecutor(1, mp_context=context, initializer=_start_worker, initargs=(self.messages, os.getpid()))
        self.future: Future[Performed] | None = None

    def close(self, *, cancel: bool) -> None:
        if cancel:
            for process in list((self.executor._processes or {}).values()):
                process.terminate()
        self.executor.shutdown(wait=True, cancel_futures=cancel)
        self.messages.close()
        self.messages.cancel_join_thread()


class LocalProcesses:
    """Tasks run in `size` processes of one thread each, every one a pool of its own: a worker that dies takes nobody along."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._context = _context()
        with environment_of_workers():
            self._slots = [_Slot(self._context) for _ in range(size)]

    def submit(self, task: Task) -> Future[Performed]:
        slot = next(slot for slot in self._slots if slot.future is None or slot.future.done())
        with environment_of_workers():
            slot.future = slot.executor.submit(_perform_in_worker, task)
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
            if slot.future is not None and slot.future.done() and isinstance(slot.future.exception(), BrokenExecutor):
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
    """End this worker when the main process is gone, killed outright: nobody would ever ask for its result."""
    while True:
        time.sleep(_PARENT_CHECK_SECONDS)
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(1)
        except OSError:
            return


def _perform_in_worker(task: Task) -> Performed:
    last = 0.0

    def report(fraction: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 1 / _MESSAGES_A_SECOND:
            last = now
            _queue.put((task.step.key, fraction, text))

    return perform(task, report)


# --- Dask -------------------------------------------------------------------------------------------------------------


class DaskCluster:
    """Tasks run on the workers of a Dask scheduler; all see the run's folder under one path. Needs the extra ``[dask]``.

    Raises:
        InputError: Dask is not installed, or the scheduler does not answer or has no workers.
    """

    def __init__(self, address: str, patience: float = 30.0) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise InputError("Expected Dask for --executor dask, it is not installed: pip install 'robust-augcl[dask]'") from None
        try:
            self._client = Client(address, timeout=patience, set_as_default=False)
            self._client.wait_for_workers(1, timeout=patience)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                f"Expected --scheduler to be the address of a Dask scheduler with workers, got {address!r} ({error})"
            ) from None
        self._executor: Executor = self._client.get_executor(pure=False, retries=0)

    @property
    def size(self) -> int:
        """Threads of all workers: they come and go."""
        return max(1, sum(self._client.nthreads().values()))

    def submit(self, task: Task) -> Future[Performed]:
        return self._executor.submit(perform, task)

    def messages(self) -> list[tuple[str, float, str]]:
        return []

    def restart(self) -> None:
        """Dask gives a lost worker's tasks to others by itself."""

    def close(self, *, cancel: bool) -> None:
        self._executor.shutdown(wait=not cancel)  # without waiting, Dask cancels them
        self._client.close()
