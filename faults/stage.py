"""What a row is given: a system, a Postgres that it may break, and places for its services.

Everything made here ends with the row, and Postgres is put right again. Where it stands: run.py makes one for each
row and system; the tests and the soak make their own.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

import postgres
from compared import System
from proxy import Proxy
from trial import LOOK, Trial

SUPERUSER = "faults_admin"


class Cluster:
    """A Postgres of our own, with a superuser for what only one may do."""

    def __init__(self) -> None:
        self.server = postgres.temporary_server(superuser=SUPERUSER)

    def start(self) -> Cluster:
        """Starts it."""
        self.server.start()
        return self

    @property
    def dsn(self) -> str:
        """As services and publishers know it; by address, so that names play no part."""
        return self.dsn_at(self.server.port)

    def dsn_at(self, port: int, host: str = "127.0.0.1") -> str:
        """The same over a proxy."""
        server = self.server
        return f"dbname={server.dbname} user={server.user} password={server.password} host={host} port={port}"

    def connect(self) -> psycopg.Connection:
        """A connection of the ordinary role."""
        return psycopg.connect(self.dsn, autocommit=True, connect_timeout=5)

    @contextlib.contextmanager
    def admin(self) -> Iterator[psycopg.Connection]:
        """A connection of the superuser."""
        dsn = self.dsn.replace(f"user={self.server.user}", f"user={SUPERUSER}")
        with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
            yield connection

    def run(self, statement: str) -> None:
        """One statement of the superuser."""
        with self.admin() as connection:
            connection.execute(statement.encode())

    def backends(self) -> list[int]:
        """The server's processes for the ordinary role."""
        with self.admin() as connection:
            rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", (self.server.user,))
            return [pid for (pid,) in rows]

    def terminate(self, besides: int) -> float:
        """Ends every session of the ordinary role but one; gives the time just before."""
        with self.admin() as connection:
            began = time.monotonic()
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND pid <> %s",
                (self.server.user, besides),
            )
        return began

    def wait_up(self, patience: float = 30) -> float:
        """Waits until a login works; gives the time."""
        deadline = time.monotonic() + patience
        while True:
            try:
                psycopg.connect(self.dsn, connect_timeout=2).close()
                return time.monotonic()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK)

    def mend(self) -> None:
        """As it was: running, and the role without limits."""
        if not self.server.is_running():
            self.server.start()
        role = self.server.user
        self.run(f"ALTER ROLE {role} LOGIN CONNECTION LIMIT -1")
        self.run(f"ALTER ROLE {role} RESET ALL")

    def remove(self) -> None:
        """Ends it and takes its files away."""
        self.server.remove()


class Stage:
    """One row with one system."""

    def __init__(self, system: System, cluster: Cluster, place: Path, quick: bool = False) -> None:
        """`quick`: less traffic and shorter waits, for a look or a test."""
        self.system, self.cluster, self.place, self.quick = system, cluster, place, quick
        self._ends = contextlib.ExitStack()
        self._made = 0

    @property
    def ours(self) -> bool:
        """Whether the system is this service."""
        return self.system.name == "dispatcher"

    def trial(self, *, cluster: Cluster | None = None, **words: Any) -> Trial:
        """A service that is not started yet; `words` as of setting.Setting."""
        self._made += 1
        dsn = (cluster or self.cluster).dsn
        return self._ends.enter_context(Trial(self.system, self.place / str(self._made), dsn, **words))

    def second_cluster(self) -> Cluster:
        """Another Postgres, running."""
        cluster = Cluster()
        self._ends.callback(cluster.remove)
        return cluster.start()

    def proxy(self) -> Proxy:
        """A way to Postgres that can be told to misbehave."""
        proxy = Proxy("127.0.0.1", self.cluster.server.port)
        self._ends.callback(proxy.close)
        return proxy

    def at_end(self, callback: Any, *args: Any) -> None:
        """What is to be put right when the row is over, whatever became of it."""
        self._ends.callback(callback, *args)

    def close(self) -> None:
        """Ends what was made."""
        self._ends.close()
