"""Installed packages name plug-ins and suites; nothing is imported before it is used.

What is broken, or whose name is taken, costs itself alone.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time

import pytest
from command_line import call
from foreign_attacks import attack_source

from robust_augcl import foreign, patience, registry
from robust_augcl.errors import InputError
from robust_augcl.plan.planner import plan
from robust_augcl.plan.suite import load_suite
from robust_augcl.workers.parcels import Parcel

NAMED = attack_source("first").replace(
    "access = Access.NONE", 'access = Access.NONE\n    display_name = "Flip one"'
)


def attacks(*lines: str) -> str:
    return "\n".join(["[robust_augcl.attacks]", *lines, ""])


def listed(*options: str) -> dict[str, dict[str, str]]:
    """What `list` says of each attack; where two have a name, the last."""
    found = json.loads(call("list", "--format", "json", *options).out)["attacks"]
    return {f"{entry['name']} {entry['from']}": entry for entry in found}


# --- names ----------------------------------------------------------------------------------------


def test_an_entry_point_is_a_name_like_ours(install, suite):
    install("acme-a", "1.2", "acme_a", {"flip": NAMED}, attacks("acme_flip = acme_a.flip:Flip"))
    made = load_suite(str(suite("acme_flip")))
    (attack,) = made.attacks
    assert (attack.name, attack.label, attack.what.times) == ("acme_flip", "acme_flip", 1)
    (step,) = plan(made).attacks
    assert step.settings["traits"].name == "Flip one"
    assert step.plug_ins == registry.revisions_of("attack", attack.what)
    (known,) = [text for name, text in step.plug_ins.items() if name == "attack acme_a.flip:Flip"]
    assert known.startswith("acme-a 1.2, sha256 ")


def test_nothing_is_imported_before_it_is_used(install):
    folder = install(
        "acme-b", "1", "acme_b", {"flip": NAMED}, attacks("acme_b_flip = acme_b.flip:Flip")
    )
    entry = listed()["acme_b_flip acme-b 1"]
    assert entry["description"] == "Edit at one end of the list of candidates"
    assert not list(folder.glob("*.imported"))
    assert "acme_b" not in sys.modules
    with pytest.raises(
        InputError, match="Unknown attack 'acme_b_flap', did you mean 'acme_b_flip'"
    ):
        registry.load("attack", "acme_b_flap")
    assert "acme_b" not in sys.modules
    assert registry.load("attack", "acme_b_flip").__name__ == "Flip"
    assert list(folder.glob("*.imported"))


def test_a_name_is_not_consent_to_what_lies_beside_it(install):
    install("acme-c", "1", "acme_c", {"flip": NAMED}, attacks("acme_c_flip = acme_c.flip:Flip"))
    with pytest.raises(InputError, match="your consent"):
        registry.load("attack", "acme_c.flip:Flip")


def test_settings_of_an_installed_attack_are_listed(install):
    install("acme-d", "1", "acme_d", {"flip": NAMED}, attacks("acme_d_flip = acme_d.flip:Flip"))
    answer = call("list", "acme_d_flip")
    first, setting = answer.out.splitlines()
    assert first.startswith("attack acme_d_flip (acme-d 1), Flip one in reports: ")
    assert setting == "  times: int = 1"


def test_workers_load_what_a_short_name_stands_for(install, monkeypatch):
    install("acme-e", "1", "acme_e", {"flip": NAMED}, attacks("acme_e_flip = acme_e.flip:Flip"))
    parcel = Parcel.of(registry.load("attack", "acme_e_flip")(times=5))
    foreign.withdraw()
    monkeypatch.delitem(sys.modules, "acme_e.flip")
    assert parcel.open().times == 5
    assert [plug_in.name for plug_in in foreign.loaded_foreign()] == ["acme_e.flip:Flip"]


# --- names that are taken -------------------------------------------------------------------------


def test_a_name_of_two_distributions_is_refused_by_whom_when_it_is_asked_for(install, suite):
    for package in ("acme_f", "acme_g"):
        install(
            package.replace("_", "-"),
            "1",
            package,
            {"flip": NAMED},
            attacks(f"twice = {package}.flip:Flip", f"{package}_flip = {package}.flip:Flip"),
        )
    with pytest.raises(
        InputError,
        match=r"'twice', its name is taken by acme-f 1 \(acme_f.flip:Flip\) and "
        r"acme-g 1 \(acme_g.flip:Flip\): name yours by package.module:Class",
    ):
        load_suite(str(suite("twice")))
    assert load_suite(str(suite("acme_f_flip"))).attacks  # each has other names
    assert load_suite(str(suite("acme_g.flip:Flip"))).attacks
    assert "several have this name: acme-f 1" in listed()["twice acme-g 1"]["problem"]


def test_our_names_can_be_taken_too(install, suite):
    install("acme-h", "1", "acme_h", {"flip": NAMED}, attacks("beam = acme_h.flip:Flip"))
    with pytest.raises(
        InputError, match=r"'beam', its name is taken by robust-augcl .* and acme-h"
    ):
        load_suite(str(suite("beam")))
    assert load_suite(str(suite("exhaustive"))).attacks
    assert load_suite(str(suite("robust_augcl.attacks.beam:Beam"))).attacks
    found = listed()
    assert "acme-h 1" in found["beam ours"]["problem"]
    assert not found["exhaustive ours"]["problem"]


# --- what is broken -------------------------------------------------------------------------------

BROKEN = {
    "raises": "1 / 0",
    "exits": "raise SystemExit(0)",
    "no_import": "import no_such_package_here",
    "base": "class Flip: pass",
    "syntax": "def (",
    "empty": "",
}
SEEN = {"syntax": "is no Python", "empty": "does not define Flip", "gone": "there is no module"}
"""What is seen without importing."""
TRIED = {
    "raises": "its code raised ZeroDivisionError",
    "exits": "its code raised SystemExit",
    "no_import": "No module named 'no_such_package_here'",
    "base": "to be an attack, a class derived from",
}


@pytest.fixture
def broken(install):
    """A package in which all is broken but one, and one whose entry points are none."""
    names = [*BROKEN, "gone", "good"]
    sources = {
        name: source
        if "class" in source or not source or source == "def ("
        else f"{source}\nclass Flip: pass\n"
        for name, source in BROKEN.items()
    }
    points = attacks(
        *(f"x_{name} = acme_x.{name}:Flip" for name in names),
        "x_odd = acme_x.good",
        "x odd:name = acme_x.good:Flip",
    )
    install("acme-x", "1", "acme_x", {**sources, "good": NAMED}, points)


def test_what_is_broken_is_listed_with_the_reason(broken):
    for options, reasons in (((), SEEN), (("--check",), {**SEEN, **TRIED})):
        answer = call("list", "--format", "json", *options)
        assert answer.code == 0
        found = listed(*options)
        for name in BROKEN:
            assert reasons.get(name, "") in found[f"x_{name} acme-x 1"]["problem"]
            assert bool(found[f"x_{name} acme-x 1"]["problem"]) == (name in reasons)
        assert SEEN["gone"] in found["x_gone acme-x 1"]["problem"]
        assert not found["x_good acme-x 1"]["problem"]
        assert "does not name package.module:Class" in found["x_odd acme-x 1"]["problem"]
        assert "its name is none of" in found["x odd:name acme-x 1"]["problem"]
        assert not found["beam ours"]["problem"]
    table = call("list")
    assert "cannot be used: there is no module" in " ".join(table.out.split())
    assert "cannot be used, see above" in table.err


@pytest.mark.parametrize("name", [*BROKEN, "gone", "odd"])
def test_what_is_broken_costs_itself(broken, suite, name):
    with pytest.raises(InputError, match=f"attacks.*x_{name}|acme_x.{name}") as caught:
        load_suite(str(suite(f"x_{name}")))
    assert {**SEEN, **TRIED, "odd": "does not name"}[name] in str(caught.value)
    assert load_suite(str(suite("x_good"))).attacks
    assert load_suite("quick").attacks


HANGS = {
    "sleeps": "import time\ntime.sleep(600)",
    "turns": "while True: pass",
    "waits": "import threading\nthreading.Lock().acquire() and threading.Event().wait()",
    "goes_on": "import time\nwhile True:\n    try: time.sleep(0.1)\n    except Exception: pass",
}


def test_what_hangs_at_its_import_costs_itself(install, tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "TO_LOOK", 0.7)
    monkeypatch.setattr(patience, "_AGAIN", 0.1)
    points = attacks(*(f"h_{name} = acme_hang.{name}:Flip" for name in [*HANGS, "good"]))
    sources = {name: f"{source}\nclass Flip: pass\n" for name, source in HANGS.items()}
    install("acme-hang", "1", "acme_hang", {**sources, "good": NAMED}, points)
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    named = ["--plugin", tmp_path / "slow.py", "--plugin", f"{tmp_path}/slow.py:Flip"]
    before, start = signal.getsignal(signal.SIGALRM), time.monotonic()
    found = listed("--check", *named)
    assert time.monotonic() - start < 60
    problems = {entry: told["problem"] for entry, told in found.items() if told["problem"]}
    late = {f"h_{name} acme-hang 1" for name in HANGS} | {"slow slow.py"}
    assert set(problems) == late | {f"{tmp_path}/slow.py:Flip --plugin"}
    for told in problems.values():
        assert told.endswith("ImportTookTooLong: it was not over after 0.7 seconds")
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.thorough(but=["run-*", "a thread-waits", "list-turns"])
@pytest.mark.parametrize("name", HANGS)
@pytest.mark.parametrize("command", ["run", "list", "list --plugin", "a thread"])
def test_what_hangs_at_its_import_ends_a_command_that_asks_for_it(
    command, name, install, suite, tmp_path, monkeypatch
):
    for limit in ("TO_LOOK", "TO_USE"):
        monkeypatch.setattr(patience, limit, 0.7)
    monkeypatch.setattr(patience, "_AGAIN", 0.1)
    source = f"{HANGS[name]}\nclass Flip: pass\n"
    install("acme-hang", "1", "acme_hang", {name: source}, attacks(f"h_x = acme_hang.{name}:Flip"))
    (tmp_path / "slow.py").write_text(source)
    start, words = time.monotonic(), "ImportTookTooLong: it was not over after 0.7 seconds"
    if command == "a thread":
        (problem,) = in_a_thread(lambda: registry.load("attack", "h_x"))
        assert isinstance(problem, InputError)
        assert words in str(problem)
    else:
        given = {"run": ["run", suite("h_x")], "list": ["list", "h_x"]}
        named = ["list", "slow", "--plugin", tmp_path / "slow.py"]
        answer = call(*given.get(command, named))
        assert answer.code == 2, answer.out
        assert words in answer.err
    assert time.monotonic() - start < 30
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def in_a_thread(work):
    """What work raises in a thread that is not the main one."""
    raised = []

    def run():
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised


def test_what_a_thread_imports_in_time_is_taken(install):
    install("acme-q", "1", "acme_q", {"flip": NAMED}, attacks("acme_q_flip = acme_q.flip:Flip"))
    found = []
    assert in_a_thread(lambda: found.append(registry.load("attack", "acme_q_flip"))) == []
    assert [made.__name__ for made in found] == ["Flip"]
    (problem,) = in_a_thread(lambda: patience.patiently(lambda: 1 / 0, 10))
    assert isinstance(problem, ZeroDivisionError)


def test_the_alarm_of_somebody_else_rings_in_time():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    try:
        start = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        patience.patiently(lambda: time.sleep(0.1), 0.3)  # ours comes first
        patience.patiently(lambda: time.sleep(0.1), 60)  # theirs does
        assert rung == []
        while not rung and time.monotonic() < start + 10:
            time.sleep(0.05)
        assert 0.4 < rung[0] - start < 9
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_distribution_without_metadata_costs_itself(install, tmp_path, monkeypatch):
    folder = install(
        "acme-i", "1", "acme_i", {"flip": NAMED}, attacks("acme_i_flip = acme_i.flip:Flip")
    )
    info = folder.parent / "broken-1.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_bytes(b"\xff[robust_augcl.attacks\n=")
    (info / "METADATA").write_bytes(b"Name: broken\nVersion: 1\n")
    assert registry.load("attack", "acme_i_flip")
    assert "broken" not in call("list").out


# --- suites ---------------------------------------------------------------------------------------


def test_suites_of_packages_have_names(install):
    from small_suites import ONE_ATTACK

    def add(name, package, text):
        folder = install(
            name,
            "1",
            package,
            {"flip": NAMED},
            f"[robust_augcl.suites]\nacme_one = {package}\n{package}_own = {package}\n",
        )
        for file in ("acme_one", f"{package}_own"):
            (folder / f"{file}.toml").write_text(text)

    add("acme-j", "acme_j", ONE_ATTACK.format(attack="acme_j.flip:Flip"))
    assert [attack.label for attack in load_suite("acme_one").attacks] == ["Flip one"]
    add("acme-k", "acme_k", "name = ")
    with pytest.raises(InputError, match=r"'acme_one', its name is taken by acme-j 1 .*acme-k 1"):
        load_suite("acme_one")
    with pytest.raises(InputError, match="Cannot read the suite acme_k_own of acme-k 1"):
        load_suite("acme_k_own")
    with pytest.raises(InputError, match="Unknown suite 'acme_j_won', did you mean 'acme_j_own'"):
        load_suite("acme_j_won")
    found = json.loads(call("list", "--format", "json").out)["suites"]
    problems = {entry["name"]: entry["problem"] for entry in found}
    assert "acme_k_own.toml cannot be read" in problems["acme_k_own"]
    assert problems["acme_j_own"] == problems["quick"] == ""


# --- files ----------------------------------------------------------------------------------------

METHOD = """
from dataclasses import dataclass
from robust_augcl.contrast.method_base import Method
@dataclass(frozen=True)
class Plain(Method):
    '''As it is.'''
"""


def test_a_file_that_is_named_gives_short_names(tmp_path, suite):
    path = tmp_path / "mine.py"
    path.write_text(attack_source("first") + METHOD)
    with pytest.raises(InputError, match="Unknown attack 'mine'"):
        registry.load("attack", "mine")
    assert not path.with_suffix(".imported").exists()
    foreign.consent([str(path)])
    assert registry.load("attack", "mine").__name__ == "Flip"
    assert registry.load("method", "mine").__name__ == "Plain"
    assert registry.load("attack", "elsewhere/mine.py:Flip").__name__ == "Flip"
    assert [attack.label for attack in load_suite(str(suite("mine"))).attacks] == ["mine"]
    assert foreign.unused([str(path)]) == []


def test_plug_ins_of_a_file_are_listed(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(attack_source("first") + METHOD + METHOD.replace("Plain", "Other"))
    found = json.loads(call("list", "--format", "json", "--plugin", path).out)
    (attack,) = [entry for entry in found["attacks"] if entry["from"] == "mine.py"]
    assert attack["name"] == "mine"
    methods = [entry for entry in found["methods"] if entry["from"] == "mine.py"]
    assert [entry["name"] for entry in methods] == ["mine.py:Other", "mine.py:Plain"]
    assert {entry["description"] for entry in methods} == {"As it is"}
    foreign.withdraw()
    foreign.consent([str(path)])
    with pytest.raises(InputError, match=r"mine.py:Other\) and .*mine.py:Plain"):
        registry.load("method", "mine")
    assert registry.load("method", "mine.py:Other").__name__ == "Other"


def test_a_file_that_is_broken_costs_itself(tmp_path, suite):
    (tmp_path / "bad.py").write_text("raise SystemExit(3)\n")
    answer = call("list", "--plugin", tmp_path / "bad.py", "--plugin", tmp_path / "gone.py")
    assert answer.code == 0
    words = " ".join(answer.out.split())
    assert "its code raised SystemExit" in words
    assert "No such file" in words
    foreign.consent([str(tmp_path / "bad.py")])
    assert load_suite(str(suite("beam"))).attacks


def test_a_file_called_like_ours_is_refused_when_it_is_asked_for(tmp_path, suite):
    path = tmp_path / "beam.py"
    path.write_text(attack_source("first"))
    foreign.consent([str(path)])
    with pytest.raises(InputError, match=r"its name is taken by robust-augcl .*beam\.py"):
        load_suite(str(suite("beam")))
    assert load_suite(str(suite("exhaustive"))).attacks


def test_a_worker_knows_the_short_names_of_a_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(attack_source("first"))
    foreign.consent([str(path)])
    parcel = Parcel.of(registry.load("attack", "mine")(times=2))
    foreign.withdraw()
    assert parcel.open().times == 2
    assert registry.load("attack", "mine").__name__ == "Flip"


# --- what the list says besides -------------------------------------------------------------------


def test_bases_and_augmentations_are_those_that_a_suite_takes():
    from typing import get_args, get_type_hints

    from robust_augcl.contrast.augment import AugmentationName
    from robust_augcl.contrast.names import AUGMENTATIONS, BASES
    from robust_augcl.contrast.node_pretrain import NodePretraining
    from robust_augcl.contrast.pretrain import Pretraining

    assert tuple(AUGMENTATIONS) == get_args(AugmentationName)
    on_graphs, on_nodes = (
        get_args(get_type_hints(settings)["base"]) for settings in (Pretraining, NodePretraining)
    )
    assert set(BASES) == {*on_graphs, *on_nodes}
    for base in on_graphs:
        assert Pretraining(base=base).base == base
    for base in on_nodes:
        assert NodePretraining(base=base).base == base
    found = json.loads(call("list", "--format", "json").out)
    assert [entry["name"] for entry in found["bases"]] == list(BASES)


def test_settings_are_listed_with_their_defaults():
    from robust_augcl.registry.settings import settings_of

    for kind in ("attack", "method", "data source"):
        for name in registry.names(kind):
            made = registry.load(kind, name)
            for setting in settings_of(made):
                assert setting.text, f"{name}: {setting.name} is not explained"
    (answer,) = json.loads(call("list", "gin", "--format", "json").out)
    assert [setting["name"] for setting in answer["settings"]] == ["width", "layers"]
    refused = call("list", "gon")
    assert (refused.code, "Unknown name 'gon'" in refused.err) == (2, True)
