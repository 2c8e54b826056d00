"""Runs the black-box suite against the installed service: `make conformance`.

The suite is no part of the project; where it does not stand at ../shared/conformance (or at CONFORMANCE_DIR) there is
nothing to do. Files given as arguments are run instead of all. With `--worker rust` tasks run in a worker program in
Rust: those files and tests that ask nothing of a language.
"""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
SUITE = Path(os.environ.get("CONFORMANCE_DIR", TOOLS.parent.parent / "shared" / "conformance"))
RACE = "test_discarded_task_is_not_counted_as_finished"
"""Publishes three messages and lets the first task end without waiting for the others to arrive. A service that ends a
task in 5 ms may have done so before Postgres has delivered the third, on a busy machine above all: so this test runs by
itself, and again when that has happened."""
RACE_FILE = "test_duplicates.py"
TRIES = 3
SDK_FILES = [
    *(
        f"test_sdk_{part}.py"
        for part in ("publish", "registry", "config", "chunking", "control", "pg_notify", "worker")
    ),
    "test_worker_class.py",
    "test_bind.py",
]
"""What applications import; run under both names of the package."""
WORKER = TOOLS.parent / "target" / "debug" / "examples" / "conformance"
NEUTRAL_FILES = [
    f"test_{part}.py"
    for part in (
        *("tasks_basic", "duplicates", "delay", "cancel", "timeout", "pool", "control", "shutdown", "multi"),
        *("malformed", "connection", "producers", "socket"),
    )
]
"""What is about the service, whatever language a worker speaks."""
PYTHON_ONLY = [
    *("lambda", "class_task", "registered_function", "in_the_decorator", "task_environment", "on_start_tasks"),
    # A bound object, by its attributes.
    *("internal_number_as_uuid", "given_uuid_is_kept"),
    # An exception that is caught, SIGTERM with a handler of the task's own.
    *("swallowed_the_first", "does_not_use_sigterm"),
    # Values that the twins of the suite's tasks do not read or hash: NaN, more than 64 bits, a digest.
    *(
        "test_argument_value_arrives_with_its_type",
        "not_a_number",
        "args_object_passes",
        "largest_size",
        "60_kilobytes",
    ),
    # Tells the second message by when the first ends; see RACE.
    RACE,
]
"""Of those files, tests of what a Python task is."""


def main() -> int:
    """Starts a Postgres of its own, runs the files, stops it."""
    if not SUITE.is_dir():
        print(f"no conformance suite at {SUITE}; nothing to do")
        return 0
    sys.path.insert(0, str(TOOLS))
    import postgres

    server = postgres.temporary_server(os.environ.get("DISPATCHER_PG_WHEEL"))
    print(server.start(), flush=True)
    try:
        scripts = Path(sys.executable).parent
        command = [sys.executable, "-m", "pytest", "-q", "-n", "4", "--timeout", "120"]
        command += ["--service-cmd", str(scripts / "dispatcher-standalone")]
        command += ["--ctl-cmd", str(scripts / "dispatcherctl"), "--dsn", server.dsn]
        chosen, given = os.environ.get("DISPATCHER_SDK"), sys.argv[1:]
        if given[:2] == ["--worker", "rust"]:
            return with_worker_program(command, scripts, given[2:] or NEUTRAL_FILES)
        runs = {chosen or "dispatcher": given or sorted(file.name for file in SUITE.glob("test_*.py"))}
        if not (chosen or given):
            runs["dispatcherd"] = SDK_FILES
        codes = []
        for name, files in runs.items():
            print(f"as {name}: {len(files)} files", flush=True)
            # The suite's tasks are plain functions, and one of its files leaves it to the service to let them run.
            environment = {**os.environ, "DISPATCHER_SDK": name, "DISPATCHER_TASK_POLICY": "any"}
            apart = not given and name == (chosen or "dispatcher")
            run = functools.partial(subprocess.run, cwd=SUITE, env=environment, check=False)
            codes.append(run([*command, *files, *(["-k", f"not {RACE}"] if apart else [])]).returncode)
            if apart:
                tries = (run([*command, "-n", "0", RACE_FILE, "-k", RACE]).returncode for _ in range(TRIES))
                codes.append(0 if 0 in tries else 1)
        return max(codes)
    finally:
        server.remove()


def with_worker_program(command: list[str], scripts: Path, files: list[str]) -> int:
    """Runs the tests that any worker can pass, with one in Rust."""
    build = ["cargo", "build", "--quiet", "--locked", "-p", "dispatcher", "--example", "conformance"]
    subprocess.run(build, cwd=TOOLS.parent, check=True)
    service = [sys.executable, str(TOOLS / "native_worker.py"), str(WORKER), str(scripts / "dispatcher-standalone")]
    command = [
        *command,
        "--service-cmd",
        shlex.join(service),
        "-k",
        " and ".join(f"not {test}" for test in PYTHON_ONLY),
    ]
    environment = {**os.environ, "DISPATCHER_SDK": "dispatcher", "DISPATCHER_TASK_POLICY": "any"}
    print(f"with a worker program in Rust: {len(files)} files", flush=True)
    return subprocess.run([*command, *files], cwd=SUITE, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
