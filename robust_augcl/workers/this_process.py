"""Tasks in this process, where no other one can be given what they need.

Modules that a user hands over in memory reach other processes by a fork alone. On systems that
cannot fork, and beside a GPU, their steps run here, one after another. Code that ends its process
then ends this one; what is stored already stays.
"""

from __future__ import annotations

from concurrent.futures import Future

from robust_augcl.workers.executors import Performed, Task, now_and_then, perform
from robust_augcl.workers.processes import import_all


class ThisProcess:
    """A pool of one worker, which is this process. A task is done when `submit` returns."""

    size = 1

    def __init__(self) -> None:
        import_all()
        self._messages: list[tuple[str, float, str]] = []

    def submit(self, task: Task) -> Future[Performed]:
        """Perform a task; the future holds its answer already."""

        def report(fraction: float, text: str) -> None:
            self._messages.append((task.step.key, fraction, text))

        future: Future[Performed] = Future()
        future.set_result(perform(task, now_and_then(report)))
        return future

    def exit_code(self, future: Future[Performed]) -> int | None:
        """None: this process has not ended."""
        return None

    def messages(self) -> list[tuple[str, float, str]]:
        """What steps have told since the last call."""
        found, self._messages = self._messages, []
        return found

    def restart(self) -> None:
        """Do nothing: no worker is ever lost."""

    def replace(self, future: Future[Performed]) -> bool:
        """Whether this process can be replaced: no."""
        return False

    def close(self, *, cancel: bool) -> None:
        """Do nothing: no process was made."""
