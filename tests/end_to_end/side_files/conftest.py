"""What lies beside the results, the audit, the transfers, the report, is believed only as far as
it is of these results: edited files are told by `show`, proved wrong by `replay`, and made again.

The tests of this folder spoil copies of one small run.
"""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny(pair_suite: Path) -> Path:
    return pair_suite


@pytest.fixture(scope="session")
def finished(pair: Path) -> Path:
    return pair
