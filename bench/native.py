"""Native systems on the same work: our ways to publish and to run in Rust and in Python, and other crates beside them.

Each gives figures by the same names: publishing one by one and in bulk, a drain, latency. The other crates are queues
in tables, so a task survives whatever ends; a notification does not. Where it stands: `run.py --native` calls these in
turn, table.py shows them, `peers-native` has the programs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import measure
import processes
import systems
from measure import LATENCY_RATE, Figures, Setting, percentile, read_delays
from systems import PYTHON, BenchError, Line, Program, Publisher, Trial

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAMS = CHECKOUT / "bench" / "peers-native"
OURS = (str(PROGRAMS / "target" / "release" / "ours"),)
"""The program made of this project's crate."""
EMBEDDED = CHECKOUT / "target" / "release" / "examples" / "embedded_speed"
CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "20"))
"""Tasks at a time in a native worker: one process with that many, or two with half of them each."""
BATCH = 1000
"""Tasks in one bulk call."""
LATENCY_COUNT = 100
SUPERUSER = "bench_admin"
"""A role of the server of the benchmark: who makes databases, and who the queues in tables connect as."""
SINGLES = 2_000
"""Tasks for the pace of publishing one by one: a queue in a table pays a commit for each."""


@dataclass(frozen=True)
class Table:
    """A queue in a table, by its program in `peers-native`."""

    name: str
    program: str
    left: str
    """Counts the tasks that are not over."""
    bulk: bool = True
    most: int = 1_000_000
    """Tasks of its drain at most."""
    durable: bool = True

    def publish(self, setting: Setting) -> Figures:
        """One by one, and in bulk, with nobody working."""
        with Database(setting, self) as database, Line(*database.program("publish")) as publisher:
            publisher.call("burst", count=50)
            figures = {"one_rate": publisher.rate("burst", min(SINGLES, setting.count))}
            if self.bulk:
                figures["many_rate"] = publisher.rate("batches", setting.count, size=BATCH)
        return figures

    def drain(self, setting: Setting) -> Figures:
        """Everything is queued, then the worker starts; from the first task that has run to the last."""
        count, postgres = min(setting.count, self.most), Spent(setting.postgres)
        with Database(setting, self) as database:
            with Line(*database.program("publish")) as publisher, postgres.spent():
                publisher.call("batches" if self.bulk else "burst", count=count, size=BATCH)
            database.settle()
            with postgres.spent(), database.worker() as worker:
                worker.wait(1)
                began, already = time.time(), worker.done()
                ended = worker.wait(count)
                over = database.wait_empty(self.left)
                time.sleep(measure.AFTERMATH)
                runs = worker.done()
                cpu = processes.cpu_of_tree(worker.process.pid) / count * 1e6
        # What runs twice makes the count come early.
        took = (ended if runs == count else over) - began
        return {
            "drain_rate": (count - already) / took,
            "drain_cpu": cpu,
            "drain_runs": runs / count,
            "postgres_cpu": postgres.seconds / count * 1e6,
        }

    def latency(self, setting: Setting) -> Figures:
        """From the publish call to the task's body, on a worker with nothing else to do."""
        with (
            Database(setting, self) as database,
            database.worker() as worker,
            Line(*database.program("publish")) as publisher,
        ):
            publisher.call("burst", count=100)
            worker.wait(100)
            publisher.call("paced", count=LATENCY_COUNT, rate=LATENCY_RATE)
            return _latency(read_delays(worker.delays, LATENCY_COUNT, self.name))


@dataclass(frozen=True)
class Service:
    """This service, with workers and publishers of one language."""

    name: str
    program: Program = PYTHON
    """Its workers."""
    publishes_natively: bool = False
    durable: bool = False

    def publish(self, setting: Setting) -> Figures:
        """With nobody listening."""
        with setting.trial(systems.ours()) as trial, self._publisher(setting, trial) as publisher:
            publisher.call("burst", count=100)
            one = publisher.rate("burst", setting.count)
            return {"one_rate": one, "many_rate": publisher.rate("batches", setting.count, size=BATCH)}

    def drain(self, setting: Setting) -> Figures:
        """Queued in the service behind two held workers, then let go."""
        postgres = Spent(setting.postgres)
        with postgres.spent():
            figures = measure.drain(setting, systems.ours(), fill="batches", program=self.program)
        return {
            "drain_rate": figures["drain_rate"],
            "drain_cpu": figures["drain_cpu_tree"],
            "drain_runs": 1.0,
            "postgres_cpu": postgres.seconds / setting.count * 1e6,
        }

    def latency(self, setting: Setting) -> Figures:
        """On a service with nothing else to do."""
        with setting.trial(systems.ours(), program=self.program) as trial:
            trial.start_warm()
            with self._publisher(setting, trial) as publisher:
                publisher.call("paced", count=LATENCY_COUNT, rate=LATENCY_RATE)
                return _latency(read_delays(trial.delays, LATENCY_COUNT, self.name))

    def _publisher(self, setting: Setting, trial: Trial) -> Line:
        if not self.publishes_natively:
            return Publisher(trial.system, trial.place)
        environment = {**os.environ, "BENCH_URL": _url(setting.dsn), "BENCH_CHANNEL": trial.channel}
        return Line([*OURS, "publish"], environment, trial.place / "ours.log")


@dataclass(frozen=True)
class Embedded:
    """A service inside an application, which runs tasks on the application's runtime: no Postgres, no processes."""

    name: str
    durable: bool = False

    def drain(self, setting: Setting) -> Figures:
        """Published from the same process while they run, as there is nothing to be queued before."""
        count = setting.count * 25
        command = [str(EMBEDDED), str(count), str(CONCURRENCY)]
        before = os.times()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        after = os.times()
        if done.returncode:
            raise BenchError(f"{self.name} failed: {done.stderr.strip()}")
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        rate = json.loads(done.stdout)["tasks_a_second"]
        return {"drain_rate": rate, "drain_cpu": spent / count * 1e6, "drain_runs": 1.0}


def _latency(delays: list[float]) -> Figures:
    return {f"latency_p{part}": percentile(delays, part) for part in (50, 95)}


class Spent:
    """CPU of a tree of processes, in the blocks that are to count."""

    def __init__(self, pid: int) -> None:
        self.pid, self.seconds = pid, 0.0

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Adds what is used within the block."""
        before = processes.cpu_of_tree(self.pid)
        yield
        self.seconds += processes.cpu_of_tree(self.pid) - before


class Database:
    """A database for one system and one measurement."""

    def __init__(self, setting: Setting, system: Table) -> None:
        self.setting, self.system = setting, system
        self.name = f"bench_{uuid.uuid4().hex[:8]}"
        self.admin = make_conninfo(setting.dsn, user=SUPERUSER)
        self.dsn = make_conninfo(self.admin, dbname=self.name)

    def __enter__(self) -> Database:
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        command, environment, log = self.program("setup")
        with log.open("ab") as out:
            if subprocess.run(command, env=environment, stdout=out, stderr=out, check=False).returncode:
                raise BenchError(f"{self.system.name} could not be set up; see {log}")
        return self

    def __exit__(self, *_error: object) -> None:
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.name)))

    def program(self, what: str) -> tuple[list[str], dict[str, str], Path]:
        """The program of the system: its command, its environment and its log."""
        place = self.setting.place
        environment = {
            **os.environ,
            "BENCH_URL": _url(self.dsn),
            "BENCH_CONCURRENCY": str(CONCURRENCY),
            "BENCH_COUNT": str(place / "count"),
            "BENCH_DELAYS": str(place / "delays"),
        }
        binary = PROGRAMS / "target" / "release" / self.system.program
        return [str(binary), what], environment, place / f"{self.system.program}.log"

    def settle(self) -> None:
        """What the server would do soon in any case, it does now."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")

    def worker(self) -> Worker:
        """A worker program, at work within the block."""
        return Worker(self)

    def wait_empty(self, left: str) -> float:
        """Waits until no task is left; gives the time."""
        deadline = time.monotonic() + 60
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while (row := connection.execute(left.encode()).fetchone()) and row[0]:
                if time.monotonic() > deadline:
                    raise BenchError(f"{self.system.name} has {row[0]} tasks left that are not recorded as done")
                time.sleep(0.02)
        return time.time()


class Worker:
    """The worker program of a system."""

    def __init__(self, database: Database) -> None:
        self.database = database
        place = database.setting.place
        self.count, self.delays = place / "count", place / "delays"

    def __enter__(self) -> Worker:
        self.count.write_bytes(b"")
        self.delays.write_bytes(b"")
        command, environment, log = self.database.program("work")
        with log.open("ab") as out:
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.wait()

    def done(self) -> int:
        """Tasks that have run."""
        return self.count.stat().st_size

    def wait(self, count: int, timeout: float = 300) -> float:
        """Waits until so many have; gives the time."""
        name, deadline = self.database.system.name, time.monotonic() + timeout
        while self.done() < count:
            if time.monotonic() > deadline:
                raise BenchError(f"{name} ran {self.done()} of {count} tasks in {timeout:.0f} s")
            if self.process.poll() is not None:
                raise BenchError(f"the worker of {name} ended with code {self.process.returncode}")
            time.sleep(0.001)
        return time.time()


def _url(dsn: str) -> str:
    words = conninfo_to_dict(dsn)
    return "postgres://{user}:{password}@{host}:{port}/{dbname}".format(**words)


def build() -> None:
    """The programs, in release mode; cargo says how far it is."""
    print(f"building {PROGRAMS} (the first time takes some minutes)", file=sys.stderr, flush=True)
    cargo = ["cargo", "build", "--release", "--manifest-path"]
    subprocess.run([*cargo, PROGRAMS / "Cargo.toml"], check=True)
    example = ["--package", "dispatcher", "--features", "service", "--example", EMBEDDED.name]
    subprocess.run([*cargo, CHECKOUT / "Cargo.toml", *example], check=True)


Native = Table | Service | Embedded
SYSTEMS: tuple[Native, ...] = (
    Service("dispatcher, Python"),
    Service("dispatcher, Rust", Program((*OURS, "work"), CONCURRENCY // 2), publishes_natively=True),
    Embedded("dispatcher, embedded"),
    Table("graphile_worker 0.14", "graphile", "SELECT count(*) FROM graphile_worker._private_jobs"),
    Table("apalis-postgres 1.0", "apalis", "SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'"),
    Table("fang 0.11, async", "fang", "SELECT count(*) FROM fang_tasks", bulk=False, most=2_000),
)
MEASUREMENTS = ("publish", "drain", "latency")


def take(system: Native, row: str, setting: Setting) -> Figures:
    """One measurement of one system; nothing if it is not made for that."""
    measurement: Callable[[Setting], Figures] = getattr(system, row, lambda _setting: {})
    return measurement(setting)
