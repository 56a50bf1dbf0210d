"""Installed packages name plug-ins and suites; nothing is imported before it is used."""

from __future__ import annotations

import json
import sys

import pytest
from command_line import call
from installed_packages import NAMED, attacks, listed

from robust_augcl import foreign, registry
from robust_augcl.errors import InputError
from robust_augcl.plan.planner import plan
from robust_augcl.plan.suite import load_suite
from robust_augcl.workers.parcels import Parcel

# --- names ----------------------------------------------------------------------------------------


def test_an_entry_point_is_a_name_like_ours(install, suite):
    install("acme-a", "1.2", "acme_a", {"flip": NAMED}, attacks("acme_flip = acme_a.flip:Flip"))
    made = load_suite(str(suite("acme_flip")))
    (attack,) = made.attacks
    assert (attack.name, attack.label, attack.what.times) == ("acme_flip", "acme_flip", 1)
    (step,) = plan(made).attacks
    assert step.settings["traits"].name == "Flip one"
    assert step.plug_ins == registry.revisions_of("attack", attack.what)
    (known,) = [text for name, text in step.plug_ins.items() if name == "attack acme_a.flip:Flip"]
    assert known.startswith("acme-a 1.2, sha256 ")


def test_nothing_is_imported_before_it_is_used(install):
    folder = install(
        "acme-b", "1", "acme_b", {"flip": NAMED}, attacks("acme_b_flip = acme_b.flip:Flip")
    )
    entry = listed()["acme_b_flip acme-b 1"]
    assert entry["description"] == "Edit at one end of the list of candidates"
    assert not list(folder.glob("*.imported"))
    assert "acme_b" not in sys.modules
    with pytest.raises(
        InputError, match="Unknown attack 'acme_b_flap', did you mean 'acme_b_flip'"
    ):
        registry.load("attack", "acme_b_flap")
    assert "acme_b" not in sys.modules
    assert registry.load("attack", "acme_b_flip").__name__ == "Flip"
    assert list(folder.glob("*.imported"))


def test_a_name_is_not_consent_to_what_lies_beside_it(install):
    install("acme-c", "1", "acme_c", {"flip": NAMED}, attacks("acme_c_flip = acme_c.flip:Flip"))
    with pytest.raises(InputError, match="your consent"):
        registry.load("attack", "acme_c.flip:Flip")


def test_settings_of_an_installed_attack_are_listed(install):
    install("acme-d", "1", "acme_d", {"flip": NAMED}, attacks("acme_d_flip = acme_d.flip:Flip"))
    answer = call("list", "acme_d_flip")
    first, setting = answer.out.splitlines()
    assert first.startswith("attack acme_d_flip (acme-d 1), Flip one in reports: ")
    assert setting == "  times: int = 1"


def test_workers_load_what_a_short_name_stands_for(install, monkeypatch):
    install("acme-e", "1", "acme_e", {"flip": NAMED}, attacks("acme_e_flip = acme_e.flip:Flip"))
    parcel = Parcel.of(registry.load("attack", "acme_e_flip")(times=5))
    foreign.withdraw()
    monkeypatch.delitem(sys.modules, "acme_e.flip")
    assert parcel.open().times == 5
    assert [plug_in.name for plug_in in foreign.loaded_foreign()] == ["acme_e.flip:Flip"]


# --- names that are taken -------------------------------------------------------------------------


def test_a_name_of_two_distributions_is_refused_by_whom_when_it_is_asked_for(install, suite):
    for package in ("acme_f", "acme_g"):
        install(
            package.replace("_", "-"),
            "1",
            package,
            {"flip": NAMED},
            attacks(f"twice = {package}.flip:Flip", f"{package}_flip = {package}.flip:Flip"),
        )
    with pytest.raises(
        InputError,
        match=r"'twice', its name is taken by acme-f 1 \(acme_f.flip:Flip\) and "
        r"acme-g 1 \(acme_g.flip:Flip\): name yours by package.module:Class",
    ):
        load_suite(str(suite("twice")))
    assert load_suite(str(suite("acme_f_flip"))).attacks  # each has other names
    assert load_suite(str(suite("acme_g.flip:Flip"))).attacks
    assert "several have this name: acme-f 1" in listed()["twice acme-g 1"]["problem"]


def test_our_names_can_be_taken_too(install, suite):
    install("acme-h", "1", "acme_h", {"flip": NAMED}, attacks("beam = acme_h.flip:Flip"))
    with pytest.raises(
        InputError, match=r"'beam', its name is taken by robust-augcl .* and acme-h"
    ):
        load_suite(str(suite("beam")))
    assert load_suite(str(suite("exhaustive"))).attacks
    assert load_suite(str(suite("robust_augcl.attacks.beam:Beam"))).attacks
    found = listed()
    assert "acme-h 1" in found["beam ours"]["problem"]
    assert not found["exhaustive ours"]["problem"]


# --- suites ---------------------------------------------------------------------------------------


def test_suites_of_packages_have_names(install):
    from small_suites import ONE_ATTACK

    def add(name, package, text):
        folder = install(
            name,
            "1",
            package,
            {"flip": NAMED},
            f"[robust_augcl.suites]\nacme_one = {package}\n{package}_own = {package}\n",
        )
        for file in ("acme_one", f"{package}_own"):
            (folder / f"{file}.toml").write_text(text)

    add("acme-j", "acme_j", ONE_ATTACK.format(attack="acme_j.flip:Flip"))
    assert [attack.label for attack in load_suite("acme_one").attacks] == ["Flip one"]
    add("acme-k", "acme_k", "name = ")
    with pytest.raises(InputError, match=r"'acme_one', its name is taken by acme-j 1 .*acme-k 1"):
        load_suite("acme_one")
    with pytest.raises(InputError, match="Cannot read the suite acme_k_own of acme-k 1"):
        load_suite("acme_k_own")
    with pytest.raises(InputError, match="Unknown suite 'acme_j_won', did you mean 'acme_j_own'"):
        load_suite("acme_j_won")
    found = json.loads(call("list", "--format", "json").out)["suites"]
    problems = {entry["name"]: entry["problem"] for entry in found}
    assert "acme_k_own.toml cannot be read" in problems["acme_k_own"]
    assert problems["acme_j_own"] == problems["quick"] == ""
