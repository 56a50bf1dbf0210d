"""Attacks that need what is not installed, and families of suites."""

from __future__ import annotations

import pytest

from robust_augcl import registry
from robust_augcl.errors import InputError
from robust_augcl.plan.missing_parts import without_missing
from robust_augcl.plan.suite import load_suite
from robust_augcl.registry.families import MARK, families, runs_in, write_mark

TABLE = {"attacks": [{"name": "beam"}, {"name": "deeprobust_fga", "optional": True}]}


@pytest.fixture
def without_deeprobust(monkeypatch):
    from robust_augcl.registry import optional

    there = optional.find_spec
    monkeypatch.setattr(optional, "find_spec", lambda n: None if n == "deeprobust" else there(n))


@pytest.mark.usefixtures("without_deeprobust")
def test_optional_attacks_are_left_out_with_a_word():
    table, told = without_missing(TABLE, "s")
    assert table["attacks"] == [{"name": "beam"}]
    (line,) = told
    assert "deeprobust_fga is left out" in line
    assert "pip install --no-deps deeprobust==0.2.11" in line


@pytest.mark.usefixtures("without_deeprobust")
def test_others_are_refused_with_what_installs_what_they_need():
    with pytest.raises(InputError, match=r"deeprobust_fga.*pip install --no-deps deeprobust==0\.2"):
        without_missing({"attacks": [{"name": "deeprobust_fga"}]}, "s")


@pytest.mark.usefixtures("without_deeprobust")
def test_the_list_says_what_would_install_it():
    entries = {entry.name: entry for entry in registry.catalogue()}
    assert entries["deeprobust"].maker == "missing" or entries["deeprobust"].missing
    for name in ("deeprobust", "deeprobust_nettack"):
        assert "pip install --no-deps deeprobust==0.2.11" in entries[name].missing
    assert not entries["beam"].missing


def test_optional_is_true_or_false():
    with pytest.raises(InputError, match="`optional` true or false, got 1"):
        without_missing({"attacks": [{"name": "beam", "optional": 1}]}, "s")


def test_where_all_is_there_nothing_is_left_out(monkeypatch):
    monkeypatch.setattr("robust_augcl.registry.optional.find_spec", lambda name: object())
    table, told = without_missing(TABLE, "s")
    assert table["attacks"] == [{"name": "beam"}, {"name": "deeprobust_fga"}]
    assert told == []


@pytest.mark.parametrize("name", sorted(families()))
def test_members_of_families_are_suites(name):
    for member in families()[name].members:
        assert load_suite(member).name == member
    assert name not in registry.known_names("suite")


def test_runs_of_a_family_are_found_by_its_mark(tmp_path):
    assert runs_in(tmp_path) == []
    write_mark(tmp_path, "tu")
    (tmp_path / "tu-nci1").mkdir()
    assert runs_in(tmp_path) == [tmp_path / "tu-nci1"]
    (tmp_path / MARK).write_text('{"family": "tu", "members": ["../elsewhere"]}')
    with pytest.raises(InputError, match="members of a family"):
        runs_in(tmp_path)
