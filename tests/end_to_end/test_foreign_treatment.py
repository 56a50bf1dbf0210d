"""Other people's attacks get the same treatment as ours: no name of ours is special."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from foreign_attacks import forget_foreign
from foreign_zoo import ZOO

from robust_augcl.store.run_folder import RunFolder

SUITE = """
name = "zoo"
[dataset]
source = "components"
nodes = [15, 20]
graphs_per_class = 40
[split]
test = 0.3
validation = 0.2
[encoder]
name = "structure2vec"
width = 16
[pretraining]
warm_up_epochs = 2
continued_epochs = 2
batch_size = 16
[training]
epochs = 80
[threat]
within_component = true
[[methods]]
name = "none"
[[methods]]
name = "graphcl"
[[attacks]]
name = "rand_sampling"
"""


@pytest.fixture(autouse=True)
def _no_consent_stays():
    forget_foreign()
    yield
    forget_foreign()


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """A file of other people's attacks."""
    path = tmp_path / "zoo.py"
    path.write_text(ZOO)
    return path


def suite_with(zoo: Path, *classes: str) -> Path:
    """A suite file with these attacks of the zoo beside one of ours."""
    entries = "".join(f'[[attacks]]\nname = "{zoo}:{name}"\n' for name in classes)
    path = zoo.with_name("suite.toml")
    path.write_text(SUITE + entries)
    return path


def run(command, suite: Path, out: Path, zoo: Path, *classes: str):
    """Run the suite, then the commands that read its folder, with consent to the zoo."""
    done = command("run", suite, "--out", out, "--workers", "1", "--quiet")
    assert done.code == 0, done.err
    forget_foreign()
    consent = [argument for name in classes for argument in ("--plugin", f"{zoo}:{name}")]
    audit = command("audit", out, "--format", "json", *consent)
    replay = command("replay", out, *consent)
    assert replay.code == 0, replay.out + replay.err
    folder = RunFolder(out)
    records = folder.load_records(folder.existing_manifest().records).records
    page = (out / "report-appendix.md").read_text()
    return (
        records,
        {finding["check"]: finding for finding in json.loads(audit.out)["findings"]},
        page,
    )


def test_attacks_that_learn_and_combine_are_probed_and_shown_like_ours(command, zoo, tmp_path):
    classes = ("Lucky", "Gather")
    suite = suite_with(zoo, *classes)
    records, findings, page = run(command, suite, tmp_path / "out", zoo, *classes)
    by_attack = {record.traits.name: record for record in records}
    assert set(by_attack) == {"RandSampling", "Lucky share", "Gathered"}
    gathered, lucky = by_attack["Gathered"], by_attack["Lucky share"]
    assert (gathered.traits.combines, lucky.traits.learns) == (True, True)
    assert sorted(gathered.traits.of) == sorted([lucky.cell.attack, "rand_sampling"])
    assert lucky.attacker is not None
    assert gathered.made_by["attack"]["distribution"] == "no distribution"
    for name in ("Lucky share", "Gathered"):
        assert re.search(rf"^\| {name} \|", page, re.M), name

    worst = findings["the worst of the attacks is no better than each"]
    assert worst["status"] == "PASS"
    planted = findings["breaks a broken victim, not a constant one"]
    assert planted["status"] in ("PASS", "FAIL", "WARN")
    assert findings["learned attackers are at rest"]["status"] != "n/a"


def test_who_only_claims_to_be_exact_is_shown_as_an_attack(command, zoo, tmp_path):
    suite = suite_with(zoo, "Boast")
    records, _, page = run(command, suite, tmp_path / "out", zoo, "Boast")
    boasts = [record for record in records if record.traits.claims_exact]
    assert boasts
    assert all(record.exact_share < 1 for record in boasts), [b.exact_share for b in boasts]
    assert not re.search(r"^\| Exact worst case \|", page, re.M)
    assert re.search(r"^\| Boast", page, re.M)


def test_who_is_exact_is_shown_so_though_nobody_knows_it(command, zoo, tmp_path):
    suite = suite_with(zoo, "Thorough")
    records, findings, page = run(command, suite, tmp_path / "out", zoo, "Thorough")
    thorough = [record for record in records if record.traits.claims_exact]
    assert thorough
    assert all(record.is_exact for record in thorough)
    assert re.search(r"^\| Exact worst case \|", page, re.M)
    assert findings["nothing below the exact worst case"]["status"] == "PASS"


@pytest.mark.thorough
@pytest.mark.parametrize("looking", [("show",), ("status",)])
def test_without_consent_show_says_so_and_claims_no_revision(command, zoo, tmp_path, looking):
    suite = suite_with(zoo, "Boast")
    run(command, suite, tmp_path / "out", zoo, "Boast")
    forget_foreign()
    shown = command(*looking, tmp_path / "out")
    assert shown.code == 0
    assert "not compared with the code of today" in shown.err
    assert "pass --plugin PATH/zoo.py:Boast, with the path of the file as it lies" in shown.err
    assert "revised" not in shown.err + shown.out
