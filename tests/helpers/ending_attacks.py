"""Attacks that end as no attack should. Each is a class of this file; the file is copied for a run.

`ENDINGS` says what is told of each.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from robust_augcl.adversary.attack_base import Attack
from robust_augcl.adversary.victim import Access
from robust_augcl.errors import InputError

ENDINGS = {
    "Exits": "SystemExit: 0",
    "ExitsAtOnce": r"its worker process died 3 times \(exit code 0\)",
    "OwnBase": "OwnError: of its own",
    "Interrupts": "KeyboardInterrupt",
    "Wordless": "WordlessError: WordlessError",
    "WordlessExit": "WordlessExitError: WordlessExitError",
    "Surrogate": r"ValueError: \\udc80 and \\x1b\[31m",
    "Unpicklable": "UnpicklableError: it",
    "Endless": r"ValueError: xxx+\.\.\.x+$",
    "Recursive": "RecursionError: maximum recursion depth exceeded",
    "Killed": r"its worker process died 3 times \(signal SIGKILL: out of memory\?\)",
    "Segfault": r"its worker process died 3 times \(signal SIGSEGV\)",
    "Aborts": r"its worker process died 3 times \(signal SIGABRT\)",
    "Terminates": r"its worker process died 3 times \(exit code 1\)",
    "Alarmed": r"its worker process died 3 times \(signal SIGALRM\)",
    "Blames": "StepFailed: Expected you to mend this",
    "Cancelled": "CancelledError",
    "Breaks": "BrokenProcessPool: not really",
    "Generates": "GeneratorExit",
    "Closes": r"(OSError|its worker process died 3 times|GuardViolation)",
    "Unsendable": "it cannot be sent to a worker: SystemExit: 0",
    "Unreadable": "SystemExit: 5",
    "KeepsThreads": "ValueError: and leaves a thread",
}
"""What is said of the failed step, by the attack's class."""


@dataclass(frozen=True)
class Ending(Attack):
    access = Access.NONE

    def prepare(self, victim, fit, threat, generator, report=None):
        def propose(graphs):
            self.end()

        return propose

    def end(self):
        """End in some way."""


class Exits(Ending):
    def end(self):
        raise SystemExit(0)


class ExitsAtOnce(Ending):
    def end(self):
        os._exit(0)


class OwnError(BaseException):
    pass


class OwnBase(Ending):
    def end(self):
        raise OwnError("of its own")


class Interrupts(Ending):
    def end(self):
        raise KeyboardInterrupt


class WordlessError(Exception):
    def __str__(self):
        raise ValueError("no words")


class Wordless(Ending):
    def end(self):
        raise WordlessError


class WordlessExitError(Exception):
    def __str__(self):
        raise SystemExit(0)


class WordlessExit(Ending):
    def end(self):
        raise WordlessExitError


class Surrogate(Ending):
    def end(self):
        raise ValueError("\udc80 and \x1b[31m")


class UnpicklableError(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


class Unpicklable(Ending):
    def end(self):
        raise UnpicklableError("it")


class Endless(Ending):
    def end(self):
        raise ValueError("x" * 10_000_000)


class Recursive(Ending):
    def end(self):
        self.end()


class Killed(Ending):
    def end(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Segfault(Ending):
    def end(self):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        ctypes.string_at(0)


class Aborts(Ending):
    def end(self):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.abort()


class Terminates(Ending):
    def end(self):
        signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)  # not over: the handler ends the process


class Alarmed(Ending):
    def end(self):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(1)  # not over: the alarm ends the process


class Blames(Ending):
    def end(self):
        raise InputError("Expected you to mend this")


class Cancelled(Ending):
    def end(self):
        raise asyncio.CancelledError


class Breaks(Ending):
    def end(self):
        raise BrokenProcessPool("not really")


class Generates(Ending):
    def end(self):
        raise GeneratorExit


class Closes(Ending):
    def end(self):
        os.closerange(0, 1000)  # its way to tell how it ended, too


@dataclass(frozen=True)
class Unsendable(Ending):
    def __reduce__(self):
        raise SystemExit(0)


def leave():
    sys.exit(5)


@dataclass(frozen=True)
class Unreadable(Ending):
    def __reduce__(self):
        return leave, ()


class KeepsThreads(Ending):
    """Its thread would hold its process, and that one the run."""

    def end(self):
        threading.Thread(target=threading.Event().wait, args=(600.0,)).start()
        raise ValueError("and leaves a thread")
