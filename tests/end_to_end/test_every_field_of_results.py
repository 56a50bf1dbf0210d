"""Every field of what is shown is forged, one at a time, with checksums that match.

See `noticing.check_that_all_is_noticed`.
"""

from __future__ import annotations

import pytest
from noticing import check_that_all_is_noticed

FORGERIES = {
    "attack": 1000,
    "certificate": 300,
    "representation": 150,
    "run.json": 500,
    "audit.json": 80,
    "transfer.json": 30,
    "report-stamp.json": 50,
}
"""Kind of file -> how many forgeries there are at least."""


@pytest.mark.parametrize(("kind", "least"), FORGERIES.items())
def test_whatever_is_forged_is_noticed_or_listed_or_shows_nowhere(
    one_victim, thorough, kind, least
):
    check_that_all_is_noticed(one_victim, kind, least, every=thorough)
