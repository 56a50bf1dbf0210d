"""The baseline's file: what it keeps of a run, and what a reader refuses."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hand_made import ENVIRONMENT, key_of, make_record, ref_of, threat_of_budget
from hypothesis import given
from hypothesis import strategies as st
from report_inputs import data_of, report_of

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results import baseline as files
from robust_augcl.results import strict
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_of import About, baseline_of
from robust_augcl.results.brackets import brackets
from robust_augcl.results.findings import Audit, Finding
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Outcome, Record
from robust_augcl.results.target_bits import gaps, packed, summed, unpacked
from robust_augcl.results.traits import Traits

EXACT = Traits("query", False, False, [], True, None, "Tries <all>")


@given(st.lists(st.booleans(), max_size=70))
def test_bits_come_back(flags):
    text = packed(flags)
    assert unpacked(text, len(flags)) == tuple(flags)
    assert len(text) <= 4 * ((len(flags) + 23) // 24)


@given(st.lists(st.integers(0, 2**31 - 1), max_size=20))
def test_numbers_come_back(numbers):
    assert summed(gaps(numbers)) == numbers


@pytest.mark.parametrize(
    ("text", "count"),
    [("oA==", 4 + 8), ("oA==", 2), ("oQ==", 3), ("oA", 3), ("o A==", 3), ("oA==\n", 3), ("?", 1)],
)
def test_other_spellings_of_bits_are_refused(text, count):
    with pytest.raises(ValueError, match="base64"):
        unpacked(text, count)


def outcome(graph: int, clean: bool, attacked: bool, exact: bool = False) -> Outcome:
    label = graph % 3
    answers = (label if right else (label + 1) % 3 for right in (clean, attacked))
    added = [[0, 1]] if clean and not attacked else []
    return Outcome(graph, label, *answers, 1.0, -1.0, added, [], exact=exact)


def of_one_victim(draws: random.Random, seed: int = 0) -> list[Record]:
    """Records of two attacks and two budgets on one victim of 30 targets."""
    clean = [draws.random() < 0.8 for _ in range(30)]
    found = []
    for budget in (1, 2):
        for attack in ("<b>beam</b>", "exhaustive"):
            exact = attack == "exhaustive" and budget == 1
            outcomes = [
                outcome(7 * g, right, right and draws.random() < 0.7 / budget, exact)
                for g, right in enumerate(clean)
            ]
            found.append(
                make_record(
                    outcomes,
                    key=key_of("attack", attack, budget, seed),
                    attack=attack,
                    budget=budget,
                    seed=seed,
                    traits=EXACT if exact else Traits("query", False, False, [], False, None, "B"),
                    threat=threat_of_budget(budget),
                    dataset=ref_of("dataset", seed),
                    victim=ref_of("victim", seed),
                    environment={**ENVIRONMENT, "peak_memory_mib": 300 + budget},
                    attack_seconds=1.23456,
                )
            )
    return found


@pytest.fixture
def records() -> list[Record]:
    draws = random.Random(0)
    return [*of_one_victim(draws, 0), *of_one_victim(draws, 1)]


@pytest.fixture
def certificates(records) -> list[Measurement]:
    """Of each victim, two edits: every third target is certified, every fourth has a witness."""
    found = []
    for record in records:
        if record.cell.attack == "exhaustive" and record.cell.budget == 2:
            numbers = [o.graph for o in record.outcomes]
            places = range(len(numbers))
            values = {
                "graphs": numbers,
                "certified": [place % 3 == 0 and record.outcomes[place].robust for place in places],
                "settled": [True for _ in places],
                "lower_margin": [None for _ in places],
                "witnesses": [[[[0, 1], [1, 2]], []] if p % 4 == 1 else None for p in places],
                "threat": record.threat,
                "dataset": record.dataset.digest,
                "victim": record.victim.digest,
            }
            about = make_record(attack="", budget=2, seed=record.cell.seed).cell
            found.append(Measurement("certificate", about, values, 2.5))
    return found


@pytest.fixture
def made(records, certificates) -> Baseline:
    findings = (
        Finding("a check", "FAIL", "seen", (records[1].key, "attack-" + "0" * 20)),
        Finding("another", "PASS", "seen"),
    )
    table = {"comparisons": {"pairs": [["none", "other"]], "margin": 0.03}}
    beside = [*data_of(records), *certificates]
    report = report_of(records, Audit("0" * 64, findings), None, beside, table, 2)
    revisions = {"attack beam": 2, "acme": "acme 1, sha256 ab"}
    report = replace(report, planned_names=[0, 1])
    return baseline_of(report, About("suite", "a" * 64, revisions, None, 3, {"victim": 2.0}))


def test_every_verdict_of_every_target_is_kept(made, records):
    read = Baseline.loads(made.dumps(), "file")
    assert read == made
    by_key = {each.key: each for each in read.attacked}
    assert len(by_key) == len(records)
    for record in records:
        kept = by_key[record.key]
        victim = read.victims[kept.victim]
        data = read.data[victim.data]
        assert data.targets == tuple(o.target for o in record.outcomes)
        assert data.labels == [o.label for o in record.outcomes]
        assert (data.digest, victim.weights) == (record.dataset.digest, record.victim.digest)
        for text, what in (
            (victim.clean, "clean_right"),
            (kept.attacked, "attacked_right"),
            (kept.exact, "exact"),
        ):
            assert read.bits(kept.victim, text) == tuple(getattr(o, what) for o in record.outcomes)
        assert read.threats[kept.threat] == record.threat
        assert kept.attack_seconds == 1.235
        assert kept.peak_memory_mib == record.environment["peak_memory_mib"]
    assert len(read.machines) == len({1}) == 1
    assert len(read.threats) == 2
    assert (read.primary, read.margin, read.planned_seeds) == (["none", "other"], 0.03, [0, 1])
    failed = read.audit[0]
    assert [read.attacked[place].key for place in failed.records] == [records[1].key]


def test_the_worst_case_is_the_bracket_target_by_target(made, records, certificates):
    """The upper end is that of `brackets`; the lower one has what was tried exhaustively too."""
    expected = brackets(records, [*data_of(records), *certificates])
    for budget in (1, 2):
        (bracket,) = (b for group, b in expected.items() if group.budget == budget)
        own = [each for each in made.worst if each.budget == budget]
        stands = [made.bits(each.victim, each.stands) for each in own]
        assert sum(map(sum, stands)) / 60 == pytest.approx(bracket.upper.mean)
        proved = [sum(made.bits(each.victim, each.proved)) for each in own]
        assert bracket.lower is not None
        assert sum(proved) / 60 >= bracket.lower.mean
        if budget == 2:
            assert sum(proved) / 60 == pytest.approx(bracket.lower.mean)
            assert [each.seconds for each in own] == [2.5, 2.5]
    exhaustive = [r for r in records if r.traits.claims_exact]
    least = sum(o.robust for r in exhaustive for o in r.outcomes)
    assert sum(sum(made.bits(w.victim, w.proved)) for w in made.worst if w.budget == 1) >= least


def test_a_file_is_small(made):
    """Bits, not tables: 8 records of 30 targets, and the rest of it, in a few kB."""
    assert len(made.dumps()) < 8500
    assert "\n" in made.dumps()


def test_three_thousand_targets_take_two_kilobytes_a_record():
    draws = random.Random(1)
    flags = [draws.random() < 0.6 for _ in range(3000)]
    assert 2 * len(packed(flags)) < 2000


def test_nodes_are_targets():
    outcomes = [Outcome(0, 0, 0, 0, 1.0, 1.0, [], [], node=node) for node in (4, 2, 9)]
    record = make_record(
        outcomes,
        key=key_of("attack", 1),
        threat=threat_of_budget(1),
        dataset=ref_of("dataset", 0),
        victim=ref_of("victim", 0),
        environment=ENVIRONMENT,
    )
    made = baseline_of(report_of([record], table=None), About("suite", "a" * 64, {}))
    read = Baseline.loads(made.dumps(), "file")
    assert read.data[0].targets == ((0, 4), (0, 2), (0, 9))
    assert read.data[0].test_to_train is None
    assert read.audit is None


# --- what is refused ------------------------------------------------------------------------------


def forged(made: Baseline, change) -> str:
    """The text of a baseline whose content was changed, with the right checksum."""
    content = json.loads(made.dumps())
    del content["digest"]
    change(content)
    content["digest"] = strict.seal(content)
    return json.dumps(content)


def put(*path, value):
    def change(content):
        for step in path[:-1]:
            content = content[step]
        if value is None and isinstance(content, dict):
            del content[path[-1]]
        else:
            content[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (put("suite", value=3), "suite"),
        (put("source", value="x"), "64 hexadecimal digits"),
        (put("planned_seeds", value=True), "planned_seeds"),
        (put("planned_seeds", value=2), "planned_seeds"),
        (put("planned_seeds", value=[]), "planned seeds that ascend"),
        (put("planned_seeds", value=[1, 0]), "planned seeds that ascend"),
        (put("planned_seeds", value=[0, 1, 1]), "planned seeds that ascend"),
        (put("planned_seeds", value=[-1]), "planned_seeds"),
        (put("planned_seeds", value=[True]), "planned_seeds"),
        (put("planned_seeds", value=["0"]), "planned_seeds"),
        (put("planned_seeds", value=[0.0]), "planned_seeds"),
        (put("margin", value=2.0), "margin"),
        (put("margin", value=0.0), "a margin above 0 and below 1, as suites state it, got 0"),
        (put("margin", value=1.0), "a margin above 0 and below 1, as suites state it, got 1"),
        (put("extra", value=1), "unknown field"),
        (put("victims", 0, "extra", value=1), "unknown field"),
        (put("victims", 0, "clean", value=None), "none of its field"),
        (put("victims", 0, "clean", value="AAAA"), "base64"),
        (put("victims", 0, "data", value=7), "places of a data"),
        (put("victims", 0, "layers", value=2.0), "whole number"),
        (put("victims", 1, "data", value=0), "victim once"),
        (put("attacked", 0, "victim", value=9), "places of a victim"),
        (put("attacked", 0, "threat", value=9), "places of a threat"),
        (put("attacked", 0, "machine", value=9), "places of a machine"),
        (put("attacked", 0, "exact", value="AA=="), "base64"),
        (put("attacked", 0, "key", value="attack-1"), "key of a result"),
        (put("attacked", 0, "budget", value=3), "budget of a record"),
        (put("attacked", 0, "budget", value=1.0), "budget of a record"),
        (put("attacked", 0, "attack_seconds", value=-1.0), "attack_seconds"),
        (put("attacked", 2, "attack", value="<b>beam</b>"), "record once"),
        (put("worst", 0, "stands", value="!"), "base64"),
        (put("worst", 0, "budget", value=3), "budgets that some record has"),
        (put("data", 0, "graphs", 0, value=-5), "numbers of graphs"),
        (put("data", 0, "graphs", 1, value=0), "target once"),
        (put("data", 0, "graphs", value=[1]), "a graph, a node and a class"),
        (put("data", 0, "labels", 0, value=3), "classes below"),
        (put("data", 0, "training", value=-5), "training"),
        (put("data", 0, "label_rule", value="any"), "label_rule"),
        (put("victims", 0, "traits", "pretrains", value=1), "pretrains"),
        (put("victims", 0, "epoch", value=1.5), "epoch"),
        (put("victims", 0, "epochs", value=7), "best epoch"),
        (put("attacked", 0, "traits", "access", value="all"), "access"),
        (put("embedded", value=[{}]), "embedded"),
        (put("missing", value=-1), "missing"),
        (put("seconds", "victim", value=-1.0), "seconds"),
        (put("table", value=[]), "table"),
        (put("threats", 0, "operations", value=["cut"]), "operations"),
        (put("machines", 0, "threads", value=0), "threads"),
        (put("audit", 0, "status", value="BAD"), "status"),
        (put("audit", 0, "records", value=[99]), "places of a record"),
        (put("revisions", "attack beam", value=1.5), "revisions"),
    ],
)
def test_what_nothing_writes_is_refused_by_name(made, change, word):
    with pytest.raises(ArtifactDamaged) as refused:
        Baseline.loads(forged(made, change), "file.json")
    assert word in str(refused.value)
    assert str(refused.value).startswith("file.json: ")
    assert len(str(refused.value).splitlines()) == 1


def test_an_altered_file_is_noticed(made):
    text = made.dumps()
    with pytest.raises(ArtifactDamaged, match="altered"):
        Baseline.loads(text.replace('"planned_seeds":[0,1]', '"planned_seeds":[0,2]'), "file")
    with pytest.raises(ArtifactDamaged, match="finite"):
        Baseline.loads(text.replace('"margin":0.03', '"margin":NaN'), "file")
    with pytest.raises(ArtifactDamaged, match="twice"):
        Baseline.loads(text.replace("{\n", '{\n"suite":"x",\n', 1), "file")
    with pytest.raises(ArtifactDamaged, match="another version"):
        Baseline.loads(forged(made, put("version", value=1)), "file")
    with pytest.raises(ArtifactDamaged, match="JSON"):
        Baseline.loads("no JSON", "file")


def test_a_large_file_is_not_read(tmp_path, made, monkeypatch):
    path = tmp_path / "base.json"
    path.write_text(made.dumps())
    assert Baseline.load(path) == made
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    with pytest.raises(ArtifactDamaged, match="cannot be read"):
        Baseline.load(path)
    with pytest.raises(FileNotFoundError):
        Baseline.load(tmp_path / "none.json")
    with pytest.raises(ArtifactDamaged, match="cannot be read"):
        Baseline.load(tmp_path)


def test_two_victims_of_one_cell_are_refused(records):
    other = make_record(
        records[0].outcomes,
        cell=records[1].cell,
        key=records[1].key,
        threat=records[1].threat,
        dataset=records[0].dataset,
        victim=ref_of("victim", "another"),
        environment=ENVIRONMENT,
    )
    with pytest.raises(ValueError, match="one victim"):
        baseline_of(report_of([records[0], other]), About("suite", "a" * 64, {}))
    with pytest.raises(ValueError, match="Expected records"):
        baseline_of(report_of([]), About("suite", "a" * 64, {}))
