"""A plug-in that is broken is listed with the reason, and costs itself alone."""

from __future__ import annotations

import pytest
from command_line import call
from installed_packages import NAMED, attacks, listed

from robust_augcl import registry
from robust_augcl.errors import InputError
from robust_augcl.plan.suite import load_suite

BROKEN = {
    "raises": "1 / 0",
    "exits": "raise SystemExit(0)",
    "no_import": "import no_such_package_here",
    "base": "class Flip: pass",
    "syntax": "def (",
    "empty": "",
}
SEEN = {"syntax": "is no Python", "empty": "does not define Flip", "gone": "there is no module"}
"""What is seen without importing."""
TRIED = {
    "raises": "its code raised ZeroDivisionError",
    "exits": "its code raised SystemExit",
    "no_import": "No module named 'no_such_package_here'",
    "base": "to be an attack, a class derived from",
}


@pytest.fixture
def broken(install):
    """A package in which all is broken but one, and one whose entry points are none."""
    names = [*BROKEN, "gone", "good"]
    sources = {
        name: source
        if "class" in source or not source or source == "def ("
        else f"{source}\nclass Flip: pass\n"
        for name, source in BROKEN.items()
    }
    points = attacks(
        *(f"x_{name} = acme_x.{name}:Flip" for name in names),
        "x_odd = acme_x.good",
        "x odd:name = acme_x.good:Flip",
    )
    install("acme-x", "1", "acme_x", {**sources, "good": NAMED}, points)


def test_what_is_broken_is_listed_with_the_reason(broken):
    for options, reasons in (((), SEEN), (("--check",), {**SEEN, **TRIED})):
        answer = call("list", "--format", "json", *options)
        assert answer.code == 0
        found = listed(*options)
        for name in BROKEN:
            assert reasons.get(name, "") in found[f"x_{name} acme-x 1"]["problem"]
            assert bool(found[f"x_{name} acme-x 1"]["problem"]) == (name in reasons)
        assert SEEN["gone"] in found["x_gone acme-x 1"]["problem"]
        assert not found["x_good acme-x 1"]["problem"]
        assert "does not name package.module:Class" in found["x_odd acme-x 1"]["problem"]
        assert "its name is none of" in found["x odd:name acme-x 1"]["problem"]
        assert not found["beam ours"]["problem"]
    table = call("list")
    assert "cannot be used: there is no module" in " ".join(table.out.split())
    assert "cannot be used, see above" in table.err


@pytest.mark.parametrize("name", [*BROKEN, "gone", "odd"])
def test_what_is_broken_costs_itself(broken, suite, name):
    with pytest.raises(InputError, match=f"attacks.*x_{name}|acme_x.{name}") as caught:
        load_suite(str(suite(f"x_{name}")))
    assert {**SEEN, **TRIED, "odd": "does not name"}[name] in str(caught.value)
    assert load_suite(str(suite("x_good"))).attacks
    assert load_suite("quick").attacks


def test_a_distribution_without_metadata_costs_itself(install, tmp_path, monkeypatch):
    folder = install(
        "acme-i", "1", "acme_i", {"flip": NAMED}, attacks("acme_i_flip = acme_i.flip:Flip")
    )
    info = folder.parent / "broken-1.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_bytes(b"\xff[robust_augcl.attacks\n=")
    (info / "METADATA").write_bytes(b"Name: broken\nVersion: 1\n")
    assert registry.load("attack", "acme_i_flip")
    assert "broken" not in call("list").out
