"""A package outside the project, built by pip, installed, and uninstalled again.

It is that of examples/own_attack_package. Commands treat its plug-ins like our own.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import Answer, call, finish
from foreign_attacks import forget_foreign
from time_limits import HANGS
from tree import TREE

from robust_augcl.store.run_folder import RunFolder

pytestmark = pytest.mark.end_to_end
PACKAGE = TREE / "examples" / "own_attack_package"
MISSING = (
    "was made with acme-attacks 1.2, which is not installed here; if you trust it: pip install "
    "acme-attacks"
)


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", *map(str, arguments), "--no-deps", "--no-index", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder into which the package's wheel is installed."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(PACKAGE, folder / "source")  # where it is built, files are left
    pip("wheel", folder / "source", "--no-build-isolation", "-w", folder)
    pip("install", folder / "acme_attacks-1.2-py3-none-any.whl", "--target", folder / "site")
    return folder / "site"


def forget_package() -> None:
    """As in a new process."""
    forget_foreign()
    for module in [name for name in sys.modules if name.partition(".")[0] == "acme_attacks"]:
        del sys.modules[module]
    importlib.invalidate_caches()


@pytest.fixture
def uninstalled(site, monkeypatch) -> Iterator[Callable[[], None]]:
    """The package is installed; what is returned uninstalls it."""
    monkeypatch.syspath_prepend(str(site))

    def take_away() -> None:
        monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(site)])
        forget_package()

    forget_package()
    yield take_away
    take_away()


@pytest.fixture(scope="module")
def made(site, tmp_path_factory) -> Path:
    """The run of the package's suite, as its user makes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        forget_package()
        out = tmp_path_factory.mktemp("run") / "out"
        finish("acme_small", out, "--workers", "1", "--quiet")  # type: ignore[arg-type]
    forget_package()
    return out


@pytest.fixture
def folder(made, tmp_path) -> Path:
    """A copy of that run, as somebody else received it."""
    return Path(shutil.copytree(made, tmp_path / "received"))


def sound(answer: Answer) -> str:
    assert answer.code == 0, answer.err + answer.out
    return answer.out


def test_the_package_is_listed_and_nothing_of_it_imported(uninstalled):
    found = json.loads(sound(call("list", "--format", "json")))
    theirs = {
        kind: [entry["name"] for entry in entries if entry["from"] == "acme-attacks 1.2"]
        for kind, entries in found.items()
    }
    assert {kind: names for kind, names in theirs.items() if names} == {
        "suites": ["acme_small"],
        "attacks": ["acme_flip"],
        "encoders": ["acme_tanh"],
        "methods": ["acme_far"],
        "data_sources": ["acme_cycles"],
    }
    assert not [name for name in sys.modules if name.startswith("acme_attacks")]
    texts = {entry["name"]: entry["description"] for entry in found["attacks"]}
    assert texts["acme_flip"] == "Flip the allowed edges whose ends have the most neighbours"
    uninstalled()
    assert "acme" not in sound(call("list"))


def test_commands_treat_it_like_our_own(folder, uninstalled):
    """Without `--plugin`: whoever installs a package consents to its entry points."""
    shown = sound(call("show", folder, "--by-seed"))
    assert "acme_tanh" in json.dumps(RunFolder(folder).existing_manifest().table)
    page = (folder / "report-appendix.md").read_text()
    assert "acme_flip" in shown
    assert "acme_far" in shown
    assert "Flip hubs" in page  # what readers call it
    assert "Far negatives" in page
    assert sound(call("report", folder)).splitlines()
    assert (folder / "report-appendix.md").read_text() == page
    sound(call("audit", folder))
    assert sound(call("transfer", folder))
    replayed = sound(call("replay", folder))
    assert "FAILED" not in replayed


def test_addresses_hold_who_made_it(folder):
    revisions = RunFolder(folder).existing_manifest().revisions
    theirs = {name: text for name, text in revisions.items() if "acme_attacks" in name}
    assert sorted(theirs) == [
        "attack acme_attacks.flip:Flip",
        "data source acme_attacks.cycles:Cycles",
        "encoder acme_attacks.tanh:Tanh",
        "method acme_attacks.far:Far",
    ]
    assert all(str(text).startswith("acme-attacks 1.2, sha256 ") for text in theirs.values())
    run = RunFolder(folder)
    record = run.load_records(run.existing_manifest().records).records[-1]
    assert record.made_by["attack"]["distribution"] == "acme-attacks"
    assert record.method_traits.plug_in == "acme_far"
    assert record.method_traits.rivals == ["graphcl"]


def test_uninstalled_what_is_stored_is_shown_and_the_rest_says_what_is_missing(
    folder, uninstalled, tmp_path
):
    uninstalled()
    shown = call("show", folder, "--by-seed")
    assert "acme_flip" in sound(shown)
    assert MISSING in shown.err
    assert "not valid" not in shown.err
    page = (folder / "report-appendix.md").read_text()
    reported = call("report", folder)
    assert "Flip hubs" in sound(reported)  # the page is printed
    assert MISSING in reported.err
    assert (folder / "report-appendix.md").read_text() == page  # which says more
    sound(call("report", folder, "--out", tmp_path / "new"))
    assert "Far negatives" in (tmp_path / "new" / "report.md").read_text()
    assert "from an earlier run" in (tmp_path / "new" / "report.md").read_text()
    for command in ("audit", "transfer", "replay"):
        answer = call(command, folder)
        assert (answer.code, MISSING in answer.err) == (2, True), answer.err
        assert len(answer.err.splitlines()) == 1


def test_another_version_is_said(folder, uninstalled, site, tmp_path, monkeypatch):
    uninstalled()
    newer = Path(shutil.copytree(site, tmp_path / "newer"))
    info = (newer / "acme_attacks-1.2.dist-info").rename(newer / "acme_attacks-1.3.dist-info")
    text = (info / "METADATA").read_text()
    (info / "METADATA").write_text(text.replace("Version: 1.2", "Version: 1.3"))
    monkeypatch.syspath_prepend(str(newer))
    answer = call("audit", folder)
    assert (answer.code, "holds results of other revisions" in answer.err) == (2, True)
    run = RunFolder(folder)
    revised = run.revised(run.existing_manifest())
    assert len(revised) == 4
    assert all(
        re.search(r"\(acme-attacks 1.2, .* now acme-attacks 1.3, ", text) for text in revised
    )


def test_its_own_tests_pass(site, tmp_path):
    """They use `robust_augcl.testing`."""
    tests = shutil.copytree(PACKAGE / "tests", tmp_path / "tests")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=HANGS, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_its_readme_says_it_in_five_lines():
    lines = (PACKAGE / "README.md").read_text().splitlines()
    assert [line[0] for line in lines if line and not line.startswith("#")] == list("12345")


def test_a_file_instead_of_a_package(tmp_path, monkeypatch):
    """The same attack in a file of its own, by a short name."""
    shutil.copy(PACKAGE / "src" / "acme_attacks" / "flip.py", tmp_path / "hubs.py")
    from small_suites import ONE_ATTACK

    (tmp_path / "suite.toml").write_text(ONE_ATTACK.format(attack="hubs"))
    monkeypatch.chdir(tmp_path)
    refused = call("run", "suite.toml", "--out", "out")
    assert (refused.code, "Unknown attack 'hubs'" in refused.err) == (2, True)
    command = ["run", "suite.toml", "--out", "out", "--workers", "1", "--quiet"]
    sound(call(*command, "--plugin", "hubs.py"))
    forget_foreign()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "hubs.py").rename(tmp_path / "elsewhere" / "hubs.py")
    wanted = "was made with the attack hubs of the file hubs.py: pass --plugin PATH/hubs.py"
    shown = call("show", "out")
    assert wanted in shown.err
    assert "hubs" in sound(shown)
    answer = call("replay", "out")
    assert (answer.code, wanted in answer.err) == (2, True)
    sound(call("replay", "out", "--plugin", "elsewhere/hubs.py"))
