"""How much margins may differ, and what decides where it is close."""

from __future__ import annotations

import pytest
import torch
from hand_made import make_record
from torch import Tensor

from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier_base import Capabilities, Classifier
from robust_augcl.results.records import Outcome
from robust_augcl.review.audit.pairs import broken_though_proved, tie_of
from robust_augcl.review.judge import MOST, TIE, Judge

NAN, INF = float("nan"), float("inf")


class Says(Classifier):
    """Says given logits, the graph's feature being the row, in each precision."""

    def __init__(self, single: Tensor, double: Tensor | None) -> None:
        super().__init__()
        self.single, self.precise, self.num_classes = single, double, single.size(1)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities()

    def forward(self, graphs: PackedGraphs) -> Tensor:
        row = graphs.x[graphs.ptr[:-1], 0].long()
        if graphs.x.dtype == torch.float32:
            return self.single[row]
        if self.precise is None:
            raise RuntimeError("expected Float, got Double")
        return self.precise[row]

    def with_edges(self, graphs, edge_index, edge_weight):
        raise NotImplementedError


def targets(count: int) -> PackedGraphs:
    """Graphs of one node each, all of class 0."""
    nothing = torch.zeros(2, 0, dtype=torch.long)
    x = torch.arange(count, dtype=torch.float).unsqueeze(1)
    return PackedGraphs(x, nothing, torch.arange(count + 1), torch.zeros(count, dtype=torch.long))


def judge_of(rows: list[list[float]], double: list[list[float]] | None = None) -> Judge:
    single = torch.tensor(rows)
    precise = single.double() if double is None else torch.tensor(double, dtype=torch.double)
    return Judge(Victim(Says(single, precise)), targets(len(rows)))


def test_a_number_added_to_all_logits_changes_no_tolerance():
    rows = [[2.0, 0.0, 1.0], [0.0, 3.0, 1.0], [1.0, 0.0, 0.5]]
    added = [[value + 4096 for value in row] for row in rows]
    assert torch.equal(judge_of(rows).clean.tie, judge_of(added).clean.tie)
    assert torch.allclose(judge_of(rows).clean.tie, TIE * torch.tensor([2.0, 3.0, 1.0]).double())


def test_a_class_far_from_the_others_sets_no_tolerance():
    tie = judge_of([[2.0, 0.0, -1e6], [0.0, 1.0, -1e6], [1.0, 0.0, -1e6]]).clean.tie
    assert torch.allclose(tie, torch.full((3,), MOST, dtype=torch.double))


def test_double_precision_decides_what_is_close():
    rows = [[0.00005, 0.0, -1.0], [2.0, 0.0, -1.0], [2.0, 0.0, -1.0]]
    double = [[0.00005, 0.00006, -1.0], *rows[1:]]
    judge = judge_of(rows, double)
    for answer in (judge.clean, judge.predict(targets(3), torch.arange(3))):
        assert answer.predicted.tolist() == [1, 0, 0]
        assert answer.wrong.tolist() == [True, False, False]
        assert float(answer.margin[0]) == pytest.approx(-0.00001, abs=1e-9)
        # No other machine can find another class: all of them see that it is close.
        assert answer.broken.tolist() == [True, False, False]
        assert answer.beyond_rounding(torch.tensor([True, False, False]))[0]


def test_rounding_decides_where_it_is_more_than_what_is_close():
    rows = [[0.003, 0.0, -1.0], [2.0, 0.0, -1.0], [2.0, 0.0, -1.0]]
    judge = judge_of(rows, [[0.003, 0.004, -1.0], *rows[1:]])
    assert judge.rounding.tolist() == pytest.approx([0.016] * 3, rel=0.01)
    assert judge.clean.predicted.tolist() == [0, 0, 0]  # it is not close to whoever asks
    assert judge.clean.undecided.tolist() == [True, False, False]
    assert not judge.clean.right[0]


@pytest.mark.parametrize(("count", "forgiven"), [(1, True), (2, False)])
def test_rounding_excuses_one_verdict_in_a_hundred(count, forgiven):
    rows = [[1e-3 * (k + 10) / 50, 0.0, -1.0] if k < 50 else [2.0, 0.0, -1.0] for k in range(150)]
    double = [[a + 3e-4 * (k == 149), b, c] for k, (a, b, c) in enumerate(rows)]
    answer = judge_of(rows, double).clean
    assert answer.undecided[:10].all()
    differs = torch.zeros(150, dtype=torch.bool)
    differs[1 : 1 + count] = True
    assert answer.beyond_rounding(differs).any() != forgiven
    differs[149] = True
    assert answer.beyond_rounding(differs)[149]


def test_nothing_is_proved_of_a_victim_that_rounding_decides():
    rows = [[1.0, 0.0, 0.0], [0.5, 0.0, 0.0]]
    assert judge_of(rows).problems == []
    (problem,) = judge_of(rows, [[1.1, 0.0, 0.0], [0.5, 0.0, 0.0]]).problems
    assert "rounding decides" in problem
    for value in (NAN, INF, -INF):
        (problem,) = judge_of([[1.0, value, 0.0], [0.5, 0.0, 0.0]]).problems
        assert "no finite numbers" in problem


def with_stars(number: int, leaves: int) -> PackedGraphs:
    """200 graphs of class 0: `number` stars among single nodes."""
    sizes = torch.ones(200, dtype=torch.long)
    sizes[:number] += leaves
    ptr = torch.cat([torch.zeros(1, dtype=torch.long), sizes.cumsum(0)])
    hubs = ptr[:number].repeat_interleave(leaves)
    ends = (ptr[:number, None] + torch.arange(1, leaves + 1)).flatten()
    edges = torch.cat([torch.stack([hubs, ends]), torch.stack([ends, hubs])], 1)
    graph = torch.repeat_interleave(sizes).float()
    y = torch.zeros(200, dtype=torch.long)
    return PackedGraphs(graph.unsqueeze(1), edges, ptr, y)


def judge_of_stars(margin: float, error: float, number: int = 10) -> Judge:
    """Of stars that have these margins and errors, among small graphs without any error."""
    rows = torch.tensor([[1.0, 0.0]]).repeat(200, 1)
    rows[:number, 0] = margin
    double = rows.double()
    double[:number, 0] += error
    return Judge(Victim(Says(rows, double)), with_stars(number, 300))


def test_the_rounding_of_a_hub_is_its_own():
    judge = judge_of_stars(100.0, 0.03)
    assert judge.problems == []
    assert judge.rounding[:10].tolist() == pytest.approx([0.12] * 10, rel=0.01)
    assert not judge.rounding[10:].any()
    assert judge.clean.far_from(torch.ones(200)).nonzero().flatten().tolist() == list(range(10))
    assert judge.clean.far_from(torch.tensor([100.1] * 10 + [1.0001] * 190)).sum() == 0
    assert judge.clean.far_from(torch.tensor([100.1] * 10 + [1.01] * 190)).sum() == 190


@pytest.mark.parametrize(("number", "refused"), [(2, False), (3, True)])
def test_rounding_may_decide_one_clean_target_in_a_hundred(number, refused):
    judge = judge_of_stars(0.05, 0.03, number)
    assert bool(judge.problems) == refused
    assert judge.clean.undecided.sum() == number


def test_the_rounding_of_an_edited_target_is_measured_where_it_is_near():
    """The clean targets 0 and 1 are not rounded; what they become, 2 and 3, is."""
    rows = torch.tensor([[2.0, 0.0], [2.0, 0.0], [1e-3, 0.0], [0.5, 0.0]])
    double = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 0.1], [0.5, 0.0]]).double()
    judge = Judge(Victim(Says(rows, double)), targets(2))
    assert not judge.clean.undecided.any()
    edited = targets(4).select(torch.tensor([2, 3]))
    answer = judge.predict(edited, torch.tensor([0, 1]))
    assert answer.undecided.tolist() == [True, False]


def test_no_stored_margin_is_near_what_is_no_number():
    answer = judge_of([[2.0, 0.0, 1.0], [2.0, 0.0, 1.0]]).clean
    assert answer.far_from(torch.tensor([1.0, 1.0])).tolist() == [False, False]
    assert answer.far_from(torch.tensor([NAN, INF])).tolist() == [True, True]
    assert judge_of([[NAN, 0.0, 1.0]]).clean.far_from(torch.tensor([1.0])).all()


def test_an_encoder_that_insists_on_single_precision_is_judged_in_it():
    single = torch.tensor([[2.0, 0.0, 1.0], [0.000005, 0.0, -1.0], [2.0, 0.0, 1.0]])
    judge = Judge(Victim(Says(single, None)), targets(3))
    assert not judge.in_double
    assert judge.problems == []
    answer = judge.predict(targets(3), torch.arange(3))
    assert answer.predicted.tolist() == [0, 0, 0]
    assert answer.undecided.tolist() == [False, True, False]


# --- the audit's own comparisons ------------------------------------------------------------------


def outcome(graph: int, attacked: int, margin: float, exact: bool = False) -> Outcome:
    return Outcome(graph, 0, 0, attacked, 2.0, margin, [], [], exact=exact)


@pytest.mark.parametrize("margin", [-1.0, -0.01, NAN])
def test_a_break_of_what_is_proved_is_seen_also_where_a_margin_is_no_number(margin):
    exact = make_record([outcome(0, 0, 1.0, exact=True), outcome(1, 0, 1.0, exact=True)])
    other = make_record([outcome(0, 1, margin), outcome(1, 0, 1.0)])
    assert broken_though_proved(other, exact) == [(0, None)]


def test_one_large_margin_sets_no_tolerance_of_the_audit():
    assert tie_of([2.0, -2.0, 1e12]) < 1e-3
    assert tie_of([]) == 0
