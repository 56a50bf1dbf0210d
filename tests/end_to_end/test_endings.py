"""However a step ends: it is a failed step with its name, the others go on, the run goes on."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import ending_attacks
import pytest
from command_line import call, call_apart
from small_suites import ONE_ATTACK
from time_limits import HANGS

from robust_augcl.store.housekeeping import survey
from robust_augcl.store.run_folder import RunFolder

ENDINGS = ending_attacks.ENDINGS


@pytest.fixture
def endings(tmp_path):
    """The file of the attacks."""
    return Path(shutil.copy(ending_attacks.__file__, tmp_path / "ends.py"))


def suite_of(endings, *names):
    """A suite of these attacks, and one of ours after them."""
    first, *others = [f"{endings}:{name}" for name in names] + ["rand_sampling"]
    text = ONE_ATTACK.replace("{attack}", first)
    text += "".join(f'[[attacks]]\nname = "{other}"\n' for other in others)
    path = endings.with_name("suite.toml")
    path.write_text(text)
    return path


@pytest.mark.thorough(but=["1-names0"])
@pytest.mark.parametrize(
    ("workers", "names"),
    [
        ("1", ["Exits", "ExitsAtOnce", "Interrupts"]),
        ("1", [*ENDINGS]),
        ("2", ["Exits", "ExitsAtOnce", "OwnBase", "Interrupts", "Unreadable"]),
    ],
)
def test_every_ending_is_a_failed_step_and_the_others_go_on(endings, tmp_path, workers, names):
    out = tmp_path / "out"
    arguments = ("run", suite_of(endings, *names), "--out", out, "--workers", workers)
    code, _, told = call_apart(*arguments)
    assert code == 1, told
    assert "Traceback" not in told
    for name in names:
        failed = rf"^failed: attack: {name} on none.*: {ENDINGS[name]}"
        assert re.search(failed, told, re.M), (name, told)
    assert f"{len(names)} of {len(names) + 1} results are missing" in told
    assert max(map(len, told.splitlines())) < 4000

    (record,) = RunFolder(out).load_records(RunFolder(out).existing_manifest().records).records
    assert record.cell.attack == "rand_sampling"
    assert (out / "report.md").exists()
    kept = [json.loads(path.read_text()) for path in out.glob("failures/*.json")]
    assert len(kept) == len(names)
    assert all(len(json.dumps(failure)) < 100_000 for failure in kept)
    assert survey(RunFolder(out)).running == []
    assert not list(out.rglob(".writing-*"))


STUBBORN = """
import os, time
from ending_attacks import Ending


class Deaf(Ending):
    def end(self):
        open(os.environ["BEGUN"], "w").write("yes")
        while True:
            try:
                time.sleep(60)  # the fault itself: nothing but a kill ends it
            except BaseException:
                pass
"""


@pytest.fixture
def stubborn(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(ending_attacks.__file__).parent))
    path = tmp_path / "stubborn.py"
    path.write_text(STUBBORN)
    return path


@pytest.mark.thorough(but=["1"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_interrupts_a_step_that_lets_nothing_end_it(stubborn, tmp_path, workers):
    begun, temporary = tmp_path / "begun", tmp_path / "tmp"
    os.mkfifo(begun)
    temporary.mkdir()
    command = [sys.executable, "-m", "robust_augcl", "run", str(suite_of(stubborn, "Deaf"))]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "out"), "--workers", workers],
        env={**os.environ, "BEGUN": str(begun), "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    # It waits until somebody writes: a worker, and maybe who looks ahead.
    assert "yes" in begun.read_text()
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=HANGS)
    assert process.returncode == 130, told
    assert b"Interrupted" in told
    assert b"Traceback" not in told
    assert b"leaked" not in told
    assert list(temporary.iterdir()) == []


@pytest.mark.thorough(but=["1"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_workers_end_with_a_main_process_that_nobody_has_waited_for(stubborn, tmp_path, workers):
    """Until then it keeps its number. Who reads its output waits for the workers, which hold it."""
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    command = [sys.executable, "-m", "robust_augcl", "run", str(suite_of(stubborn, "Deaf"))]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "out"), "--workers", workers],
        env={**os.environ, "BEGUN": str(begun)},
        stderr=subprocess.PIPE,
    )
    assert "yes" in begun.read_text()
    process.kill()
    process.communicate(timeout=HANGS)  # reads to the end before it waits


def test_a_plug_in_that_ends_the_process_when_it_is_imported_is_bad_input(tmp_path):
    for number, line in enumerate(("raise SystemExit(0)", "class E(BaseException): ...\nraise E")):
        path = tmp_path / f"early_{number}.py"
        path.write_text(f"{line}\n")
        suite = suite_of(path, "Early")
        code, _, told = call("run", suite, "--out", tmp_path / "out", "--workers", "1")
        assert code == 2
        assert told.startswith("error: ")
        assert "suite.toml: [[attacks]]: Cannot import" in told
        assert "its code raised" in told
        assert "Traceback" not in told
