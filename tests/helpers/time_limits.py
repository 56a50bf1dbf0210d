"""How long a test waits, and how much work it allows: the same on slow machines and busy ones."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

HANGS = 600.0
"""Seconds after which what a test waits for hangs: no machine is so slow, and none so busy."""


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail where what is done inside takes this process more seconds, however it ends.

    They are the processor's: what others take of a busy machine does not count.

    Args:
        seconds: many times of what it takes.
    """
    start = time.process_time()
    try:
        yield
    finally:
        taken = time.process_time() - start
        assert taken < seconds, f"it took {taken:.1f} seconds of the processor, not {seconds}"
