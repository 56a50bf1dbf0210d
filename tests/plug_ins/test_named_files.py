"""A file that is named on the command line gives short names to its plug-ins."""

from __future__ import annotations

import json

import pytest
from command_line import call
from foreign_attacks import attack_source

from robust_augcl import foreign, registry
from robust_augcl.errors import InputError
from robust_augcl.plan.suite import load_suite
from robust_augcl.workers.parcels import Parcel

METHOD = """
from dataclasses import dataclass
from robust_augcl.contrast.method_base import Method
@dataclass(frozen=True)
class Plain(Method):
    '''As it is.'''
"""


def test_a_file_that_is_named_gives_short_names(tmp_path, suite):
    path = tmp_path / "mine.py"
    path.write_text(attack_source("first") + METHOD)
    with pytest.raises(InputError, match="Unknown attack 'mine'"):
        registry.load("attack", "mine")
    assert not path.with_suffix(".imported").exists()
    foreign.consent([str(path)])
    assert registry.load("attack", "mine").__name__ == "Flip"
    assert registry.load("method", "mine").__name__ == "Plain"
    assert registry.load("attack", "elsewhere/mine.py:Flip").__name__ == "Flip"
    assert [attack.label for attack in load_suite(str(suite("mine"))).attacks] == ["mine"]
    assert foreign.unused([str(path)]) == []


def test_plug_ins_of_a_file_are_listed(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(attack_source("first") + METHOD + METHOD.replace("Plain", "Other"))
    found = json.loads(call("list", "--format", "json", "--plugin", path).out)
    (attack,) = [entry for entry in found["attacks"] if entry["from"] == "mine.py"]
    assert attack["name"] == "mine"
    methods = [entry for entry in found["methods"] if entry["from"] == "mine.py"]
    assert [entry["name"] for entry in methods] == ["mine.py:Other", "mine.py:Plain"]
    assert {entry["description"] for entry in methods} == {"As it is"}
    foreign.withdraw()
    foreign.consent([str(path)])
    with pytest.raises(InputError, match=r"mine.py:Other\) and .*mine.py:Plain"):
        registry.load("method", "mine")
    assert registry.load("method", "mine.py:Other").__name__ == "Other"


def test_a_file_that_is_broken_costs_itself(tmp_path, suite):
    (tmp_path / "bad.py").write_text("raise SystemExit(3)\n")
    answer = call("list", "--plugin", tmp_path / "bad.py", "--plugin", tmp_path / "gone.py")
    assert answer.code == 0
    words = " ".join(answer.out.split())
    assert "its code raised SystemExit" in words
    assert "No such file" in words
    foreign.consent([str(tmp_path / "bad.py")])
    assert load_suite(str(suite("beam"))).attacks


def test_a_file_called_like_ours_is_refused_when_it_is_asked_for(tmp_path, suite):
    path = tmp_path / "beam.py"
    path.write_text(attack_source("first"))
    foreign.consent([str(path)])
    with pytest.raises(InputError, match=r"its name is taken by robust-augcl .*beam\.py"):
        load_suite(str(suite("beam")))
    assert load_suite(str(suite("exhaustive"))).attacks


def test_a_worker_knows_the_short_names_of_a_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(attack_source("first"))
    foreign.consent([str(path)])
    parcel = Parcel.of(registry.load("attack", "mine")(times=2))
    foreign.withdraw()
    assert parcel.open().times == 2
    assert registry.load("attack", "mine").__name__ == "Flip"
