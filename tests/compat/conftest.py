"""What the tests of the drop-in share: the package from the checkout where it is not installed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent

_found = find_spec("dispatcherd")
if _found is None or _found.origin is None:
    sys.path.insert(0, str(CHECKOUT / "python" / "dispatcherd"))


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """A worker object installs handlers in its process, which is this one."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
