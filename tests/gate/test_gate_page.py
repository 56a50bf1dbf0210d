"""The benchmark of docs/gate.md does what the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from time_limits import HANGS
from tree import TREE

pytestmark = pytest.mark.end_to_end


def test_the_benchmark_in_units_of_a_reference_fails_where_it_is_slower(tmp_path):
    page = (TREE / "docs" / "gate.md").read_text()
    (source,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        if "pytest.mark.benchmark" in block
    )
    (commands,) = (b for b in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "main.json" in b)
    first, second = (line.split("#")[0].split()[1:] for line in commands.splitlines())
    slower = source.replace("lambda: 19_999", "lambda: sum(range(2_000)) * 0 + 19_999")
    assert slower != source

    # Beside pytest-xdist pytest-benchmark measures nothing; a process started here inherits that.
    alone = {name: value for name, value in os.environ.items() if "XDIST" not in name}

    def call(text: str, arguments: list[str]) -> int:
        (tmp_path / "test_speed.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        command += ["--benchmark-max-time", "0.1", "--benchmark-min-rounds", "3"]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=HANGS, env=alone
        )
        assert "benchmark" in done.stdout, done.stderr
        return done.returncode

    assert call(source, first) == 0
    stored = json.loads((tmp_path / "main.json").read_text())["benchmarks"][0]["stats"]
    assert stored["min"] < 0.1  # of the reference's time, not seconds: it multiplies three numbers
    assert call(slower, second) != 0
