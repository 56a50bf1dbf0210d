"""Notes that earlier versions worded otherwise say what the present ones say, and nothing more."""

from __future__ import annotations

import dataclasses

import pytest
from hand_made import make_record

from robust_augcl.contrast.weighting import WeightStatistics
from robust_augcl.results.note_words import in_present_words, taken_apart
from robust_augcl.review.differences import artifacts_differ, records_differ
from robust_augcl.review.input_proofs import others
from robust_augcl.store.artifact import Artifact

EARLIER = {
    "collapsed": "the uncertainty collapsed to 0 for {} of the anchors, whose negatives were "
    "weighted 1",
    "refused": "alpha = 1/mean - delta is not positive for {} of the anchors, whose negatives were "
    "weighted 1",
    "flat": "equal weights: the uncertainty did not tell the negatives of {} of the anchors apart "
    "(within 1% of their mean): there the loss is the plain one but for a factor of the negatives",
    "few": "unstable weights: for {} of the anchors fewer than 10% of the negatives carry the loss "
    "(effective number)",
    "uniform": "too uniform embeddings: the similarities of {} of the anchors differ by less than "
    "0.01 (standard deviation), too little to cluster",
}
"""What version 0.1.0 wrote, by what was counted."""


def present(name: str, count: int, rows: int = 1000) -> str:
    """The note that the present code writes of so many anchors."""
    statistics = WeightStatistics("uncertainty")
    statistics.rows = rows
    setattr(statistics, name, count)
    (note,) = statistics.notes
    return note


@pytest.mark.parametrize("name", EARLIER)
@pytest.mark.parametrize(("count", "share"), [(260, "26 %"), (999, "over 99 %"), (1000, "100 %")])
def test_each_earlier_note_is_the_present_one(name, count, share):
    assert in_present_words(EARLIER[name].format(share)) == present(name, count)


def test_the_least_shares_too():
    now = present("collapsed", 5)
    assert "under 1 %" in now
    assert in_present_words(EARLIER["collapsed"].format("under 1 %")) == now
    assert in_present_words(now) == now


@pytest.mark.parametrize("name", EARLIER)
def test_what_is_not_such_a_note_whole_stays_as_it_is(name):
    note = EARLIER[name].format("26 %")
    for other in (f"{note}!", f"not {note}", note.replace("of the anchors", "of most anchors")):
        assert in_present_words(other) == other


@pytest.mark.parametrize("name", EARLIER)
def test_replay_compares_what_notes_say_and_not_their_words(name):
    then, now = EARLIER[name].format("26 %"), present(name, 260)
    other = EARLIER[name].format("25 %")
    stored, made = (Artifact({}, {"notes": [note], "losses": [0.5]}) for note in (then, now))
    assert artifacts_differ(stored, made) == []
    forged = Artifact({}, {"notes": [other], "losses": [0.5]})
    assert artifacts_differ(forged, made) == ["computed again it has other notes"]
    record = dataclasses.replace(make_record(), notes=[now])
    assert records_differ(dataclasses.replace(record, notes=[then]), record) == []
    assert records_differ(dataclasses.replace(record, notes=[other]), record)
    assert records_differ(dataclasses.replace(record, notes=[]), record)
    assert others({"notes": [then]}, {"notes": [now]}) == []
    assert others({"notes": [other]}, {"notes": [now]})
    assert others({"notes": None}, {"notes": []})


@pytest.mark.parametrize("name", EARLIER)
def test_a_note_is_whole_again_when_put_together(name):
    note = present(name, 260)
    before, share, after = taken_apart(note)
    assert share == "26 %"
    assert f"{before}for {share} of the anchors{after}" == note
