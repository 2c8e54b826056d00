"""Finds the native program `dispatcher` and gives this process over to it.

Runs nothing beside it. Where it stands: under `run_service`, `python -m dispatcher` and the commands of the wheel.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

NAME = "dispatcher"
VARIABLE = "DISPATCHER_BINARY"


class BinaryNotFound(FileNotFoundError):
    """The native program is nowhere."""


def find_binary() -> Path:
    """The native program: the one that the environment names, the one installed beside this Python, or in the PATH."""
    given = os.environ.get(VARIABLE)
    if given:
        if not _is_native(Path(given)):
            raise BinaryNotFound(
                f"{VARIABLE} is {given}, which is no program; set it to the dispatcher binary, or unset it"
            )
        return Path(given).absolute()
    looked: list[str] = []
    for directory in _directories():
        candidate = directory / NAME
        if _is_native(candidate):
            return candidate
        looked.append(str(directory))
    on_path = shutil.which(NAME)
    if on_path and _is_native(Path(on_path)):
        return Path(on_path).absolute()
    raise BinaryNotFound(
        f"the program {NAME} is not installed (looked in {', '.join(dict.fromkeys(looked))} and the PATH); "
        f"install it with pip install dispatcher-rs, or name it in {VARIABLE}"
    )


def _is_native(path: Path) -> bool:
    """Whether it is a program; a script of that name would only lead back here."""
    if not (path.is_file() and os.access(path, os.X_OK)):
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _directories() -> Iterator[Path]:
    """Where an installer puts programs for this Python."""
    if sys.executable:
        yield Path(sys.executable).parent
    yield Path(sysconfig.get_path("scripts"))
    yield Path(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user")))


def become(argv: list[str], environment: dict[str, str] | None = None) -> NoReturn:
    """Replaces this process by the native program, which then has the same process id."""
    binary = find_binary()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(binary, argv, {**os.environ, "DISPATCHER_PYTHON": sys.executable, **(environment or {})})


def _command(name: str) -> NoReturn:
    try:
        become([name, *sys.argv[1:]])
    except BinaryNotFound as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)


def dispatcher() -> NoReturn:
    """`python -m dispatcher`."""
    _command(NAME)


def dispatcher_standalone() -> NoReturn:
    """The command `dispatcher-standalone`."""
    _command("dispatcher-standalone")


def dispatcherd() -> NoReturn:
    """The command `dispatcherd`."""
    _command("dispatcherd")


def dispatcherctl() -> NoReturn:
    """The command `dispatcherctl`."""
    _command("dispatcherctl")
