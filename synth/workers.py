"""Map a function over chunks, in this process or in several, with the results in order.

A chunk is the unit of work everywhere. Results come in the order of the chunks, whichever finishes first. Only a few
chunks are in flight, so memory stays flat. If a worker dies (out of memory, killed), its chunks are tried once more.
"""

import ctypes
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from synth.errors import SynthError

State = TypeVar("State")
Chunk = TypeVar("Chunk")
Result = TypeVar("Result")
Progress = Callable[[str, int, int], None]
"""Called with (name of the step, images done, images in total). If the name ends in `PERCENT`, the numbers are parts of
the work instead, and mean something only as a share."""
PERCENT = " %"
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
WAIT_SECONDS = 0.5
IN_FLIGHT = 3  # chunks per worker: enough to keep it busy, few enough to keep memory flat


def duration(seconds: float) -> str:
    """Return a time as text: `12 s`, `3 min` or `2.5 hours`."""
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(seconds, 1):.0f} s"


def n_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    function: Callable[[State, Chunk], Result],
    state: State,
    chunks: Iterable[Chunk],
    *,
    n_workers: int,
    on_wait: Callable[[], None] | None = None,
) -> Iterator[tuple[Chunk, Result]]:
    """Yield (chunk, function(state, chunk)) in the order of `chunks`.

    Each worker gets the state once, when it starts. `function` is defined at the top of a module, so that it can be
    pickled. `on_wait` is called twice a second while a long chunk runs.

    Raises:
        SynthError: a worker died twice on the same chunks.
    """
    if n_workers <= 1:
        yield from ((chunk, function(state, chunk)) for chunk in chunks)
        return
    source = iter(chunks)
    waiting: deque[tuple[Chunk, Future[Result]]] = deque()
    pool = _pool(n_workers, state)
    retried = False
    try:
        while True:
            for chunk in itertools.islice(source, n_workers * IN_FLIGHT - len(waiting)):
                waiting.append((chunk, pool.submit(_in_worker, function, chunk)))
            if not waiting:
                return
            try:
                result = _result(waiting[0][1], on_wait)
            except BrokenProcessPool:
                if retried:
                    raise SynthError("a worker process died twice (out of memory?): try --workers 1") from None
                retried = True
                pool = _pool(n_workers, state)
                waiting = deque((chunk, pool.submit(_in_worker, function, chunk)) for chunk, _ in waiting)
                continue
            chunk, _ = waiting.popleft()
            retried = False
            yield chunk, result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _result(future: Future[Result], on_wait: Callable[[], None] | None) -> Result:
    while on_wait is not None and not wait([future], timeout=WAIT_SECONDS).done:
        on_wait()
    return future.result()


def _pool(n_workers: int, state: Any) -> ProcessPoolExecutor:
    # A fork starts a worker in 20 ms and needs no `if __name__ == "__main__"` in the caller's script.
    context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else None)
    return ProcessPoolExecutor(n_workers, mp_context=context, initializer=_start_worker, initargs=(state,))


_state: Any = None


def _start_worker(state: Any) -> None:
    global _state
    _state = state
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes: the parent handles it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "torch" in sys.modules:
        # A forked process hangs when it starts threads that its parent had; and the processes fill all cores.
        sys.modules["torch"].set_num_threads(1)
    _die_with_parent()


def _die_with_parent() -> None:
    """End this worker when its parent is killed; otherwise it holds the lock and waits for chunks for ever."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the call above
            os._exit(1)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _in_worker(function: Callable[[Any, Chunk], Result], chunk: Chunk) -> Result:
    return function(_state, chunk)
