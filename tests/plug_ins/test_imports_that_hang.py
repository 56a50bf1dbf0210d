"""An import that is not over in time ends, and leaves alarms and threads of others alone."""

from __future__ import annotations

import signal
import threading
import time
from types import SimpleNamespace

import pytest
from command_line import call
from installed_packages import NAMED, attacks, listed
from time_limits import HANGS

from robust_augcl import patience, registry
from robust_augcl.errors import InputError

HANGING = {
    "sleeps": f"import time\ntime.sleep({10 * HANGS})",
    "turns": "while True: pass",
    "waits": "import threading\nthreading.Lock().acquire() and threading.Event().wait()",
    "goes_on": "import time\nwhile True:\n    try: time.sleep(0.1)\n    except Exception: pass",
}


def test_what_hangs_at_its_import_costs_itself(install, tmp_path, monkeypatch):
    # On a busy machine the plug-in that does not hang needs seconds too.
    monkeypatch.setattr(patience, "TO_LOOK", 3)
    monkeypatch.setattr(patience, "_AGAIN", 0.1)
    points = attacks(*(f"h_{name} = acme_hang.{name}:Flip" for name in [*HANGING, "good"]))
    sources = {name: f"{source}\nclass Flip: pass\n" for name, source in HANGING.items()}
    install("acme-hang", "1", "acme_hang", {**sources, "good": NAMED}, points)
    (tmp_path / "slow.py").write_text(HANGING["sleeps"])
    named = ["--plugin", tmp_path / "slow.py", "--plugin", f"{tmp_path}/slow.py:Flip"]
    before, start = signal.getsignal(signal.SIGALRM), time.monotonic()
    found = listed("--check", *named)
    assert time.monotonic() - start < HANGS
    problems = {entry: told["problem"] for entry, told in found.items() if told["problem"]}
    late = {f"h_{name} acme-hang 1" for name in HANGING} | {"slow slow.py"}
    assert set(problems) == late | {f"{tmp_path}/slow.py:Flip --plugin"}, problems
    for told in problems.values():
        assert told.endswith("ImportTookTooLong: it was not over after 3 seconds")
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.thorough(but=["run-*", "a thread-waits", "list-turns"])
@pytest.mark.parametrize("name", HANGING)
@pytest.mark.parametrize("command", ["run", "list", "list --plugin", "a thread"])
def test_what_hangs_at_its_import_ends_a_command_that_asks_for_it(
    command, name, install, suite, tmp_path, monkeypatch
):
    for limit in ("TO_LOOK", "TO_USE"):
        monkeypatch.setattr(patience, limit, 0.7)
    monkeypatch.setattr(patience, "_AGAIN", 0.1)
    source = f"{HANGING[name]}\nclass Flip: pass\n"
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
    assert time.monotonic() - start < HANGS
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


def test_the_alarm_of_somebody_else_rings_in_time(monkeypatch):
    now, rung = [0.0], []

    def ring(*_):
        rung.append(True)

    def passes():
        now[0] += HANGS

    def until_it_rings():
        while not rung:
            time.sleep(0.01)

    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: now[0]))
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 3 * HANGS, 7)
        patience.patiently(passes, 2 * HANGS)  # ours comes first
        left, every = signal.getitimer(signal.ITIMER_REAL)
        assert HANGS < left <= 2 * HANGS  # it is set anew, and this machine may be busy
        assert every == 7
        assert signal.getsignal(signal.SIGALRM) is ring
        assert rung == []
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        patience.patiently(until_it_rings, HANGS)  # theirs does
        assert rung == [True]
        assert signal.getsignal(signal.SIGALRM) is ring
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
