"""Files that are whole or absent, and locks that end with their process.

Whatever the system cannot do (locks, on some file systems) costs a guarantee, not the run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from robust_augcl.errors import InputError

WRITING = ".writing-"
"""How the names of files begin that are not whole yet."""

_WRITING_NAME = re.compile(re.escape(WRITING) + "[0-9a-z_]{8}")
# Where a system has no such flags, a link is followed as it always was.
_ITSELF = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # opening a pipe that nobody reads would wait for ever

_ABANDONED_SECONDS = 3600  # where there are no locks: nothing here takes as long to write


# --- writing --------------------------------------------------------------------------------------


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: to a temporary name, flushed to the disk, then renamed.

    The temporary file is locked until then: see `discard`. Who may read the file, the process's
    umask says.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _temporary(path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                if os.fstat(file.fileno()).st_size != len(content):
                    raise OSError(errno.EIO, "the file is shorter than what was written to it")
                os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def write_if_new(path: Path, content: bytes) -> None:
    """Write a file as `write_atomically` does, unless it holds that content already.

    Raises:
        InputError: as there.
    """
    with contextlib.suppress(OSError):
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return
    write_atomically(path, content)


def _temporary(folder: Path) -> tuple[int, str]:
    """A new file of this process alone, open and locked, and its name."""
    while True:
        name = str(folder / f"{WRITING}{secrets.token_hex(4)}")
        try:
            handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR | _ITSELF, 0o666)
        except FileExistsError:
            continue
        if _lock(handle) is not False and _is_of(name, handle):
            return handle, name
        os.close(handle)  # somebody looked whether it is abandoned before it was locked
        with contextlib.suppress(OSError):
            os.unlink(name)


def is_of_writing(name: str) -> bool:
    """Whether a name is one that a file has here while it is written.

    >>> is_of_writing(".writing-0123abcd"), is_of_writing(".writing-my-notes")
    (True, False)
    """
    return _WRITING_NAME.fullmatch(name) is not None


def set_aside(path: Path) -> Path:
    """Rename a damaged file, so that it is kept for a look and never read again.

    Returns:
        Its new name.

    Raises:
        InputError: it cannot be renamed.
    """
    aside = path.with_name(path.name + ".damaged")
    with naming(path):
        os.replace(path, aside)
    return aside


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn an operating system's error into an `InputError` that names the file."""
    try:
        yield
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror or error}") from error


def reason(error: InputError) -> str:
    """Why a file cannot be written, without its name, of an error of `naming`."""
    cause = error.__cause__
    return cause.strerror or str(cause) if isinstance(cause, OSError) else str(error)


# --- what lies in a folder ------------------------------------------------------------------------


def is_regular(path: Path) -> bool:
    """Whether a file itself lies there: no link to one, no folder, no device."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def unlink_inside(path: Path, root: Path) -> bool:
    """Remove a file of the folder `root`, or of a folder in it; nothing outside `root` is touched.

    Neither a link in place of that folder nor one in place of the file is followed.

    Returns:
        Whether it was there, as a file of its own.

    Raises:
        OSError: it cannot be removed.
    """
    within = path.parent.relative_to(root).parts
    opened = []
    try:
        opened.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY))
        for name in within:
            opened.append(os.open(name, os.O_RDONLY | os.O_DIRECTORY | _ITSELF, dir_fd=opened[-1]))
        found = os.stat(path.name, dir_fd=opened[-1], follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):
            return False
        os.unlink(path.name, dir_fd=opened[-1])
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link where the folder should be
            return False
        raise
    finally:
        for handle in opened:
            os.close(handle)
    return True


# --- what a killed process left -------------------------------------------------------------------


def abandoned(temporary: Path) -> bool:
    """Whether a file that is not whole (`WRITING`) was left by a process that is gone.

    This only looks, and changes nothing.
    """
    try:
        return _if_abandoned(temporary, lambda: None)
    except PermissionError:  # another user's, who alone can tell
        return False


def discard(temporary: Path) -> bool:
    """Remove a file that is not whole, if the process that wrote it is gone.

    Returns:
        Whether that was so.

    Raises:
        InputError: it cannot be removed.
    """
    try:
        # A writer that was kept from locking its new file by this look removes it too.
        return _if_abandoned(temporary, lambda: temporary.unlink(missing_ok=True))
    except PermissionError as error:
        raise InputError(f"Cannot remove {temporary}: {error.strerror or error}") from error


def _if_abandoned(temporary: Path, act: Callable[[], None]) -> bool:
    try:
        handle = os.open(temporary, os.O_RDWR | _ITSELF | _AT_ONCE)
    except FileNotFoundError:  # it is whole now, under its own name
        return False
    except PermissionError:
        raise
    except OSError as error:
        if not is_regular(temporary):  # a link, a folder, a device: no file of ours
            return False
        raise InputError(f"Cannot look at {temporary}: {error.strerror or error}") from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return False
        is_free = _lock(handle)
        if is_free is None:
            is_free = time.time() - os.fstat(handle).st_mtime > _ABANDONED_SECONDS
        is_free = is_free and _is_of(temporary, handle)
        if is_free:
            act()
        return is_free
    except PermissionError:
        raise
    except OSError as error:
        raise InputError(f"Cannot remove {temporary}: {error.strerror or error}") from error
    finally:
        os.close(handle)


# --- locks ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Try to be the only process that holds the lock file at `path`; yields whether it is.

    The operating system gives a lock back when its process ends, however it ends. Where there are
    no locks, every claim succeeds.
    """
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_RDWR | _ITSELF, 0o666)
    got = _lock(handle)
    if got is None:  # a system without locks
        os.close(handle)
        yield True
        return
    # Its last holder may have removed the file between the opening and the locking: then this lock
    # is of no use.
    is_mine = got and _is_of(path, handle)
    try:
        yield is_mine
    finally:
        if is_mine:
            with contextlib.suppress(OSError):
                os.unlink(path)
        os.close(handle)


def is_claimed(path: Path) -> bool:
    """Whether a process holds the lock file at `path`; this only looks, and changes nothing."""
    try:
        handle = os.open(path, os.O_RDWR | _ITSELF | _AT_ONCE)
    except OSError:
        return False
    try:
        return _lock(handle) is False
    finally:
        os.close(handle)


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Wait to be the only process inside this, for a folder; it is made if there is none."""
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # a system without such locks
        yield
        return
    try:
        with contextlib.suppress(OSError):  # a file system without them
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_of(name: str | Path, handle: int) -> bool:
    """Whether a name is still that of an open file."""
    try:
        return os.path.samestat(os.lstat(name), os.fstat(handle))
    except FileNotFoundError:
        return False


def _lock(handle: int) -> bool | None:
    """Lock an open file for as long as it is open.

    Returns:
        Whether that succeeded; None where there are no locks.
    """
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True
