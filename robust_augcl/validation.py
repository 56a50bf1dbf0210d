"""Checks of what comes from outside, where it enters: settings, and files before they are read."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from robust_augcl.errors import shown

MOST_SEEDS = 1000
"""Seeds of a suite, at the most."""

# --- settings -------------------------------------------------------------------------------------


def require_positive(settings: object, *names: str) -> None:
    """Raise `ValueError` for the first of these attributes that is not a positive, finite
    number.
    """
    for name in names:
        check_positive(name, getattr(settings, name))


def require_not_negative(settings: object, *names: str) -> None:
    """Raise `ValueError` for the first of these attributes that is not a finite number of at least
    0.
    """
    for name in names:
        value = getattr(settings, name)
        if not 0 <= value < math.inf:
            raise ValueError(f"Expected `{name}` to be at least 0, got {value}")


def check_positive(name: str, value: float) -> None:
    """Raise `ValueError` unless this value is a positive, finite number."""
    if not 0 < value < math.inf:
        raise ValueError(f"Expected `{name}` to be positive, got {value}")


def require_one_of(settings: object, name: str, allowed: Sequence[str]) -> None:
    """Raise `ValueError` if this attribute is none of the words allowed."""
    value = getattr(settings, name)
    if value not in allowed:
        *most, last = (repr(word) for word in allowed)
        raise ValueError(f"Expected `{name}` to be {', '.join(most)} or {last}, got {shown(value)}")


# --- files ----------------------------------------------------------------------------------------

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def read_bytes(path: Path, most: int) -> bytes:
    """Return the content of a regular file.

    A FIFO or a device would never end, and a file of many GB would take all memory. So the kind and
    the size of a file are looked at before it is read.

    Args:
        path: the file; links are followed.
        most: how many bytes it may have.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger; `strerror` says so in words.

    Example:
        >>> read_bytes(Path(os.devnull), 1000)
        Traceback (most recent call last):
        OSError: [Errno 22] it is a device, no regular file
    """
    with _opened(path, most) as file:
        content = file.read(most + 1)
    if len(content) > most:  # it grows, or the system does not tell its size
        raise _too_large(most)
    return content


def read_start(path: Path, count: int, most: int) -> tuple[bytes, int]:
    """Return the first `count` bytes of a regular file, and its size; otherwise as `read_bytes`."""
    with _opened(path, most) as file:
        return file.read(count), os.fstat(file.fileno()).st_size


@contextlib.contextmanager
def _opened(path: Path, most: int) -> Iterator[BinaryIO]:
    try:
        _check(os.stat(path), most)  # before it is opened: some devices act on that
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except ValueError:  # NUL, or what is no text in the system's encoding
        raise OSError(errno.EINVAL, "no file can have this name") from None
    with os.fdopen(handle, "rb") as file:
        _check(os.fstat(handle), most)  # what was opened may be another file by now
        yield file


def read_text(path: Path, most: int) -> str:
    """Return the text of a regular file in UTF-8; otherwise as `read_bytes`.

    Raises:
        OSError: as `read_bytes`.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_bytes(path, most).decode()


def _check(state: os.stat_result, most: int) -> None:
    if not stat.S_ISREG(state.st_mode):
        kind = next((words for is_kind, words in _KINDS if is_kind(state.st_mode)), "something")
        raise OSError(errno.EINVAL, f"it is {kind}, no regular file")
    if state.st_size > most:
        raise _too_large(most)


def _too_large(most: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {most:,} bytes")
