"""Finds the native service and becomes it.

Everything here ends in `exec`: the service keeps this process's id, and no Python stays in between. Where it stands:
under the installed commands and `run_service`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from typing import NoReturn

BINARY = "dispatcher"
BINARY_VARIABLE = "DISPATCHER_BINARY"
"""Names the binary outright, for those who build it themselves."""


def find_binary() -> str:
    """The path of the native binary. Raises FileNotFoundError that says where it was looked for."""
    looked = []
    for path in _candidates():
        if os.path.isfile(path) and os.access(path, os.X_OK) and _is_native(path):
            return path
        looked.append(path)
    raise FileNotFoundError(
        "the native binary 'dispatcher' was not found; install the wheel of dispatcher-rs into this environment, "
        f"or name the binary in {BINARY_VARIABLE}. Looked for: {', '.join(looked)}"
    )


def _candidates() -> Iterator[str]:
    if named := os.environ.get(BINARY_VARIABLE):
        yield named
    yield os.path.join(os.path.dirname(sys.executable), BINARY)
    yield os.path.join(sysconfig.get_path("scripts"), BINARY)
    if on_path := shutil.which(BINARY):
        yield on_path


def _is_native(path: str) -> bool:
    """A script of that name would only lead back here."""
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def _become(arguments: list[str], environment: dict[str, str] | None = None) -> NoReturn:
    binary = find_binary()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(binary, arguments, {**os.environ, **(environment or {})})


def _command(name: str) -> NoReturn:
    try:
        _become([name, *sys.argv[1:]], {"DISPATCHER_PYTHON": sys.executable})
    except FileNotFoundError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)


def dispatcher() -> NoReturn:
    """The command `python -m dispatcher`."""
    _command("dispatcher")


def dispatcher_standalone() -> NoReturn:
    """The command `dispatcher-standalone`."""
    _command("dispatcher-standalone")


def dispatcherd() -> NoReturn:
    """The command `dispatcherd`."""
    _command("dispatcherd")


def dispatcherctl() -> NoReturn:
    """The command `dispatcherctl`."""
    _command("dispatcherctl")


def run_service() -> NoReturn:
    """Runs the service with the settings of this process, in place of this process.

    The settings go through an inherited descriptor, never through a file, and the workers import the application's
    code from where this process does. Call `dispatcher.config.setup` first.
    """
    from dispatcher.config import settings

    fd = os.memfd_create("dispatcher-config", 0)
    with open(os.dup(fd), "w", encoding="utf-8") as file:
        json.dump(settings.serialize(), file)
    os.lseek(fd, 0, os.SEEK_SET)
    environment = {
        "DISPATCHER_PYTHON": sys.executable,
        "DISPATCHER_SYS_PATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path),
    }
    _become(["dispatcher", "serve", "--config-fd", str(fd)], environment)
