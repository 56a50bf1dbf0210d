"""A fresh pytest with the plugin, in a project of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from time_limits import HANGS
from tree import TREE

from robust_augcl.arithmetic import VARIABLES

EXAMPLE = TREE / "examples" / "gate_in_ci"
PLUGIN = "robust_augcl.gate.pytest_plugin"
CONFTEST = """
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

@pytest.fixture(autouse=True)
def _figures_are_not_drawn(request, monkeypatch):
    # They take half of the time, and nobody looks at them.
    if "robustness" in request.fixturenames:
        from robust_augcl.reports._figures import Gallery, figures
        from robust_augcl.reports.written import ENDINGS

        def draw(self, report, but=()):
            return {f"{name}.{end}": b"" for name in figures(report) for end in ENDINGS}

        monkeypatch.setattr(Gallery, "draw", draw)

def pytest_unconfigure():
    print("TORCH", "torch" in sys.modules)
"""


class Ran(NamedTuple):
    """What a run of pytest left."""

    code: int
    out: str
    cases: dict[str, ElementTree.Element]

    def properties(self, name: str) -> dict[str, str]:
        found = self.cases[name].findall("properties/property")
        assert len({each.get("name") for each in found}) == len(found)
        return {str(each.get("name")): str(each.get("value")) for each in found}

    def failure(self, name: str) -> str:
        found = self.cases[name].find("failure")
        assert found is not None
        return f"{found.get('message')}\n{found.text}"


def run(folder: Path, *arguments: str) -> Ran:
    """Run a fresh pytest in a folder, as its user does: in the arithmetic of nobody's choice."""
    left_out = {*VARIABLES, "CI", "BUILD_NUMBER"}  # where pytest finds these, it prints more
    environment = {name: told for name, told in os.environ.items() if name not in left_out}
    environment["OMP_NUM_THREADS"] = "1"
    installed = any(each.value == PLUGIN for each in entry_points(group="pytest11"))
    by_hand = [] if installed else ["-p", PLUGIN]  # an editable install of before it was there
    command = [sys.executable, "-m", "pytest", *by_hand, "-q", "--junit-xml", "junit.xml"]
    done = subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS,
    )
    cases = ElementTree.parse(folder / "junit.xml").getroot().iter("testcase")
    return Ran(done.returncode, done.stdout + done.stderr, {str(c.get("name")): c for c in cases})
