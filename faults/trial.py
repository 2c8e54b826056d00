"""One service under a fault: started, fed, watched from outside, and ended with everything that it left.

What ran is read from the ledger, who lives from /proc; the service is asked only for what it is to be asked for.
Where it stands: rows and the soak use it; stage.py makes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import processes
import setting
from asking import Asked
from compared import System
from ledger import DEATH, END, START, Ledger
from publisher import Publisher

HERE = Path(__file__).resolve().parent
LOOK = 0.005
"""Seconds between two looks: no figure is coarser than this."""
STOP_GRACE = 20.0
"""Seconds that a service gets to end by itself."""


class TrialError(RuntimeError):
    """The service did not do what the row begins with."""


class Trial:
    """`with Trial(...) as trial`: at the end nothing of it is left."""

    def __init__(self, system: System, place: Path, dsn: str, service_dsn: str | None = None, **words: Any) -> None:
        """`service_dsn`: where the service finds Postgres, when that is not where the publisher does."""
        place.mkdir(parents=True)
        self.system, self.place, self.dsn = system, place, dsn
        self.mark = f"FAULT_RUN={uuid.uuid4().hex}"
        self.setting = setting.Setting(system, place, service_dsn or dsn, **words)
        self.workers = self.setting.workers
        self.ledger = Ledger(place / "ledger")
        self.log = place / "service.log"
        self.publisher = Publisher(dsn, self.setting.channel)
        self.process: subprocess.Popen[bytes] | None = None
        self.exit: int | None = None
        self.stop_s = 0.0
        self.left = 0

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_error: object) -> None:
        self.publisher.close()
        self.sweep()

    # The service.

    def start(
        self,
        ready: bool = True,
        out: IO[bytes] | None = None,
        prefix: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> Trial:
        """Starts it; with `ready`, waits until every worker has run something.

        `out`: where its log goes, else a file. `prefix`: a command that runs it.
        """
        name, _, value = self.mark.partition("=")
        with contextlib.ExitStack() as stack:
            log = out or stack.enter_context(self.log.open("ab"))
            self.process = subprocess.Popen(
                [*prefix, *self.system.service, *self.setting.write()],
                env={
                    **self.system.environment(HERE / "app"),
                    **{name: value, "FAULT_LEDGER": str(self.ledger.path), "FAULT_SDK": self.system.sdk},
                    "DISPATCHER_TASK_POLICY": "any",
                    **(environment or {}),
                },
                cwd=self.place,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if ready:
            self.warm()
        return self

    def warm(self, patience: float = 40) -> None:
        """Waits until every worker has run something, and so its process is known."""
        deadline = time.monotonic() + patience
        while not self.wait_for(START, [self.send("work", 0, count=False)], 0.25):
            if not self.alive():
                raise TrialError(f"the service ended with code {self.wait_exit()}: {self.last_words()}")
            if time.monotonic() > deadline:
                raise TrialError(f"the service ran nothing in {patience:.0f} s: {self.last_words()}")
        if not self.wait_for(END, [self.send("work", 0.3, count=False) for _ in range(self.workers)], patience):
            raise TrialError(f"not every worker ran something in {patience:.0f} s: {self.last_words()}")

    @property
    def pid(self) -> int:
        """Of the service's main process."""
        assert self.process is not None
        return self.process.pid

    def alive(self) -> bool:
        """Whether the main process runs."""
        assert self.process is not None
        return self.process.poll() is None

    def wait_exit(self, patience: float = STOP_GRACE) -> int | None:
        """The exit code; None when it has not ended in time."""
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        return self.process.poll()

    def last_words(self) -> str:
        """The last line of the log."""
        return (self.said().strip().splitlines() or ["it said nothing"])[-1][:200]

    def said(self) -> str:
        """All of the log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def family(self) -> set[int]:
        """Every living process of it, what its tasks have started included."""
        return processes.marked(self.mark)

    def cpu(self) -> float:
        """Seconds of processor time of the service and everything below it."""
        return processes.cpu_of_tree(self.pid)

    def worker_pids(self) -> set[int]:
        """The living processes that have run tasks."""
        self.ledger.read()
        return {pid for pid in self.ledger.pids() if processes.living(pid)}

    def template(self) -> int | None:
        """The process that workers are forked from, when that is not the service itself."""
        above = {processes.parent(pid) for pid in self.worker_pids()} - {self.pid, 0, 1, os.getpid()}
        return above.pop() if len(above) == 1 else None

    # Work.

    def send(self, task: str, *args: Any, count: bool = True, **options: Any) -> str:
        """Sends a task of fault_tasks, or of another module when it is named whole; gives its uuid."""
        number = uuid.uuid4().hex
        name = task if "." in task else f"fault_tasks.{task}"
        message = {"uuid": number, "task": name, "args": [number, *args], **options}
        self.publisher.send(json.dumps(message), number if count else None)
        return number

    @contextlib.contextmanager
    def traffic(self, rate: float = 50, seconds: float = 0.002) -> Iterator[None]:
        """Steady short tasks while the block runs."""
        over = threading.Event()

        def feed() -> None:
            due = time.monotonic()
            while not over.wait(max(0.0, due - time.monotonic())):
                self.send("work", seconds)
                due = max(due + 1 / rate, time.monotonic() - 0.1)

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        try:
            yield
        finally:
            over.set()
            feeder.join(10)

    def occupy(self, seconds: float, **options: Any) -> list[str]:
        """A task for each worker, all begun."""
        tasks = [self.send("work", seconds, **options) for _ in range(self.workers)]
        if not self.wait_for(START, tasks, 20):
            raise TrialError(f"the workers did not begin in 20 s: {self.last_words()}")
        return tasks

    def wait(self, probe: Callable[[], Any], patience: float) -> bool:
        """Looks until the probe gives something true; whether it did."""
        deadline = time.monotonic() + patience
        while not probe():
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK)
        return True

    def wait_for(self, kind: str, tasks: Iterable[str], patience: float) -> bool:
        """Waits until this has happened to all these tasks."""
        wanted = set(tasks)

        def happened() -> bool:
            self.ledger.read()
            return wanted <= self.ledger.marks[kind].keys()

        return self.wait(happened, patience)

    def back(self, since: float, patience: float) -> float | None:
        """Seconds from then to the end of a task that was sent later; None when there is none in time."""

        def later() -> set[str]:
            self.ledger.read()
            sent = self.publisher.sent
            return {uuid for uuid in self.ledger.having(END) if sent.get(uuid, 0.0) > since}

        if not self.wait(lambda: later() or not self.alive(), patience) or not later():
            return None
        return min(self.ledger.times(END, later())) - since

    def settle(self, patience: float = 30, quiet: float = 3) -> None:
        """Waits until all that was sent has ended, or nothing more ends."""
        seen, since = -1, time.monotonic()

        def over() -> bool:
            nonlocal seen, since
            self.ledger.read()
            ended = len(self.ledger.marks[END])
            if ended != seen:
                seen, since = ended, time.monotonic()
            return not self.unfinished() or time.monotonic() - since > quiet

        self.wait(over, patience)

    def unfinished(self) -> set[str]:
        """What was sent and has not ended."""
        return set(self.publisher.sent) - self.ledger.having(END)

    def lost(self, tasks: Iterable[str]) -> int:
        """How many of these have not ended."""
        self.ledger.read()
        return len(set(tasks) - self.ledger.having(END))

    def unexplained(self) -> int:
        """What was sent, has not ended, and is not in the log."""
        said = self.said()
        return sum(uuid not in said for uuid in self.unfinished())

    def last_death(self, tasks: Iterable[str]) -> float:
        """When the last of these tasks ended its worker."""
        return self.ledger.times(DEATH, tasks)[-1]

    # Questions.

    @contextlib.contextmanager
    def asking(self) -> Iterator[Asked]:
        """Asks `alive` over the socket all the time while the block runs."""
        out = self.place / f"asked-{uuid.uuid4().hex[:6]}"
        command = [sys.executable, str(HERE / "probe.py"), str(self.setting.socket), str(out)]
        prober = subprocess.Popen(command)
        asked = Asked(out)
        try:
            self.wait(out.exists, 10)
            yield asked
        finally:
            asked.end()
            prober.kill()
            prober.wait()

    def control(self, command: str, data: dict[str, Any] | None = None, patience: float = 5) -> dict[str, Any] | None:
        """The answer to a control request; None when there is none."""
        return setting.ask(self.setting.socket, command, data, patience)

    def received(self) -> int:
        """Tasks that the service says it has taken in."""
        main = self.control("main") or {}
        return int(main.get("received_count", 0)) - int(main.get("control_count", 0))

    def ready(self) -> bool | None:
        """What `/readyz` says; None where there is none, or no answer."""
        return self.setting.ready()

    # The end.

    def finish(self, patience: float = STOP_GRACE) -> int | None:
        """SIGTERM, and the exit code; what is left half a second later is counted, then ended."""
        assert self.process is not None
        began = time.monotonic()
        if self.alive():
            self.process.terminate()
            if self.wait_exit(patience) is None:
                self.process.kill()
                self.process.wait()
        self.exit = self.process.wait()
        self.stop_s = time.monotonic() - began
        self.wait(lambda: not self.family(), 0.5)
        self.left = len(self.family())
        self.sweep()
        return self.exit

    def sweep(self) -> None:
        """Ends whatever is left."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
