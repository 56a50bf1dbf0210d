"""The picture and the table of the rooms name the rooms of the code, and no others."""

from __future__ import annotations

import re
import tomllib
from xml.etree import ElementTree

import pytest
from tree import TREE, modules

SVG = "{http://www.w3.org/2000/svg}"
BASE = "base"
"""In the picture and the table: the package's own files."""
PLUG_INS = {"attacks", "methods", "encoders", "data", "suites", "claims"}
"""Rooms of plug-ins, and of files that are looked up by name: they stand below the table."""
PICTURE = ElementTree.parse(TREE / "docs" / "rooms.svg").getroot()
PAGE = (TREE / "docs" / "architecture.md").read_text(encoding="utf-8")


def rooms_of_the_code() -> set[str]:
    """The packages inside the package."""
    packages = {name for name, path in modules().items() if path.name == "__init__.py"}
    return {name.split(".")[1] for name in packages if name.count(".") == 1}


def floors_of_the_linter() -> list[set[str]]:
    """The rooms that import-linter puts beside one another, from top to bottom."""
    (contract,) = (
        each
        for each in tomllib.loads((TREE / "pyproject.toml").read_text())["tool"]["importlinter"][
            "contracts"
        ]
        if each["type"] == "layers"
    )
    floors = [set(layer.split(" | ")) & rooms_of_the_code() for layer in contract["layers"]]
    return [floor for floor in floors if floor]


def drawn(name: str) -> list[tuple[str, float]]:
    """Text and height of each element of a class, from the top of the picture."""
    found = [
        ("".join(element.itertext()).strip(), float(element.get("y", "nan")))
        for element in PICTURE.iter()
        if name in element.get("class", "").split() and element.tag in (SVG + "text", SVG + "tspan")
    ]
    return sorted(found, key=lambda pair: pair[1])


def test_the_picture_names_every_room_once_and_no_other():
    names = [text for text, _ in drawn("room")]
    assert len(names) == len(set(names))
    assert set(names) == rooms_of_the_code() | {BASE}


def test_rooms_are_drawn_from_top_to_bottom_as_imports_go_down():
    height = dict(drawn("room"))
    floors = [{height[name] for name in floor} for floor in floors_of_the_linter()]
    assert len(floors) > 12
    assert all(len(floor) == 1 for floor in floors)
    tops = [top for (top,) in floors]
    assert tops == sorted(set(tops))


def test_data_flow_through_rooms_that_are_there():
    through = {text for text, _ in drawn("by")}
    assert {"plan", "registry", "steps", "workers", "store", "results", "review"} <= through
    assert through <= rooms_of_the_code()


def test_the_picture_is_legible_on_light_and_dark_pages():
    """It brings its own ground, and each colour of the light one has one of the dark one."""
    (style,) = (element.text or "" for element in PICTURE.iter(SVG + "style"))
    light, _, dark = style.partition("@media (prefers-color-scheme: dark)")
    coloured = {
        side: {
            selector.strip()
            for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", text)
            if re.search(r"(fill|stroke): #", body)
            for selector in selectors.split(",")
        }
        for side, text in (("light", light), ("dark", dark.partition("{")[2]))
    }
    assert coloured["light"] == coloured["dark"]
    grounds = [element for element in PICTURE.iter(SVG + "rect") if element.get("class") == "page"]
    (ground,) = grounds
    assert f"0 0 {ground.get('width')} {ground.get('height')}" == PICTURE.get("viewBox")


def test_the_table_of_rooms_names_every_room():
    table = PAGE.partition("## The rooms")[2].partition("## ")[0]
    rows = set(re.findall(r"^\| `?(\w+)/?`? \|", table, re.MULTILINE)) - {"room"}
    assert rows == (rooms_of_the_code() - PLUG_INS) | {BASE}
    below = table.rpartition("|")[2]
    assert all(f"{name}/`" in below for name in PLUG_INS)


@pytest.mark.parametrize("name", ["architecture.md", "glossary.md"])
def test_every_file_that_a_page_names_is_there(name):
    page = (TREE / "docs" / name).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*\w+\.(?:py|toml))`", page))
    assert len(named) > 40
    package = TREE / "robust_augcl"
    places = [TREE, package, *(package / room for room in ("review/audit", "testing", "models"))]
    there = {path for path in named if any((place / path).exists() for place in places)}
    placeholders = {"methods/NAME.py", "suite.toml"}
    assert named - there - placeholders == set()
