"""The audit of whole runs: an honest one passes, planted faults are told, marked and change the
exit code.
"""

from __future__ import annotations

import json

import pytest
from audited_runs import OPTIONS, findings, records_of
from forging import Weights, forge_victim

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.review.audit.all_checks import examine
from robust_augcl.review.audit.gather_evidence import Gatherer
from robust_augcl.steps import attacking as attack_steps
from robust_augcl.store.run_folder import RunFolder


def test_an_honest_run_fails_no_check_and_says_so(learned, command):
    answer = command("audit", learned)
    assert answer.code == 0
    assert "FAIL" not in answer.out
    found = findings(command, learned)
    assert len(found) == 20
    applicable = {check for check, finding in found.items() if finding["status"] != "n/a"}
    # One budget, and so few steps that the learning curve is one point.
    idle = {
        "larger budgets never do less damage",
        "nothing broken that is proved",
        "more iterations change little",
    }
    assert found.keys() - applicable == idle
    page = (learned / "report-appendix.md").read_text()
    assert "The audit of the attacks: " in page
    assert "†" not in page
    assert all(
        row["audit"] == "" for row in json.loads(command("show", learned, "--format", "json").out)
    )


def test_the_audit_is_made_once(tiny, spoilt, command, monkeypatch):
    before = {
        name: (spoilt / name).stat().st_mtime_ns
        for name in ("audit.json", "transfer.json", "report.md")
    }
    answer = command("run", tiny, "--out", spoilt, *OPTIONS)
    assert answer.code == 0
    assert "Audit: " in answer.out
    assert {name: (spoilt / name).stat().st_mtime_ns for name in before} == before
    for name in ("audit.json", "transfer.json"):  # a damaged one is made again, and is the same
        kept = json.loads((spoilt / name).read_text())
        (spoilt / name).write_text((spoilt / name).read_text()[:-5])
        assert command("run", tiny, "--out", spoilt, *OPTIONS).code == 0
        assert {**json.loads((spoilt / name).read_text()), "seconds": 0, "digest": 0} == {
            **kept,
            "seconds": 0,
            "digest": 0,
        }


def test_worst_case_is_the_worst_of_the_attacks_that_it_combines(learned):
    records = records_of(learned)
    for method in ("none", "graphcl"):
        by_attack = {r.cell.attack: r for r in records if r.cell.method == method}
        union = by_attack["worst_case"]
        assert union.attack_settings["of"] == ["rand_sampling", "grad_argmax", "rl_s2v"]
        parts = [by_attack[label] for label in union.attack_settings["of"]]
        for place, outcome in enumerate(union.outcomes):
            lowest = min(
                [outcome.clean_margin, *(part.outcomes[place].attacked_margin for part in parts)]
            )
            assert outcome.attacked_margin == pytest.approx(lowest, abs=1e-5)
            assert outcome.broken == any(part.outcomes[place].broken for part in parts)
        assert union.queries == sum(part.queries for part in parts)
        assert union.fit_seconds == pytest.approx(sum(part.fit_seconds for part in parts))


def test_a_changed_attack_changes_the_worst_case_that_rests_on_it(tiny, spoilt, command):
    before = {path.name for path in spoilt.glob("records/*")}
    options = [
        option.replace("{name='grad_argmax'}", "{name='grad_argmax', directions='apart'}")
        for option in OPTIONS
    ]
    assert command("run", tiny, "--out", spoilt, *options).code == 0
    assert (
        len({path.name for path in spoilt.glob("records/*")} - before) == 4
    )  # of each victim: GradArgmax and the worst case
    assert command("replay", spoilt).code == 0


def test_test_graphs_leaked_into_rl_training(tiny, tmp_path, command, monkeypatch):
    """The fault: the graphs that a strict attack learns on are the test graphs. What it kept of
    them gives it away.
    """

    def leak(settings, dataset):
        return FitGraphs(dataset.part(dataset.test), dataset.part(dataset.test))

    monkeypatch.setattr(attack_steps, "fit_graphs", leak)
    answer = command("run", tiny, "--out", tmp_path, *OPTIONS, "--set", "methods=[{name='none'}]")
    assert answer.code == 0
    found = findings(command, tmp_path)
    (leaked,) = [record for record in records_of(tmp_path) if record.cell.attack == "rl_s2v"]
    assert {
        check: finding["cells"] for check, finding in found.items() if finding["status"] == "FAIL"
    } == {"no test target used for selection or learning": [leaked.key]}
    answer = command("audit", tmp_path)
    assert answer.code == 1
    assert "1 of 20 checks fail, 1 record is marked" in answer.err
    rows = {
        row["attack"]: row["audit"]
        for row in json.loads(command("show", tmp_path, "--format", "json").out)
    }
    assert {attack for attack, audit in rows.items() if audit} == {"rl_s2v"}
    means = command("show", tmp_path).out
    assert [("†" in line) for line in means.splitlines() if "RL-S2V" in line] == [True]
    for form in (["--by-seed"], ["--format", "markdown"]):
        shown = command("show", tmp_path, *form).out
        assert [("†" in line) for line in shown.splitlines() if "rl_s2v" in line] == [True]
        assert shown.count("†") == 2  # and the footnote
    page = (tmp_path / "report-appendix.md").read_text()
    marked = [line for line in page.splitlines() if line.startswith("| RL-S2V") and "†" in line]
    assert (
        len(marked) == 7
    )  # accuracy, gap, three classes, published measure; costs are as they are
    assert not [
        line
        for line in page.splitlines()
        if line.startswith(("| GradArgmax", "| Clean")) and "†" in line
    ]
    assert "**FAIL** | no test target used" in page


def test_a_victim_that_was_put_in_place_of_another_is_told(spoilt, command):
    records = records_of(spoilt)
    mine, other = (
        next(r.victim for r in records if r.cell.method == method) for method in ("none", "graphcl")
    )
    store = RunFolder(spoilt).store
    store.artifact_path(mine.key).write_bytes(store.artifact_path(other.key).read_bytes())
    finding = findings(command, spoilt)["stored edits reproduce the verdict"]
    assert (finding["status"], set(finding["cells"])) == (
        "FAIL",
        {r.key for r in records if r.victim == mine},
    )


def test_what_rests_on_a_damaged_file_cannot_be_proved(spoilt, command):
    records = records_of(spoilt)
    victim = records[0].victim
    path = RunFolder(spoilt).store.artifact_path(victim.key)
    path.write_bytes(path.read_bytes()[:-10])
    finding = findings(command, spoilt)["stored edits reproduce the verdict"]
    assert (finding["status"], set(finding["cells"])) == (
        "WARN",
        {r.key for r in records if r.victim == victim},
    )
    assert command("report", spoilt).code == 0


def test_what_rests_on_weights_of_another_shape_cannot_be_proved(spoilt, command):
    records = records_of(spoilt)
    victim = records[0].victim

    def narrowed(weights: Weights) -> None:
        name = next(name for name, tensor in weights.items() if tensor.dim() == 2)
        weights[name] = weights[name][:, :-1]

    forge_victim(spoilt, victim.key, narrowed)
    finding = findings(command, spoilt)["stored edits reproduce the verdict"]
    assert (finding["status"], set(finding["cells"])) == (
        "WARN",
        {r.key for r in records if r.victim.key == victim.key},
    )
    assert finding["evidence"].startswith("Cannot be proved: ")
    assert finding["evidence"].count("weights") == 1  # one reason for all of these records


def test_results_that_no_step_of_the_suite_makes_are_told(learned):
    records = records_of(learned)
    evidence = Gatherer(RunFolder(learned), {}).gather(records)
    found = {finding.check: finding for finding in examine(evidence)}
    assert found["stored edits reproduce the verdict"].status == "FAIL"
    assert set(found["stored edits reproduce the verdict"].cells) == {
        record.key for record in records
    }
