"""Every field of what results rest on is forged, one at a time, with checksums that match.

See `noticing.check_that_all_is_noticed`.
"""

from __future__ import annotations

import pytest
from noticing import check_that_all_is_noticed

FORGERIES = {
    "dataset": 200,
    "warm_up": 300,
    "pretraining": 600,
    "victim": 300,
    "attacker": 250,
}
"""Kind of file -> how many forgeries there are at least."""


@pytest.mark.parametrize(("kind", "least"), FORGERIES.items())
def test_whatever_is_forged_is_noticed_or_listed_or_shows_nowhere(
    one_victim, thorough, kind, least
):
    check_that_all_is_noticed(one_victim, kind, least, every=thorough)
