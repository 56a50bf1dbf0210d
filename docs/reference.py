"""Builds the API reference from docstrings: `tox -e docs`, or python docs/reference.py FOLDER.

The pages need no server: open FOLDER/index.html from disk. Which names are public is decided by
`__all__` of the package and of its kit, and by the bases of plug-ins; here stands what goes on
which page.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import robust_augcl
from robust_augcl.registry.own import GROUPS

MODULES = (
    "robust_augcl",
    "robust_augcl.testing",
    *(module for _, module, _ in GROUPS.values()),
    "robust_augcl.contrast.objective",
    "robust_augcl.contrast.weighting",
    "robust_augcl.data.components",
    "robust_augcl.data.file",
    "robust_augcl.data.tu",
    "robust_augcl.threat.candidates",
)
"""A page each: the public names, the kit, the bases of plug-ins, and what these are handed."""


def public() -> dict[str, Any]:
    """The names that everybody starts from -> what they stand for: the package, the kit, the bases.

    >>> "robust_augcl.evaluate" in public(), "robust_augcl.contrast.method_base.Method" in public()
    (True, True)
    """
    found = {}
    for module in map(importlib.import_module, MODULES[:2]):
        found |= {f"{module.__name__}.{name}": getattr(module, name) for name in module.__all__}
    for _, name, base in GROUPS.values():
        of = getattr(importlib.import_module(name), base)
        found |= {
            f"{name}.{key}": value
            for key, value in vars(sys.modules[name]).items()
            if inspect.isclass(value) and value.__module__ == name and issubclass(value, of)
        }
    return found


def own_example(made: Any) -> bool:
    """Whether a class or function, or a public member of it, has an example in its docstring."""
    members = vars(made).items() if inspect.isclass(made) else ()
    told = [made, *(member for name, member in members if not name.startswith("_"))]
    return any(">>>" in (inspect.getdoc(each) or "") for each in told)


def example_of_module(made: Any) -> str:
    """The example at the top of the module that defines a name, empty where there is none."""
    text = inspect.getdoc(sys.modules[made.__module__]) or ""
    return text[text.index("Example:") :] if "Example:" in text and ">>>" in text else ""


def prepare(package: ModuleType) -> None:
    """Put the lazy names of the package in place, each with an example."""
    for name in package.__all__:
        made = vars(package)[name] = getattr(package, name)
        if (inspect.isclass(made) or inspect.isfunction(made)) and not own_example(made):
            made.__doc__ = f"{inspect.getdoc(made)}\n\n{example_of_module(made)}"


def build(folder: Path) -> None:
    """Write the pages into a folder."""
    import pdoc

    prepare(robust_augcl)
    pdoc.render.configure(docformat="google", footer_text=f"{robust_augcl.__version__}")
    pdoc.pdoc(*MODULES, output_directory=folder)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
