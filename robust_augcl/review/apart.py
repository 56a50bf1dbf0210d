"""Other people's code in a process of its own: however that ends, it ends nothing else."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import NoReturn, TypeVar

import torch

from robust_augcl import foreign
from robust_augcl.adversary.global_state import NUMERIC, put_back
from robust_augcl.errors import RobustAugclError
from robust_augcl.steps.this_process import end_of

T = TypeVar("T")

_OWN = "robust_augcl"
_LOOK_SECONDS = 0.2


class ProcessEnded(RobustAugclError):
    """Code ended the process that it ran in."""


def apart(work: Callable[[], T], *made: object) -> T:
    """What `work` returns. What other people's code in it does to its process stays there.

    Where such code is loaded, `work` runs in a forked process, and its answer comes back pickled.
    Where a process cannot be forked (not on Linux, or beside a GPU), `work` runs here, and the
    global state is put back. Our own code runs here as it is: a fork is not free.

    Args:
        work: what is called. In another process, whatever it raises ends that process.
        made: instances that it uses; one of a class that is not ours is other people's code.

    Raises:
        ProcessEnded: the process ended without an answer.

    Example:
        >>> apart(lambda: 6 * 7)
        42
    """
    theirs = any(type(each).__module__.partition(".")[0] != _OWN for each in made)
    if not theirs and not foreign.loaded_foreign():
        return work()
    if sys.platform == "linux" and not torch.cuda.is_available():
        return _forked(work)
    # Another thread than the main one cannot set what signals do.
    here = threading.current_thread() is threading.main_thread()
    with put_back() if here else put_back(NUMERIC):
        return work()


def _forked(work: Callable[[], T]) -> T:
    reading, writing = os.pipe()
    parent = os.getpid()
    flush()
    with warnings.catch_warnings():
        # Python warns where a process with threads is forked. The child uses none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _answer(work, writing, parent)
    os.close(writing)
    try:
        content, code = _heard(reading, child)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    finally:
        os.close(reading)
    if code != 0 or not content.endswith(pickle.STOP):
        raise ProcessEnded(f"it ended its process ({end_of(code)})")
    # It comes from a copy of this process, never from a file. Other people's code in that copy may
    # write what it likes; but it runs with the user's consent, and could do as much without this.
    answer: T = pickle.loads(content)
    return answer


def flush() -> None:
    """Write what waits to be written, or a forked process might write it once more."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _answer(work: Callable[[], object], writing: int, parent: int) -> NoReturn:
    """Run `work` in the forked process, send what it returns, and end that process."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers Ctrl-C, and ends this one
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        threading.Thread(target=end_with, args=(parent,), daemon=True).start()
        left = pickle.dumps(work())
        while left:
            left = left[os.write(writing, left) :]
        os._exit(0)
    finally:
        os._exit(1)


def end_with(parent: int) -> None:
    """End this process when its parent is gone."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def _heard(reading: int, child: int) -> tuple[bytes, int]:
    """What the child wrote, and its exit code.

    A process that the child started may hold the pipe open: the child's own end is the end.
    """
    content, ended = b"", None
    while True:
        ready, _, _ = select.select([reading], [], [], 0 if ended is not None else _LOOK_SECONDS)
        if ready:
            chunk = os.read(reading, 1 << 16)
            content += chunk
            if chunk:
                continue
        if ended is not None:
            return content, ended
        # Where the pipe was closed, nothing more is to come but the end.
        pid, status = os.waitpid(child, 0 if ready else os.WNOHANG)
        if pid:
            ended = os.waitstatus_to_exitcode(status)
