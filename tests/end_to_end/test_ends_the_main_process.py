"""An attack that ends the main process, where it can tell that it is there, ends no command."""

from __future__ import annotations

import json

from command_line import call_apart
from small_suites import ONE_ATTACK
from time_limits import HANGS

ATTACK = """
import multiprocessing, os
from dataclasses import dataclass
from robust_augcl.attacks.rand_sampling import RandSampling


@dataclass(frozen=True)
class Choosy(RandSampling):
    display_name = "Choosy"

    def prepare(self, *arguments, **named):
        if multiprocessing.parent_process() is None:
            os._exit(0)
        return super().prepare(*arguments, **named)
"""


def test_it_is_a_finding_of_the_audit_and_of_replay(tmp_path):
    path, suite, out = tmp_path / "choosy.py", tmp_path / "suite.toml", tmp_path / "out"
    path.write_text(ATTACK)
    suite.write_text(ONE_ATTACK.format(attack=f"{path}:Choosy"))
    # In copies of this process: an attack that ended it would end the tests.
    done = call_apart("run", suite, "--out", out, "--workers", "1", "--quiet")
    assert (out / "report.md").exists(), done.err
    consent = ("--plugin", f"{path}:Choosy")
    audit = call_apart("audit", out, "--format", "json", *consent)
    findings = {each["check"]: each for each in json.loads(audit.out)["findings"]}
    planted = findings["breaks a broken victim, not a constant one"]
    assert planted["status"] == "FAIL"
    assert "Choosy: it ended its process (exit code 0)" in planted["evidence"]
    replay = call_apart("replay", out, "--again", HANGS, *consent)  # however long it took
    assert replay.code != 0
    told = replay.out + replay.err
    assert "computing it again ended the process: it ended its process" in told
