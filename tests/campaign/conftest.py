"""What the tests of campaigns share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from shared import shared_folder
from tried_once import tried_once

from robust_augcl.models import given


@pytest.fixture(autouse=True, scope="module")
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The tests of this folder make many audits of a few runs."""
    with tried_once(shared_folder(tmp_path_factory)):
        yield


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    """No given model is known in this process, before a test and after it."""
    given.forget()
    yield
    given.forget()
