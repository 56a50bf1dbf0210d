"""Reports of poisoning: the setting is named wherever a number under attack stands."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hand_made import ref_of
from report_inputs import report_of

from robust_augcl.reports._appendix import appendix
from robust_augcl.reports._budget_figure import budget_figure
from robust_augcl.reports._threats import Threats
from robust_augcl.reports._view import view_of
from robust_augcl.reports._words import edits_text, threat_text, within_text
from robust_augcl.reports.column import column_figure
from robust_augcl.reports.figure import accuracy_figure, by_class_figure
from robust_augcl.reports.latex import latex_tables
from robust_augcl.reports.tables import render_rows
from robust_augcl.reports.terminal import means_text
from robust_augcl.results.outcome import SharedEdits
from robust_augcl.results.transfers import why_none

BUDGETS = (0.01, 0.05)
MEANS = "Poisoning: the model is trained again on the edited graph. So two models stand behind each"


def of_nodes(record, budget, setting):
    """The record as one of nodes that share their edits."""
    threat = {"type": "ThreatModel", "budget": budget, "operations": ["add"], "shared": True}
    outcomes = [replace(o, node=o.graph, graph=0, added=[], exact=False) for o in record.outcomes]
    made = {
        "cell": replace(record.cell, budget=budget),
        "outcomes": outcomes,
        "threat": threat,
        "shared_edits": SharedEdits([[0, 1]], []),
        "label_rule": "none",
        "key": f"{record.key}-{budget}-{record.cell.attack}-{record.cell.method}",
    }
    if setting == "poisoning":
        threat["setting"] = setting
        refs = {role: ref_of(role, made["key"]) for role in ("edited", "retrained")}
        made = {**made, **refs}
    return replace(record, **made)


@pytest.fixture
def records_of(campaign):
    def make(setting):
        clean = campaign(layers=(2,), attacks=("rand_sampling", "grad_argmax"), n=30)
        return [of_nodes(record, budget, setting) for record in clean for budget in BUDGETS]

    return make


@pytest.fixture
def poisoned(records_of):
    return report_of(records_of("poisoning"))


def words_in(figure):
    texts = [*figure.texts]
    for axes in figure.axes:
        texts += [axes.title, axes._left_title, axes.yaxis.label]
    return " ".join(" ".join(text.get_text() for text in texts).split())


def test_figures_name_poisoning_and_its_two_models(poisoned):
    view = view_of(poisoned)
    for figure in (budget_figure(view), accuracy_figure(poisoned), by_class_figure(poisoned)):
        assert "poisoning" in words_in(figure)
        assert MEANS in words_in(figure)
    # A paper has captions of its own, so these stand without any.
    assert "Stay right, poisoned (%)" in words_in(budget_figure(view, 3.3, bare=True))
    assert "poisoning" in words_in(column_figure(poisoned))


def test_figures_of_fixed_models_do_not(records_of):
    report = report_of(records_of("evasion"))
    for figure in (budget_figure(view_of(report)), column_figure(report)):
        assert "oison" not in words_in(figure)


def test_captions_of_tables_name_it(poisoned):
    view = view_of(poisoned)
    text = appendix(view, [])
    head, *parts = text.split("### Accuracy under attack")
    assert MEANS in head
    assert [MEANS in part.split("|")[0] for part in parts] == [True]
    assert MEANS in latex_tables(view, "stamp")
    assert " ".join(means_text(poisoned).split()).count(MEANS) == 1


def test_the_appendix_says_why_no_worst_case_is_known(poisoned, records_of):
    why = "Under poisoning no worst case is known: each edit trains another model"
    assert why in appendix(view_of(poisoned), [])
    assert why not in appendix(view_of(report_of(records_of("evasion"))), [])


def test_sentences_on_a_threat_are_plain(poisoned, records_of):
    edits = "up to 1 % of a graph's edges added, the same for all targets"
    for setting, means in (
        ("poisoning", MEANS),
        ("evasion", "Evasion: the model is fixed."),
    ):
        some = [r for r in records_of(setting) if r.cell.budget == BUDGETS[0]]
        told = Threats(some, BUDGETS[0])
        assert told.text == f"{edits}, assumed to keep the class"
        assert told.sentences.startswith(f"{told.text}. {means}")
        assert told.sentences.endswith(".")
    assert "poisoning: the model" not in appendix(view_of(poisoned), [])


def test_a_share_of_a_targets_edges_is_not_one_of_a_graphs():
    threat = {"budget": 0.5, "operations": ["delete"], "share_of": "degree", "at": "target"}
    told = "up to 50 % of the edges at a target node deleted, each at the target node"
    assert threat_text(threat) == told
    assert edits_text(0.5, "degree") == "edits of up to 50 % of the edges at a target node"
    assert within_text(0.5, "degree") == "a budget of 50 % of the edges at a target node"


def test_where_edits_lie_is_said_in_words():
    assert threat_text({"budget": 1, "operations": ["add"], "at": "neighbours"}) == (
        "at most 1 edge added, each at a neighbour of the target node and not at the node itself"
    )
    assert threat_text({"budget": 3, "at": "anywhere"}).endswith("edited, anywhere in the graph")
    assert threat_text({"budget": 3, "at": "elsewhere"}).endswith("edited, at elsewhere")


def test_every_table_knows_what_its_share_is_of(records_of):
    records = [
        replace(record, threat={**record.threat, "share_of": "degree"})
        for record in records_of("evasion")
    ]
    text = appendix(view_of(report_of(records)), []) + means_text(report_of(records))
    assert "of a graph's edges" not in " ".join(text.split())
    assert "of the edges at a target node" in " ".join(text.split())


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_the_setting_stands_above_rows_where_it_tells_something(form, campaign, records_of):
    """Nobody poisons graphs, so their tables do not name it; files of data always do."""
    graphs = campaign(layers=(2,), n=6)
    assert "setting" not in render_rows(graphs, form)
    for setting in ("evasion", "poisoning"):
        assert f"setting {setting}" in render_rows(records_of(setting), form)
    assert '"setting": "evasion"' in render_rows(graphs, "json")
    assert "setting" in render_rows(graphs, "csv").splitlines()[0]


def test_why_nothing_is_transferred(records_of):
    assert "Edits of poisoning are not transferred" in why_none(records_of("poisoning"))
    assert "no two victims" in why_none(records_of("evasion"))
