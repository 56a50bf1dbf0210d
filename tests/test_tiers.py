"""The two tiers of tests keep to what CONTRIBUTING.md says of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiers import TIERS, Tiers, is_member, tiers_of
from time_limits import HANGS
from tree import TREE

ONLY_THOROUGH: dict[str, str] = {}
"""Files of tests, relative to this folder, without a quick one -> the reason."""
HERE = Path(__file__).parent


@pytest.fixture
def tiers(request: pytest.FixtureRequest) -> Tiers:
    """The tests of this call of pytest, if it collected whole files."""
    if any("::" in argument for argument in request.config.args):
        pytest.skip("some tests are named, and the others of their files are not known")
    return request.config.stash[TIERS]


def test_every_file_has_a_test_that_always_runs(tiers):
    """Whatever thorough tests show must be shown at a smaller size by one that always runs."""
    without = {str(path.relative_to(HERE)) for path in tiers.modules_without_default()}
    assert without <= set(ONLY_THOROUGH), sorted(without - set(ONLY_THOROUGH))


def test_files_without_one_are_there(tiers):
    assert all((HERE / name).exists() and reason for name, reason in ONLY_THOROUGH.items())


def test_marks_name_members_that_there_are(tiers):
    """Else a member whose name has changed would go to the other tier, and nobody would notice."""
    assert list(tiers.unknown) == []


def test_every_function_of_tests_keeps_a_member_unless_it_is_thorough_as_a_whole(tiers):
    """A mark with `but` or `only` leaves something in the default tier, and takes something."""
    quick = {item.nodeid.partition("[")[0] for item in tiers.default}
    thorough = {item.nodeid.partition("[")[0] for item in tiers.thorough}
    assert tiers.with_members <= quick & thorough, tiers.with_members - (quick & thorough)


# --- the mark -------------------------------------------------------------------------------------

TESTS = """
import pytest

def test_quick(): pass

@pytest.mark.thorough
def test_long(): pass

@pytest.mark.thorough(but=["one-*"])
@pytest.mark.parametrize("a", ["one", "two"])
@pytest.mark.parametrize("b", ["x", "y"])
def test_but(a, b): pass

@pytest.mark.thorough(only=["y"])
@pytest.mark.parametrize("b", ["x", "y"])
def test_only(b): pass

@pytest.mark.parametrize("b", ["x", pytest.param("y", marks=pytest.mark.thorough)])
def test_one_param(b): pass
"""
QUICK = {"test_quick", "test_but[x-one]", "test_but[y-one]", "test_only[x]", "test_one_param[x]"}
LONG = {"test_long", "test_but[x-two]", "test_but[y-two]", "test_only[y]", "test_one_param[y]"}


def collected(folder: Path, *arguments: str) -> set[str]:
    """The tests that a fresh pytest takes."""
    done = fresh(folder, "--collect-only", "-q", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return {line.partition("::")[2] for line in done.stdout.splitlines() if "::" in line}


def fresh(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh pytest in a folder that has `TESTS`."""
    (folder / "test_some.py").write_text(TESTS.replace('"one-*"', '"*-one"'))
    (folder / "conftest.py").write_text(CONFTEST)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "-c", str(TREE / "pyproject.toml"), "--rootdir", str(folder), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANGS,
    )


CONFTEST = f"""
import sys

sys.path.insert(0, {str(HERE / "helpers")!r})
from tiers import pytest_addoption, pytest_collection_modifyitems, pytest_configure
"""


@pytest.mark.thorough(only=["* -k *", "* -m not *", "* --benchmark*"])
@pytest.mark.parametrize(
    ("arguments", "taken"),
    [
        (["test_some.py"], QUICK),
        (["test_some.py", "--thorough"], QUICK | LONG),
        (["test_some.py", "-m", "thorough"], LONG),
        (["test_some.py", "-m", "not thorough"], QUICK),
        (["test_some.py", "-k", "long or quick"], {"test_quick"}),
        (["test_some.py::test_long"], {"test_long"}),
        (["test_some.py", "--benchmark-enable"], QUICK | LONG),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "taken",
)
def test_what_is_taken(tmp_path, arguments, taken):
    assert collected(tmp_path, *arguments) == taken


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-m", "nobody_knows"), "nobody_knows"),
        (("-m", "thorough and"), "thorough and"),
        (("-k", "long or"), "long or"),
    ],
    ids=["unknown", "-m", "-k"],
)
def test_several_processes_say_what_is_wrong_with_an_expression(tmp_path, arguments, told):
    """Refused where tests are collected, it would be an internal error of xdist."""
    done = fresh(tmp_path, "-n", "2", *arguments, "test_some.py")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert told in done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [("-m", "thorough"), ("-k", "test_only")])
def test_several_processes_take_what_one_takes(tmp_path, arguments):
    done = fresh(tmp_path, "-n", "2", *arguments, "test_some.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(collected(tmp_path, *arguments))} passed" in done.stdout


def test_another_argument_of_the_mark_is_refused(tmp_path):
    class Item:
        nodeid = "test_x"

        def get_closest_marker(self, name):
            return pytest.mark.thorough(except_for=["a"]).mark

    with pytest.raises(pytest.UsageError, match="but="):
        tiers_of([Item()])


def test_a_star_stands_for_anything():
    assert is_member("GCN-*", "GCN-add")
    assert is_member("add, [1]", "add, [1]")
    assert not is_member("GCN", "GCN-add")
    assert not is_member("add", "ADD")
