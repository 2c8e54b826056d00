"""What a fork server, or a worker that is started by itself, does once before any task: path, settings,
modules, log.

Raises whatever a preloaded module raises. Where it stands: between the setup packet and the first fork.
"""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any

from dispatcher.config import setup as configure

from .making import worker_class


def prepare(setup: dict[str, Any]) -> None:
    """Carries out a `setup` packet."""
    for entry in reversed(setup.get("sys_path") or []):
        if entry not in sys.path:
            sys.path.insert(0, entry)
    configure(setup["config"])
    for module in setup.get("preload") or []:
        importlib.import_module(module)
    worker_class(setup["worker"])
    if setup["worker"].get("concurrency", "process") != "process":
        # Large, and the same for every worker that is forked.
        importlib.import_module("dispatcher.worker.slots")
    # An application that has set up its log while it was loaded has the last word on it.
    if not logging.getLogger().handlers:
        from .log import start

        start(setup.get("log_level", "INFO"), setup.get("log_format", "text"))
