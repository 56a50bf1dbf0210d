"""The settings of a process that are not of numbers: environment, folders, signals, limits.

Each is a name, a function that reads it, and one that writes what was read.
"""

from __future__ import annotations

import gc
import locale
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any


def _environment() -> dict[str, str]:
    return dict(os.environ)


def _set_environment(before: dict[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update({k: v for k, v in before.items() if os.environ.get(k) != v})


def _umask() -> int:
    """Which permissions new files do not get; the system tells it only to who sets another one."""
    before = os.umask(0o077)
    os.umask(before)
    return before


_SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


def _signals() -> tuple[Any, ...]:
    """What each signal does, which are blocked, and whether an alarm is set."""
    handlers = tuple(signal.getsignal(number) for number in _SIGNALS)
    blocked = frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    return handlers, blocked, signal.getitimer(signal.ITIMER_REAL)[0] > 0


def _set_signals(before: tuple[Any, ...]) -> None:
    handlers, blocked, _ = before
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in zip(_SIGNALS, handlers, strict=True):
        # One that C code has set cannot be set from here.
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _import_path() -> tuple[list[Any], ...]:
    return list(sys.path), list(sys.meta_path), list(sys.path_hooks)


def _set_import_path(before: tuple[list[Any], ...]) -> None:
    sys.path[:], sys.meta_path[:], sys.path_hooks[:] = before


def _filters() -> list[Any]:
    return list(warnings.filters)


def _set_filters(before: list[Any]) -> None:
    with warnings.catch_warnings():  # which tells Python that the filters are others
        pass
    warnings.filters[:] = before  # type: ignore[index]


def _streams() -> tuple[Any, ...]:
    return sys.stdin, sys.stdout, sys.stderr


def _set_streams(before: tuple[Any, ...]) -> None:
    sys.stdin, sys.stdout, sys.stderr = before


def _tracing() -> tuple[Any, ...]:
    return sys.gettrace(), sys.getprofile()


def _set_tracing(before: tuple[Any, ...]) -> None:
    sys.settrace(before[0])
    sys.setprofile(before[1])


def _collecting() -> tuple[bool, tuple[int, int, int]]:
    return gc.isenabled(), gc.get_threshold()


def _set_collecting(before: tuple[bool, tuple[int, int, int]]) -> None:
    (gc.enable if before[0] else gc.disable)()
    gc.set_threshold(*before[1])


_LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_CPU)


def _limits() -> tuple[tuple[int, int], ...]:
    return tuple(resource.getrlimit(limit) for limit in _LIMITS)


def _set_limits(before: tuple[tuple[int, int], ...]) -> None:
    for limit, values in zip(_LIMITS, before, strict=True):
        resource.setrlimit(limit, values)


def _locale() -> str:
    return locale.setlocale(locale.LC_ALL)


SETTINGS: tuple[tuple[str, Callable[[], Any], Callable[[Any], object]], ...] = (
    ("environment variables", _environment, _set_environment),
    ("the current folder", os.getcwd, os.chdir),
    ("the umask", _umask, os.umask),
    ("signals", _signals, _set_signals),
    ("the import path", _import_path, _set_import_path),
    ("filters of warnings", _filters, _set_filters),
    ("the standard streams", _streams, _set_streams),
    ("tracing", _tracing, _set_tracing),
    ("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    ("garbage collection", _collecting, _set_collecting),
    ("limits of the process", _limits, _set_limits),
    ("the locale", _locale, lambda before: locale.setlocale(locale.LC_ALL, before)),
)
