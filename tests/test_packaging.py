"""What is installed is what lies in the tree, and the two laws of the architecture hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import files, version
from pathlib import Path

import pytest

import robust_augcl
from robust_augcl import registry

TREE = Path(__file__).parents[1]
FOLDERS = {
    "robust_augcl": "robust_augcl",
    "attacks": "robust_augcl/attacks",
    "suites": "robust_augcl/suites",
    "reports": "robust_augcl/reports",
}


def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module in the tree."""
    found = {}
    for folder, package in FOLDERS.items():
        for path in (TREE / folder).rglob("*.py"):
            parts = (Path(package) / path.relative_to(TREE / folder)).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_file_of_the_tree_is_installed():
    root = Path(robust_augcl.__file__).parents[1]
    for folder, package in FOLDERS.items():
        installed = Path(sys.modules["robust_augcl"].__path__[0]) if folder == "robust_augcl" else root / package
        if not installed.exists():
            pytest.skip("an editable install has no folder of its own for each part")
        mine = {p.relative_to(TREE / folder) for p in (TREE / folder).rglob("*") if p.suffix in {".py", ".toml", ".typed"}}
        theirs = {p.relative_to(installed) for p in installed.rglob("*") if p.suffix in {".py", ".toml", ".typed"}}
        assert mine <= theirs


def test_nothing_but_the_package_lands_in_site_packages():
    if (Path(robust_augcl.__file__).parents[1] / "pyproject.toml").exists():
        pytest.skip("an editable install puts nothing there")
    tops = {str(path).split("/")[0] for path in files("robust-augcl") or []}
    assert not tops & {"attacks", "suites", "reports", "tests", "docs"}


def test_the_version_is_the_same_everywhere():
    assert robust_augcl.__version__ == version("robust-augcl")


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [
        (
            "robust_augcl.attacks",
            ["robust_augcl.suites", "robust_augcl.reports", "robust_augcl.encoders", "robust_augcl.methods", "robust_augcl.contrast"],
        ),
        ("robust_augcl.reports", ["robust_augcl.attacks", "robust_augcl.suites", "robust_augcl.steps", "robust_augcl.victim", "torch"]),
        ("robust_augcl.statistics", ["robust_augcl.reports", "matplotlib", "torch"]),
        ("robust_augcl.records", ["robust_augcl.statistics", "robust_augcl.reports", "torch"]),
        ("robust_augcl.graphs", ["robust_augcl.threat", "robust_augcl.victim", "robust_augcl.attack"]),
        ("robust_augcl.threat", ["robust_augcl.victim", "robust_augcl.attack"]),
        ("robust_augcl.victim", ["robust_augcl.attack"]),
        ("robust_augcl.contrast", ["robust_augcl.methods", "robust_augcl.suite", "robust_augcl.victim", "robust_augcl.attack"]),
        ("robust_augcl.cli", ["torch", "robust_augcl.attacks"]),
    ],
)
def test_imports_go_one_way(part, forbidden):
    for name, path in modules().items():
        if name == part or name.startswith(part + "."):
            wrong = {i for i in imports(path) for f in forbidden if i == f or i.startswith(f + ".")}
            allowed = {"torch"} if name == "robust_augcl.cli" else set()  # inside the functions that need it
            if name == "robust_augcl.attacks.rl_s2v" or name.startswith("robust_augcl.attacks._"):
                allowed |= {i for i in wrong if i.startswith("robust_augcl.encoders")}  # its own Q-network is one
            if name == "robust_augcl.cli":
                allowed |= {i for i in wrong if i.startswith("robust_augcl.reports")}
            assert not wrong - allowed, f"{name} imports {wrong - allowed}"


def test_the_core_imports_none_of_its_siblings():
    for name, path in modules().items():
        if not name.startswith(("robust_augcl.attacks", "robust_augcl.suites", "robust_augcl.reports", "robust_augcl.cli")):
            wrong = {i for i in imports(path) if i.startswith(("robust_augcl.attacks", "robust_augcl.suites", "robust_augcl.reports"))}
            assert not wrong, f"{name} imports {wrong}"


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["list", "--format", "json"], ["run", "--help"]])
def test_light_commands_import_nothing_heavy(arguments):
    script = (
        "import sys; sys.argv = ['robust-augcl', *sys.argv[1:]]\n"
        "from robust_augcl.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'torch_geometric', 'sklearn', 'scipy', 'matplotlib', 'pydantic', 'numpy'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", list(registry.GROUPS))
def test_every_registered_name_loads_and_has_a_description(kind):
    for name, description in registry.descriptions(kind).items():
        cls = registry.load(kind, name)
        assert isinstance(cls, type)
        assert description
