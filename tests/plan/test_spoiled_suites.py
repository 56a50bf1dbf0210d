"""A thousand suites spoiled at random: each is a suite still, or is refused in one short line."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable

import pytest
from small_suites import COMBINING, IN_PARTS, MEASURED, TINY
from spoiled_suites import as_toml, spoil, spoil_bytes
from time_limits import at_most

from robust_augcl import foreign, registry
from robust_augcl.errors import MOST_IN_LINE, InputError, one_line
from robust_augcl.plan.planner import plan
from robust_augcl.plan.suite import load_suite, make_suite

TEXTS = [TINY, MEASURED, IN_PARTS, COMBINING.format(of='of = ["ga"]')]
STATED = {"pairs": [["augcl", "graphcl"], ["augcl", "none"]], "margin": 0.02}
TEXTS += registry.suite_texts().values()
TABLES = [tomllib.loads(text) for text in TEXTS]
MOST_SECONDS = 10  # of the processor, for one suite


def held_against(number: int, what: object, read: Callable[[], object]) -> bool:
    """Whether a spoiled suite is one still; fails where it is refused in any but one way."""
    try:
        with at_most(MOST_SECONDS):
            read()
    except InputError as error:
        message = str(error)
    except Exception as error:
        pytest.fail(f"suite {number}: {type(error).__name__}: {error}\n{str(what)[:3000]}")
    else:
        message = ""
    assert len(message) < 1_000, f"suite {number} is echoed: {message}"
    assert len(one_line(message)) <= MOST_IN_LINE
    return not message


@pytest.fixture(autouse=True)
def _no_consent():
    yield
    foreign.withdraw()


def test_tables_spoiled_by_structure(tmp_path):
    """As a run's folder holds them, and as files."""
    held, count = 0, 600
    for number in range(count):
        chance = random.Random(number)
        table = spoil(chance.choice(TABLES), chance)
        held += held_against(number, table, lambda: plan(make_suite(table, "here")))  # noqa: B023
        if number % 3 == 0:
            path = tmp_path / "suite.toml"
            path.write_text(as_toml(table), encoding="utf-8", errors="surrogatepass")
            held_against(number, path.read_bytes(), lambda: load_suite(str(path)))  # noqa: B023
    assert count / 20 < held < count * 2 / 3  # else the faults are too hard, or none


def test_stated_comparisons_spoiled_by_structure():
    """The faults lie in this table alone, of a suite that is whole but for it."""
    held, whole = 0, tomllib.loads(TINY)
    for number in range(400):
        chance = random.Random(20_000 + number)
        table = {**whole, **spoil({"comparisons": STATED}, chance)}
        held += held_against(number, table, lambda: make_suite(table, "here"))  # noqa: B023
    assert 20 < held < 250


def test_files_spoiled_by_bytes(tmp_path):
    path, held, count = tmp_path / "suite.toml", 0, 400
    for number in range(count):
        chance = random.Random(10_000 + number)
        content = spoil_bytes(chance.choice(TEXTS).encode(), chance)
        path.write_bytes(content)
        held += held_against(number, content, lambda: load_suite(str(path)))
    assert count / 20 < held < count * 3 / 4
