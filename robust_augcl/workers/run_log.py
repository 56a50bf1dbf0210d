"""The log of a run: what it does, with the time, beside its results."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TextIO

from robust_augcl.plan.step import Step
from robust_augcl.workers.watcher import Watcher, name_of


class RunLog(Watcher):
    """Writes what a run does to a file, with the time, and passes it on.

    A log that cannot be written costs a note, not the run. Use it as a context manager: at its end
    the file is closed.

    Args:
        path: the file; lines are added at its end.
        inner: is told the same.
    """

    def __init__(self, path: Path, inner: Watcher) -> None:
        self._path, self._inner = path, inner
        self._file: TextIO | None = None
        try:
            self._file = _open(path)
        except OSError as error:
            inner.note(f"No log is kept: {path}: {error.strerror or error}")

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.write(f"stopped by {kind.__name__}: {error}")
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def write(self, text: str) -> None:
        """Add one line."""
        if self._file is None:
            return
        try:
            self._file.write(
                f"{datetime.now().astimezone().isoformat(timespec='seconds')} {text}\n"
            )
            self._file.flush()
        except OSError as error:
            self._file = None
            self._inner.note(f"The log ends here: {self._path}: {error.strerror}")

    def planned(self, total: int, missing: Sequence[Step], workers: int) -> None:
        self.write(f"{len(missing)} of {total} steps to compute, {workers} workers")
        self._inner.planned(total, missing, workers)

    def progress(self, step: Step, fraction: float, text: str) -> None:
        self._inner.progress(step, fraction, text)

    def finished(self, step: Step, seconds: float) -> None:
        self.write(f"done {name_of(step)} [{step.key}] {seconds:.2f} s")
        self._inner.finished(step, seconds)

    def shared(self, step: Step) -> None:
        self.write(f"another run has done {name_of(step)} [{step.key}]")
        self._inner.shared(step)

    def failed(self, step: Step, message: str, trace: str) -> None:
        self.write(f"failed {name_of(step)} [{step.key}] {message}\n{trace}")
        self._inner.failed(step, message, trace)

    def note(self, message: str) -> None:
        self.write(message)
        self._inner.note(message)


# Where a system has no such flags, a link is followed and a pipe waits as they always did.
_ITSELF = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)


def _open(path: Path) -> TextIO:
    """Open a regular file, to add to its end.

    Raises:
        OSError: it cannot be opened, or is a link of either kind, a pipe or a device.
    """
    if path.is_symlink():
        raise OSError("it is a link, no regular file")
    handle = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY | _ITSELF | _AT_ONCE, 0o666)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("it is no regular file")
        if os.fstat(handle).st_nlink > 1:
            raise OSError("it has a second name, so another file would be written to")
        return os.fdopen(handle, "a", encoding="utf-8")
    except BaseException:
        os.close(handle)
        raise
