"""The folder of archives of real data that the shell names, for those tests that want one.

A command takes the folder from the same variable. So a test that names no archives would read other
data where the shell names some: nothing but `real_archives` sees the folder.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

import pytest

_SAID = "ROBUST_AUGCL_ARCHIVES"
_KEPT = "ROBUST_AUGCL_ARCHIVES_OF_TESTS"
"""Processes that take tests begin after the first one has put the folder away here."""


def put_away(environment: MutableMapping[str, str]) -> None:
    """Take the folder from where commands look for it."""
    said = environment.pop(_SAID, None)
    if said:
        environment[_KEPT] = said


def real_archives() -> Path | None:
    """The folder, where the shell names one."""
    named = os.environ.get(_KEPT) or os.environ.get(_SAID)  # the latter before it is put away
    return Path(named) if named else None


def archives_or_skip() -> Path:
    """The folder; the test is skipped where there is none."""
    found = real_archives()
    if found is None:
        pytest.skip(f"{_SAID} names no folder of archives")
    return found


needs_archives = pytest.mark.skipif(
    real_archives() is None, reason=f"{_SAID} names no folder of archives"
)
"""For tests that are skipped where there is none."""
