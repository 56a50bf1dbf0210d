"""What a test writes anew is what runs, even within one second: tests/conftest.py sees to it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest


def _from_a_process(folder):
    command = [sys.executable, "-c", "import written_anew; print(written_anew.VALUE)"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(done.stdout)


def _from_here(folder):
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        return importlib.import_module("written_anew").VALUE
    finally:
        sys.path.remove(str(folder))
        del sys.modules["written_anew"]


@pytest.mark.parametrize("value_of", [_from_a_process, _from_here])
def test_a_module_of_the_same_second_and_size_is_read_again(value_of, tmp_path):
    module = tmp_path / "written_anew.py"
    for value in (1, 2):
        module.write_text(f"VALUE = {value}\n")
        os.utime(module, (1_000_000_000, 1_000_000_000))
        assert value_of(tmp_path) == value
