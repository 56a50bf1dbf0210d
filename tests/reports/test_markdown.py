from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from report_inputs import data_of, report_of

from robust_augcl.reports._comparison_words import power_text
from robust_augcl.reports._verdicts import verdicts_of
from robust_augcl.reports._view import view_of
from robust_augcl.reports.markdown import appendix, page, render
from robust_augcl.reports.written import TEXTS
from robust_augcl.results.findings import Audit, Finding
from robust_augcl.results.records import ArtifactRef, Outcome, Record
from robust_augcl.results.report_input import ReportInput

Campaign = Callable[..., list[Record]]
FILES = [*TEXTS, "accuracy.png", "accuracy.svg", "by_class.png", "by_class.svg"]
WRITTEN = [*FILES, "report-stamp.json"]


def whole(report: ReportInput) -> str:
    """The report in short, and its appendix."""
    return page(report) + appendix(report)


def table(text: str, heading: str) -> list[list[str]]:
    """The first Markdown table after a heading: rows of cells, without the rule under the
    header.
    """
    after = text.split(f"### {heading}\n", 1)[1].split("\n### ")[0].splitlines()
    lines = [line for line in after if line.startswith("|")]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in lines
        if ":---" not in line
    ]


def with_robust(record: Record, robust: list[bool]) -> Record:
    outcomes = [
        Outcome(
            i,
            i % 3,
            i % 3,
            i % 3 if right else (i + 1) % 3,
            1.0,
            1.0,
            [],
            [],
            exact=record.traits.claims_exact,
        )
        for i, right in enumerate(robust)
    ]
    return dataclasses.replace(record, outcomes=outcomes)


@pytest.mark.thorough
def test_twice_the_same_bytes_whatever_the_order(campaign: Campaign, tmp_path: Path) -> None:
    records = campaign(seeds=[0, 1])
    first, second = (
        render(report_of(records), tmp_path / "a"),
        render(report_of(records[::-1]), tmp_path / "new" / "b"),
    )
    assert [path.name for path in first] == [path.name for path in second] == WRITTEN
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_another_process_gives_the_same_bytes(campaign: Campaign, tmp_path: Path) -> None:
    # Of other hash seeds too: nothing may hang on the order of sets.
    records = campaign(methods=["none", "augcl", "other"], layers=[2], n=30, notes=["b", "a"])
    for number, record in enumerate(records):
        (tmp_path / f"{number}.jsonl").write_text(record.dumps())
    code = (
        "import sys; from pathlib import Path; from robust_augcl.results.records import "
        "Record; from robust_augcl.reports.markdown import render;"
        "from robust_augcl.results.report_input import ReportInput;"
        "here = Path(sys.argv[1]); render(ReportInput([Record.loads(p.read_text(), '') for p in "
        "here.glob('*.jsonl')]), here / sys.argv[2])"
    )
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), "there"],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    render(ReportInput(records), tmp_path / "here")
    for name in WRITTEN:
        here, there = ((tmp_path / where / name).read_bytes() for where in ("here", "there"))
        assert here == there, name


def test_first_lines_say_what_it_is_and_the_numbers(campaign: Campaign) -> None:
    records = campaign(layers=[2])
    text = page(report_of(records))
    assert text.startswith("# Accuracy under attack: suite paper")
    head = text.split("## The answer")[1].split("![")[0]
    for record in records:
        if record.cell.attack == "exhaustive":
            assert f"{100 * record.robust_accuracy:.1f} % ({record.method_name})" in head
            assert f"{100 * record.clean_accuracy:.1f} % ({record.method_name})" in head
    assert "stay right in the exact worst case. No attack with such edits" in head
    assert "One trained model each" in head


@pytest.mark.parametrize("status", ["FAIL", "WARN", "PASS"])
def test_what_failed_or_warns_is_read_before_the_answer(campaign: Campaign, status: str) -> None:
    records = campaign(layers=[2])
    finding = Finding("a check", status, "Seen: -1.5% to +0.3%.", (records[0].key,))
    text = page(report_of(records, Audit("stamp", (finding,))))
    first, answer = (
        text.index("## Read this first"),
        text.index("graphs are classified right"),
    )
    assert first < text.index("## The answer") < answer
    assert text.count("## Read this first") == text.count("graphs are classified right") == 1
    assert ("Seen: \N{MINUS SIGN}1.5% to +0.3%." in text) == (status != "PASS")


def test_numbers_below_0_have_the_minus_sign_of_names(campaign: Campaign) -> None:
    records = campaign(layers=[2], seeds=[0, 1, 2])
    text = whole(report_of(records, measurements=data_of(records)))
    assert "AUGCL \N{MINUS SIGN} GraphCL" in text
    assert re.search("\N{MINUS SIGN}[0-9]+[.][0-9]", text)
    assert not re.search(r"(?<![\w.-])-[0-9]+[.][0-9]", text)


def test_many_methods_are_called_methods_and_not_models(campaign: Campaign) -> None:
    """What is trained are models, of which each method has one a seed."""
    methods = ["none", "graphcl", "augcl", "d", "e"]
    text = page(report_of(campaign(methods=methods, layers=[2], seeds=[0, 1], n=30)))
    assert "10 trained graph classifiers" in text
    counted = "10 classifiers (5 methods, each with 2 seeds), 4 pairs of attack and budget."
    assert f"There are 40 results: {counted}" in text
    assert "% (5 methods)" in text
    assert "5 models" not in text
    deep = page(report_of(campaign(methods=methods, layers=[2, 3], n=30)))
    assert "% (10 pairs of method and number of layers)" in deep


def test_what_the_seeds_would_show_is_understood_at_once(campaign: Campaign) -> None:
    records = campaign(layers=[2], seeds=range(5))
    table = {"comparisons": {"pairs": [["augcl", "graphcl"]]}}
    report = report_of(records, None, None, data_of(records), table, 5)
    verdicts = verdicts_of(view_of(report).sections[0])
    (judged,) = (
        each
        for each in verdicts.by_attack("augcl", "graphcl").values()
        if verdicts.is_primary(each)
    )
    least = f"{100 * judged.detectable:.1f}"
    told = f"With 5 seeds, a true difference of {least} points would be found in 4 of 5 runs."
    assert told in page(report)
    assert "power" not in page(report)
    assert power_text(5, 1.2) == (
        "With 5 seeds, no difference would be found in 4 of 5 runs, however large"
    )


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


def test_nothing_is_bold_with_one_method(campaign: Campaign) -> None:
    text = appendix(report_of(campaign(methods=["augcl"], layers=[2])))
    assert not any("**" in cell for row in table(text, "Accuracy under attack") for cell in row)
    assert "no two methods here to compare" in text


SIMGRACE = {"pretraining": {"type": "Pretraining", "base": "simgrace"}}
SETTINGS = {
    "plain": {"type": "GraphCL"},
    "1/mean": {"type": "AUGCL"},
    "unit": {"type": "AUGCL"},
    "rival": {"type": "ProGCL"},
    "SimGRACE": {"type": "GraphCL", **SIMGRACE},
    "SimGRACE + AUGCL": {"type": "AUGCL", **SIMGRACE},
    "raw": {"type": "NoPretraining"},
}


def pairs(text: str) -> list[str]:
    return list(dict.fromkeys(row[0] for row in table(text, "Differences between methods")[1:]))


def test_pairs_follow_what_methods_are_not_what_they_are_called(campaign: Campaign) -> None:
    def of(*methods: str) -> list[str]:
        return pairs(
            appendix(
                report_of(
                    campaign(
                        methods=methods, layers=[2], attacks=["rl_s2v"], n=30, settings=SETTINGS
                    )
                )
            )
        )

    assert of("plain", "1/mean", "unit") == [
        "1/mean \N{MINUS SIGN} plain",
        "unit \N{MINUS SIGN} plain",
    ]
    # A relabelled base is a plain method for those of equal pretraining only, and only they meet
    # the rival.
    assert of("plain", "SimGRACE", "SimGRACE + AUGCL", "rival") == [
        "SimGRACE + AUGCL \N{MINUS SIGN} SimGRACE",
        "rival \N{MINUS SIGN} plain",
    ]
    assert of("1/mean", "rival", "raw") == [
        "1/mean \N{MINUS SIGN} rival",
        "1/mean \N{MINUS SIGN} raw",
        "rival \N{MINUS SIGN} raw",
    ]
    assert of("1/mean", "unit") == ["unit \N{MINUS SIGN} 1/mean"]
    assert len(of(*SETTINGS)) == len(set(of(*SETTINGS))) == 4 + 2 + 6


def test_many_pairs_are_told_in_short(campaign: Campaign) -> None:
    attacks = ["rand_sampling", "grad_argmax", "rl_s2v", "exhaustive"]
    records = campaign(
        methods=list(SETTINGS), layers=[2], attacks=attacks, seeds=[0, 1], settings=SETTINGS
    )
    text = appendix(report_of(records, measurements=data_of(records)))
    rows = table(text, "Differences between methods")[1:]
    assert len(pairs(text)) == 12
    assert {row[1] for row in rows} == {"Clean", "GradArgmax", "Exact worst case"}
    assert "only Clean, GradArgmax, Exact worst case are shown" in text
    report = report_of(records, measurements=data_of(records))
    head = page(report).split("## The answer")[1].split("![")[0]
    listed = "RandSampling, GradArgmax, RL-S2V, Exact worst case; 1 edit"
    assert f"Secondary comparisons ({listed}): 1/mean \N{MINUS SIGN} plain undecided in" in head
    assert "\N{MINUS SIGN} raw" not in head
    few = appendix(report_of(campaign(layers=[2], attacks=attacks)))
    assert len({row[1] for row in table(few, "Differences between methods")[1:]}) == 5


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
    assert "The exact worst case is 50.0 %. So this attack missed 20.0 points" in text
    assert "Warning:" not in appendix(report_of(records))
    # The other way round, the search cannot have been exact.
    records = [
        with_robust(record, [i < n for i in range(90)])
        for record, n in zip(base, (45, 63), strict=True)
    ]
    assert (
        "**Warning:** 18 times an attack broke a graph that the exact search says no edit breaks"
        in appendix(report_of(records))
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
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1


def test_no_records_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one record"):
        render(report_of([]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_reports_do_not_import_torch() -> None:
    code = (
        "import sys, robust_augcl.reports.markdown; sys.exit(any(m in sys.modules for m in "
        "('torch', 'matplotlib.pyplot')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_report_in_short_is_short(campaign: Campaign) -> None:
    """As long as that of the suite `quick`, or longer: two budgets, three seeds."""
    first = campaign(layers=[2], seeds=[0, 1, 2], notes=["unstable weights"])
    more = [
        dataclasses.replace(
            record,
            cell=dataclasses.replace(record.cell, budget=3),
            threat={**record.threat, "budget": 3},
            key=f"{record.key}-3",
        )
        for record in first
        if record.cell.attack != "exhaustive"
    ]
    report = report_of([*first, *more], measurements=data_of(first))
    assert page(report).count("\n") < 120 < appendix(report).count("\n")
    assert "report-appendix.md" in page(report)


def test_the_task_stands_under_the_title(campaign: Campaign) -> None:
    records = campaign(layers=[2])
    told = {"dataset": {"source": "made up"}}
    report = dataclasses.replace(
        report_of(records), settings=told, about_data=lambda table: f"Tell {table['dataset']}."
    )
    line = page(report).split("\n\n")[1]
    assert line.startswith("Task: Tell {'source': 'made up'}. This report tells what ")
    assert "Task:" not in page(report_of(records))


def test_classes_are_among_the_first_points_where_they_differ_strongly(campaign: Campaign) -> None:
    """Of 30 graphs the last class, a third of all, breaks on each model but for one graph."""
    uneven = [
        with_robust(record, [k % 3 < 2 or k == 2 for k in range(30)])
        for record in campaign(layers=[2], n=30)
    ]
    points = page(report_of(uneven)).split("## The answer")[1].split("\n- ")
    assert points[3].startswith(
        "Classes differ strongly. With 1 edit, of the graphs with 3 components 10.0 % stay right "
        "in the exact worst case, on average over the methods; of those with 1 component 100.0 %, "
        "of those with 2 components 100.0 %."
    )
    even = [with_robust(record, [k > 2 for k in range(30)]) for record in uneven]
    assert "Classes differ strongly" not in page(report_of(even))
