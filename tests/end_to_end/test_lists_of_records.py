"""A run.json whose lists are not those of its suite: refused, or said by `show`."""

from __future__ import annotations

import json
import shutil

import pytest


@pytest.fixture
def copied(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def change(folder, **lists):
    path = folder / "run.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **{n: make(content[n]) for n, make in lists.items()}}))
    return content


@pytest.mark.parametrize("name", ["show", "report", "audit", "replay", "status", "transfer"])
def test_a_record_listed_three_times_is_refused_in_one_line(command, copied, name):
    first = change(copied, records=lambda keys: [*keys, keys[0], keys[0]])["records"][0]
    answer = command(name, copied)
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert "`records` to name each once" in line
    assert f"{first} 3 times" in line


def test_show_says_how_many_records_are_not_listed(command, copied, finished):
    before = command("show", finished)
    assert "does not list" not in before.err
    change(copied, records=lambda keys: keys[2:])
    answer = command("show", copied)
    assert answer.code == 0
    assert "run.json does not list 2 of the 24 records" in answer.err


def test_show_says_so_where_a_seed_was_added_by_hand(command, copied):
    change(copied, seeds=lambda seeds: [*seeds, 7])
    assert "run.json does not list 12 of the 36 records" in command("show", copied).err


def test_a_suite_that_cannot_be_planned_is_shown_all_the_same(command, copied):
    change(copied, table=lambda table: {**table, "unknown": 1}, records=lambda keys: keys[2:])
    answer = command("show", copied)
    assert answer.code == 0
    assert "does not list" not in answer.err
    assert "the suite, which cannot be read today" in answer.err


SPOILT = [
    *({kind: value} for kind in ("methods", "attacks", "victims") for value in (7, "x", [1], [{}])),
    {"threat": []},
    {"threat": {"budget": ["all", None]}},
    {"victims": [{"label": "x", "resolved": {"left_out": 3}}]},
]
"""What may stand in a suite that somebody edited by hand."""


def test_a_suite_that_is_none_is_shown_and_refused_in_one_line(command, copied):
    path = copied / "run.json"
    content = json.loads(path.read_text())
    for spoilt in SPOILT:
        path.write_text(json.dumps({**content, "table": {**content["table"], **spoilt}}))
        answer = command("show", copied)
        assert (answer.code, "the suite, which cannot be read today" in answer.err) == (0, True)
        answer = command("claims", copied)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.splitlines()[-1].startswith("error: ")
