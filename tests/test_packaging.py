"""What is installed is what lies in the tree, and light commands stay light."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import files, version
from pathlib import Path

import pytest
from time_limits import HANGS
from tree import FOLDERS, TREE, modules

import robust_augcl
from robust_augcl import registry


def test_every_package_is_named_once():
    named = tomllib.loads((TREE / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    packages = [name for name, path in modules().items() if path.name == "__init__.py"]
    assert sorted(named) == sorted(packages)


def test_every_file_of_the_tree_is_installed():
    root = Path(robust_augcl.__file__).parents[1]
    for folder, package in FOLDERS.items():
        installed = (
            Path(sys.modules["robust_augcl"].__path__[0])
            if folder == "robust_augcl"
            else root / package
        )
        if not installed.exists():
            pytest.skip("an editable install has no folder of its own for each part")
        mine = {
            p.relative_to(TREE / folder)
            for p in (TREE / folder).rglob("*")
            if p.suffix in {".py", ".toml", ".typed", ".html", ".css", ".js"}
        }
        theirs = {
            p.relative_to(installed)
            for p in installed.rglob("*")
            if p.suffix in {".py", ".toml", ".typed", ".html", ".css", ".js"}
        }
        assert mine <= theirs


def test_nothing_but_the_package_lands_in_site_packages():
    if (Path(robust_augcl.__file__).parents[1] / "pyproject.toml").exists():
        pytest.skip("an editable install puts nothing there")
    tops = {str(path).split("/")[0] for path in files("robust-augcl") or []}
    assert not tops & {"attacks", "claims", "suites", "reports", "tests", "docs"}


def test_the_version_is_the_same_everywhere():
    assert robust_augcl.__version__ == version("robust-augcl")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list"],
        ["list", "--format", "json"],
        ["run", "--help"],
        ["gate", "--help"],
        ["baseline", "--help"],
    ],
)
def test_light_commands_import_nothing_heavy(arguments):
    script = (
        "import sys; sys.argv = ['robust-augcl', *sys.argv[1:]]\n"
        "from robust_augcl.cli.main import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'torch_geometric', 'sklearn', 'scipy', 'matplotlib', "
        "'pydantic', 'numpy'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=HANGS
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", list(registry.GROUPS))
def test_every_registered_name_loads_and_has_a_description(kind):
    for name, description in registry.descriptions(kind).items():
        cls = registry.load(kind, name)
        assert isinstance(cls, type)
        assert description
