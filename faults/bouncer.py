"""A pgbouncer before a cluster, as the account that runs the cluster.

Where it stands: under the row of poolers. Where pgbouncer is not installed that row is not run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType

import postgres
from catalogue import Unavailable
from stage import Cluster

SETTINGS = """\
[databases]
{dbname} = host=127.0.0.1 port={server_port} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = {mode}
default_pool_size = 4
"""


class Bouncer:
    """`with Bouncer(...) as bouncer`: `bouncer.dsn` leads through it."""

    def __init__(self, place: Path, cluster: Cluster, mode: str) -> None:
        program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
        if not program:
            raise Unavailable("pgbouncer is not installed here")
        server, port = cluster.server, postgres.free_port()
        home = server.home / f"bouncer-{mode}-{port}"
        home.mkdir(mode=0o755)
        (home / "users").write_text(f'"{server.user}" "{server.password}"\n')
        (home / "bouncer.ini").write_text(
            SETTINGS.format(
                dbname=server.dbname,
                server_port=server.port,
                password=server.password,
                port=port,
                users=home / "users",
                mode=mode,
            )
        )
        self.dsn = cluster.dsn_at(port)
        self._port, self._command = port, [program, "--quiet", str(home / "bouncer.ini")]
        self._account = server.account

    def __enter__(self) -> Bouncer:
        self._process = subprocess.Popen(
            self._command,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._account.uid if os.getuid() == 0 else None,
            group=self._account.gid if os.getuid() == 0 else None,
        )
        deadline = time.monotonic() + 10
        while not postgres.answers(self._port):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise Unavailable("pgbouncer did not start here")
            time.sleep(0.02)
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
