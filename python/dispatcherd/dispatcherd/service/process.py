"""Processes that run a worker between two queues, for tests and tools that make them themselves.

The service does not use these: its workers are made by the native program. Where it stands: in `dispatcherd.factories`,
`process_manager_from_settings` gives the manager that the configuration names.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, TypeVar

from dispatcher.config import DispatcherSettings, LazySettings
from dispatcher.config import settings as global_settings
from dispatcherd.worker.target import STOP, work_loop

Settings = LazySettings | DispatcherSettings
M = TypeVar("M", bound="ProcessManager")


class ProcessProxy:
    """One process and its queue of messages."""

    def __init__(
        self,
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        target: Callable[..., Any] = work_loop,
        ctx: Any = multiprocessing,
    ) -> None:
        self.message_queue = ctx.Queue()
        kwargs = {**(kwargs or {}), "message_queue": self.message_queue}
        self._process = ctx.Process(target=target, args=tuple(args or ()), kwargs=kwargs)

    def start(self) -> None:
        """Starts it."""
        self._process.start()

    def join(self, timeout: float | None = None) -> None:
        """Waits for its end; `timeout` in seconds."""
        self._process.join(timeout)

    @property
    def pid(self) -> int | None:
        """Its process id, once it runs."""
        pid: int | None = self._process.pid
        return pid

    def exitcode(self) -> int | None:
        """Its exit code, once it has ended."""
        code: int | None = self._process.exitcode
        return code

    def is_alive(self) -> bool:
        """Whether it runs."""
        return bool(self._process.is_alive())

    def kill(self) -> None:
        """Sends SIGKILL."""
        self._process.kill()

    def terminate(self) -> None:
        """Sends SIGTERM."""
        self._process.terminate()

    def __enter__(self) -> ProcessProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_alive():
            self.terminate()
        self.join()


class ProcessManager:
    """Makes worker processes that share one queue of results; this one by fork."""

    mp_context = "fork"

    def __init__(self, settings: Settings = global_settings) -> None:
        self._options: dict[str, Any] = {"settings": settings}
        self._over = False
        self.ctx: Any = multiprocessing.get_context(self.mp_context)
        self.finished_queue = self.ctx.Queue()
        # As JSON, so that no object of this process gets into another one by accident.
        self.settings_stash = json.dumps(settings.serialize())

    def create_process(
        self, args: Iterable[Any] | None = None, kwargs: dict[str, Any] | None = None, **options: Any
    ) -> ProcessProxy:
        """A process that is not started yet; the options are those of `ProcessProxy`."""
        self._check()
        kwargs = {**(kwargs or {}), "settings": self.settings_stash, "finished_queue": self.finished_queue}
        return ProcessProxy(args=args, kwargs=kwargs, ctx=self.ctx, **options)

    async def read_finished(self, timeout: float | None = None) -> Any:
        """The next result; raises `queue.Empty` after `timeout` seconds."""
        self._check()
        return await asyncio.to_thread(self.finished_queue.get, timeout=timeout)

    def shutdown(self) -> None:
        """Ends the waiting of `read_finished`; no more processes are made."""
        self._over = True
        self.finished_queue.put(STOP)
        self.finished_queue.close()

    def recreate(self: M) -> M:
        """A new manager with the same options."""
        return type(self)(**self._options)

    def has_shutdown(self) -> bool:
        """Whether `shutdown` was called."""
        return self._over

    def _check(self) -> None:
        if self._over:
            raise RuntimeError("ProcessManager is shut down")


class ForkServerManager(ProcessManager):
    """By a fork server, which has imported `preload_modules` once."""

    mp_context = "forkserver"

    def __init__(self, preload_modules: list[str] | None = None, settings: Settings = global_settings) -> None:
        super().__init__(settings=settings)
        self._options["preload_modules"] = preload_modules
        self.ctx.set_forkserver_preload(preload_modules or [])


class SpawnServerManager(ProcessManager):
    """Each with a new interpreter."""

    mp_context = "spawn"
