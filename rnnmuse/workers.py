"""Workers: processes of this machine, or of a Dask cluster, that run the tasks of one command.

One worker here is this process itself and needs no library; more need the extra ``scale``. A worker that dies costs
what it had under way: its task runs again on another one. Who reaches a Dask scheduler can run code, so the processes
of this machine talk over TLS with a key that is made for the run; a cluster is as well guarded as its settings say.
"""

from __future__ import annotations

import logging
import os
import platform
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rnnmuse import __version__
from rnnmuse.errors import MissingExtraError, WorkersError, first_line
from rnnmuse.system import MACHINE

T = TypeVar("T")
R = TypeVar("R")
CONNECT = 10.0
"""Seconds in which a scheduler must answer."""
ARRIVE = 30.0
"""Seconds in which the first worker must have come."""
AHEAD = 4  # tasks that are given out for each thread of the workers, so that none waits for the next
SAME = ("python", "distributed", "msgpack", "cloudpickle")
"""What must have one version on this machine, the scheduler and the workers."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The outcome of a task whose worker died each time that it was tried."""

    reason: str


class Workers:
    """What runs tasks: ``count`` threads of workers, in this process where there is no Dask ``client``."""

    def __init__(self, count: int, client: Any = None, address: str = "") -> None:
        self.count, self.client, self.address = count, client, address

    def outcomes(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R | Lost]]:
        """Each task with what ``function`` says of it, in the order in which they are done.

        A few tasks for each worker are given out at a time, so that the scheduler holds few however many there are.
        What ``function`` raises is raised here and ends the work; `WorkersError` where the scheduler is gone.
        """
        if self.client is None:
            for task in tasks:
                yield task, function(task)
            return
        yield from self._spread(function, tasks)

    def _spread(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R | Lost]]:
        from distributed import KilledWorker, as_completed

        waiting, given, done = iter(tasks), {}, as_completed(raise_errors=False)
        finished = 0

        def give(room: int) -> None:
            for _, task in zip(range(room), waiting, strict=False):
                future = self.client.submit(function, task, pure=False)
                given[future.key] = (future, task)
                done.add(future)

        try:
            give(AHEAD * self.count)
            while given:
                future = next(done)
                _, task = given.pop(future.key)
                if future.status == "finished":
                    outcome: R | Lost = future.result()
                elif future.status == "error":
                    error = future.exception()
                    if not isinstance(error, KilledWorker):
                        raise error
                    outcome = Lost("the process died each time that it was read")
                else:
                    raise WorkersError(f"scheduler: {self.address!r} is gone; run the command again to go on")
                finished += 1
                if finished % 64 == 0:  # workers come and go
                    self.count = max(1, sum(self.client.nthreads().values()))
                give(AHEAD * self.count - len(given))
                yield task, outcome
        finally:
            self.client.cancel([future for future, _ in given.values()])


@contextmanager
def workers(count: int | None = None, scheduler: str | None = None, folders: Sequence[Path] = ()) -> Iterator[Workers]:
    """``count`` processes of this machine (by default one for each core), or the workers of a ``scheduler``.

    ``scheduler`` is an address such as ``tcp://10.0.0.5:8786``, or the file that ``dask scheduler --scheduler-file``
    writes. ``folders`` are those that every worker must see under the same path. ValueError for wrong arguments,
    `WorkersError` where the cluster cannot be used, in one line that says why.
    """
    if count is not None and scheduler is not None:
        raise ValueError(f"workers: {count} and scheduler: {scheduler!r}; use one of them")
    if count is not None and count < 1:
        raise ValueError(f"workers: {count}; must be at least 1")
    if scheduler is None and (count := count or os.cpu_count() or 1) == 1:
        yield Workers(1)
        return
    dask, distributed = _dask()
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        if scheduler is None:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="rnnmuse-", ignore_cleanup_errors=True))
            stack.enter_context(dask.config.set({"temporary-directory": scratch}))
            cluster = distributed.LocalCluster(
                n_workers=count, threads_per_worker=1, processes=True, security=True, dashboard_address=None,
                worker_dashboard_address=None, local_directory=scratch, silence_logs=logging.CRITICAL,
            )  # fmt: skip
            stack.enter_context(cluster)
            client = stack.enter_context(distributed.Client(cluster))
            yield Workers(int(count or 1), client, cluster.scheduler_address)
            return
        client = stack.enter_context(_connected(distributed, scheduler))
        threads = _checked(client, scheduler, folders)
        yield Workers(threads, client, scheduler)


def _dask() -> tuple[Any, Any]:
    try:
        import cryptography  # noqa: F401
        import dask
        import distributed
    except ImportError:
        raise MissingExtraError("more than one worker", "scale") from None
    return dask, distributed


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask's own lines about workers that come and go are not shown: what matters is raised."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in ("distributed", "tornado")]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="distributed")
        warnings.filterwarnings("ignore", message=".*[Mm]ismatch.*")  # the versions are compared below
        try:
            yield
        finally:
            for name, level in before.items():
                logging.getLogger(name).setLevel(level)


def _connected(distributed: Any, scheduler: str) -> Any:
    try:
        if scheduler.endswith(".json"):
            if not Path(scheduler).is_file():
                raise WorkersError(f"scheduler: there is no file {scheduler!r} (dask scheduler --scheduler-file)")
            return distributed.Client(scheduler_file=scheduler, timeout=CONNECT)
        return distributed.Client(scheduler, timeout=CONNECT)
    except WorkersError:
        raise
    except Exception as error:  # OSError, TimeoutError, ValueError for an address, TypeError for missing TLS settings
        raise WorkersError(
            f"scheduler: nothing that can be used answers at {scheduler!r} ({first_line(error)}); "
            "start one with: dask scheduler"
        ) from None


def _checked(client: Any, scheduler: str, folders: Sequence[Path]) -> int:
    """The threads of a cluster's workers, where they can do the work; WorkersError says why not."""
    try:
        client.wait_for_workers(1, timeout=ARRIVE)
    except Exception:
        raise WorkersError(
            f"scheduler: {scheduler!r} has no workers after {ARRIVE:.0f} s; start some with: dask worker {scheduler}"
        ) from None
    found = client.get_versions(check=False)
    own = found["client"]["packages"]
    for name, packages in _packages(found).items():
        for package in SAME:
            wanted, has = _shown(package, own), _shown(package, packages)
            if wanted != has:
                raise WorkersError(f"scheduler: {name} has {package} {has}, this machine {wanted}; install the same")
    here = facts([str(folder.resolve()) for folder in folders])
    for address, there in client.run(facts, here["sees"], on_error="return").items():
        if isinstance(there, BaseException):
            raise WorkersError(f"scheduler: worker {address}: {first_line(there)}; install rnnmuse[scale] there")
        for package in ("rnnmuse", "numpy"):
            if there[package] != here[package]:
                raise WorkersError(
                    f"scheduler: worker {address} has {package} {there[package]}, this machine {here[package]}; "
                    "install the same"
                )
        unseen = [folder for folder in here["sees"] if folder not in there["sees"]]
        if unseen:
            raise WorkersError(f"scheduler: worker {address} sees no {unseen[0]!r}; share the folder with the workers")
    return max(1, int(sum(client.nthreads().values())))


def _packages(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    out = {"the scheduler": found["scheduler"]} if found.get("scheduler") else {}
    out |= {f"worker {address}": one for address, one in found.get("workers", {}).items()}
    return {name: one["packages"] for name, one in out.items() if isinstance(one, dict) and "packages" in one}


def _shown(package: str, packages: dict[str, Any]) -> str:
    version = str(packages.get(package))
    return ".".join(version.split(".")[:2]) if package == "python" else version


def facts(paths: Sequence[str]) -> dict[str, Any]:
    """What a worker says of itself: versions, and which of ``paths`` it sees."""
    import numpy

    return {
        "rnnmuse": __version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "system": MACHINE.platform,
        "sees": [path for path in paths if Path(path).exists()],
    }
