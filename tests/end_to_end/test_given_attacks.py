"""Attacks that a user has in hand, of a script or of a file: evaluated, and replayed elsewhere."""

from __future__ import annotations

import inspect
import runpy

import pytest
from foreign_attacks import attack_source, forget_foreign
from given_models import Counts, graphs

import robust_augcl as ra
from robust_augcl import foreign, sources
from robust_augcl.errors import InputError
from robust_augcl.models import given

SCRIPT = f"""{attack_source("last")}
import torch
from torch import Tensor, nn
import robust_augcl as ra

{inspect.getsource(Counts)}

def run(out):
    from given_models import graphs
    threat = ra.ThreatModel(budget=1, operations=("add", "delete"))
    attacks = {{"mine": Flip(times=2), "chance": "rand_sampling"}}
    ra.evaluate(Counts(), graphs(4), threat=threat, attacks=attacks, out=out, workers=1,
                certificates=False, device="cpu")

if __name__ == "__main__":
    run(Path(__file__).with_name("run"))
"""


@pytest.fixture(autouse=True)
def _nothing_known():
    """As in a new process: no module was handed over, no code named or imported."""
    given.forget()
    forget_foreign()
    yield
    given.forget()
    forget_foreign()


def last_candidates(num: int) -> list[tuple[list, list]]:
    """What `Flip` does to the graphs: the last allowed edit, added or removed."""
    threat = ra.ThreatModel(budget=1, operations=("add", "delete"))
    found = []
    for graph in graphs(num):
        candidates = threat.enumerate(ra.PackedGraphs.from_data_list([graph]))
        last = candidates.perturbation(slice(len(candidates) - 1, len(candidates)))
        found.append((last.added.T.tolist(), last.removed.T.tolist()))
    return found


def test_an_attack_of_a_script_is_not_imported_again_and_replays_by_its_file(tmp_path, command):
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    runpy.run_path(str(script), run_name="__main__")
    assert script.with_suffix(".imported").read_text() == "imported\n"
    out = tmp_path / "run"
    record, *_ = [r for r in ra.open_run(out).records if r.cell.attack == "mine"]
    assert record.made_by["attack"]["name"] == "mine.py:Flip"
    assert record.attack_settings["times"] == 2
    assert [(o.added, o.removed) for o in record.outcomes] == last_candidates(4)
    assert str(tmp_path) not in (out / "run.json").read_text()

    given.forget()
    forget_foreign()
    shown = command("show", out)
    assert (shown.code, "mine" in shown.out) == (0, True)
    lacking = command("replay", out, "--model", f"{script}:Counts")
    assert "--plugin PATH/mine.py:Flip" in lacking.err + lacking.out
    named = ["--model", f"{script}:Counts", "--plugin", f"{script}:Flip"]
    answer = command("replay", out, *named, "--from-scratch", "--workers", "1")
    assert answer.code == 0, answer
    assert "All 2 records hold." in answer.out
    assert "4 of 4 stored results are the same from scratch" in answer.out

    forget_foreign()
    script.write_text(SCRIPT.replace("slice(last - 1, last)", "slice(last - 2, last - 1)"))
    changed = command("replay", out, "--model", f"{script}:Counts", "--plugin", f"{script}:Flip")
    assert changed.code == 2
    assert "computes again what has changed" in changed.err


def test_an_attack_of_a_file_that_was_imported_is_taken(tmp_path, command):
    file = tmp_path / "flip.py"
    file.write_text(attack_source("last"))
    made = sources.import_file(file, file.read_bytes()).Flip()
    threat = ra.ThreatModel(budget=1, operations=("add", "delete"))
    out, others = tmp_path / "run", {"workers": 1, "device": "cpu", "certificates": False}
    result = ra.evaluate(Counts(), graphs(4), threat=threat, attacks=[made], out=out, **others)
    (record,) = result.records
    assert [(o.added, o.removed) for o in record.outcomes] == last_candidates(4)
    forget_foreign()
    ra.use_model(Counts())
    assert command("replay", out, "--plugin", f"{file}:Flip").code == 0


def test_an_attack_inside_a_function_is_refused():
    made = type("Flip", (), {"__qualname__": "function.<locals>.Flip", "__module__": __name__})
    with pytest.raises(InputError, match="Expected a plug-in to be named like"):
        foreign.hand_over(made)
