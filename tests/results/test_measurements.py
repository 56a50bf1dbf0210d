"""What an artifact says of a certificate, read to the type."""

from __future__ import annotations

import copy
import math

import pytest
from hand_made import threat_of_budget

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results.measurements import stored_certificate, targets_of

INFO = {
    "graphs": [4, 7, 9],
    "certified": [True, False, False],
    "settled": [True, True, False],
    "lower_margin": [0.25, -1, None],
    "witnesses": [None, [[[2, 14], [0, 14]], [[0, 1]]], None],
    "threat": threat_of_budget(3),
    "dataset": "d",
    "victim": "v",
}


def test_what_a_run_writes_is_read_as_it_is():
    stored = stored_certificate(copy.deepcopy(INFO), "file")
    assert {name: getattr(stored, name) for name in INFO} == INFO


def test_targets_may_be_nodes():
    graphs = stored_certificate(copy.deepcopy(INFO), "file")
    assert targets_of(graphs) == [(4, None), (7, None), (9, None)]
    nodes = stored_certificate({**copy.deepcopy(INFO), "nodes": [0, 1, 5]}, "file")
    assert targets_of(nodes) == [(4, 0), (7, 1), (9, 5)]
    for spoilt in ([0, 1], [0, 1, None], [0, 1, -5], 3):
        with pytest.raises(ArtifactDamaged, match="file: expected a certificate's `nodes`"):
            stored_certificate({**copy.deepcopy(INFO), "nodes": spoilt}, "file")


@pytest.mark.parametrize("name", INFO)
def test_every_field_must_be_there_and_of_its_type(name):
    for spoil in (
        lambda info: info.pop(name),
        lambda info: info.update({name: 3}),
        lambda info: info.update({name: None}),
    ):
        info = copy.deepcopy(INFO)
        spoil(info)
        with pytest.raises(ArtifactDamaged, match=f"file: expected a certificate's `{name}`"):
            stored_certificate(info, "file")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("graphs", 4.0),
        ("graphs", True),
        ("graphs", -1),
        ("certified", 1),
        ("certified", 1.0),
        ("settled", 0),
        ("settled", None),
        ("lower_margin", math.nan),
        ("lower_margin", math.inf),
        ("lower_margin", True),
        ("lower_margin", "0.5"),
        ("witnesses", []),
        ("witnesses", "ab"),
        ("witnesses", [[[2, 14]]]),
        ("witnesses", [[], [], []]),
        ("witnesses", [[[2, 14, 0, 14]], []]),  # one edit, or two
        ("witnesses", [[[2, 14.0]], []]),
        ("witnesses", [[[2, True]], []]),
        ("witnesses", [[[2, 2**70]], []]),
        ("witnesses", [[2, 14], []]),
        ("witnesses", [[None], []]),
        ("witnesses", {"added": [], "removed": []}),
    ],
)
def test_nearly_right_values_are_refused(name, value):
    info = copy.deepcopy(INFO)
    info[name][1] = value
    with pytest.raises(ArtifactDamaged, match=f"file: expected a certificate's `{name}` to hold"):
        stored_certificate(info, "file")


@pytest.mark.parametrize(
    "spoil",
    [
        {"budget": True},
        {"budget": 1.5},
        {"budget": 0},
        {"operations": ["add", "add"]},
        {"operations": []},
        {"within_component": 1},
        {"kind": "more"},
    ],
)
def test_a_threat_is_read_to_the_type(spoil):
    info = copy.deepcopy(INFO)
    info["threat"].update(spoil)
    with pytest.raises(ArtifactDamaged, match="file: expected a certificate's `threat`"):
        stored_certificate(info, "file")


def test_a_field_that_no_run_writes_is_refused():
    with pytest.raises(ArtifactDamaged, match="got 'more'"):
        stored_certificate({**copy.deepcopy(INFO), "more": 1}, "file")


@pytest.mark.parametrize("name", ["graphs", "certified", "settled", "lower_margin", "witnesses"])
def test_the_same_number_of_values_is_wanted_of_each(name):
    info = copy.deepcopy(INFO)
    info[name].pop()
    with pytest.raises(ArtifactDamaged, match="to say something of each of its"):
        stored_certificate(info, "file")


@pytest.mark.parametrize("info", [None, [], "text", [INFO]])
def test_what_is_no_table_is_refused(info):
    with pytest.raises(ArtifactDamaged, match="info to be a table"):
        stored_certificate(info, "file")
