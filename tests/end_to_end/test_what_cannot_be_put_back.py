"""What an attack changes for good costs its own step at the most: no other step, not the run."""

from __future__ import annotations

import pytest
from command_line import call_apart
from small_suites import ONE_ATTACK

from robust_augcl.store.run_folder import RunFolder

ATTACKS = """
import resource
from dataclasses import dataclass
from robust_augcl.attacks.rand_sampling import RandSampling


@dataclass(frozen=True)
class Limited(RandSampling):
    def prepare(self, *arguments, **named):
        self.change()
        return super().prepare(*arguments, **named)


class SmallFiles(Limited):
    display_name = "SmallFiles"

    def change(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


class SmallFilesForNow(Limited):
    display_name = "SmallFilesForNow"

    def change(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))


class FewFiles(Limited):
    display_name = "FewFiles"

    def change(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))


class NoNewFiles(Limited):
    display_name = "NoNewFiles"

    def change(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
"""
FAIL = ("SmallFiles", "SmallFilesForNow", "NoNewFiles")
PUT_BACK = ("SmallFilesForNow",)
LIMITS = "limits of the process"


@pytest.mark.thorough(but=["1"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_other_steps_are_run_in_another_process(tmp_path, workers):
    path = tmp_path / "limits.py"
    path.write_text(ATTACKS)
    names = [*FAIL, "FewFiles"]
    first, *others = [*(f"{path}:{name}" for name in names), "rand_sampling", "grad_argmax"]
    text = ONE_ATTACK.replace("{attack}", first)
    text += "".join(f'[[attacks]]\nname = "{other}"\n' for other in others)
    suite, out = tmp_path / "suite.toml", tmp_path / "out"
    suite.write_text(text)
    code, _, told = call_apart("run", suite, "--out", out, "--workers", workers)
    assert code == 1, told
    assert "Traceback" not in told
    for name in names:
        left = f"warning: attack: {name} on none, 2 layers, seed 0 left global state changed"
        if name in PUT_BACK:
            assert f"{left}, which was put back: {LIMITS}\n" in told
        else:
            words = f"{LIMITS} (which cannot be put back: ValueError)"
            assert f"{left}, its worker process was replaced: {words}\n" in told
        assert (f"failed: attack: {name} on none" in told) == (name in FAIL), told
    folder = RunFolder(out)
    records = folder.load_records(folder.existing_manifest().records).records
    found = {record.cell.attack for record in records}
    assert {"rand_sampling", "grad_argmax"} <= found
    assert len(found) == 3
    assert (out / "report.md").exists()
