"""Steps on the workers of a Dask cluster.

Slurm, Kubernetes and others come through Dask's own deployments.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Executor, Future
from typing import Any

from robust_augcl.errors import InputError
from robust_augcl.workers.executors import Performed, Task, perform_parcel
from robust_augcl.workers.parcels import Parcel

_TOPIC = "robust-augcl progress"


class DaskCluster:
    """Tasks run on the workers of a Dask scheduler.

    All workers see the run's folder under one path. This needs the extra ``[dask]``.

    Raises:
        InputError: Dask is not installed, or the scheduler does not answer or has no workers, or
            workers of several threads.
    """

    def __init__(self, address: str, patience: float = 30.0) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise InputError(
                "Expected Dask for --executor dask, it is not installed: pip install "
                "'robust-augcl[dask]'"
            ) from None
        try:
            self._client = Client(address, timeout=patience, set_as_default=False)
            self._client.wait_for_workers(1, timeout=patience)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                "Expected --scheduler to be the address of a Dask scheduler with workers, got "
                f"{address!r} ({error})"
            ) from None
        if any(threads > 1 for threads in self._client.nthreads().values()):
            self._client.close()
            raise InputError(
                f"Expected the workers at {address} to have one thread each (--nthreads 1), "
                "got more: sums would differ"
            )
        self._executor: Executor = self._client.get_executor(pure=False, retries=0)
        self._told: deque[tuple[str, float, str]] = deque()
        self._client.subscribe_topic(_TOPIC, self._hear)

    @property
    def size(self) -> int:
        """Threads of all workers: they come and go."""
        return max(1, sum(self._client.nthreads().values()))

    def submit(self, task: Task) -> Future[Performed]:
        return self._executor.submit(_perform_on_dask, Parcel.of(task))

    def exit_code(self, future: Future[Performed]) -> int | None:
        """Dask does not tell."""
        return None

    def _hear(self, event: tuple[float, Any]) -> None:
        key, fraction, text = event[1]
        # This runs in Dask's own thread: appending is safe.
        self._told.append((str(key), float(fraction), str(text)))

    def messages(self) -> list[tuple[str, float, str]]:
        return [self._told.popleft() for _ in range(len(self._told))]

    def restart(self) -> None:
        """Dask gives a lost worker's tasks to others by itself."""

    def replace(self, future: Future[Performed]) -> bool:
        """Dask's workers are not this run's to end."""
        return False

    def close(self, *, cancel: bool) -> None:
        self._executor.shutdown(wait=not cancel)  # without waiting, Dask cancels them
        self._client.close()


def _perform_on_dask(parcel: Parcel[Task]) -> Performed:
    from distributed import get_worker

    worker = get_worker()
    return perform_parcel(parcel, lambda *told: worker.log_event(_TOPIC, told))
