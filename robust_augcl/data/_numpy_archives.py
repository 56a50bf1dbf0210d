"""NumPy's archives (`.npz`) from anywhere: what they may hold, and what reading them may raise."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

MOST_BYTES = 2**33
"""Of all arrays of an archive, unpacked: 8 GiB."""

UNREADABLE = (
    OSError,
    EOFError,
    MemoryError,  # a header may promise more numbers than there are
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    KeyError,
    TypeError,
)
"""What reading a file raises that is no such archive, or not the one that is meant."""


def check_size(path: Path | str) -> None:
    """Raise `ValueError` for an archive whose arrays take more than `MOST_BYTES`.

    Nothing of them is unpacked.
    """
    with zipfile.ZipFile(path) as archive:
        held = sum(entry.file_size for entry in archive.infolist())
    if held > MOST_BYTES:
        raise ValueError(f"its arrays take {held:,} bytes, {MOST_BYTES:,} at the most")
