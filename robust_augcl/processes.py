"""How worker processes start. Light to import, so that they can start to import while the main process still does."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.context import BaseContext

from robust_augcl.resources import environment_of_workers


def context() -> BaseContext:
    """New processes: forked from a server that has everything imported, where there is such a thing."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["robust_augcl.steps"])
    return made


def warm_up() -> None:
    """Start to import, in another process, what workers will need, while this one reads its input."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        from multiprocessing import forkserver

        context()
        # It is the main process's to answer Ctrl-C: a server that is interrupted while it imports would print where.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with environment_of_workers():
                forkserver.ensure_running()
        finally:
            signal.signal(signal.SIGINT, before)
