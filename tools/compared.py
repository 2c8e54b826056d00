"""The two systems that are set beside each other: this service, and the Python project that it stands in for.

Knows where each is installed and how it starts; never what is measured. Where it stands: under `bench/` and `faults/`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PEER = "dispatcherd==2026.5.27"
PEER_NEEDS = ("psycopg[binary]", "PyYAML")


@dataclass(frozen=True)
class System:
    """One of the two: which Python runs its workers and publishers, and how its service starts."""

    name: str
    sdk: str
    python: str
    service: tuple[str, ...]
    path: str
    """What its processes need on PYTHONPATH."""

    def environment(self, modules: Path) -> dict[str, str]:
        """What its processes are given, so that they find the modules of this directory."""
        outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        paths = os.pathsep.join(filter(None, [str(modules), self.path]))
        return {**outside, "PYTHONPATH": paths, "DISPATCHER_PYTHON": self.python}


def ours() -> System:
    """The service of this checkout: DISPATCHER_BINARY, else the one that is installed."""
    from dispatcher._binary import find_binary

    python = os.environ.get("DISPATCHER_PYTHON", sys.executable)
    path = os.environ.get("PYTHONPATH", "")
    return System("dispatcher", "dispatcher", python, (str(find_binary()), "serve"), path)


def peer_python(named: str | None) -> Path:
    """The Python where dispatcherd is, or would be installed by [`peer`]."""
    return Path(named) if named else CHECKOUT / ".run" / "bench-peer" / "bin" / "python"


def peer(named: str | None) -> System:
    """dispatcherd: in the environment of the Python that is named, else in one of our own, made when there is none."""
    python = peer_python(named)
    command = python.parent / "dispatcherd"
    if not named and not command.exists():
        home = python.parent.parent
        print(f"installing {PEER} into {home}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEER, *PEER_NEEDS], check=True, stdout=sys.stderr)
    return System("dispatcherd", "dispatcherd", str(python), (str(command),), "")
