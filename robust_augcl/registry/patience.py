"""How long other people's code may take to be imported, where it is only looked at."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import NoReturn

SECONDS = 60.0
"""How long one import may take while all plug-ins are listed."""
_AGAIN = 1.0  # seconds until code is interrupted again that went on


class ImportTookTooLong(BaseException):
    """An import is not over. No `Exception`: code that goes on after each of these shall end."""


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Interrupt what is done here after `SECONDS`.

    Only the main thread of a process can be interrupted: elsewhere it takes what it takes.

    Raises:
        ImportTookTooLong: in the code that is done here.

    >>> with patience():
    ...     print("over in time")
    over in time
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(number: int, frame: object) -> NoReturn:
    raise ImportTookTooLong(f"it was not over after {SECONDS:g} seconds")
