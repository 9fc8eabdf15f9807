"""Workers beside each other: spawned processes, one thread each, which end at once when their work is left early."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def use_one_thread() -> None:
    """Let numba, BLAS and torch use one thread in this process: a worker beside others, one for each core.

    What is loaded already is told so (BLAS through threadpoolctl, which the extra `dask` brings); what is loaded later
    reads the environment.
    """
    loaded = [sys.modules[name] for name in ("numba", "torch") if name in sys.modules]
    for module in loaded:
        module.set_num_threads(1)
    # numba reads its variable again at every compilation, and refuses a change once its threads run.
    names = [name for name in _THREAD_VARIABLES if not (name.startswith("NUMBA") and "numba" in sys.modules)]
    os.environ.update(dict.fromkeys(names, "1"))
    with suppress(ModuleNotFoundError):
        import threadpoolctl

        threadpoolctl.threadpool_limits(1)


@contextmanager
def own_pool(n_workers: int, initializer: Callable[[], Any] | None = None) -> Iterator[ProcessPoolExecutor]:
    """Spawned workers, one thread each, ended at once when the block is left by an exception.

    initializer : runs in each worker at its start.
    """
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    # Libraries read these when they are loaded, so they must stand before the workers start.
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    context = multiprocessing.get_context("spawn")
    strangers = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(n_workers, mp_context=context, initializer=_begin, initargs=(os.getpid(), initializer))
    try:
        yield pool
        pool.shutdown()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - strangers:
            child.terminate()
        raise
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(parent: int, initializer: Callable[[], Any] | None) -> None:
    """Ctrl-C reaches the whole process group; the parent alone answers it. A parent that is killed takes its workers
    with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if initializer is not None:
        initializer()


def _end_with(parent: int) -> None:
    """End this process once its parent is another: the one that started it is gone."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
