"""The executor that is taken where none is given: every core of this machine."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Any, TypeVar

from vmemu.sweep.isolated import end_zygotes, start_zygotes

__all__ = ["LocalExecutor", "cores"]

T = TypeVar("T")
_MOMENT = 0.05
"""Seconds between two looks at what still runs."""
_Job = tuple[Future[Any], Callable[[], Any]]


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


class LocalExecutor(Executor):
    """Threads, each of which waits for a process: what is submitted is to call run_isolated.

    ``workers``: by default one for each core.  Its threads keep nobody from ending; left by an
    exception, as by Ctrl-C, it ends what runs at once.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        start_zygotes(self.workers)
        self._threads = [
            threading.Thread(target=self._work, name=f"vmemu-run-{i}", daemon=True)
            for i in range(self.workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call it in one of the threads."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the executor has been shut down")
            self._jobs.put((future, lambda: fn(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more; what is submitted is done first, unless it is cancelled."""
        with self._lock:
            first, self._closed = not self._closed, True
            if cancel_futures:
                self._cancel()
            if first or cancel_futures:
                for _ in self._threads:
                    self._jobs.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def stop(self) -> None:
        """Cancel what waits, and end what runs: its futures raise Stopped."""
        self.shutdown(wait=False, cancel_futures=True)
        for thread in self._threads:
            while thread.is_alive():  # what it has just begun may not have a zygote yet
                end_zygotes()
                thread.join(_MOMENT)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for what is submitted; after an exception stop."""
        if kind is None:
            self.shutdown()
        else:
            self.stop()

    def _cancel(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                job[0].cancel()
                job[0].set_running_or_notify_cancel()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, call = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)
            del future, call, job
