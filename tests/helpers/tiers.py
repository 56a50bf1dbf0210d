"""Two tiers of tests: what always runs, and what is thorough and runs on request.

A test with `pytest.mark.thorough` is thorough. Of a test with parameters the mark can leave members
in the default tier: `thorough(but=["add"])` marks all but these, `thorough(only=["500-*"])` no
others. Members are named by their ids as pytest prints them in brackets; `*` stands for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

SWITCH = "--thorough"
MARK = "thorough"


class Tiers(NamedTuple):
    """The tests of a call of pytest.

    Args:
        default: what always runs.
        thorough: what runs on request.
        with_members: tests of whose members a mark names some.
        unknown: names of members that no test has, each behind the test whose mark names them.
    """

    default: Sequence[pytest.Item]
    thorough: Sequence[pytest.Item]
    with_members: set[str]
    unknown: Sequence[tuple[str, str]]

    def modules_without_default(self) -> set[Path]:
        """The files all of whose tests are thorough."""
        return {item.path for item in self.thorough} - {item.path for item in self.default}


TIERS = pytest.StashKey[Tiers]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one switch between the tiers."""
    parser.addoption(
        SWITCH,
        action="store_true",
        help="run the tests that are marked `thorough` too (see CONTRIBUTING.md)",
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse an expression of `-m` or `-k` that is none, or that names an unknown marker, at once.

    Pytest refuses it when tests are collected. Where several processes do, xdist makes it an
    internal error of its own, which does not say what was wrong.
    """
    marks = config.pluginmanager.get_plugin("mark")
    assert marks is not None
    marks.pytest_collection_modifyitems(items=[], config=config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the thorough tests, unless they were asked for."""
    tiers = config.stash[TIERS] = tiers_of(items)
    if tiers.thorough and not are_thorough_tests_asked_for(config):
        items[:] = tiers.default
        config.hook.pytest_deselected(items=tiers.thorough)


@pytest.fixture(scope="session")
def thorough(pytestconfig: pytest.Config) -> bool:
    """Whether the thorough tier was asked for: for tests that would else be twice."""
    return bool(pytestconfig.getoption(SWITCH))


def are_thorough_tests_asked_for(config: pytest.Config) -> bool:
    """By the switch, by the mark, by naming a test, or as benchmarks that are to be measured."""
    return bool(
        config.getoption(SWITCH)
        or re.search(rf"\b{MARK}\b", config.getoption("markexpr") or "")
        or any("::" in argument for argument in config.args)
        or config.getoption("benchmark_enable", False)
    )


def tiers_of(items: Iterable[pytest.Item]) -> Tiers:
    """Sort tests into tiers; members that a mark leaves in the default tier lose the mark."""
    default, thorough = [], []
    named: dict[tuple[str, str], bool] = {}
    for item in items:
        mark = item.get_closest_marker(MARK)
        if mark is None:
            default.append(item)
            continue
        found = {name: is_member(name, id_of(item)) for name in names_of(mark)}
        for name, is_it in found.items():
            at = item.nodeid.partition("[")[0], name
            named[at] = named.get(at, False) or is_it
        if not found or any(found.values()) == ("only" in mark.kwargs):
            thorough.append(item)
        else:
            item.own_markers = [each for each in item.own_markers if each.name != MARK]
            default.append(item)
    unknown = [at for at, is_there in named.items() if not is_there]
    return Tiers(default, thorough, {test for test, _ in named}, unknown)


def names_of(mark: pytest.Mark) -> list[str]:
    """The members that a mark names."""
    if mark.args or len(mark.kwargs) > 1 or not set(mark.kwargs) <= {"but", "only"}:
        raise pytest.UsageError(f"Expected `thorough(but=[...])` or `only=[...]`, got {mark}")
    return [name for names in mark.kwargs.values() for name in names]


def id_of(item: pytest.Item) -> str:
    """What stands in brackets behind the name of a test."""
    return item.callspec.id if hasattr(item, "callspec") else ""


def is_member(name: str, member: str) -> bool:
    """Whether a name, in which `*` stands for anything, is that of a member."""
    return re.fullmatch(".*".join(map(re.escape, name.split("*"))), member, re.DOTALL) is not None
