"""What trainings noted, in a report: the seeds of a note in one line, and what follows from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from report_inputs import report_of

from robust_augcl.reports._training_notes import WHAT_FOLLOWS, training_notes
from robust_augcl.reports._view import view_of
from robust_augcl.reports.html import html_page
from robust_augcl.reports.markdown import appendix, page
from robust_augcl.results.records import Record

Campaign = Callable[..., list[Record]]
NOTE = (
    "uneven weights: for {} of the anchors fewer than 10 % of the negatives carry almost all of "
    "the weight (effective number)"
)
EARLIER = (
    "unstable weights: for {} of the anchors fewer than 10% of the negatives carry the loss "
    "(effective number)"
)


def noted(campaign: Campaign, shares: dict[int, str], **more: object) -> list[Record]:
    """Records of three methods of which AUGCL noted these shares, by seed."""
    return [
        dataclasses.replace(record, notes=[shares[record.cell.seed]])
        if record.cell.method == "augcl" and record.cell.seed in shares
        else record
        for record in campaign(**{"layers": [2], "seeds": range(5), "n": 30, **more})
    ]


def told(records: list[Record]) -> list[tuple[str, str]]:
    return [tuple(each) for each in training_notes(report_of(records))]


def test_the_seeds_of_a_note_are_one_line(campaign: Campaign) -> None:
    records = noted(campaign, {0: NOTE.format("5 %"), 2: NOTE.format("26 %")})
    assert told(records) == [("AUGCL, seeds 0, 2", NOTE.format("5 % and 26 %"))]
    line = f"- Note: AUGCL, seeds 0, 2. U{NOTE.format('5 % and 26 %')[1:]}."
    assert line in page(report_of(records)).splitlines()


def test_equal_shares_are_told_once_and_many_as_a_range(campaign: Campaign) -> None:
    same = {seed: NOTE.format("5 %") for seed in range(4)}
    assert told(noted(campaign, same)) == [("AUGCL, seeds 0 to 3", NOTE.format("5 %"))]
    shares = ["12 %", "under 1 %", "1 %", "9 %", "over 99 %"]
    many = {seed: NOTE.format(share) for seed, share in enumerate(shares)}
    assert told(noted(campaign, many)) == [
        ("AUGCL, seeds 0 to 4", NOTE.format("under 1 % to over 99 %"))
    ]


def test_notes_of_an_earlier_version_are_told_in_the_present_words(campaign: Campaign) -> None:
    records = noted(campaign, {0: EARLIER.format("5 %"), 2: NOTE.format("26 %")})
    assert told(records) == [("AUGCL, seeds 0, 2", NOTE.format("5 % and 26 %"))]


def test_what_tells_models_apart_is_named(campaign: Campaign) -> None:
    records = noted(campaign, {0: "a note without a share"}, layers=[2, 3])
    assert told(records) == [
        ("AUGCL, 2 layers, seed 0", "a note without a share"),
        ("AUGCL, 3 layers, seed 0", "a note without a share"),
    ]
    paper = noted(campaign, {}, protocol="paper")
    both = [*noted(campaign, {0: "a note"}), *paper]
    assert told(both) == [("AUGCL, strict protocol, seed 0", "a note")]


def test_what_follows_is_told_once_and_only_where_something_is_noted(campaign: Campaign) -> None:
    for records, times in ((noted(campaign, {0: "a", 1: "b"}), 1), (noted(campaign, {}), 0)):
        report = report_of(records)
        assert page(report).count(WHAT_FOLLOWS) == times
        assert appendix(report).count(WHAT_FOLLOWS) == times
        assert html_page(view_of(report), [], "stamp").count(WHAT_FOLLOWS) == times
