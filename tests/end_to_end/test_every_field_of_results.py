"""Every field of what is shown is forged, one at a time, with checksums that match.

Whatever is forged is refused, or noticed by replay, or in the stated list of what is taken on
trust, or it changes nothing that anybody is shown.
"""

from __future__ import annotations

import pytest
from noticing import forge_each

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
def test_whatever_is_forged_is_noticed_or_listed_or_shows_nowhere(one_victim, kind, least):
    there_are, tried, silent = forge_each(one_victim, kind)
    assert not silent, "\n".join(silent)
    assert len(there_are) >= least
    assert len(tried) > len(there_are) / 4
    for each in ("field", "how"):
        assert {getattr(one, each) for one in tried} == {getattr(one, each) for one in there_are}
