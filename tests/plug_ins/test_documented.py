"""What docs/plug-ins.md tells an author to do works."""

from __future__ import annotations

import re

from command_line import call
from small_suites import ONE_ATTACK
from tree import TREE

from robust_augcl import foreign, registry
from robust_augcl.registry.installed import ENTRY_POINTS
from robust_augcl.testing import check_attack

PAGE = (TREE / "docs" / "plug-ins.md").read_text(encoding="utf-8")


def test_the_attack_of_the_page_keeps_its_contract_and_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = re.findall(r"```python\n(.*?)```", PAGE, re.S)[0]
    (tmp_path / "hubs.py").write_text(source)
    foreign.consent(["hubs.py"])
    check_attack(registry.load("attack", "hubs"))
    check_attack(registry.load("attack", "hubs")(least=3))
    foreign.withdraw()
    listed = call("list", "--plugin", "hubs.py", "hubs")
    assert listed.out.splitlines()[:2] == [
        "attack hubs (hubs.py), Hubs in reports: Edit the candidates whose ends have the most "
        "neighbours",
        "  least: int = 0",
    ]
    foreign.withdraw()
    (tmp_path / "suite.toml").write_text(ONE_ATTACK.format(attack="hubs"))
    command = ["run", "suite.toml", "--plugin", "hubs.py", "--workers", "1", "--quiet"]
    answer = call(*command)
    assert answer.code == 0, answer.err
    assert "Hubs" in (tmp_path / "runs" / "one-attack" / "report.md").read_text()


def test_the_page_names_the_groups_of_entry_points():
    assert set(re.findall(r"`(robust_augcl\.\w+)` \|", PAGE)) == set(ENTRY_POINTS.values())


def test_the_page_of_the_example_is_the_example():
    project = (TREE / "examples" / "own_attack_package" / "pyproject.toml").read_text()
    assert 'acme_flip = "acme_attacks.flip:Flip"' in PAGE
    assert 'acme_flip = "acme_attacks.flip:Flip"' in project
