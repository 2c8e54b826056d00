"""Where messages go. `brokers.get_broker(name, options)` builds one by its name in the config: a line a broker."""

from __future__ import annotations

import importlib
from typing import Any

from dispatcher.brokers.base import Broker

_BROKERS = {
    "pg_notify": "dispatcher.brokers.pg_notify",
    "memory": "dispatcher.brokers.memory",
    "noop": "dispatcher.brokers.noop",
}

__all__ = ["Broker", "get_broker"]


def get_broker(name: str, options: dict[str, Any]) -> Broker:
    """The broker of this name; a dotted name is a module with a class `Broker`."""
    module = _BROKERS.get(name, name)
    if "." not in module:
        raise ValueError(f"no broker is called {name!r}; there are: {', '.join(_BROKERS)}, or a dotted module")
    broker: Broker = importlib.import_module(module).Broker(**options)
    return broker
