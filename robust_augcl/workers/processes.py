"""How worker processes start.

This module is light, so that workers can begin to import while the main process still does.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.context import BaseContext

from robust_augcl.plan.kinds import modules_that_compute


def context() -> BaseContext:
    """How new processes are made: where it can be, forked from a server that has all imported."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["robust_augcl.steps.compute", *modules_that_compute()])
    return made


def warm_up() -> None:
    """Let another process import what workers will need, while this one reads its input."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        from multiprocessing import forkserver

        context()
        # It is the main process's to answer Ctrl-C: a server that is interrupted while it imports
        # would print where.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with environment_of_workers():
                forkserver.ensure_running()
        finally:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def environment_of_workers() -> Iterator[None]:
    """Tell the numeric libraries of new processes to start no thread pools.

    They read this when they are loaded.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
