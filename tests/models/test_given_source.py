"""A given model is known by its source, however its module was imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from time_limits import HANGS

from robust_augcl import foreign
from robust_augcl.campaign.resolving import make
from robust_augcl.models.identity import identity, made_by

NET = """
import json, sys
import torch
from torch import nn

SCALE = torch.tensor({scale})
OTHER = 1

def scaled(x):
    return SCALE * x

class Net(nn.Linear):
    def __init__(self):
        super().__init__(2, 2)

    def forward(self, x, edge_index, batch):
        return scaled(super().forward(x))

def make():
    return Net()

if __name__ == "__main__":
    from robust_augcl.models.identity import identity, made_by
    print(json.dumps([*identity(Net()), made_by(Net())["name"]]))
"""


def told(folder, *arguments):
    """What a new process prints of the identity of the model."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    environment.pop("PYTHONSAFEPATH", None)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def identified(name):
    """The same of the model that this process makes."""
    foreign.consent([name])
    module = make(name)
    return [*identity(module), made_by(module)["name"]]


@pytest.fixture(autouse=True)
def _no_consent_stays():
    yield
    foreign.withdraw()


def test_a_model_is_the_same_however_its_file_is_imported(tmp_path, monkeypatch):
    (tmp_path / "net_alone.py").write_text(NET.format(scale=2.0))
    monkeypatch.syspath_prepend(str(tmp_path))
    as_script = told(tmp_path, "net_alone.py")
    assert as_script[-1] == "net_alone.py:Net"
    file = tmp_path / "net_alone.py"
    for name in (f"{file}:Net", f"{file}:make", "net_alone:Net"):
        assert identified(name) == as_script


def test_a_module_of_a_package_is_the_same_when_it_runs(tmp_path, monkeypatch):
    package = tmp_path / "acme_of_nets"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text(NET.format(scale=2.0))
    monkeypatch.syspath_prepend(str(tmp_path))
    as_module = told(tmp_path, "-m", "acme_of_nets.net")
    assert as_module[-1] == "acme_of_nets.net:Net"
    assert identified("acme_of_nets.net:make") == as_module


@pytest.mark.parametrize(
    ("before", "after", "is_other"),
    [("{scale}", "3.0", True), ("SCALE * x", "SCALE + x", True), ("OTHER = 1", "OTHER = 2", False)],
    ids=["a tensor it uses", "a function it uses", "what it does not use"],
)
def test_what_a_model_uses_is_its_source(tmp_path, before, after, is_other):
    found = []
    for folder, text in (("one", NET), ("two", NET.replace(before, after))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").write_text(text.format(scale=2.0))
        found.append(identified(f"{tmp_path / folder / 'net.py'}:Net"))
    assert (found[0] != found[1]) == is_other


SIBLING = """
from torch import nn
import {helpers}
from {helpers} import Base

class Net(Base):
    def forward(self, x, edge_index, batch):
        return {helpers}.scaled(x)
"""
HELPERS = """
from torch import nn

class Base(nn.Module):
    twice = 2

def inner(x):
    return x

def scaled(x):
    return inner(x)

def unused(x):
    return x
"""


@pytest.mark.thorough(but=["what that calls", "what it does not use"])
@pytest.mark.parametrize(
    ("before", "after", "is_other"),
    [
        ("return inner(x)", "return 2 * inner(x)", True),
        ("def inner(x):\n    return x", "def inner(x):\n    return -x", True),
        ("twice = 2", "twice = 3", True),
        ("def unused(x):\n    return x", "def unused(x):\n    return -x", False),
    ],
    ids=["a function", "what that calls", "a base class", "what it does not use"],
)
def test_what_a_model_uses_of_another_file_is_its_source(
    tmp_path, monkeypatch, before, after, is_other
):
    found = []
    for name, text in (("one", HELPERS), ("two", HELPERS.replace(before, after))):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "helpers_of_net.py").write_text(text)
        other_module = f"# in {folder}"  # a process imports each content of a file once
        (folder / "net.py").write_text(SIBLING.format(helpers="helpers_of_net") + other_module)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(folder))
            patch.delitem(sys.modules, "helpers_of_net", raising=False)
            found.append(identified(f"{folder / 'net.py'}:Net"))
    assert (found[0] != found[1]) == is_other


@pytest.mark.thorough
def test_a_script_is_known_by_the_package_beside_it(tmp_path):
    package = tmp_path / "acme_of_layers"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "layers.py").write_text(HELPERS)
    (tmp_path / "net.py").write_text(
        SIBLING.format(helpers="layers")
        .replace("import layers", "from acme_of_layers import layers")
        .replace("from layers", "from acme_of_layers.layers")
        + "\nif __name__ == '__main__':\n    import json\n"
        + "    from robust_augcl.models.identity import identity\n"
        + "    print(json.dumps(identity(Net())))\n"
    )
    before = told(tmp_path, "net.py")
    assert told(tmp_path, "net.py") == before
    (package / "layers.py").write_text(HELPERS.replace("return inner(x)", "return 2 * inner(x)"))
    assert told(tmp_path, "net.py") != before


# --- without a source -----------------------------------------------------------------------------

TYPED = """
import json, torch
from torch import nn
class Net(nn.Linear):
    def forward(self, x, edge_index, batch):
        return super().forward(x) if x.dtype in {torch.float, torch.double} else x
from robust_augcl.models.identity import identity, made_by
net = Net(2, 2)
print(json.dumps([*identity(net), made_by(net)["name"]]))
"""


@pytest.mark.thorough
def test_a_class_typed_at_a_prompt_is_known_by_its_code(tmp_path):
    known = told(tmp_path, "-c", TYPED)
    assert told(tmp_path, "-c", TYPED) == known
    assert known[-1].startswith("__main__:Net (known by its code in Python 3.")


@pytest.mark.parametrize("names", [{}, {"__name__": "no_such_module"}])
def test_a_class_made_by_exec_is_known_by_its_code(names):
    def made(factor, scale=1.0):
        there = dict(names)
        exec(
            "import torch\nfrom torch import nn\n"
            f"SCALE = torch.tensor({scale})\n"
            "class Net(nn.Linear):\n"
            f"    def forward(self, x, edge_index, batch):\n        return {factor} * x * SCALE",
            there,
        )
        return there["Net"](2, 2)

    assert identity(made(1)) == identity(made(1)) != identity(made(2))
    assert identity(made(1)) != identity(made(1, scale=2.0))
    assert "(known by its code in Python" in made_by(made(1))["name"]
