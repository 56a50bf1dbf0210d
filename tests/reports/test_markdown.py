"""The tables of a report in Markdown have the right rows, columns and numbers."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable

import pytest
from markdown_tables import table, whole, with_robust
from report_inputs import data_of, report_of

from robust_augcl.reports._assumed import ASSUMED, OF_NODES
from robust_augcl.reports.markdown import appendix
from robust_augcl.results.records import ArtifactRef, Outcome, Record
from robust_augcl.results.report_input import ReportInput

Campaign = Callable[..., list[Record]]


def test_numbers_below_0_have_the_minus_sign_of_names(campaign: Campaign) -> None:
    records = campaign(layers=[2], seeds=[0, 1, 2])
    text = whole(report_of(records, measurements=data_of(records)))
    assert "AUGCL \N{MINUS SIGN} GraphCL" in text
    assert re.search("\N{MINUS SIGN}[0-9]+[.][0-9]", text)
    assert not re.search(r"(?<![\w.-])-[0-9]+[.][0-9]", text)


def test_paper_table_has_attacks_by_layers_and_methods(campaign: Campaign) -> None:
    records = campaign(
        attacks=["exhaustive", "zebra", "grad_argmax", "rl_s2v", "rand_sampling", "ant"]
    )
    header, *body = table(appendix(report_of(records)), "Accuracy under attack")
    assert header == ["Attack"] + [
        f"{layers} layers: {name}"
        for layers in (2, 3)
        for name in ("No pretraining", "GraphCL", "AUGCL")
    ]
    assert [row[0] for row in body] == [
        "Clean",
        "RandSampling",
        "GradArgmax",
        "RL-S2V",
        "ant",
        "zebra",
        "Exact worst case",
    ]
    assert {len(row) for row in body} == {7}
    by_cell = {(r.cell.attack, r.cell.layers, r.cell.method): r for r in records}
    for attack, row in (("rl_s2v", body[3]), ("exhaustive", body[-1])):
        for cell, (layers, method) in zip(
            row[1:], [(n, m) for n in (2, 3) for m in ("none", "graphcl", "augcl")], strict=True
        ):
            assert cell.replace("*", "").startswith(
                f"{100 * by_cell[attack, layers, method].robust_accuracy:.1f} ("
            )
    assert body[0][1].startswith(f"{100 * by_cell['rl_s2v', 2, 'none'].clean_accuracy:.1f} (")


def test_labels_are_in_natural_order(campaign: Campaign) -> None:
    header, *_ = table(
        appendix(
            report_of(campaign(methods=["v10", "v9", "prototypes", "none"], layers=[2], n=30))
        ),
        "Accuracy under attack",
    )
    assert header[1:] == [
        f"2 layers: {name}" for name in ("No pretraining", "Prototypes", "v9", "v10")
    ]


def test_gap_by_hand(campaign: Campaign) -> None:
    base = campaign(methods=["augcl"], layers=[2], attacks=["rl_s2v", "exhaustive"])
    records = [
        with_robust(record, [i < n for i in range(90)])
        for record, n in zip(base, (63, 45), strict=True)
    ]
    text = whole(report_of(records))
    _, *body = table(text, "How far each attack is from the worst case")
    assert [row[0] for row in body] == ["RL-S2V"]
    assert body[0][1].startswith("20.0 (")
    assert "It leaves 70.0 % of the graphs right" in text
    assert "The exact worst case is 50.0 %. So this attack missed 20.0 points: it left " in text
    assert "Warning:" not in appendix(report_of(records))
    same = [with_robust(record, [i < 45 for i in range(90)]) for record in base]
    assert "The exact worst case is 50.0 %. So this attack missed less than 0.1 points." in whole(
        report_of(same)
    )
    # The other way round, the search cannot have been exact.
    records = [
        with_robust(record, [i < n for i in range(90)])
        for record, n in zip(base, (45, 63), strict=True)
    ]
    assert (
        "**Warning:** 18 times an attack broke a graph that the exact search says no edit breaks"
        in appendix(report_of(records))
    )
    assert "No attack can leave less than that, so one of the two numbers is wrong." in whole(
        report_of(records)
    )


def test_attacked_accuracy_can_rise_and_is_marked(campaign: Campaign) -> None:
    (record,) = campaign(methods=["augcl"], layers=[2], attacks=["rl_s2v"])
    outcomes = [
        Outcome(0, 0, 0, 0, 1.0, 1.0, [], []),
        Outcome(1, 0, 1, 0, -1.0, 1.0, [], []),
        Outcome(2, 0, 1, 1, -1.0, -1.0, [], []),
    ]
    _, *body = table(
        appendix(report_of([dataclasses.replace(record, outcomes=outcomes)])),
        "The published measure beside this one",
    )
    assert body == [["RL-S2V", "66.7 / 33.3 ↑"]]


def test_by_class_names_components(campaign: Campaign) -> None:
    records = campaign(methods=["augcl"], layers=[2], attacks=["exhaustive"])
    _, *body = table(appendix(report_of(records)), "Class by class")
    shares = records[0].robust_accuracy_by_class
    assert body[3:] == [
        ["Exact worst case", name, f"{100 * share:.1f}"]
        for name, share in zip(("1 component", "2 components", "3 components"), shares, strict=True)
        if share is not None
    ]
    plain = [dataclasses.replace(record, label_rule="none") for record in records]
    assert table(appendix(report_of(plain)), "Class by class")[1][1] == "class 0"


def test_every_table_says_where_classes_are_only_assumed_to_stay(campaign: Campaign) -> None:
    proved = campaign(layers=[2], seeds=[0, 1, 2])
    assumed = [dataclasses.replace(record, label_rule="none") for record in proved]
    for records in (proved, assumed):
        found = of_tables(report_of(records, measurements=data_of(records)))
        assert len(found) == 8
        assert {ASSUMED in each for each in found} == {records is assumed}


def test_of_nodes_it_says_that_nodes_keep_their_class(campaign: Campaign) -> None:
    assumed = [
        dataclasses.replace(
            record,
            label_rule="none",
            outcomes=[dataclasses.replace(o, graph=0, node=o.graph) for o in record.outcomes],
        )
        for record in campaign(layers=[2], seeds=[0, 1, 2])
    ]
    found = of_tables(report_of(assumed, measurements=data_of(assumed)))
    assert len(found) == 8
    assert all(OF_NODES in caption and ASSUMED not in caption for caption in found)


def of_tables(report: ReportInput) -> list[str]:
    """The captions of all tables of accuracies; what a method took is no accuracy."""
    blocks = whole(report).split("\n\n")
    above = [one for one, table in itertools.pairwise(blocks) if table.startswith("| ")]
    other = ("Seconds", "## ", "What others published")
    return [caption for caption in above if not caption.startswith(other)]


def test_several_seeds_say_so(campaign: Campaign) -> None:
    text = appendix(report_of(campaign(seeds=[0, 1, 2, 3, 4])))
    assert "means over 5 seeds with 95 % intervals over the seeds" in text
    assert "One trained model each" not in text
    assert "intervals over the graphs, of one trained model each" not in text


def test_the_same_model_in_all_seeds_is_one_model(campaign: Campaign) -> None:
    one = [
        dataclasses.replace(record, victim=ArtifactRef("victim/x", record.cell.method))
        for record in campaign(seeds=[0, 1, 2])
    ]
    text = appendix(report_of(one))
    assert "exact 95 % intervals over the graphs, of one trained model each" in text
    assert "95 % intervals over the seeds" not in text


def test_missing_records_leave_gaps_not_errors(campaign: Campaign) -> None:
    records = [
        record
        for record in campaign(seeds=[0, 1])
        if (record.cell.attack, record.cell.method) != ("rl_s2v", "augcl")
        and (record.cell.method, record.cell.seed) != ("graphcl", 1)
    ]
    text = appendix(report_of(records))
    rows = {row[0]: row for row in table(text, "Accuracy under attack")}
    assert [cell == "-" for cell in rows["RL-S2V"][1:]] == [False, False, True] * 2
    assert "1 to 2 seeds (records are missing)" in text


def test_without_the_exact_worst_case_it_says_what_is_unknown(campaign: Campaign) -> None:
    # Even what attacks leave is an upper end, so that an attack misses at least that much.
    text = whole(report_of(campaign(attacks=["rand_sampling", "rl_s2v"])))
    assert "Exact worst case" not in text
    _, random, learned = table(text, "How far each attack is from the worst case")
    assert all(cell.startswith("at least ") for cell in (*random[1:], *learned[1:]))
    assert "The worst case is not known: a stronger attack may break more." in text


def claiming(record: Record, unproved: int) -> Record:
    """The record of a foreign attack that claims to be exact, with so many targets unproved."""
    outcomes = [
        dataclasses.replace(outcome, exact=place >= unproved)
        for place, outcome in enumerate(record.outcomes)
    ]
    traits = dataclasses.replace(record.traits, claims_exact=True, name="Everything tried")
    return dataclasses.replace(record, outcomes=outcomes, traits=traits)


@pytest.mark.parametrize(
    ("unproved", "order"),
    [
        (0, ["Clean", "RL-S2V", "Exact worst case"]),
        (9, ["Clean", "RL-S2V", "Everything tried (95.0 % proved)"]),
    ],
)
def test_an_attack_is_shown_as_exact_only_where_all_its_targets_are_proved(
    campaign: Campaign, unproved: int, order: list[str]
) -> None:
    # One of two records has targets without a proof: 9 of 180.
    first = True
    records = []
    for record in campaign(attacks=["aaa", "rl_s2v"], methods=["augcl"]):
        if record.cell.attack == "aaa":
            record, first = claiming(record, unproved if first else 0), False
        records.append(record)
    text = whole(report_of(records))
    assert [row[0] for row in table(text, "Accuracy under attack")[1:]] == order
    assert ("Everything tried claims that no edits do more damage" in text) == (unproved > 0)
    assert ("in the exact worst case" in text) == (unproved == 0)


def test_a_foreign_attack_that_combines_stands_apart(campaign: Campaign) -> None:
    def combining(record: Record) -> Record:
        traits = dataclasses.replace(
            record.traits, combines=True, of=["grad_argmax"], name="Best of both"
        )
        return dataclasses.replace(record, traits=traits)

    records = [
        combining(record) if record.cell.attack == "aaa" else record
        for record in campaign(attacks=["aaa", "grad_argmax", "exhaustive"])
    ]
    text = whole(report_of(records))
    rows = [row[0] for row in table(text, "Accuracy under attack")[1:]]
    assert rows == ["Clean", "GradArgmax", "Best of both", "Exact worst case"]
    assert "With 1 edit, the strongest single attack is GradArgmax. It leaves" in text


def test_a_section_for_each_protocol_and_data_set(campaign: Campaign) -> None:
    text = appendix(
        report_of(campaign() + campaign(protocol="paper") + campaign(dataset="components 15-20"))
    )
    headings = re.findall(r"^## (components .*)$", text, re.MULTILINE)
    assert headings == [
        "components 15-20, structure2vec, strict protocol, budget 1",
        "components 40-50, structure2vec, paper protocol, budget 1",
        "components 40-50, structure2vec, strict protocol, budget 1",
    ]
    assert text.count("### Accuracy under attack") == 3


def test_settings_and_warnings_are_there(campaign: Campaign) -> None:
    text = appendix(
        report_of(
            campaign(
                notes=["the reservation | collapsed"], settings={"augcl": {"temperature": 0.5}}
            )
        )
    )
    assert "1 edge added, inside one component" in text
    assert "proved for every attacked graph by counting its components" in text
    assert "`type AUGCL, temperature 0.5`" in text
    warnings = text.split("## Noted while computing")[1]
    assert warnings.count("reservation \\| collapsed") == 6  # three methods, two depths
    assert "- AUGCL, 2 layers, seed 0: the reservation \\| collapsed." in warnings
    quiet = appendix(report_of(campaign())).split("## Noted while computing")[1]
    assert quiet.split("<!--")[0].strip().startswith("Nothing: no step warned.")


def test_every_table_is_rectangular(campaign: Campaign) -> None:
    text = appendix(
        report_of(campaign(methods=["none", "a|b", "graphcl"], attacks=["x|y", "exhaustive"]))
    )
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert tables
    for block in tables:
        assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1
