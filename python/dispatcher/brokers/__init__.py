"""Ways to deliver messages, by the name that they have in the config.

Imports a broker only when it is asked for, so that psycopg is needed by those only who publish over Postgres. Where it
stands: `factories` and `control` get their brokers here.
"""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType
from typing import Any

from dispatcher.brokers.base import Broker

BROKERS = ("pg_notify", "socket", "memory", "noop")
"""Names that stand for a module of this package; any other has to be the dotted path of a module."""
EXTRAS = {"pg_notify": ("psycopg", "pg")}
"""The library that a broker needs, and the extra of this distribution that brings it."""


def get_broker_module(broker_name: str) -> ModuleType:
    """The module with the class `Broker` of that name."""
    if broker_name in BROKERS:
        module_name = f"{__name__}.{broker_name}"
    elif "." in broker_name:
        module_name = broker_name
    else:
        raise ImportError(
            f"brokers.{broker_name}: there is no such broker; use one of {', '.join(BROKERS)}, "
            "or the dotted path of a module with a class Broker"
        )
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        library, extra = EXTRAS.get(broker_name, ("", ""))
        if library and error.name == library:
            raise ImportError(
                f"brokers.{broker_name} needs {library}, which is not installed: pip install 'dispatcher-rs[{extra}]'"
            ) from error
        raise


def get_broker(broker_name: str, broker_config: dict[str, Any] | None, **overrides: Any) -> Broker:
    """The broker of that name, made with its options from the config and those given here, which win."""
    module = get_broker_module(broker_name)
    options = {**(broker_config or {}), **overrides}
    known = inspect.signature(module.Broker.__init__).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    unknown = [] if takes_any else [name for name in options if name not in known]
    if unknown:
        raise TypeError(
            f"brokers.{broker_name} has no option {', '.join(map(repr, unknown))}; "
            f"it has {', '.join(name for name in known if name != 'self')}"
        )
    broker: Broker = module.Broker(**options)
    return broker
