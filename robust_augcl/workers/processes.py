"""How worker processes start.

This module is light, so that workers can begin to import while the main process still does.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from multiprocessing.util import get_temp_dir

from robust_augcl.plan.kinds import modules_that_compute

_IMPORTED_LATE = ("sklearn.model_selection", "sklearn.svm", "scipy.stats")
"""What steps import only when they are computed."""
_LONGEST_SOCKET = 100
"""Bytes that the path of a socket may have on every system."""
_NAME_OF_SOCKET = "/pymp-12345678/listener-12345678"
_SHORT_FOLDERS = ("/tmp", "/var/tmp")


def can_fork(device: str) -> bool:
    """Whether this process can be forked: on Linux, where no GPU is used."""
    return device == "cpu" and sys.platform == "linux"


def context(workers: int = 2, device: str = "cpu", inherits: bool = False) -> BaseContext:
    """How new processes are made: where it can be, forked from one that has all imported.

    Several workers are forked from a server. A single one is forked from this process, which has
    imported the most of it already: a server would import it once more, on what may be the only
    core. So are all that need what this process holds in memory.

    Args:
        workers: how many there are to be.
        device: that they use. A process that uses a GPU cannot be forked.
        inherits: whether they need the modules that this process was handed.
    """
    if (workers == 1 or inherits) and can_fork(device):
        return multiprocessing.get_context("fork")
    if "forkserver" not in multiprocessing.get_all_start_methods() or not _place_for_socket():
        return multiprocessing.get_context("spawn")
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(
        ["robust_augcl.steps.compute", *modules_that_compute(), *_IMPORTED_LATE]
    )
    return made


def _place_for_socket() -> bool:
    """Whether the path of the server's socket is short enough, or could be made so.

    It lies in a folder that multiprocessing makes in that of temporary files, and removes in the
    end. Where the path of the latter is too long, that folder is made in a shorter one.
    """
    usual = tempfile.gettempdir()
    if len(os.fsencode(usual + _NAME_OF_SOCKET)) <= _LONGEST_SOCKET:
        return True
    try:
        for folder in _SHORT_FOLDERS:
            tempfile.tempdir = folder
            with contextlib.suppress(OSError):
                get_temp_dir()  # makes it, or says which there is
                return True
    finally:
        tempfile.tempdir = usual
    return False


def import_all() -> None:
    """Import all that steps are computed with.

    Modules set environment variables and filters of warnings when they are imported. Imported in a
    step, they would make it seem that the step has changed these.
    """
    for module in (*modules_that_compute(), *_IMPORTED_LATE):
        importlib.import_module(module)


def warm_up() -> None:
    """Let another process import what workers will need, while this one reads its input."""
    if context().get_start_method() == "forkserver":
        from multiprocessing import forkserver

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
