from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from model import EdgeCounter, graphs_to_attack

import robust_augcl as ra

ONE_EDGE = ra.ThreatModel(budget=1)


def test_nine_of_ten_withstand_any_added_edge(robustness):
    """Proved: every edge is tried. A tenth lies one edge below the threshold."""
    robustness(EdgeCounter(), graphs_to_attack(), ONE_EDGE).at_least(0.90)


def test_attacks_with_two_edges_leave_eight_of_ten(robustness):
    """This proves nothing: it only says what these attacks do."""
    two = ra.ThreatModel(budget=2)
    held = robustness(EdgeCounter(), graphs_to_attack(), two)
    held.not_broken_below(0.80, attacks=["rand_sampling", "beam"])


def test_it_is_no_worse_than_what_is_on_main(robustness):
    robustness(EdgeCounter(), graphs_to_attack(), ONE_EDGE).no_worse_than("baseline.json")
