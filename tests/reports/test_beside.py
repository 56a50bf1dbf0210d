"""What stands in a report beside the records: budgets and brackets, representations, the mechanism,
curves of learning.
"""

from __future__ import annotations

import dataclasses
import random

import pytest
from published_runs import run_of
from report_inputs import report_of

from robust_augcl.reports._budget_figure import budget_figure
from robust_augcl.reports._budgets import bracket_table
from robust_augcl.reports._families import families
from robust_augcl.reports._mechanism import mechanism_figure
from robust_augcl.reports._published_embeddings import embeddings
from robust_augcl.reports._sections import sections
from robust_augcl.reports._view import view_of
from robust_augcl.reports.markdown import appendix, is_current, render
from robust_augcl.results.brackets import Bracket, bracket_group
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Cell
from robust_augcl.results.statistics import Estimate, estimate

HISTOGRAM = {"count": 4, "histogram": [0, 1, 3, 0]}


def campaign_over_budgets(campaign, budgets=(1, 2)):
    records = campaign(layers=[2], seeds=[0, 1], attacks=["rand_sampling", "exhaustive"])
    found = []
    for budget in budgets:
        for record in records:
            if record.cell.attack == "exhaustive" and budget > 1:
                continue
            cell = dataclasses.replace(record.cell, budget=budget)
            found.append(
                dataclasses.replace(
                    record,
                    cell=cell,
                    threat={**record.threat, "budget": budget},
                    key=f"{record.key}-{budget}",
                )
            )
    return found


def measurements(records) -> list[Measurement]:
    found = []
    exact = {
        (r.cell.method, r.cell.seed): r.outcomes for r in records if r.cell.attack == "exhaustive"
    }
    for record in records:
        c = record.cell
        if c.attack != "rand_sampling":
            continue
        about = Cell(
            c.suite, c.dataset, c.method, c.encoder, c.layers, c.seed, "", c.protocol, c.budget
        )
        values = {
            "graphs": [o.graph for o in record.outcomes],
            "certified": [o.robust and o.graph % 2 == 0 for o in exact[c.method, c.seed]],
            "witnesses": [None] * record.num_graphs,
            "victim": record.victim.digest,
        }
        found.append(Measurement("certificate", about, values, 1.0))
        if c.budget > 1:
            continue
        scored = dataclasses.replace(about, protocol="unsupervised", budget=0)
        found.append(
            Measurement(
                "representation",
                scored,
                {"accuracy": [0.5 + 0.1 * c.seed, 0.7], "c": [1.0, 1.0]},
                2.0,
            )
        )
        if c.method != "none":
            diagnosis = {
                "false_negatives": {
                    "share_of_pairs": 0.33,
                    "share_of_weight": 0.27,
                    "share_of_push": None,
                },
                "similarity": {"range": [-1.0, 1.0], "true": HISTOGRAM, "false": HISTOGRAM},
                "uncertainty": {"range": [0.0, 0.5], "true": HISTOGRAM, "false": HISTOGRAM}
                if c.method == "augcl"
                else None,
            }
            pretrained = dataclasses.replace(about, protocol="", budget=0)
            found.append(Measurement("pretraining", pretrained, {"diagnosis": diagnosis}, 3.0))
        curve = [[100, 1.0, 0.8], [200, 0.5, 0.6]]
        found.append(
            Measurement("attacker", dataclasses.replace(c, attack="rl_s2v"), {"curve": curve}, 3.0)
        )
    return found


def test_the_report_shows_budgets_brackets_scores_and_shares(campaign, tmp_path):
    records = campaign_over_budgets(campaign)
    beside = measurements(records)
    names = {path.name for path in render(report_of(records, None, None, beside), tmp_path)}
    assert {"budgets.png", "mechanism.svg", "learning.png", "accuracy.png"} <= names
    assert is_current(report_of(records, None, None, beside), tmp_path)
    assert not is_current(report_of(records, None, None, beside[1:]), tmp_path)
    text = appendix(report_of(records, None, None, beside))
    assert "### Proved and broken" in text
    assert "Warning" not in text.split("### Proved and broken")[1].split("###")[0]
    row = next(
        line
        for line in text.split("### Method by method")[1].splitlines()
        if line.startswith("| AUGCL")
    )
    cells = [part.strip() for part in row.strip("|").split("|")]
    assert cells[-3:] == ["33.0", "27.0", "-"]
    assert any(
        part.startswith("62.5 (") for part in cells
    )  # the mean of 60 and 65 % over two seeds


def test_of_several_budgets_the_smallest_is_told_in_full(campaign):
    text = appendix(report_of(campaign_over_budgets(campaign)))
    first, second = text.split("budget 2\n", 1)
    assert "### Class by class" in first
    assert "### Class by class" not in second
    assert text.count("### How far each attack is from the worst case") == 2


def test_a_proof_that_an_attack_contradicts_is_warned_of(campaign):
    records = campaign_over_budgets(campaign)
    wrong = [
        dataclasses.replace(m, values={**m.values, "certified": [True] * len(m.values["graphs"])})
        if m.kind == "certificate"
        else m
        for m in measurements(records)
    ]
    assert "graphs are proved and yet broken" in appendix(report_of(records, None, None, wrong))


def test_what_the_exact_search_broke_is_not_said_to_stand(campaign):
    records = campaign_over_budgets(campaign)
    settled = []
    for m in measurements(records):
        if m.kind == "certificate":
            exact = next(
                r
                for r in records
                if (r.cell.attack, r.cell.method, r.cell.seed)
                == ("exhaustive", m.cell.method, m.cell.seed)
            )
            robust = [o.robust for o in exact.outcomes]
            witnesses = [None if stands else [[[0, 1]], []] for stands in robust]
            m = dataclasses.replace(
                m, values={**m.values, "certified": robust, "witnesses": witnesses}
            )
        settled.append(m)

    def rows(beside):
        text = (
            appendix(report_of(records, None, None, beside))
            .split("### Proved and broken")[1]
            .split("###")[0]
        )
        counted = "graphs that neither an attack nor the search for proofs has broken"
        assert f"The upper bound counts {counted}." in text
        return [line for line in text.splitlines() if line.startswith(("| 1 |", "| 2 |"))]

    assert all(" to " not in row and "settled" not in row for row in rows(settled))
    assert all(row.count(" to ") == row.count("settled") > 0 for row in rows(measurements(records)))


def test_one_budget_and_no_measurements_need_no_more_figures(campaign, tmp_path):
    records = campaign(layers=[2])
    assert {path.stem for path in render(report_of(records), tmp_path)} == {
        "report",
        "report-appendix",
        "report-stamp",
        "means",
        "differences",
        "aggregated",
        "accuracy",
        "by_class",
    }
    assert "### Proved and broken" not in appendix(report_of(records))


def test_the_mechanism_of_no_model_is_refused():
    with pytest.raises(ValueError, match="at least one diagnosed model"):
        mechanism_figure([])


@pytest.mark.parametrize("methods", [("graphcl",), ("augcl",), ("graphcl", "augcl")])
def test_all_numbers_of_the_mechanism_lie_in_the_figure(campaign, overlaps, methods):
    found = [m for m in measurements(campaign_over_budgets(campaign)) if m.kind == "pretraining"]
    models = [(name, [m for m in found if m.cell.method == name][:2]) for name in methods]
    for width in (None, 3.35):
        assert overlaps(mechanism_figure(models, width, bare=width is not None)) == []


def test_notes_of_encoders_without_labels_are_warnings(campaign):
    records = campaign_over_budgets(campaign)
    about = dataclasses.replace(
        records[0].cell, method="augcl", attack="", protocol="unsupervised", budget=0
    )
    text = appendix(
        report_of(
            records,
            None,
            None,
            [Measurement("pretraining", about, {"notes": ["the uncertainty collapsed"]}, 1.0)],
        )
    )
    warnings = text.split("## Noted while computing")[1]
    assert "AUGCL, without labels, seed 0: the uncertainty collapsed." in warnings


def test_one_number_is_shown_only_where_every_graph_is_settled(campaign):
    # One of 90 graphs, as good as proved; with the rounding of a larger set both ends would read
    # the same.
    records = campaign_over_budgets(campaign)
    found = families(sections(report_of(records)))[0]
    key = bracket_group(next(iter(found[0].groups)), 1)
    one = Estimate(0.5, 0.4, 0.6, 2, 180)
    nearly = "| 50.0 to 50.0 (bounds; 100.0 % of graphs settled) |"
    for settled, cell in ((1.0, "| 50.0 |"), (0.9999, nearly)):
        known = {key: Bracket(one, one, settled, 0)}
        (row,) = [
            line for line in bracket_table(found, known).splitlines() if line.startswith("| 1 |")
        ]
        assert cell in row
    contradicted = {key: Bracket(Estimate(0.6, 0.5, 0.7, 2, 180), one, 1.0, 18)}
    assert "60.0 to 50.0" in bracket_table(found, contradicted)


def test_panels_of_budgets_wrap_and_hold_their_titles_and_names(campaign, overlaps):
    methods = [
        "none",
        "graphcl",
        "augcl",
        "dcl",
        "a method with a very long name that somebody chose for it, with its settings",
    ]
    records = []
    for budget in (1, 2):
        for record in campaign(methods=methods, layers=[2], n=30, attacks=["_hidden", "rl_s2v"]):
            cell = dataclasses.replace(record.cell, budget=budget)
            records.append(
                dataclasses.replace(record, cell=cell, threat={**record.threat, "budget": budget})
            )
    figure = budget_figure(view_of(report_of(records)))
    assert overlaps(figure) == []
    assert {text.get_text() for legend in figure.legends for text in legend.get_texts()} == {
        "_hidden",
        "RL-S2V",
    }
    assert len([axes for axes in figure.axes if axes.get_title(loc="left")]) == 5
    assert len({round(axes.get_position().y0, 3) for axes in figure.axes}) == 2
    drawn = figure.axes[0].lines
    clean = estimate(
        [
            r
            for r in records
            if r.cell.method == "none" and r.cell.attack == "rl_s2v" and r.cell.budget == 1
        ],
        "clean",
    )
    assert all(line.get_ydata()[0] == pytest.approx(100 * clean.mean) for line in drawn)


def words_in(figure) -> str:
    return " ".join(" ".join(text.get_text().split()) for text in figure.texts)


def test_the_figure_of_budgets_explains_what_it_draws_alone(campaign) -> None:
    run = run_of(random.Random(5), range(3))
    all_drawn = words_in(budget_figure(view_of(run)))
    assert "Stars: the exact worst case" in all_drawn
    assert "Grey: where the worst case is not known exactly" in all_drawn
    no_band = words_in(budget_figure(view_of(dataclasses.replace(run, measurements=()))))
    assert "Stars: the exact worst case" in no_band
    assert "Grey" not in no_band
    weak = [record for record in run.records if record.cell.attack != "exhaustive"]
    neither = words_in(
        budget_figure(view_of(dataclasses.replace(run, records=weak, measurements=())))
    )
    assert "Marks: the share of test graphs" in neither
    assert "Stars" not in neither


@pytest.mark.parametrize("seeds", [1, 2])
def test_captions_speak_of_means_over_seeds_where_there_are_several(campaign, seeds) -> None:
    run = run_of(random.Random(5), range(seeds))
    budgets = words_in(budget_figure(view_of(run)))
    assert ("means over the seeds; upright lines" in budgets) == (seeds > 1)
    assert ("after the edits, of one trained model each; upright" in budgets) == (seeds == 1)

    diagnosed = measurements(campaign_over_budgets(campaign))
    own = [m for m in diagnosed if m.kind == "pretraining" and m.cell.method == "augcl"]
    drawn = words_in(mechanism_figure([("AUGCL", own[:seeds])]))
    assert ("Bars are means, dots the seeds" in drawn) == (seeds > 1)
    assert ("pretraining of one seed" in drawn) == (seeds > 1)
    assert "Bars: how much of three things" in drawn

    tables = appendix(run)
    assert "SVM: mean accuracy in percent over 10 seeded folds" in tables
    assert ("over the seeds, where there are several" in tables) == (seeds > 1)
    published = " ".join(embeddings(view_of(run)))
    assert "in percent over 10 seeded folds" in published
    assert ("and over the seeds" in published) == (seeds > 1)

    records = campaign(layers=[2], seeds=range(seeds))
    learned = appendix(report_of(records))
    assert ("one number, of seed 0." in learned) == (seeds == 1)
    assert ("one number for each seed, in the order 0, 1." in learned) == (seeds > 1)
