"""Chunks in, results out, in order: in this process or in several.

A chunk is the unit of work everywhere. Results come in the order of the chunks, whatever finishes first, and only a few
chunks are in flight, so memory stays flat. A worker that dies (out of memory, killed) gets its chunks done once more.
"""

from __future__ import annotations

import ctypes
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
"""Called with (what is being done, images done, images in all)."""
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
WAIT_SECONDS = 0.5
IN_FLIGHT = 3  # chunks per worker: enough to keep it busy, few enough to keep memory flat


def n_cores() -> int:
    """Cores this process may use."""
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

    The state goes to each worker once, when it starts; `function`, a function of a module, and chunks go each time.
    `on_wait` is called twice a second while a long chunk is awaited.

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
            _submit(pool, function, source, waiting=waiting, limit=n_workers * IN_FLIGHT)
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


def _submit(
    pool: ProcessPoolExecutor,
    function: Callable[[Any, Chunk], Result],
    source: Iterator[Chunk],
    *,
    waiting: deque[tuple[Chunk, Future[Result]]],
    limit: int,
) -> None:
    while len(waiting) < limit:
        try:
            chunk = next(source)
        except StopIteration:
            return
        waiting.append((chunk, pool.submit(_in_worker, function, chunk)))


def _pool(n_workers: int, state: Any) -> ProcessPoolExecutor:
    # Forking starts a worker in 20 ms and asks nothing of the caller's script; elsewhere the platform's default holds.
    context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else None)
    return ProcessPoolExecutor(n_workers, mp_context=context, initializer=_start_worker, initargs=(state,))


_state: Any = None


def _start_worker(state: Any) -> None:
    global _state
    _state = state
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: only the parent answers it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "torch" in sys.modules:
        # A forked process hangs where it starts threads of a kind that its parent had; and there are enough processes.
        sys.modules["torch"].set_num_threads(1)
    _die_with_parent()


def _die_with_parent() -> None:
    """A killed parent must not leave workers behind that hold its lock and wait for chunks for ever."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _in_worker(function: Callable[[Any, Chunk], Result], chunk: Chunk) -> Result:
    return function(_state, chunk)
