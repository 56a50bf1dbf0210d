"""Seconds and memory of a piece of work, measured in a process of its own."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from robust_augcl.errors import InputError

_ENOUGH = 0.3  # seconds of one processor after which no run is repeated
_MOST_RUNS = 20
_PAGE = os.sysconf("SC_PAGE_SIZE")


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """The seconds of one processor that work takes, the least of several runs, and its memory.

    The process is forked, so that work needs not be written down for it, and its memory is its own:
    the most that it holds of the system's, less what it held at the start, in MiB.

    Raises:
        InputError: the work raised, or ended its process.

    >>> seconds, mebibytes = measured(lambda: bytearray(b"1") * 2**28)
    >>> seconds > 0, mebibytes > 128  # of 256: a busy system may take pages away meanwhile
    (True, True)
    """
    _give_back_freed_memory()
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(work, there), daemon=True)
    process.start()
    there.close()
    try:
        answer = here.recv()
    except EOFError:
        answer = f"its process ended with {process.exitcode}"
    process.join()
    if isinstance(answer, str):
        raise InputError(f"Expected work that can be measured, but {answer}")
    seconds, mebibytes = answer
    return float(seconds), float(mebibytes)


def _measure(work: Callable[[], object], answer: Connection) -> None:
    try:
        before = _held()
        taken: list[float] = []
        begin = time.process_time()
        while not taken or (len(taken) < _MOST_RUNS and time.process_time() - begin < _ENOUGH):
            start = time.process_time()
            work()
            taken.append(time.process_time() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        answer.send((min(taken), max(0, peak - before) / 2**20))
    except BaseException as error:
        answer.send(f"it raised {type(error).__name__}: {error}")
    finally:
        answer.close()
        os._exit(0)  # what waits for the end of the parent is not this process's to do


def _give_back_freed_memory() -> None:
    """Let the system have what this process freed: reused by the work, it would not be counted."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library
    if trim is not None:
        trim(0)


def _held() -> int:
    """Bytes of memory that this process holds."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE
