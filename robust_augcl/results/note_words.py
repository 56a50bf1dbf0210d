"""What a note of a training says, in the present words, whichever version of this project wrote it.

Results keep notes as sentences. A sentence may be reworded where what it says stays the same. So
whoever compares notes, or shows them, asks here first: `in_present_words` knows the earlier words.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_SHARE = r"((?:under |over )?\d+ %)"
_OF_ANCHORS = re.compile(rf"\bfor {_SHARE} of the anchors\b")
_EARLIER = tuple(
    (re.compile(then), now)
    for then, now in (
        (
            rf"the (uncertainty|weights) collapsed to 0 for {_SHARE} of the anchors, whose "
            r"negatives were weighted 1",
            r"for \2 of the anchors the \1 collapsed to 0. Their negatives were given the weight 1",
        ),
        (
            rf"alpha = 1/mean - delta is not positive for {_SHARE} of the anchors, whose negatives "
            r"were weighted 1",
            r"for \1 of the anchors alpha = 1/mean - delta is not positive. Their negatives were "
            r"given the weight 1",
        ),
        (
            rf"equal weights: the (?:uncertainty|weights) did not tell the negatives of {_SHARE} "
            r"of the anchors apart \(within (\d+)% of their mean\): there the loss is the plain "
            r"one but for a factor of the negatives",
            r"equal weights: for \1 of the anchors all negatives were given almost the same weight "
            r"(within \2 % of their mean). There weighting changes almost nothing",
        ),
        (
            rf"unstable weights: for {_SHARE} of the anchors fewer than (\d+)% of the negatives "
            r"carry the loss \(effective number\)",
            r"uneven weights: for \1 of the anchors fewer than \2 % of the negatives carry almost "
            r"all of the weight (effective number)",
        ),
        (
            rf"too uniform embeddings: the similarities of {_SHARE} of the anchors differ by less "
            r"than ([\d.]+) \(standard deviation\), too little to cluster",
            r"too uniform embeddings: for \1 of the anchors all negatives are almost equally "
            r"similar (standard deviation below \2). That is too little to find clusters in them",
        ),
    )
)
"""Patterns of what earlier versions wrote, whole, and the same in the present words."""


class Note(NamedTuple):
    """A note of one training, taken apart so that those of several seeds can be told together.

    Args:
        before, after: what stands before and behind the share of the anchors; all of a note that
            tells no share stands in `before`.
        share: of the anchors, in words as "26 %" or "under 1 %"; empty where it tells none.
    """

    before: str
    share: str
    after: str


def in_present_words(note: str) -> str:
    """A note as the present version would write it.

    Example:
        >>> in_present_words("unstable weights: for 5 % of the anchors fewer than 10% of the "
        ...     "negatives carry the loss (effective number)")[:63]
        'uneven weights: for 5 % of the anchors fewer than 10 % of the n'
        >>> in_present_words("anything else")
        'anything else'
    """
    for then, now in _EARLIER:
        if found := then.fullmatch(note):
            return found.expand(now)
    return note


def notes_in_present_words(notes: Any) -> Any:
    """All notes of a stored result; what is no list of sentences is left as it is.

    Example:
        >>> notes_in_present_words(["anything"]), notes_in_present_words(None)
        (['anything'], None)
    """
    if not isinstance(notes, list | tuple):
        return notes
    return [in_present_words(note) if isinstance(note, str) else note for note in notes]


def taken_apart(note: str) -> Note:
    """A note around its share of the anchors.

    Example:
        >>> taken_apart("uneven: for under 1 % of the anchors few count")
        Note(before='uneven: ', share='under 1 %', after=' few count')
        >>> taken_apart("the model is underfit").share
        ''
    """
    found = _OF_ANCHORS.search(note)
    if found is None:
        return Note(note, "", "")
    return Note(note[: found.start()], found[1], note[found.end() :])
