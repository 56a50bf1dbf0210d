"""Results that the tests of decisions start from."""

from __future__ import annotations

import pytest
from gate_decisions import made_base

from robust_augcl.results.baseline import Baseline


@pytest.fixture(scope="session")
def base() -> Baseline:
    return made_base()
