"""A second process that does half of the work, beside this one.

It is a copy of this one, so it has read all that this one has read. What it finds comes back while
it goes on. Where it ends too early, whoever shared the work does the rest alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, Pipe
from types import TracebackType
from typing import Generic, NoReturn, TypeVar

import torch

from robust_augcl.review.apart import end_with, flush

Item = TypeVar("Item")
Found = TypeVar("Found")

_ROOM = 2**20  # bytes that may wait to be read, so that the other process need not wait


def can_share() -> bool:
    """Whether this process can be copied: on Linux, and not beside a GPU."""
    return sys.platform == "linux" and not torch.cuda.is_available()


class Beside(Generic[Found]):
    """What a copy of this process finds, one thing after another.

    Used as a context, it ends that process at its end.

    Args:
        work: gives what is found; called in the other process. What it raises ends that process.

    Example:
        >>> with Beside(lambda: [6 * 7]) as other:
        ...     found = [*other.arrived(wait=True), *other.arrived(wait=True)]
        >>> found, other.ended
        ([42], True)
    """

    def __init__(self, work: Callable[[], Iterable[Found]]) -> None:
        self.ended = False
        self._reading, writing = Pipe(duplex=False)
        with contextlib.suppress(OSError, AttributeError):  # a smaller one does, but slower
            fcntl.fcntl(writing.fileno(), fcntl.F_SETPIPE_SZ, _ROOM)
        parent = os.getpid()
        flush()
        with warnings.catch_warnings():
            # Python warns where a process with threads is forked. The child uses none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._child = os.fork()
        if self._child == 0:
            _send(work, writing, parent)
        writing.close()

    def __enter__(self) -> Beside[Found]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reading.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._child, 0)

    def arrived(self, wait: bool = False) -> Iterator[Found]:
        """What has come and was not taken yet; with `wait`, one thing more or the end."""
        while not self.ended and self._reading.poll(None if wait else 0):
            wait = False
            try:
                found: Found = self._reading.recv()
            except (EOFError, OSError):
                self.ended = True
                return
            yield found


def shared(
    items: Sequence[Item], work: Callable[[Item], Found], theirs: Callable[[Item], bool]
) -> Iterator[Found]:
    """What `work` finds of each item, in order; of some of them in another process.

    Args:
        items: what is worked on.
        work: finds something that can be pickled; it raises nothing.
        theirs: whether another process takes an item, if it lives long enough.

    Example:
        >>> list(shared([1, 2, 3], lambda number: -number, lambda number: number == 2))
        [-1, -2, -3]
    """
    places = [place for place, item in enumerate(items) if theirs(item)]
    mine = deque(place for place in range(len(items)) if place not in set(places))
    found: dict[int, Found] = {}
    with Beside(lambda: ((place, work(items[place])) for place in places)) as other:
        for place in range(len(items)):
            while place not in found:
                found.update(other.arrived(wait=not mine))
                if mine and place not in found:
                    own = mine.popleft()
                    found[own] = work(items[own])
                elif other.ended and place not in found:
                    found[place] = work(items[place])
            yield found.pop(place)


def _send(work: Callable[[], Iterable[object]], writing: Connection, parent: int) -> NoReturn:
    """Send what `work` gives in the forked process, and end that process."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers Ctrl-C, and ends this one
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        threading.Thread(target=end_with, args=(parent,), daemon=True).start()
        for found in work():
            writing.send(found)
    finally:
        os._exit(0)
