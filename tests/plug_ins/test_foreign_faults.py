"""Other people's code that raises anything while a suite is read: one line that says where."""

from __future__ import annotations

import os

import pytest
from command_line import call
from foreign_attacks import attack_source
from small_suites import ONE_ATTACK

from robust_augcl import foreign
from robust_augcl.errors import InputError
from robust_augcl.plan.suite import load_suite

HEAD = """
from dataclasses import dataclass
from robust_augcl.adversary.attack_base import Attack
from robust_augcl.adversary.victim import Access
class Mine(BaseException):
    def __str__(self):
        raise SystemExit(0)
"""
BODY = """
@dataclass(frozen=True)
class Flip(Attack):
    access = Access.NONE
    display_name = "Flip"
    {field}
    def prepare(self, victim, fit, threat, generator, report=None):
        return lambda graphs: []
    {method}
"""


@pytest.fixture(autouse=True)
def _no_consent():
    foreign.withdraw()
    yield
    foreign.withdraw()


def refusal(tmp_path, source: str, name: str = "mine.py:Flip") -> str:
    (tmp_path / "mine.py").write_text(source)
    path = tmp_path / "suite.toml"
    path.write_text(ONE_ATTACK.format(attack=name))
    answer = call("run", path, "--out", tmp_path / "out", "--workers", "1")
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert line.startswith("error: ")
    assert not (tmp_path / "out").exists()
    return line


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("raise SystemExit(0)", "its code raised SystemExit: 0"),
        ("import sys; sys.exit()", "its code raised SystemExit"),
        ("raise GeneratorExit", "its code raised GeneratorExit"),
        ("raise Mine", "its code raised Mine: Mine"),
        ("raise ValueError('\\ud800' + 'x' * 100_000)", r"its code raised ValueError: \ud800xxx"),
        ("def f(): f()\nf()", "its code raised RecursionError"),
        ("1 / 0", "its code raised ZeroDivisionError: division by zero"),
        ("import no_such_package", "its code raised ModuleNotFoundError: No module named"),
        ("def (", "its code raised SyntaxError: invalid syntax"),
        ("\x00", "its code raised"),
    ],
)
def test_code_that_cannot_be_imported(tmp_path, statement, words):
    line = refusal(tmp_path, HEAD + statement + "\n")
    assert "suite.toml: [[attacks]]: Cannot import 'mine.py:Flip'" in line
    assert words in line


@pytest.mark.parametrize(
    ("field", "method"),
    [
        ("x: int = 1", "def __post_init__(self): raise SystemExit(0)"),
        ("x: int = 1", "def __post_init__(self): raise Mine"),
        ("x: int = 1", "def __post_init__(self): {}['x']"),
        ("x: 'nothing' = 1", ""),
        ("x: Mine = None", ""),
        ("", "def scaled(self, factor): raise Mine"),
        ("", "max_budget = property(lambda self: 1 / 0)"),
    ],
)
def test_code_that_cannot_be_used(tmp_path, field, method):
    source = HEAD + BODY.format(field=field, method=method)
    (tmp_path / "scale").mkdir()
    (tmp_path / "mine.py").write_text(source)
    path = tmp_path / "suite.toml"
    path.write_text("scale = 0.5\n" + ONE_ATTACK.format(attack="mine.py:Flip"))
    with pytest.raises(InputError, match=r"suite\.toml: ") as caught:
        load_suite(str(path))
    assert "mine.py:Flip" in str(caught.value)


def test_what_is_no_code(tmp_path):
    os.mkfifo(tmp_path / "pipe.py")
    for name, words in (
        ("pipe.py:Flip", "it is a pipe, no regular file"),
        ("/dev/zero.py:Flip", "No such file"),
        (".:Flip", "Expected a plug-in to be named like"),
        ("a b:Flip", "Expected a plug-in to be named like"),
        ("no_such_package.x:Flip", "there is no module no_such_package"),
        ("os:Flip", "Expected os to define the class Flip"),
        ("../mine.py", "named like path/to/file.py:Class or package.module:Class"),
        ("mine", "Unknown attack 'mine'"),
    ):
        assert words in refusal(tmp_path, "", name)


def test_a_plug_in_that_nothing_asks_for_is_said(tmp_path):
    (tmp_path / "mine.py").write_text(attack_source("first"))
    (tmp_path / "suite.toml").write_text(ONE_ATTACK.format(attack="mine.py:Flip"))
    out = tmp_path / "out"
    command = ["run", tmp_path / "suite.toml", "--out", out, "--workers", "1", "--quiet"]
    answer = call(*command, "--plugin", "no.such:Thing", "--plugin", f"{tmp_path}/mine.py:Flip")
    assert answer.code == 0
    warnings = [line for line in answer.err.splitlines() if line.startswith("warning: nothing")]
    assert [line.split()[6].rstrip(":") for line in warnings] == [
        "no.such:Thing",
        f"{tmp_path}/mine.py:Flip",  # the suite's own name is another
    ]
    foreign.withdraw()
    used = call("show", out, "--plugin", f"{tmp_path}/mine.py:Flip")
    assert (used.code, "nothing here asks" in used.err) == (0, False)
    foreign.withdraw()
    unused = call("show", out, "--plugin", "mine.py:Other", "--plugin", f"{tmp_path}/mine.py:Flip")
    assert (unused.code, unused.err.count("nothing here asks for --plugin mine.py:Other")) == (0, 1)
