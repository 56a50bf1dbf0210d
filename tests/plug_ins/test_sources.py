"""The code of our own plug-ins changes only with a revision, or a reason why it does not matter."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from plug_in_sources import (
    SCRIPT,
    STORED,
    Refused,
    in_tree,
    normalised,
    problems,
    recorded,
    stored,
)
from time_limits import HANGS
from tree import FOLDERS, TREE

from robust_augcl import registry


def test_the_code_of_our_plug_ins_is_what_was_recorded():
    assert problems(in_tree(), stored()) == []


def test_every_plug_in_is_looked_at():
    names = [
        f"{kind.split()[0]}.{name}" for kind in registry.GROUPS for name in registry.names(kind)
    ]
    now = in_tree()
    assert sorted(now) == sorted(names)
    for kind in registry.GROUPS:
        for name in registry.names(kind):
            revision = registry.load(kind, name).revision
            assert now[f"{kind.split()[0]}.{name}"].revision == revision


def test_what_only_plug_ins_use_is_their_code():
    now = in_tree()
    assert "robust_augcl.attacks._two_step_q" in now["attack.rl_s2v"].modules
    assert "robust_augcl.contrast.augcl.partition" in now["method.augcl"].modules
    # Certificates search pairs and beams too, so these searches are not the attacks' own.
    beam, exhaustive = (now[f"attack.{name}"].modules for name in ("beam", "exhaustive"))
    assert beam == ["robust_augcl.attacks.beam"]
    assert exhaustive == ["robust_augcl.attacks.exhaustive"]


# --- on a copy ------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, to edit."""
    for folder in FOLDERS:
        shutil.copytree(
            TREE / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)


def changed(copy: Path) -> list[str]:
    """The names of the plug-ins that there is a problem with, after an edit of the copy."""
    then = {
        name: {"revision": code.revision, "source": code.source, "same": []}
        for name, code in in_tree().items()
    }
    found = problems(in_tree(copy), then)
    return [re.sub("^the code of ", "", problem).split()[0] for problem in found]


def test_an_unedited_copy_has_no_problem(copy):
    assert changed(copy) == []


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "expected"),
    [
        ("attacks/beam.py", "width: int = 1", "width: int = 2", ["attack.beam"]),
        ("attacks/_two_step_q.py", r"\n\nclass ", "\n\nX = 1\n\n\nclass ", ["attack.rl_s2v"]),
        ("robust_augcl/encoders/gin.py", r"\n\nclass ", "\n\nX = 1\n\n\nclass ", ["encoder.gin"]),
        (
            "robust_augcl/contrast/augcl/partition.py",
            r"\n\ndef ",
            "\n\nX = 1\n\n\ndef ",
            ["method.augcl"],
        ),
        (
            "attacks/_edit_sets.py",
            r"\n\ndef ",
            "\n\nX = 1\n\n\ndef ",
            ["attack.genetic", "attack.prbcd"],
        ),
        ("robust_augcl/oracle/bounds.py", r"\n\ndef ", "\n\nX = 1\n\n\ndef ", []),
    ],
)
def test_an_edit_is_a_problem_of_the_plug_ins_that_it_touches(
    copy, file, pattern, replacement, expected
):
    edit(copy / file, pattern, replacement)
    assert changed(copy) == expected


def test_comments_docstrings_and_line_breaks_are_no_edits(copy):
    path = copy / "attacks/beam.py"
    edit(path, r'^"""', '"""Another first line. ')
    edit(path, r"@dataclass\(frozen=True\)", "@dataclass(\n    frozen=True,  # never changes\n)")
    head, other = r'class Beam\(GrowingAttack\):\n    """', 'class Beam(GrowingAttack):\n    """'
    edit(path, head, f"{other}In other words: ")
    assert changed(copy) == []


def test_a_file_that_comes_or_goes_is_a_problem(copy):
    (copy / "attacks/beam.py").rename(copy / "attacks/ray.py")
    assert changed(copy) == ["attack.ray", "attack.beam"]


def test_the_revision_is_no_code_and_is_recorded(copy):
    before = in_tree(copy)["attack.beam"]
    edit(
        copy / "attacks/beam.py", r"revision: ClassVar\[int\] = \d+", "revision: ClassVar[int] = 9"
    )
    after = in_tree(copy)["attack.beam"]
    assert after.source == before.source
    assert after.revision == 9
    assert changed(copy) == ["attack.beam"]


def test_what_can_be_recorded(copy):
    then = recorded(in_tree(copy), {}, {})
    edit(copy / "attacks/beam.py", "width: int = 1", "width: int = 2")
    now = in_tree(copy)
    with pytest.raises(Refused, match=r"attack\.beam changed\. .* --same attack\.beam"):
        recorded(now, then, {})
    with pytest.raises(Refused, match=r"attack\.beam changed"):
        recorded(now, then, {"attack.beam": " "})
    with pytest.raises(Refused, match=r"attack\.genetic did not change"):
        recorded(now, then, {"attack.beam": "why", "attack.genetic": "why"})
    same = recorded(now, then, {"attack.beam": "why"})
    assert problems(now, same) == []
    assert same["attack.beam"]["same"] == ["why"]
    assert recorded(now, same, {}) == same
    edit(
        copy / "attacks/beam.py", r"revision: ClassVar\[int\] = \d+", "revision: ClassVar[int] = 9"
    )
    raised = recorded(in_tree(copy), then, {})
    assert raised["attack.beam"]["same"] == []
    assert problems(in_tree(copy), raised) == []
    with pytest.raises(Refused, match="only raised"):
        recorded(now, raised, {"attack.beam": "why"})


def test_the_script_refuses_an_unknown_name_and_records_nothing():
    before = STORED.read_bytes()
    done = subprocess.run(
        [sys.executable, *SCRIPT.split()[1:], "--same", "attack.no_such", "why"],
        cwd=TREE,
        capture_output=True,
        text=True,
        timeout=HANGS,
    )
    assert done.returncode == 1
    assert "Nothing was recorded" in done.stderr
    assert STORED.read_bytes() == before


def test_all_versions_of_python_write_the_same():
    source = "def f(x: int = 1) -> str:\n    'words'\n    return f'{x!r:>{x}}' if x else u'none'\n"
    assert normalised(source) == (
        "Module(body=[FunctionDef(name='f';args=arguments(args=[arg(arg='x';annotation=Name(id"
        "='int';);),];defaults=[Constant(value=1;),];);body=[Return(value=IfExp(test=Name(id='"
        "x';);body=JoinedStr(values=[FormattedValue(value=Name(id='x';);conversion=114;format_"
        "spec=JoinedStr(values=[Constant(value='>';),FormattedValue(value=Name(id='x';);conver"
        "sion=-1;),];);),];);orelse=Constant(value='none';););),];returns=Name(id='str';);),];"
        ")"
    )
