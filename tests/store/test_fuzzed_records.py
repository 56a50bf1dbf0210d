"""Records with any JSON in the place of any field, their checksum right: refused in one short line,
or read as exactly what they say.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from spoiling import compact, paths, record_text, replaced

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results.records import Record

words = st.text(max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-3, 3)
    | st.floats()
    | words
    | st.sampled_from(["ab" * 32, "victim-0123456789abcdef0123", "none", "components"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


def read_as_written(header: Any, lines: list[str]) -> bool:
    """Whether a record is read; then as exactly what it says, and else with one short line."""
    text = record_text(header, lines)
    try:
        record = Record.loads(text, "the file")
    except ArtifactDamaged as error:
        said = str(error)
        is_short = said.startswith("the file: ") and len(said) < 420 and "\n" not in said
        assert is_short, said
        return False
    again = dataclasses.replace(record).dumps().splitlines()  # from the fields, not from the text
    for old, new in zip(text.splitlines(), again, strict=True):
        was, now = json.loads(old), json.loads(new)
        assert same({**was, "digest": 0}, {**now, "digest": 0})
    return True


def same(one: Any, other: Any) -> bool:
    """Equal to the type; an int may have become a float."""
    if type(one) is int and type(other) is float:
        return float(one) == other
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_headers(everything, data):
    first, *lines = next((everything / "records").glob("*")).read_text().splitlines()
    header = json.loads(first)
    header.pop("digest")
    path = data.draw(st.sampled_from(sorted(paths(header), key=str)))
    read_as_written(replaced(header, path, data.draw(values)), lines)


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_outcomes(everything, data):
    first, *lines = next((everything / "records").glob("*")).read_text().splitlines()
    place = data.draw(st.integers(0, len(lines) - 1))
    outcome = json.loads(lines[place])
    path = data.draw(st.sampled_from(sorted(paths(outcome), key=str)))
    lines[place] = compact(replaced(outcome, path, data.draw(values)))
    read_as_written(json.loads(first), lines)


@given(line=st.text('{}[],:"0123456789.eE-+ntrufalsgh\\ \t', max_size=60))
@settings(max_examples=200, deadline=None)
def test_lines_of_anything(everything, line):
    first, *lines = next((everything / "records").glob("*")).read_text().splitlines()
    assert not read_as_written(json.loads(first), [*lines, line])


def test_the_record_itself_is_read(everything):
    first, *lines = next((everything / "records").glob("*")).read_text().splitlines()
    assert read_as_written(json.loads(first), lines)
