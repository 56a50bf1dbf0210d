"""Other people's plug-ins: found by where they lie, imported with consent, told apart by source."""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
from pathlib import Path

import pytest
from foreign_attacks import attack_source, forget_foreign

import robust_augcl
from robust_augcl import foreign, registry, revisions
from robust_augcl.errors import InputError
from robust_augcl.plan.planner import Plan, plan
from robust_augcl.plan.step import with_inputs
from robust_augcl.plan.suite import load_suite
from robust_augcl.workers.parcels import Parcel


def planned(path: Path) -> Plan:
    return plan(load_suite(str(path)))


def attack_keys(path: Path) -> set[str]:
    return {step.key for step in planned(path).attacks}


def write_attack(folder: Path, which: str = "first") -> Path:
    path = folder / "flip.py"
    path.write_text(attack_source(which))
    return path


# --- names ----------------------------------------------------------------------------------------


def test_a_class_of_a_package_is_found_by_its_name(install):
    install("acme-attacks", "1.2", "acme_found", {"attacks": attack_source("first")})
    foreign.consent(["acme_found.attacks:Flip"])
    found = registry.load("attack", "acme_found.attacks:Flip")
    assert found(times=3).times == 3
    digest = hashlib.sha256(attack_source("first").encode()).hexdigest()
    assert registry.origin(found) == {
        "distribution": "acme-attacks",
        "version": "1.2",
        "name": "acme_found.attacks:Flip",
        "source": digest,
    }
    assert registry.revisions_of("attack", found()) == {
        "attack acme_found.attacks:Flip": f"acme-attacks 1.2, sha256 {digest}"
    }


def test_a_class_of_a_file_is_found_by_its_path(tmp_path):
    path = write_attack(tmp_path)
    foreign.consent([f"{path}:Flip"])
    found = registry.load("attack", f"{path}:Flip")
    assert registry.load("attack", f"{path}:Flip") is found
    by = registry.origin(found)
    assert by["distribution"] == "no distribution"
    assert by["name"] == "flip.py:Flip"
    assert by["source"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_our_own_are_ours():
    beam = registry.load("attack", "beam")
    assert registry.origin(beam) == {
        "distribution": "robust-augcl",
        "version": robust_augcl.__version__,
        "name": "robust_augcl.attacks.beam:Beam",
    }
    assert registry.revisions_of("attack", beam) == {"attack beam": beam.revision}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("{path}:Flap", "define the class Flap, did you mean 'Flip'"),
        ("{path}:access", "define the class access"),
        ("{folder}/none.py:Flip", "Cannot import"),
        ("{folder}/broken.py:Flip", "Cannot import '.*ZeroDivisionError"),
        ("no_such_package_here:Flip", "Cannot import"),
        ("{path}:Path", "Expected .* to be an attack, a class derived from"),
        ("{folder}/other.py:Abstract", "Expected .* to be an attack, it does not define prepare"),
        ("{folder}/other.py:Bare", "Expected .* to be an attack, a frozen dataclass"),
        (":Flip", "Expected a plug-in to be named like"),
        ("flip.py:", "Expected a plug-in to be named like"),
        ("flip.py:a.b", "Expected a plug-in to be named like"),
    ],
)
def test_bad_names_are_refused_in_words(tmp_path, name, expected):
    path = write_attack(tmp_path)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "other.py").write_text(
        "from robust_augcl.adversary.attack_base import Attack\n"
        "class Abstract(Attack):\n    pass\n"
        "class Bare(Attack):\n    prepare = None\n"
    )
    name = name.format(path=path, folder=tmp_path)

    def consent_and_load():
        foreign.consent([name])
        return registry.load("attack", name)

    with pytest.raises(InputError, match=expected):
        consent_and_load()


def test_a_file_that_failed_is_imported_anew(tmp_path):
    path = tmp_path / "flip.py"
    marker = tmp_path / "ready"
    path.write_text(
        f"open({str(marker)!r}).close()\n"
        + attack_source("first").replace("from __future__ import annotations", "")
    )
    foreign.consent([f"{path}:Flip"])
    with pytest.raises(InputError, match="FileNotFoundError"):
        registry.load("attack", f"{path}:Flip")
    marker.touch()
    assert registry.load("attack", f"{path}:Flip").__name__ == "Flip"


def test_every_kind_of_plug_in_is_taken(tmp_path, install):
    sources = {
        "methods": "from dataclasses import dataclass\n"
        "from robust_augcl.contrast.method_base import Method\n"
        "@dataclass(frozen=True)\nclass Plain(Method):\n    display_name = 'As it is'\n",
        "encoders": "from robust_augcl.encoders.gin import GIN\nclass Deep(GIN):\n    pass\n",
        "data": "from dataclasses import dataclass\n"
        "from robust_augcl.data.components import ComponentGraphs\n"
        "@dataclass(frozen=True)\nclass More(ComponentGraphs):\n    pass\n",
        "attacks": attack_source("first"),
    }
    install("acme-all", "3", "acme_all", sources)
    path = tmp_path / "all.toml"
    path.write_text(
        'name = "all"\n[dataset]\nsource = "acme_all.data:More"\n'
        '[encoder]\nname = "acme_all.encoders:Deep"\n[threat]\nwithin_component = true\n'
        '[[methods]]\nname = "acme_all.methods:Plain"\n'
        '[[attacks]]\nname = "acme_all.attacks:Flip"\n'
    )
    found = load_suite(str(path))
    assert [method.label for method in found.methods] == ["As it is"]
    assert [attack.label for attack in found.attacks] == ["Flip"]
    planned = plan(found)
    assert {step.cell.encoder for step in planned.attacks} == {"Deep"}
    known = planned.revisions
    foreign = [name for name in known if "acme_all" in name]
    assert foreign == [
        "attack acme_all.attacks:Flip",
        "data source acme_all.data:More",
        "encoder acme_all.encoders:Deep",
        "method acme_all.methods:Plain",
    ]
    # What they derive from is behind them too.
    assert {"encoder gin", "data source components"} <= set(known)


# --- addresses ------------------------------------------------------------------------------------


def test_attacks_of_one_name_from_two_distributions_share_no_address(install, suite):
    """Also where their source is the same to the letter."""
    for package in ("acme_one", "acme_two"):
        install(package.replace("_", "-"), "1", package, {"attacks": attack_source("first")})
    one, two = (suite(f"{package}.attacks:Flip", package) for package in ("acme_one", "acme_two"))
    assert {a.label for a in load_suite(str(one)).attacks} == {"Flip"}
    assert {a.label for a in load_suite(str(two)).attacks} == {"Flip"}
    assert not attack_keys(one) & attack_keys(two)
    others = [
        {step.key for step in with_inputs(planned(path).steps) if step.kind != "attack"}
        for path in (one, two)
    ]
    assert others[0] == others[1]  # data set and victim are none of theirs


def test_another_version_is_another_address(install, suite, monkeypatch):
    folder = install("acme-new", "1", "acme_new", {"attacks": attack_source("first")})
    path = suite("acme_new.attacks:Flip")
    before = attack_keys(path)
    info = folder.parent / "acme_new-1.dist-info"
    text = (info / "METADATA").read_text().replace("Version: 1", "Version: 2")
    (info.rename(folder.parent / "acme_new-2.dist-info") / "METADATA").write_text(text)
    monkeypatch.delitem(sys.modules, "acme_new.attacks")  # as in a new process
    assert not before & attack_keys(path)


def test_another_source_of_what_it_imports_is_another_address(install, suite):
    attacks = "from . import helpers\n" + attack_source("first").replace(
        "from __future__ import annotations", ""
    )
    for package, number in (("acme_before", 1), ("acme_after", 2)):
        install(
            package.replace("_", "-"),
            "1",
            package,
            {
                "attacks": attacks,
                "helpers": "from .deeper import X\n",
                "deeper": f"X = {number}\n",
            },
        )
    digests = []
    for package in ("acme_before", "acme_after"):
        foreign.consent([f"{package}.attacks:Flip"])
        digests.append(
            registry.origin(registry.load("attack", f"{package}.attacks:Flip"))["source"]
        )
    assert digests[0] != digests[1]


def test_where_a_file_lies_changes_no_address(tmp_path, suite):
    paths = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        paths.append(write_attack(tmp_path / name))
    here, there = (suite(f"{path}:Flip", path.parent.name) for path in paths)
    assert attack_keys(here) == attack_keys(there)
    write_attack(tmp_path / "there", "last")
    assert not attack_keys(here) & attack_keys(there)


def test_a_path_in_a_suite_begins_at_the_suite(tmp_path, suite, monkeypatch):
    write_attack(tmp_path)
    path = suite("flip.py:Flip")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert [attack.label for attack in load_suite(str(path)).attacks] == ["Flip"]


# --- consent --------------------------------------------------------------------------------------


def test_nothing_is_imported_that_the_user_did_not_name(tmp_path):
    path = write_attack(tmp_path)
    with pytest.raises(InputError, match=f"pass --plugin PATH/{path.name}:Flip"):
        registry.load("attack", f"{path}:Flip")
    foreign.consent([f"{path}:Another"])
    with pytest.raises(InputError, match="your consent"):
        registry.load("attack", f"{path}:Flip")
    assert not path.with_suffix(".imported").exists()
    foreign.consent([f"{path}:Flip"])
    registry.load("attack", f"{path}:Flip")
    assert path.with_suffix(".imported").exists()


def test_a_file_that_lies_elsewhere_here_is_the_one_that_the_user_named(tmp_path, suite):
    own = tmp_path / "own"
    own.mkdir()
    path, wanted = write_attack(own), "/somewhere/else/flip.py:Flip"
    foreign.consent([f"{path}:Flip"])
    assert registry.load("attack", wanted) is registry.load("attack", f"{path}:Flip")
    (tmp_path / "too").mkdir()
    foreign.consent([f"{write_attack(tmp_path / 'too')}:Flip"])
    with pytest.raises(InputError, match="your consent"):  # of two, which one?
        registry.load("attack", wanted)


def test_names_of_other_people_in_a_suite_are_found():
    table = {
        "dataset": {"source": "a.b:C"},
        "encoder": {"name": "gin"},
        "methods": [{"name": "d.py:E"}, {"name": "none"}, {}, 7],
        "attacks": [{"name": "f:G"}, {"name": "d.py:E"}, {"name": 3}],
    }
    assert registry.needs(table) == ["a.b:C", "d.py:E", "f:G"]
    assert registry.needs({"dataset": 3, "attacks": "x:Y"}) == []


# --- other processes ------------------------------------------------------------------------------


def test_a_parcel_opens_where_the_plug_in_is_not_loaded_yet(tmp_path):
    path = write_attack(tmp_path)
    foreign.consent([f"{path}:Flip"])
    attack = registry.load("attack", f"{path}:Flip")(times=5)
    parcel = pickle.loads(pickle.dumps(Parcel.of([attack])))
    module = type(attack).__module__
    forget_foreign()
    with pytest.raises(ModuleNotFoundError):
        pickle.loads(parcel.content)
    (opened,) = parcel.open()
    assert type(opened).__module__ == module
    assert opened.times == 5


def test_a_parcel_does_not_open_where_the_source_is_another(tmp_path):
    path = write_attack(tmp_path)
    foreign.consent([f"{path}:Flip"])
    parcel = Parcel.of(registry.load("attack", f"{path}:Flip")())
    write_attack(tmp_path, "last")
    with pytest.raises(InputError, match="it was changed: run again"):
        parcel.open()


def test_what_changed_is_said_briefly(tmp_path):
    before = {"attack flip.py:Flip": f"no distribution, sha256 {'a' * 64}"}
    now = {"attack flip.py:Flip": f"no distribution, sha256 {'b' * 64}"}
    assert revisions.changes(before, now) == [
        f"attack flip.py:Flip (no distribution, sha256 {'a' * 12}..., "
        f"now no distribution, sha256 {'b' * 12}...)"
    ]
    assert json.loads(json.dumps(now)) == now
