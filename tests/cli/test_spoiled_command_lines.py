"""Three hundred command lines drawn at random: each ends with 0, 1 or 2, and 2 with one line."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from command_line import call, finish
from small_suites import ONE_ATTACK
from time_limits import at_most

from robust_augcl import foreign
from robust_augcl.campaign import campaign
from robust_augcl.errors import MOST_IN_LINE
from robust_augcl.workers import processes
from robust_augcl.workers.runner import RunSummary

COMMANDS = [
    "run", "show", "status", "clean", "list", "report", "audit", "transfer", "replay", "claims",
    "export", "baseline", "gate", "site", "evaluate",
]  # fmt: skip
OPTIONS = [
    "--out", "--seeds", "--workers", "--device", "--archives", "--executor", "--scheduler", "--set",
    "--plugin", "--format", "--attack", "--report", "--quiet", "-q", "--dry-run", "--all", "--help",
    "-h", "--version", "--", "-", "--no-such", "--out=x", "-qq", "-x", "-o", "--baseline",
    "--tolerance", "--self-test", "--partly", "--claims", "--model", "--data",
]  # fmt: skip
TEXTS = [
    "", " ", "0", "1", "-1", "+1", "1_0", "\u0663", "1e400", "nan", "inf", "-0.0", str(2**70),
    "9" * 6_000, "0,1", "0,0", ",", "a,b", "\x00", "\udcff", "\ud800", "x" * 300, "x" * 100_000,
    "\u00e9" * 200, "\U0001f4a5", "a\nb", "\x1b[31m", "%s", "{0}", "--", "=", "a=b", "a.b.c=1",
    "training.epochs=2", "training.epochs=nan", "training.epochs=" + "[" * 100_000, "seeds=[0, 0]",
    "attacks.0.x=1", "attacks=[]", 'name="../x"', "a." * 50_000 + "=1", "quick", "qick", "mutag",
    "none", "rand_sampling", "cpu", "dask", "tcp://", "json", "csv", "markdown", "xml", "mine.py",
    "mine.py:Class", "no.such:Thing", "os:system", ":", "/dev/zero", "/dev/null", "/dev/zero.py:X",
    "/proc/self/mem", ".", "nowhere", "nowhere.toml",
]  # fmt: skip
"""What may stand anywhere."""

PLACES = ["tiny.toml", "fifo", "fifo.toml", "file", "folder", "broken", "loop", "done"]
"""What lies in the folder: see `here`."""

MOST_SECONDS = 20  # of the processor, for one command


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("done")
    (folder / "tiny.toml").write_text(ONE_ATTACK.format(attack="rand_sampling"))
    return finish(folder / "tiny.toml", folder / "done", "--workers", "1", "--quiet").parent


@pytest.fixture
def here(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files of all kinds, where no step is ever computed."""
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    os.mkfifo(tmp_path / "fifo")
    os.mkfifo(tmp_path / "fifo.toml")
    (tmp_path / "file").write_text("no suite")
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "mine.py").write_text("raise SystemExit(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # nothing is downloaded
    monkeypatch.setattr(processes, "warm_up", lambda: None)
    monkeypatch.setattr(
        campaign, "run_steps", lambda steps, *_: RunSummary(0, ["all"], len(list(steps)))
    )
    return tmp_path


FITTING = {
    "run": [
        ["--seeds", "0"], ["--workers", "1"], ["--device", "cpu"], ["--quiet"], ["--out", "new"],
        ["--set", "training.epochs=3"], ["--out", "done"], ["--seeds", "0,7"],
    ],
    "show": [["--format", "json"], ["--format", "csv"], ["--plugin", "mine.py:Class"]],
    "status": [["--plugin", "no.such:Thing"]],
    "clean": [["--dry-run"], ["--all"]],
    "list": [["--format", "json"]],
    "report": [["--out", "folder"], ["--help"]],
    "audit": [["--format", "markdown"], ["--help"]],
    "transfer": [["--attack", "rand_sampling"], ["--format", "csv"]],
    "replay": [["--help"], ["--report", "folder"]],
    "claims": [["--format", "json"], ["--format", "text"]],
    "export": [["-o", "files"], ["-o", "files"], ["--attack", "rand_sampling"]],
    "baseline": [["-o", "base.json"], ["-o", "base.json"], ["--seeds", "0"], ["--partly"]],
    "gate": [["--baseline", "done"], ["--baseline", "done"], ["--one-model"], ["--format", "json"]],
    "site": [["-o", "pages"], ["-o", "pages"]],
    "evaluate": [["--help"], ["--model", "no.such:thing"], ["--data", "folder"]],
}  # fmt: skip
"""What may stand behind a command, and is no fault."""


def drawn(chance: random.Random) -> list[str]:
    """A command line: three in ten without a fault, most with one or two, some of noise."""
    anything = [*TEXTS, *PLACES]
    if chance.random() < 0.1:
        return [chance.choice([*anything, *OPTIONS]) for _ in range(chance.randint(0, 4))]
    command = chance.choice(COMMANDS)
    line = [command]
    if command not in ("list", "evaluate"):
        line.append(chance.choice(["tiny.toml", "quick"]) if command == "run" else "done")
    for option in chance.sample(FITTING[command], k=chance.randint(0, 1 + (command == "run"))):
        line += option
    for _ in range(chance.choice([0, 0, 0, 1, 1, 1, 1, 1, 2, 2])):
        at = chance.randint(1, max(1, len(line)))
        fault = chance.choice(["text", "option", "replace", "replace", "drop"])
        if fault in ("text", "option"):
            line.insert(at, chance.choice(anything if fault == "text" else OPTIONS))
        else:
            line[at - 1 : at] = [chance.choice(anything)] if fault == "replace" else []
    return line


def test_command_lines(here):
    codes, count = [], 300
    for number in range(count):
        line = drawn(random.Random(number))
        where = f"command line {number}: {str(line)[:2000]}"
        try:
            with at_most(MOST_SECONDS):
                answer = call(*line)
        except BaseException as error:
            pytest.fail(f"{where}: {type(error).__name__}: {error}")
        # `gate` ends with 2 where nothing is decided, and with 3 where it is asked wrongly.
        refused = 3 if line[:1] == ["gate"] else 2
        assert answer.code in range(refused + 1), f"{where}\n{answer}"
        assert "Traceback" not in answer.err, f"{where}\n{answer}"
        lines = answer.err.splitlines()
        assert all(len(each) <= MOST_IN_LINE for each in lines), f"{where}\n{lines}"
        if answer.code == refused:
            problems = [each for each in lines if not each.startswith("warning: ")]
            assert len(problems) == 1, f"{where}\n{lines}"
            assert problems[0].startswith("error: "), f"{where}\n{lines}"
        codes.append(2 if answer.code == refused else answer.code)
        foreign.withdraw()
    assert codes.count(2) > count / 3
    assert codes.count(0) > count / 8
    assert codes.count(1) > count / 60
