"""How large the files of a run's folder may be that are read; a larger one is refused unread."""

from __future__ import annotations

_MIB = 1 << 20

RECORD = 256 * _MIB
"""The most bytes of a record."""
MANIFEST = 64 * _MIB
AUDIT = 64 * _MIB
TRANSFER = 256 * _MIB
FAILURE = 4 * _MIB
ARTIFACT = 64 * 1024 * _MIB
ARTIFACT_HEADER = 100_000_000
"""Of an artifact's header, which holds names and shapes of tensors, `info` and `about`."""
