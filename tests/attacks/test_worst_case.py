"""The worst of several attacks: graph by graph, never above the clean graph, judged anew, at the
sum of the costs.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hand_made import make_record
from hypothesis import given
from hypothesis import strategies as st
from small_suites import COMBINING

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks.worst_case import WorstCase
from robust_augcl.errors import InputError, ThreatViolation
from robust_augcl.plan.attack_steps import FOUND_WITH
from robust_augcl.plan.planner import plan
from robust_augcl.plan.suite import load_suite
from robust_augcl.results.records import ArtifactRef, Outcome, Record
from robust_augcl.steps.attacking import what_they_found
from robust_augcl.steps.compute import compute
from robust_augcl.steps.context import Context
from robust_augcl.store.run_folder import load_record
from robust_augcl.store.store import Store
from robust_augcl.threat.model import ThreatModel


def record(
    attack: str,
    margins: list[tuple[float, float]],
    edits: list[tuple[list[list[int]], list[list[int]]]],
    **changes,
) -> Record:
    broken = changes.pop("broken", [False] * len(margins))
    outcomes = [
        Outcome(i, 0, 0, int(broken[i]), clean, after, *edits[i])
        for i, (clean, after) in enumerate(margins)
    ]
    costs = {"fit_seconds": 2.0, "attack_seconds": 3.0, "queries": 10, "gradient_calls": 1}
    return make_record(
        outcomes, **{"attack": attack, "attack_settings": {"type": attack}, **costs, **changes}
    )


pairs = st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), max_size=3)
margin = st.integers(-3, 3).map(float)


@given(st.data(), st.integers(1, 4), st.integers(1, 5))
def test_it_equals_a_loop_over_graphs_and_attacks(data, num_attacks, num_graphs):
    clean = data.draw(st.lists(margin, min_size=num_graphs, max_size=num_graphs))
    records = []
    for number in range(num_attacks):
        margins = [(value, data.draw(margin)) for value in clean]
        edits = [(data.draw(pairs), data.draw(pairs)) for _ in clean]
        records.append(
            record(str(number), margins, edits, broken=[data.draw(st.booleans()) for _ in clean])
        )
    fitted = what_they_found(records)
    graphs = _graphs(num_graphs)
    answers = WorstCase().combine(fitted.state, None, ThreatModel())(graphs)
    for graph, answer in enumerate(answers):
        best, added, removed = (True, clean[graph], 0), [], []
        for each in records:
            outcome = each.outcomes[graph]
            found = (
                not outcome.broken,
                outcome.attacked_margin,
                len(outcome.added) + len(outcome.removed),
            )
            if found < best:
                best, added, removed = found, outcome.added, outcome.removed
        assert answer.added.T.tolist() == added
        assert answer.removed.T.tolist() == removed
    assert (fitted.queries, fitted.gradient_calls, fitted.seconds) == (
        10 * num_attacks,
        num_attacks,
        2.0 * num_attacks,
    )


def _graphs(count: int):
    from robust_augcl.graphs.packed import PackedGraphs

    ptr = torch.arange(count + 1)
    return PackedGraphs(
        torch.ones(count, 1),
        torch.zeros(2, 0, dtype=torch.long),
        ptr,
        torch.zeros(count, dtype=torch.long),
    )


def test_records_of_different_victims_threats_or_graphs_do_not_combine():
    one = record("a", [(1.0, 0.5)], [([[0, 1]], [])])
    other = [
        dataclasses.replace(one, victim=ArtifactRef("victim", "3")),
        dataclasses.replace(one, threat={"budget": 1, "operations": ["delete"]}),
        dataclasses.replace(one, threat={"budget": 1.0}),  # all edges, and not one edit
        dataclasses.replace(one, outcomes=[dataclasses.replace(one.outcomes[0], graph=7)]),
    ]
    for different in other:
        with pytest.raises(ValueError, match="Expected records of one victim"):
            what_they_found([one, different])
    with pytest.raises(ValueError, match="got none"):
        what_they_found([])


def test_the_guard_judges_what_the_records_say(reference_model, reference_graphs):
    """A record that lies about its margin gets its edits in, and nothing else."""
    victim, threat = Victim(reference_model), ThreatModel(within_component=True)
    candidates = threat.enumerate(reference_graphs)
    edits = [([candidates.pairs[:, first].tolist()], []) for first in candidates.ptr[:-1].tolist()]
    lying = record("a", [(5.0, -100.0)] * reference_graphs.num_graphs, edits)
    fit = FitGraphs(reference_graphs, reference_graphs)
    result = run_attack(
        WorstCase(),
        victim,
        reference_graphs,
        threat,
        fit=fit,
        generator=torch.Generator(),
        fitted=what_they_found([lying]),
    )
    assert all(p.num_edits == 1 for p in result.perturbations)
    assert float(result.attacked_margin.min()) > -100
    assert (result.queries, victim.restricted(Access.NONE).access) == (10, Access.NONE)


def test_alone_it_says_what_it_needs(reference_model, reference_graphs):
    fit = FitGraphs(reference_graphs, reference_graphs)
    with pytest.raises(TypeError, match="Expected what other attacks found"):
        run_attack(
            WorstCase(),
            Victim(reference_model),
            reference_graphs,
            ThreatModel(),
            fit=fit,
            generator=torch.Generator(),
        )


def _suite(tmp_path, of: str):
    path = tmp_path / "s.toml"
    path.write_text(COMBINING.format(of=of))
    return load_suite(str(path))


@pytest.mark.parametrize(
    ("of", "wanted"),
    [("", ["rand_sampling", "ga"]), ('of = ["exhaustive", "ga"]', ["exhaustive", "ga"])],
)
def test_in_a_suite_it_rests_on_the_records_of_the_attacks_that_it_names(tmp_path, of, wanted):
    steps = plan(_suite(tmp_path, of)).attacks
    assert [step.cell.attack for step in steps] == [
        "worst_case",
        "rand_sampling",
        "ga",
        "exhaustive",
    ]
    by_label = {step.cell.attack: step for step in steps}
    found = {
        role: step
        for role, step in by_label["worst_case"].inputs.items()
        if role.startswith(FOUND_WITH)
    }
    assert found == {f"{FOUND_WITH}1 by {label}": by_label[label] for label in wanted}
    assert by_label["worst_case"].settings["attack"].of == tuple(wanted)


@pytest.mark.parametrize("budgets", [[1, 2, 3], [0.05, 0.1, 0.2]])
def test_it_rests_on_smaller_budgets_too(tmp_path, budgets):
    text = COMBINING.format(of="").replace(
        "within_component", f"budget = {budgets}\nwithin_component"
    )
    text = text.replace('label = "ga"', f'label = "ga"\nbudgets = {budgets[:2]}').replace(
        'name = "exhaustive"', 'name = "beam"'
    )
    path = tmp_path / "s.toml"
    path.write_text(text.replace('name = "beam"', f'name = "beam"\nbudgets = {budgets[1:2]}'))
    steps = {
        (step.cell.attack, step.cell.budget): step for step in plan(load_suite(str(path))).attacks
    }
    small, middle, large = budgets
    wanted = {
        small: [("rand_sampling", small), ("ga", small)],
        middle: [("rand_sampling", middle), ("ga", middle), ("beam", middle)],
        large: [("rand_sampling", large)],
    }
    wanted = {
        budget: [place for its, places in wanted.items() if its <= budget for place in places]
        for budget in budgets
    }
    for budget, expected in wanted.items():
        inputs = steps["worst_case", budget].inputs
        found = {role: step for role, step in inputs.items() if role.startswith(FOUND_WITH)}
        assert found == {
            f"{FOUND_WITH}{its} by {label}": steps[label, its] for label, its in expected
        }
        assert list(found.values()) == [
            steps[place] for place in expected
        ]  # of equals the fewer edits are taken


def test_computed_in_a_suite_no_graph_fares_better_than_with_fewer_edits(tmp_path):
    text = COMBINING.format(of='of = ["rand_sampling", "exhaustive"]').replace(
        "within_component", "budget = [1, 2]\nwithin_component"
    )
    text = text.replace('name = "exhaustive"', 'name = "exhaustive"\nbudgets = [1]')
    text = text.replace(
        'source = "components"', 'source = "components"\nnodes = [15, 20]\ngraphs_per_class = 60'
    )
    path, store = tmp_path / "s.toml", Store(tmp_path)
    path.write_text(
        text.replace("[threat]", "[training]\nepochs = 40\nlearning_rate = 0.01\n[threat]")
    )

    def computed(step):
        if not store.path(step).exists():
            for needed in step.inputs.values():
                computed(needed)
            compute(step, Context(store))
        return load_record(store, step.key) if step.kind == "attack" else None

    records = [computed(step) for step in plan(load_suite(str(path))).attacks]
    of = {(r.cell.attack, r.cell.budget): r for r in records}
    for budget in (1, 2):
        parts = [
            of[place]
            for place in (("rand_sampling", 1), ("exhaustive", 1), ("rand_sampling", 2))
            if place[1] <= budget
        ]
        union = of["worst_case", budget]
        for place, outcome in enumerate(union.outcomes):
            lowest = min(
                [outcome.clean_margin, *(part.outcomes[place].attacked_margin for part in parts)]
            )
            assert outcome.attacked_margin == pytest.approx(lowest, abs=1e-5)
        assert union.queries == sum(part.queries for part in parts)
        assert union.gradient_calls == sum(part.gradient_calls for part in parts)
    assert (
        of["worst_case", 2].queries == of["exhaustive", 1].queries > 0
    )  # which is there with its one edit alone


def test_what_fewer_edits_found_is_taken_where_it_is_better():
    fewer = record("a", [(1.0, -1.0), (1.0, 0.5)], [([[0, 1]], []), ([[0, 1]], [])])
    more = record(
        "a",
        [(1.0, 0.5), (1.0, -1.0)],
        [([[0, 2], [0, 3]], []), ([[1, 2], [1, 3]], [])],
        threat={"budget": 2},
    )
    fitted = what_they_found([fewer, more])
    answers = WorstCase().combine(fitted.state, None, ThreatModel(2))(_graphs(2))
    assert [answer.added.T.tolist() for answer in answers] == [[[0, 1]], [[1, 2], [1, 3]]]
    assert fitted.queries == 20


def test_a_break_is_taken_though_its_rounded_margin_is_no_smaller():
    # As stored: right by 3e-7 when clean, wrong by 4e-7 after one attack's edit; both margins round
    # to 0.
    breaking = record("a", [(0.0, -0.0)], [([[0, 1]], [])], broken=[True])
    tie = record("b", [(0.0, -0.0)], [([[0, 2]], [])])
    for records in ([breaking], [breaking, tie], [tie, breaking]):
        (answer,) = WorstCase().combine(what_they_found(records).state, None, ThreatModel())(
            _graphs(1)
        )
        assert answer.added.T.tolist() == [[0, 1]]
    fewer = record("c", [(0.0, -0.0)], [([[3, 4]], [])], broken=[True])
    more = record("d", [(0.0, -0.0)], [([[0, 1], [0, 2]], [])], broken=[True])
    (answer,) = WorstCase().combine(what_they_found([more, fewer]).state, None, ThreatModel(2))(
        _graphs(1)
    )
    assert answer.added.T.tolist() == [[3, 4]]


def test_the_guard_refuses_what_only_a_larger_budget_allows(reference_model, reference_graphs):
    victim, threat = Victim(reference_model), ThreatModel(within_component=True)
    pairs = ThreatModel(within_component=True).candidates(reference_graphs[0])[:, :2].T.tolist()
    larger = record("a", [(5.0, -100.0)], [(pairs, [])], threat={"budget": 2})
    one = reference_graphs.select(torch.tensor([0]))
    with pytest.raises(ThreatViolation, match="2 edits, its budget is 1"):
        run_attack(
            WorstCase(),
            victim,
            one,
            threat,
            fit=FitGraphs(one, one),
            generator=torch.Generator(),
            fitted=what_they_found([larger]),
        )


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ('of = ["gb"]', "Unknown attack .* 'gb', did you mean 'ga'"),
        ('of = ["worst_case"]', "'worst_case'"),
        ('of = ["ga", "ga"]', "each once"),
    ],
)
def test_labels_that_name_nothing_are_refused(tmp_path, of, message):
    with pytest.raises(InputError, match=message):
        _suite(tmp_path, of)
