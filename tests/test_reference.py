"""What is public has a docstring with an example, and the API reference shows it."""

from __future__ import annotations

import importlib
import inspect
import re
import runpy
import warnings
from html import unescape
from urllib.parse import unquote

import pytest
from tree import TREE

REFERENCE = runpy.run_path(str(TREE / "docs" / "reference.py"))
PUBLIC = REFERENCE["public"]()


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_name_is_told_with_an_example(name):
    made = PUBLIC[name]
    if not (inspect.isclass(made) or inspect.isroutine(made)):
        assert isinstance(made, str | tuple)  # the version, and tables of rules
        return
    assert inspect.getdoc(made)
    assert REFERENCE["own_example"](made) or REFERENCE["example_of_module"](made)


def test_names_of_all_kinds_are_looked_at():
    assert {"robust_augcl.evaluate", "robust_augcl.testing.check_attack"} < PUBLIC.keys()
    assert "robust_augcl.adversary.attack_base.LearningAttack" in PUBLIC
    assert "robust_augcl.graphs.data_source.DataSource" in PUBLIC


@pytest.mark.parametrize("name", REFERENCE["MODULES"])
def test_a_page_stands_for_a_module_with_a_docstring(name):
    assert importlib.import_module(name).__doc__


def test_the_pages_open_from_disk(tmp_path):
    pytest.importorskip("pdoc")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*does not resolve")
        REFERENCE["build"](tmp_path)
    page = (tmp_path / "robust_augcl.html").read_text()
    for name in importlib.import_module("robust_augcl").__all__:
        assert f'id="{name}"' in page, name
    assert (tmp_path / "index.html").exists()
    assert 'src="http' not in page
    assert list(broken_links(tmp_path)) == []


def broken_links(folder):
    """Links of pages to files, or to places in pages, that are not there."""
    pages = {path.resolve(): path.read_text() for path in folder.rglob("*.html")}
    places = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in pages.items()}
    seen = 0
    for path, text in pages.items():
        for link in re.findall(r'href="([^"]*)"', text):
            file, _, place = unquote(unescape(link)).partition("#")
            if file.startswith(("http:", "https:", "data:", "${")):  # the last is of a script
                continue
            seen += 1
            target = (path.parent / file).resolve() if file else path
            if not target.exists() or (place and place not in places.get(target, {place})):
                yield f"{path.name}: {link}"
    assert seen > 1000
