"""What the tests of campaigns share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tried_once import drawn_once, tried_once


@pytest.fixture(autouse=True, scope="module")
def _made_once() -> Iterator[None]:
    """The tests of this folder make many audits and reports of a few runs."""
    with drawn_once(), tried_once():
        yield
