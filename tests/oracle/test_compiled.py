"""Compiled functions: what is kept of them is of the text that stands in their folder now."""

from __future__ import annotations

import os
import subprocess
import sys

_INNER = """
from robust_augcl.oracle.branches.compiled import compiled

@compiled
def inner(value):
    return value + {}
"""
_OUTER = """
from inner import inner
from robust_augcl.oracle.branches.compiled import compiled

@compiled
def outer(value):
    return inner(value)

if __name__ == "__main__":
    print(outer(1), outer.__qualname__, *outer.stats.cache_hits.values())
"""


def test_machine_code_is_not_used_after_a_change_of_another_file(tmp_path):
    (tmp_path / "outer.py").write_text(_OUTER)

    def told(added):
        (tmp_path / "inner.py").write_text(_INNER.format(added))
        run = subprocess.run(
            [sys.executable, tmp_path / "outer.py"],
            env=os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_DISABLE_JIT": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
        return run.stdout.split()

    assert told(1) == ["2", "outer"]
    assert told(1) == ["2", "outer", "1"]  # kept, and used
    assert told(2) == ["3", "outer"]
