"""How long other people's code may take to be imported."""

from __future__ import annotations

import contextlib
import contextvars
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

TO_LOOK = 60.0
"""Seconds that one import may take where plug-ins are listed."""
TO_USE = 600.0
"""Seconds that one import may take where it is used: nobody may sit there to end it."""
_AGAIN = 1.0  # seconds until code is interrupted again that went on

_is_interrupted = False  # whether what the main thread does now will be


class ImportTookTooLong(BaseException):
    """An import is not over. No `Exception`: code that goes on after each of these shall end."""


def patiently(work: Callable[[], T], seconds: float) -> T:
    """What `work` returns, or raises, if it does so in so many seconds.

    In the main thread it is interrupted then, so it leaves nothing behind. Another thread cannot be
    interrupted: there `work` is done in one of its own, which goes on if it must.

    Raises:
        ImportTookTooLong: it is not over.

    >>> patiently(lambda: "over in time", seconds=60)
    'over in time'
    """
    if threading.current_thread() is not threading.main_thread():
        return _beside(work, seconds)
    with _interrupting(seconds):
        return work()


def _beside(work: Callable[[], T], seconds: float) -> T:
    answers: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def answer() -> None:
        try:
            answers.put((work(), None))
        except BaseException as error:  # it is raised where it was asked for
            answers.put((None, error))

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(answer,), daemon=True).start()
    try:
        found, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise _too_long(seconds) from None
    if error is not None:
        raise error
    made: Any = found
    return made


@contextlib.contextmanager
def _interrupting(seconds: float) -> Iterator[None]:
    """Interrupt what the main thread does here, unless something else interrupts it before."""
    global _is_interrupted
    start, (left, every) = time.monotonic(), signal.getitimer(signal.ITIMER_REAL)
    if _is_interrupted or 0 < left < seconds:
        yield
        return

    def ring(number: int, frame: object) -> NoReturn:
        raise _too_long(seconds)

    before = signal.signal(signal.SIGALRM, ring)
    _is_interrupted = True
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _is_interrupted = False
        signal.signal(signal.SIGALRM, before)
        if left:  # whose alarm it is, expects it
            signal.setitimer(
                signal.ITIMER_REAL, max(left - (time.monotonic() - start), 1e-6), every
            )


def _too_long(seconds: float) -> ImportTookTooLong:
    return ImportTookTooLong(f"it was not over after {seconds:g} seconds")
