"""Tests fail for faults of what they test, and not where a machine is slow or a shell is odd."""

from __future__ import annotations

import ast
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from outer_shell import SAYS, forget
from real_archives import put_away, real_archives
from rich.console import Console

HERE = Path(__file__).parent
WALL = {"time", "monotonic", "perf_counter", "monotonic_ns", "perf_counter_ns", "time_ns"}
"""Clocks that go on while a busy machine does something else."""


# --- time -----------------------------------------------------------------------------------------


def is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def asks_a_wall_clock(node: ast.AST) -> bool:
    return any(
        isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and each.func.attr in WALL
        and ast.unparse(each.func.value) == "time"
        for each in ast.walk(node)
    )


def tight(source: str) -> Iterator[int]:
    """The lines of a test where a number of seconds is all that a slow machine has."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            numbers = any(is_number(each) for each in (node.left, *node.comparators))
            if numbers and asks_a_wall_clock(node):
                yield node.lineno
        elif isinstance(node, ast.Call):
            named = {each.arg: each.value for each in node.keywords}
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            first = node.args[:1] if called in ("wait", "join") else []
            if any(map(is_number, [*first, *([named["timeout"]] if "timeout" in named else [])])):
                yield node.lineno


def test_what_is_waited_for_has_as_long_as_the_slowest_machine_needs():
    """Numbers of seconds come from tests/helpers/time_limits.py."""
    found = [
        f"{path.relative_to(HERE)}:{line}"
        for path in sorted(HERE.rglob("*.py"))
        for line in tight(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "is_tight"),
    [
        ("assert time.monotonic() - start < 3", True),
        ("assert 5 > time.perf_counter() - start", True),
        ("assert time.monotonic() - start < HANGS", False),
        ("assert time.process_time() - start < 3", False),
        ("subprocess.run(command, timeout=60)", True),
        ("subprocess.run(command, timeout=HANGS)", False),
        ("assert done.wait(30)", True),
        ("process.join(timeout=5.0)", True),
        ("process.join()", False),
        ("', '.join(names)", False),
    ],
)
def test_a_tight_limit_is_found(line, is_tight):
    assert list(tight(line)) == [1] * is_tight


# --- the shell ------------------------------------------------------------------------------------


def test_nothing_of_the_shell_is_seen_by_tests():
    assert not set(SAYS) & set(os.environ)
    assert "ROBUST_AUGCL_ARCHIVES" not in os.environ  # see tests/helpers/real_archives.py


def test_archives_are_put_away_for_tests_that_want_them(monkeypatch, tmp_path):
    said = {"ROBUST_AUGCL_ARCHIVES": str(tmp_path)}
    put_away(said)
    assert "ROBUST_AUGCL_ARCHIVES" not in said
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert real_archives() == tmp_path


def printed(environment: dict[str, str]) -> str:
    """What a table looks like in a shell that says this."""
    out = io.StringIO()
    console = Console(file=out, _environ=environment)
    console.print("[red]word " * 30)
    return out.getvalue()


def test_a_shell_that_says_much_prints_as_one_that_says_nothing():
    said = {"COLUMNS": "30", "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    assert printed(said) != printed({})
    forget(said)
    assert printed(said) == printed({})
